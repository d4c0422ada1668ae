import polars as pl
import pytest

from components import artifacts
from components.errors import ConfigError
from components.evaluation.criteria.calibration import Calibration
from components.evaluation.criteria.coverage import Coverage, PopularityBias
from components.evaluation.criteria.dialogue import TalkingHelps, WordsObeyed
from components.evaluation.criteria.slices import ColdStart, WorstSlice
from components.evaluation.criteria.telltale import NoTelltale
from components.evaluation.criteria.verdict import Evidence
from components.evaluation.criteria.volume import Volume
from components.schema import ITEMS, table


def sliced(*rows: tuple[str, str, int, float | None], whole: float = 0.3) -> Evidence:
    slices = [{"slice": kind, "value": value, "users": users, "HR@10": share, "NDCG@10": share} for kind, value, users, share in rows]
    return Evidence({"k": 10, "models": {"hybrid": {"HR@10": {"mean": whole, "low": whole, "high": whole}}}, "slices": slices})


@pytest.mark.parametrize(
    ("share", "users", "passed"),
    [(0.25, 1000, True), (0.20, 1000, True), (0.15, 1000, False), (0.15, 120, True), (0.0, 200, False), (0.0, 99, True)],
)
def test_the_worst_slice_is_refused_when_it_is_surely_worse(share, users, passed):
    evidence = sliced(("history", "1-5", 2000, 0.3), ("history", "6-20", users, share), ("item", "tail", 3000, 0.0))
    found = WorstSlice(kinds=["user", "history"], share=0.7, least=100).judge(evidence)
    assert found.passed is passed
    if users >= 100:
        assert found.value == pytest.approx(share / 0.3)
        assert found.low < found.value < found.high
        assert "history 6-20" in found.reason


def test_without_a_slice_of_that_kind_there_is_nothing_to_judge():
    found = WorstSlice(kinds=["user"]).judge(sliced(("history", "1-5", 2000, 0.3)))
    assert (found.passed, found.value, found.reason) == (True, None, "no slice of user has 100 users or more")


@pytest.mark.parametrize(("share", "passed"), [(0.1, True), (0.06, True), (0.01, False)])
def test_cold_users_are_measured_where_there_are_enough(share, passed):
    found = ColdStart(share=0.2, least=100).judge(sliced(("user", "cold", 500, share), ("user", "warm", 2000, 0.3)))
    assert found.passed is passed
    assert "500 cold users" in found.reason


@pytest.mark.parametrize(("bound", "passed"), [(0.2, True), (0.4, False)])
def test_coverage(bound, passed):
    found = Coverage(bound=bound).judge(Evidence({"k": 10, "beyond": {"Coverage@10": 0.3}}))
    assert (found.passed, found.value, found.bound) == (passed, 0.3, bound)


def test_lists_that_are_as_popular_as_popularity_s_are_refused():
    popular, wide = [0.0, 0.99, 1.0, 1.0, 1.0], [0.0, 0.6, 0.8, 0.9, 1.0]
    assert PopularityBias().judge(Evidence({"exposure": {"models": {"hybrid": wide, "popularity": popular}}})).passed
    found = PopularityBias().judge(Evidence({"exposure": {"models": {"hybrid": popular, "popularity": popular}}}))
    assert not found.passed
    assert found.value == pytest.approx(found.bound + 0.005)
    with pytest.raises(ConfigError, match=r"no exposure\.models\.popularity"):
        PopularityBias().judge(Evidence({"exposure": {"models": {"hybrid": wide}}}))


@pytest.mark.parametrize(("score", "passed"), [(0.02, True), (0.028, True), (0.04, False), (0.001, False)])
def test_calibration_is_relative_to_what_was_wanted(score, passed):
    bins = [{"score": score, "wanted": 0.02, "pairs": 100}, {"score": score, "wanted": 0.02, "pairs": 100}]
    found = Calibration(bound=0.5).judge(Evidence({"calibration": {"ECE": abs(score - 0.02), "bins": bins}}))
    assert found.passed is passed
    assert found.value == pytest.approx(abs(score - 0.02) / 0.02)


def test_where_nothing_came_true_no_score_is_calibrated():
    found = Calibration(bound=0.5).judge(Evidence({"calibration": {"ECE": 0.0, "bins": [{"score": 0.0, "wanted": 0.0, "pairs": 9}]}}))
    assert (found.passed, found.value) == (False, None)


