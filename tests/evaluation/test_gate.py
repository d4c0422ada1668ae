import json

import pytest
import yaml

from components import nodes
from components.errors import ConfigError, DataError
from components.evaluation.criteria import BetterThan, Criterion, Floor, NoLeak
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


@pytest.fixture
def standard():
    return nodes.build(yaml.safe_load((ROOT / "conf" / "gate" / "standard.yaml").read_text()), "gate.criteria")


@pytest.mark.parametrize(("bound", "passed"), [(0.2, True), (0.25, True), (0.26, False)])
def test_floor(bound, passed):
    verdict = Floor(metric="HR@10", bound=bound).judge(METRICS)
    assert (verdict.passed, verdict.value, verdict.low, verdict.high) == (passed, 0.25, 0.23, 0.27)
    assert ("at least" if passed else "below") in verdict.reason


@pytest.mark.parametrize(
    ("baseline", "margin", "passed"),
    [("popularity", 0.0, True), ("popularity", 0.05, False), ("item_knn", 0.0, False), ("item_knn", -0.02, True)],
)
def test_better_than(baseline, margin, passed):
    verdict = BetterThan(baseline=baseline, metric="NDCG@10", margin=margin).judge(METRICS)
    assert verdict.passed is passed
    assert baseline in verdict.reason


def test_no_leak():
    assert NoLeak().judge(METRICS).passed
    leaky = METRICS | {"leaks": {"seen_recommended": 2, "truth_in_training": 1}}
    verdict = NoLeak().judge(leaky)
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
        criterion.judge(metrics)


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "components.evaluation.criteria.Floor", "metric": "HR@10", "bound": "high"},
        {"_target_": "components.evaluation.criteria.Floor", "metric": "HR@10", "bound": 0.1, "limit": 1},
        {"_target_": "components.evaluation.criteria.BetterThan", "metric": "HR@10"},
    ],
)
def test_wrong_keys_and_values_are_refused(node):
    with pytest.raises(ConfigError, match=r"gate\.criteria\.x"):
        nodes.build({"x": node}, "gate.criteria")


def test_the_standard_gate_passes_only_when_all_criteria_do(standard):
    assert all(isinstance(criterion, Criterion) for criterion in standard.values())
    refused = decide(standard, METRICS)
    assert not refused["passed"]
    assert [row["passed"] for row in refused["criteria"]] == [True, True, True, False, True]
    better = METRICS["paired"] | {"item_knn": METRICS["paired"]["popularity"]}
    assert decide(standard, METRICS | {"paired": better})["passed"]


def test_a_gate_without_criteria_is_refused():
    with pytest.raises(ConfigError, match="at least one criterion"):
        decide({}, METRICS)


def test_a_refusal_is_written_and_shown(standard, tmp_path, capsys):
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    main(standard, tmp_path / "metrics.json", tmp_path / "gate.json")
    written = json.loads((tmp_path / "gate.json").read_text())
    assert written["passed"] is False
    assert written["bundle"] == METRICS["bundle"]
    assert set(written["criteria"][0]) == {"name", "value", "bound", "low", "high", "passed", "reason"}
    shown = capsys.readouterr()
    assert "refused" in shown.err
    assert shown.out == ""


def test_missing_metrics_name_the_file(standard, tmp_path):
    with pytest.raises(DataError, match=r"metrics\.json: no such file"):
        main(standard, tmp_path / "metrics.json", tmp_path / "gate.json")
    assert not (tmp_path / "gate.json").exists()
