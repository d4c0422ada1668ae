"""The sheet has what is known, each once, and nothing private."""

import pytest

from components.generation.facts import Fact, FactSheet, sheet
from components.schema import Edge, Path
from tests.generation.sheets import PATHS, ROW, recommended, shared, western


def triples(found: FactSheet) -> set[tuple[str, str, str]]:
    return {(fact.subject, fact.relation, fact.object) for fact in found.facts}


def test_facts_of_paths_rows_history_dialogue_and_events() -> None:
    found = western(slots=["Western"])
    assert ("you", "seen", "Gran Torino") in triples(found)
    assert ("Gran Torino", "directed by", "Clint Eastwood") in triples(found)
    assert ("Unforgiven", "has genre", "Western") in triples(found)
    assert ("Unforgiven", "made in the year", "1992") in triples(found)
    assert ("you", "asked for", "Western") in triples(found)
    assert ("Unforgiven", "popular", "others") in triples(found)
    assert len(triples(found)) == len(found.facts)
    assert [fact.fact_id for fact in found.facts] == [f"f{n}" for n in range(1, len(found.facts) + 1)]


def test_chains_are_in_the_order_of_the_paths() -> None:
    found = western()
    assert [found.fact(chain.edges[0]).object for chain in found.chains] == ["Clint Eastwood", "Drama", "Gene Hackman"]


def test_unknown_attributes_and_nameless_entities_are_not_on_it() -> None:
    odd = shared("Gran Torino", "music.artist.origin", "3846")
    found = sheet(recommended(odd, PATHS[0]), ROW)
    assert "secret" not in {fact.object for fact in found.facts}
    assert "3846" not in {fact.object for fact in found.facts}
    assert len(found.chains) == 1


@pytest.mark.parametrize("private", ["directed by", "director", "Clint Eastwood", "Gran Torino"])
def test_private_facts_are_not_on_it(private: str) -> None:
    found = western(private=[private])
    told = {part for fact in found.facts for part in (fact.relation, fact.object)}
    assert private not in told
    assert all("Clint Eastwood" not in (found.fact(edge).object) for chain in found.chains for edge in chain.edges) or private == "director"


def test_a_sheet_refuses_a_private_fact() -> None:
    with pytest.raises(ValueError, match="f1 are private"):
        FactSheet("i1", "Dune", (Fact("f1", "Dune", "stars", "X", "graph", may_be_shown=False),), (), 0)


def test_the_user_is_not_on_it_but_chooses_the_wording() -> None:
    first, then, other = western(user="u-secret-1"), western(user="u-secret-1"), western(user="u-secret-2")
    assert first == then
    assert first.variation != other.variation
    assert "secret" not in repr(first)


def test_a_relation_s_label_from_outside_is_not_shown() -> None:
    found = sheet(recommended(shared("Gran Torino", "print PWNED", "Someone")))
    assert "linked to" in {fact.relation for fact in found.facts}
    assert "PWNED" not in repr(found)


def test_a_path_that_does_not_end_at_the_item_is_left_out() -> None:
    stray = Path(source="A", edges=[Edge(edge_id=0, head="A", relation="stars", tail="B")], weight=1.0)
    assert not sheet(recommended(stray)).chains


def test_nothing_known() -> None:
    found = sheet(recommended(title="\u200b"))
    assert found.title == "i1"
    assert not found.facts