@pytest.fixture
def catalogue(tmp_path):
    """Twenty films; each test user u00 … u19 wants the film of the same number."""

    def made(where: str, *, users: int) -> Evidence:
        """Let `where` of the film that each of the first users wants name that user."""
        ids = [f"i{n:02d}" for n in range(20)]
        told = [f"u{n:02d}" if n < users else "x" for n in range(20)]
        rows = {
            "item_id": ids,
            "title": ["12 Monkeys and u19"] * 20,
            "text": [f"Seen by {who}." if where == "text" else "A film." for who in told],
        }
        features = [[{"name": "fan", "value": who if where == "features" else "x"}] for who in told]
        artifacts.write_table(
            tmp_path / "bundle/items.parquet", table(rows | {"attributes": features, "categories": [["Horror"]] * 20}, ITEMS)
        )
        names = ids + (told if where == "graph" else ["x"] * 20)
        artifacts.write_table(tmp_path / "bundle/nodes.parquet", pl.DataFrame({"name": names}))
        ends = {"edge_id": list(range(20)), "head": list(range(20)), "relation": ["of"] * 20, "tail": list(range(20, 40))}
        artifacts.write_table(tmp_path / "bundle/edges.parquet", pl.DataFrame(ends))
        artifacts.write_table(tmp_path / "split/test.parquet", pl.DataFrame({"user_id": [f"u{n:02d}" for n in range(20)], "item_id": ids}))
        return Evidence({}, tmp_path / "bundle", split=tmp_path / "split")

    return made


@pytest.mark.parametrize("where", ["text", "features", "graph"])
def test_a_catalogue_that_names_who_chose_what_is_refused(catalogue, where):
    clean = NoTelltale(where=where).judge(catalogue(where, users=0))
    assert clean.passed, clean.reason
    found = NoTelltale(where=where).judge(catalogue(where, users=2))
    assert (found.passed, found.value) == (False, pytest.approx(0.1))
    assert f"the {where} of" in found.reason
    others = [NoTelltale(where=other).judge(catalogue(where, users=2)).passed for other in ("text", "features", "graph") if other != where]
    assert others == [True, True]


@pytest.mark.parametrize(("now", "passed", "said"), [(950, True, 0.95), (800, False, 0.8), (2900, True, 2.9), (3100, False, 3.1)])
def test_volume_beside_the_champion(tmp_path, now, passed, said):
    artifacts.write_json(tmp_path / "metrics.json", {"data": {"interactions": 1000, "items": 50, "test_users": 10}})
    found = Volume(least=0.9, most=3.0).judge(Evidence({"data": {"interactions": now, "items": 50, "test_users": 10}}, champion=tmp_path))
    assert (found.passed, found.value) == (passed, said)
    assert f"interactions 1000 → {now}" in found.reason
    assert Volume().judge(Evidence({"data": {}})).reason == "there is no champion yet"


def talked(value: float, users: int, wrong: int = 0) -> Evidence:
    helped = {"mean": value, "low": max(value - 0.2, 0), "high": min(value + 0.2, 1), "users": users}
    success = {"mean": 0.8, "low": 0.7, "high": 0.9}
    found = {"users": 40, "turns": 5, "k": 5, "success": success, "helped": helped, "violations": wrong, "shown": 400}
    return Evidence({"dialogue": found})


@pytest.mark.parametrize(("value", "users", "passed"), [(0.9, 20, True), (0.4, 20, True), (0.2, 20, False), (0.0, 9, True)])
def test_a_dialogue_that_surely_does_not_help_is_refused(value, users, passed):
    found = TalkingHelps(bound=0.5, least=10).judge(talked(value, users))
    assert found.passed is passed
    assert "80% of 40 users find their item in 5 turns" in found.reason
    assert (found.value is None) == (users < 10)


def test_one_condition_broken_is_one_too_many():
    assert WordsObeyed().judge(talked(0.9, 20)).passed
    found = WordsObeyed().judge(talked(0.9, 20, wrong=1))
    assert (found.passed, found.value, found.reason) == (False, 1 / 400, "1 of 400 items shown break a condition")
    with pytest.raises(ConfigError, match="no dialogue"):
        WordsObeyed().judge(Evidence({}))
