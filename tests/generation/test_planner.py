"""What is said, in what order."""

from components.generation.facts import FactSheet, sheet
from components.generation.planner import Point, promotion, reasons
from components.schema import Edge, Path
from tests.generation.sheets import ROW, recommended, shared, western


def told(sheet_: FactSheet, point: Point) -> tuple[str, list[str], list[str]]:
    return point.kind, [fact.object for fact in point.seen], [fact.object for fact in point.said]


def test_relations_with_one_title_are_told_together() -> None:
    found = western()
    assert told(found, reasons(found, "short")[0]) == ("shared", ["Gran Torino"], ["Clint Eastwood", "Drama"])


def test_titles_with_one_fact_are_told_together() -> None:
    found = western(shared("A", "stars", "Gene Hackman"), shared("B", "stars", "Gene Hackman"))
    assert told(found, reasons(found, "short")[0]) == ("shared", ["A", "B"], ["Gene Hackman"])


def test_personal_evidence_comes_before_what_the_item_has() -> None:
    found = western()
    kinds = [point.kind for point in reasons(found, "long")]
    assert kinds == ["shared", "shared", "has", "has"]
    assert len(reasons(found, "medium")) == 2


def test_what_was_asked_for_comes_first() -> None:
    found = western(slots=["western"])
    assert told(found, reasons(found, "short")[0]) == ("asked", [], ["Western"])


def test_what_was_asked_for_and_the_item_lacks_is_not_claimed() -> None:
    found = western(slots=["Comedy"])
    assert "asked" not in {point.kind for point in reasons(found, "long")}


def test_dates_come_after_other_evidence() -> None:
    found = western(shared("A", "made in", "1992", weight=0.9), shared("B", "stars", "Gene Hackman", weight=0.1))
    assert told(found, reasons(found, "short")[0]) == ("shared", ["B"], ["Gene Hackman"])


def test_without_paths_attention_then_popularity() -> None:
    attended = sheet(recommended(seen=("A", "B")), ROW)
    assert told(attended, reasons(attended, "short")[0]) == ("seen", ["A"], [])
    popular = sheet(recommended(parts={"trend": 1.0}), ROW)
    assert told(popular, reasons(popular, "short")[0]) == ("popular", [], ["others"])
    assert not reasons(sheet(recommended()), "long")


def test_other_paths_are_chains() -> None:
    edges = [
        Edge(edge_id=0, head="Mystic River", relation="directed by", tail="Clint Eastwood"),
        Edge(edge_id=1, head="Unforgiven", relation="stars", tail="Clint Eastwood"),
    ]
    found = sheet(recommended(Path(source="Mystic River", edges=edges, weight=1.0)))
    assert reasons(found, "short")[0].kind == "chain"


def test_promotion_says_what_the_item_has_without_a_person() -> None:
    found = sheet(recommended(), ROW)
    assert {point.kind for point in promotion(found, "long")} == {"has"}
