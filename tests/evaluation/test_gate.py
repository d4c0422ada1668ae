import json
from pathlib import Path

import pytest

from components import configure, nodes
from components.errors import ConfigError, DataError
from components.evaluation.criteria.better import BetterThan
from components.evaluation.criteria.floor import Floor
from components.evaluation.criteria.leak import NoLeak
from components.evaluation.criteria.verdict import Criterion, Evidence
from components.evaluation.gate import decide, main
from tests.evaluation.conftest import ROOT

METRICS = {
    "bundle": "0123456789abcdef",
    "models": {"hybrid": {"HR@10": {"mean": 0.25, "low": 0.23, "high": 0.27}}},
    "paired": {
        "popularity": {"NDCG@10": {"difference": 0.06, "low": 0.05, "high": 0.07}},
        "recent": {"NDCG@10": {"difference": 0.06, "low": 0.05, "high": 0.07}},
        "item_knn": {"NDCG@10": {"difference": 0.01, "low": -0.01, "high": 0.03}},
    },
    "leaks": {"seen_recommended": 0, "truth_in_training": 0},
}


FIGURES = ("floor", "beats_popularity", "beats_recent", "beats_item_knn", "leaks")  # those that need no bundle


@pytest.fixture(scope="module")
def standard():
    return nodes.build(configure.compose(ROOT / "conf")["gate"]["criteria"], "gate.criteria")


@pytest.fixture(scope="module")
def figures(standard):
    return {name: standard[name] for name in FIGURES}


@pytest.mark.parametrize(("bound", "passed"), [(0.2, True), (0.25, True), (0.26, False)])
def test_floor(bound, passed):
    verdict = Floor(metric="HR@10", bound=bound).judge(Evidence(METRICS))
    assert (verdict.passed, verdict.value, verdict.low, verdict.high) == (passed, 0.25, 0.23, 0.27)
    assert ("at least" if passed else "below") in verdict.reason


@pytest.mark.parametrize(
    ("baseline", "margin", "passed"),
    [("popularity", 0.0, True), ("popularity", 0.05, False), ("item_knn", 0.0, False), ("item_knn", -0.02, True)],
)
def test_better_than(baseline, margin, passed):
    verdict = BetterThan(baseline=baseline, metric="NDCG@10", margin=margin).judge(Evidence(METRICS))
    assert verdict.passed is passed
    assert baseline in verdict.reason


def test_no_leak():
    assert NoLeak().judge(Evidence(METRICS)).passed
    leaky = METRICS | {"leaks": {"seen_recommended": 2, "truth_in_training": 1}}
    verdict = NoLeak().judge(Evidence(leaky))
    assert not verdict.passed
    assert verdict.value == 3.0
    assert verdict.reason == "1 test pairs in training, 2 seen items recommended"


@pytest.mark.parametrize(
    ("criterion", "metrics", "message"),
    [
        (Floor(metric="HR@7", bound=0.1), METRICS, r"no models\.hybrid\.HR@7.*there is: HR@10"),
        (BetterThan(baseline="ease", metric="NDCG@10"), METRICS, r"no paired\.ease.*item_knn, popularity, recent"),
        (BetterThan(baseline="popularity", metric="MAP@3"), METRICS, r"no paired\.popularity\.MAP@3"),
        (NoLeak(), {}, "no leaks"),
        (Floor(metric="HR@10", bound=0.1), {"models": 3}, r"no models\.hybrid"),
    ],
)
def test_a_missing_metric_is_named(criterion, metrics, message):
    with pytest.raises(ConfigError, match=message):
        criterion.judge(Evidence(metrics))


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "components.evaluation.criteria.floor.Floor", "metric": "HR@10", "bound": "high"},
        {"_target_": "components.evaluation.criteria.floor.Floor", "metric": "HR@10", "bound": 0.1, "limit": 1},
        {"_target_": "components.evaluation.criteria.better.BetterThan", "metric": "HR@10"},
    ],
)
def test_wrong_keys_and_values_are_refused(node):
    with pytest.raises(ConfigError, match=r"gate\.criteria\.x"):
        nodes.build({"x": node}, "gate.criteria")


def test_a_gate_passes_only_when_all_criteria_do(standard, figures):
    assert all(isinstance(criterion, Criterion) for criterion in standard.values())
    refused = decide(figures, Evidence(METRICS))
    assert not refused["passed"]
    assert [row["passed"] for row in refused["criteria"]] == [True, True, True, False, True]
    better = METRICS["paired"] | {"item_knn": METRICS["paired"]["popularity"]}
    assert decide(figures, Evidence(METRICS | {"paired": better}))["passed"]


def test_each_criterion_of_the_standard_gate_has_a_yaml_of_its_own(standard):
    names = {path.stem for path in (ROOT / "conf" / "gate").glob("*.yaml")} - {"standard"}
    assert names == set(standard)
    for name in ("floor", "behaviour"):
        assert list(configure.compose(ROOT / "conf", [f"gate={name}"])["gate"]["criteria"]) == [name]


def test_a_gate_without_criteria_is_refused():
    with pytest.raises(ConfigError, match="at least one criterion"):
        decide({}, Evidence(METRICS))


def judge(criteria: dict[str, Criterion], folder: Path) -> None:
    none = folder / "none"
    main(
        criteria=criteria,
        bundle=none,
        tables=none,
        split=none,
        metrics=folder / "metrics.json",
        recommendations=none,
        out=folder / "gate.json",
    )


def test_a_refusal_is_written_and_shown(figures, tmp_path, capsys):
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    judge(figures, tmp_path)
    written = json.loads((tmp_path / "gate.json").read_text())
    assert written["passed"] is False
    assert written["bundle"] == METRICS["bundle"]
    assert set(written["criteria"][0]) == {"name", "value", "bound", "low", "high", "passed", "reason"}
    shown = capsys.readouterr()
    assert "refused" in shown.err
    assert shown.out == ""


def test_missing_metrics_name_the_file(figures, tmp_path):
    with pytest.raises(DataError, match=r"metrics\.json: no such file"):
        judge(figures, tmp_path)
    assert not (tmp_path / "gate.json").exists()
