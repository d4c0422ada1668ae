import json

import pytest

from components.errors import DataError
from flows import champions, report, runs, trying
from serving.store import Store

PAGE = "<html><body><h1>Evaluation</h1>\n<h2>Data</h2></body></html>"


def judged(project, bundle: str, *, passed: bool, ndcg: float) -> None:
    rows = [{"name": "floor <b>", "value": ndcg, "bound": 0.1, "low": 0.0, "high": 1.0, "passed": passed, "reason": "as it is"}]
    project.write("reports/gate.json", json.dumps({"passed": passed, "bundle": bundle, "criteria": rows}))
    models = {"hybrid": {"NDCG@10": {"mean": ndcg, "low": ndcg - 0.01, "high": ndcg + 0.01}}}
    project.write("reports/metrics.json", json.dumps({"bundle": bundle, "models": models, "data": {"interactions": 7}}))
    project.write("reports/report.html", PAGE)


def test_the_page_of_a_run_has_verdicts_the_champion_s_figures_and_the_trend(inside):
    judged(inside, "b1", passed=True, ndcg=0.2)
    (inside.root / "champions" / "b1").mkdir(parents=True)
    (inside.root / "champions/b1/metrics.json").write_text((inside.root / "reports/metrics.json").read_text())
    pointer = {
        "bundle": "b1",
        "folder": "b1/bundle",
        "since": "2026-01-01T00:00:00+00:00",
        "previous": None,
        "number": 1,
        "how": "promoted",
    }
    inside.write("champions/champion.json", json.dumps(pointer))
    runs.note(True, True, [], 3.0)
    first = runs.write().read_text()
    assert "Gate: passed" in first
    assert "floor &lt;b&gt;" in first, "what a name says is no markup"
    assert "Beside champion" not in first, "it is the champion, and followed none"
    judged(inside, "b2", passed=False, ndcg=0.1234)
    runs.note(False, False, ["floor"], 4.0)
    page = runs.write().read_text()
    assert page.index("Gate: refused") < page.index("Beside champion b1") < page.index("Trend over runs") < page.index("<h2>Data")
    assert "0.1234" in page
    assert "0.2000" in page
    assert "<svg" in page
    assert [(row["bundle"], row["promoted"], row["refused"]) for row in runs.before()] == [("b1", True, []), ("b2", False, ["floor"])]


def test_a_verdict_on_another_bundle_is_not_shown(inside):
    judged(inside, "b1", passed=True, ndcg=0.2)
    inside.write("reports/promotion.json", json.dumps({"passed": True, "bundle": "b0", "criteria": []}))
    assert "Promotion" not in runs.section()
    assert champions.current() is None


def test_what_an_experiment_earned_is_on_the_page(inside):
    judged(inside, "b1", passed=True, ndcg=0.2)
    assert "Experiment" not in runs.section()
    ways = {way: {"value": 0.1234, "low": 0.1, "high": 0.2} for way in ("ips", "snips", "dr")}
    found = {"shown": 50, "users": 9, "taken": 3, "policies": {"champion": ways, "new <i>items": ways}}
    inside.write("reports/experiment.json", json.dumps(found))
    page = runs.section()
    assert page.count("0.1234 [0.1000, 0.2000]") == 6
    assert "new &lt;i&gt;items" in page
    assert "50 items shown to 9 users, 3 taken" in page


def test_an_experiment_under_way_is_judged_or_what_stands_in_the_way_is_told(inside, monkeypatch):
    told: list[str] = []
    trying.follow(told.append)
    assert told == [], "nothing is tried"
    inside.write("champions/experiment.yaml", "slots: 0.01\n")
    url = f"sqlite:///{inside.root}/log.sqlite"
    monkeypatch.setenv("ZHIJIAN_FEEDBACK", url)
    store = Store.open(url)
    store.prepare()
    store.close()
    trying.follow(told.append)
    assert "nothing was shown in an experiment" in told[-1]
    assert not report.EXPERIMENT.exists()
    inside.write("torn.sqlite", "torn" * 100)
    monkeypatch.setenv("ZHIJIAN_FEEDBACK", f"sqlite:///{inside.root}/torn.sqlite")
    trying.follow(told.append)
    assert "the feedback store can't be used" in told[-1]


def test_without_a_report_there_is_no_page_and_a_torn_one_is_named(inside):
    report.PAGE.unlink(missing_ok=True)
    assert runs.write() is None
    judged(inside, "b1", passed=True, ndcg=0.2)
    inside.write("reports/report.html", "torn")
    with pytest.raises(DataError, match="not a report"):
        runs.write()
    inside.write("reports/runs.json", "{}")
    with pytest.raises(DataError, match="not a list of runs"):
        runs.before()
