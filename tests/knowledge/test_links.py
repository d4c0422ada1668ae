"""Which entities of external triples are which items."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.knowledge.graph import Graph
from components.knowledge.names import called, compared, spelled
from components.schema import ITEMS, LINKS, TRIPLES, table

KEYS = ["id", "exact", "fuzzy", "ambiguous", "unmatched", "unknown_items", "dangling"]


def build(titles, heads, links=(), tails=(), **changes):
    """Items i0, i1, … with titles, and one fact about each head and each tail."""
    items = table({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles}, ITEMS)
    facts = [(name, "by", f"x{n}") for n, name in enumerate(heads)] + [(f"y{n}", "about", name) for n, name in enumerate(tails)]
    triples = table(pl.DataFrame(facts, schema=["head", "relation", "tail"], orient="row"), TRIPLES)
    given = table(pl.DataFrame(list(links), schema=["item_id", "entity"], orient="row"), LINKS)
    return Graph(columns=[], **changes).build(items, triples, given)


def linked(built):
    """Which items got the facts about which heads: item id to x0, x1, …."""
    names, ids = built.nodes["name"], built.nodes["item_id"]
    return sorted((ids[head], names[tail]) for _, head, _, tail in built.edges.iter_rows() if head < built.items)


def counts(built):
    return [built.report["links"][key] for key in KEYS]


def test_by_id_then_by_name_then_by_near_name():
    built = build(
        ["Heat", "The Godfather", "Amélie", "Alien", "No such film"],
        ["m1", "THE GODFATHER", "Am\u00e9li", "Alyen vs"],
        [("i0", "m1"), ("i3", "m9"), ("zz", "m1")],
        fuzzy=85,
    )
    assert linked(built) == [("i0", "x0"), ("i1", "x1"), ("i2", "x2")]
    assert counts(built) == [1, 1, 1, 0, 2, 1, 1]
    examples = built.report["links"]["examples"]
    assert examples["id"] == [{"item_id": "i0", "title": "Heat", "name": "m1"}]
    assert examples["exact"] == [{"item_id": "i1", "title": "The Godfather", "name": "THE GODFATHER", "score": 100.0}]
    assert examples["fuzzy"] == [{"item_id": "i2", "title": "Amélie", "name": "Améli", "score": 90.9}]
    assert [row["item_id"] for row in examples["unmatched"]] == ["i3", "i4"]
    assert examples["unknown_items"] == [{"item_id": "zz", "name": "m1"}]
    assert examples["dangling"] == [{"item_id": "i3", "title": "Alien", "name": "m9"}]


@pytest.mark.parametrize("name", ["Glade Runner", "Balde Runner", "Blade Runnet", "BladeRunner", "Blade Runner!"])
def test_near_names(name):
    assert counts(build(["Blade Runner"], [name], fuzzy=90))[2] == 1


def test_at_most_five_examples_are_shown():
    built = build([f"Film {chr(97 + n)}" for n in range(9)], [f"film {chr(97 + n)}" for n in range(9)])
    assert built.report["links"]["exact"] == 9
    assert len(built.report["links"]["examples"]["exact"]) == 5


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Matrix, The", "The Matrix"),
        ("\uff28eat", "heat"),
        (" He\u200bat ", "HEAT"),
        ("Ame\u0301lie", "AM\u00c9LIE"),
        ("Straße", "strasse"),
    ],
)
def test_names_that_are_the_same(title, name):
    assert counts(build([title], [name], fuzzy=None))[1] == 1


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("The Rocky Horror II", "The Rocky Horror III"), ("Toy Story Number 2", "Toy Story Number 3"),
        ("Saw", "Sam"), ("12345678", "12345679"),
        ("Blade Runner", "Glade Runned"),
    ],
)  # fmt: skip
def test_near_names_that_are_not_the_same(title, name):
    assert counts(build([title], [name], fuzzy=75)) == [0, 0, 0, 0, 1, 0, 0]


def test_a_name_without_a_letter_is_nothing_to_go_by():
    assert counts(build(["1984", "300"], ["1984", "300"])) == [0, 0, 0, 0, 2, 0, 0]


def test_the_threshold_decides():
    assert [counts(build(["The Godfather"], ["The Godfathers"], fuzzy=fuzzy))[2] for fuzzy in (96, 97, None)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("titles", "heads", "pairs"),
    [
        (["Heat", "Heat"], ["heat"], 2),
        (["King Kong", "King Kongs"], ["King Kongz"], 2),
        (["King Kong"], ["King Kongz", "King Kongs"], 2),
    ],
)
def test_what_is_ambiguous_links_nothing(titles, heads, pairs):
    built = build(titles, heads, fuzzy=85)
    assert linked(built) == []
    assert built.report["links"]["ambiguous"] == pairs
    assert len(built.report["links"]["examples"]["ambiguous"]) == pairs


def test_an_entity_of_two_items_is_the_first():
    built = build(["Heat", "Heat"], ["m1"], [("i1", "m1"), ("i0", "m1")])
    assert linked(built) == [("i0", "x0")]
    assert counts(built) == [1, 0, 0, 1, 1, 0, 0]


def test_a_thing_that_something_is_about_is_no_film():
    assert linked(build(["Heat"], [], tails=["heat"])) == []
    declared = [{"relation": "about", "head": "person", "tail": "item"}]
    assert counts(build(["Heat"], [], tails=["heat"], relations=declared))[1] == 1
    keyword = [{"relation": "about", "tail": "keyword"}]
    mixed = build(["Heat"], ["Heat"], tails=["heat"], relations=[*keyword, {"relation": "by"}])
    assert mixed.report["links"]["exact"] == 1
    assert mixed.report["nodes"]["keyword"] == 1


@given(st.text(max_size=12))
def test_comparing_twice_changes_nothing_and_forms_meet(text):
    frame = pl.DataFrame({"name": [text]}).select(once=compared(spelled(pl.col("name"))))
    again = frame.select(twice=compared(spelled(pl.col("once"))))
    assert again["twice"][0] == frame["once"][0]
    assert pl.select(called(pl.lit(text))).item() is not None
