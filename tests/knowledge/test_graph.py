import polars as pl
import pytest
from pydantic import ValidationError

from components import nodes
from components.errors import ConfigError
from components.knowledge.graph import Column, Graph
from components.schema import ITEMS, LINKS, TRIPLES, table

COLUMNS = [
    {"column": "categories", "relation": "has genre", "kind": "genre"},
    {"column": "director", "relation": "directed by", "kind": "person"},
    {"column": "actor", "relation": "stars", "kind": "person"},
    {"column": "year", "relation": "released in", "kind": "decade", "transform": "decade"},
    {"column": "brand", "relation": "made by", "kind": "brand"},
]


def pairs(**values):
    return [{"name": name, "value": value} for name, found in values.items() for value in found]


def catalogue():
    rows = {
        "item_id": ["b", "a", "c"],
        "title": ["Beta", "Alpha", None],
        "categories": [["Drama", " Drama "], ["Drama", "Horror", ""], None],
        "attributes": [
            pairs(director=["Ana"], actor=["Ana", "Am\u00e9lie"], year=["1994"]),
            pairs(actor=["Ame\u0301lie"], year=["199x"]),
            [],
        ],
    }
    return table(pl.DataFrame(rows), ITEMS)


def graph(**changes):
    return Graph(**({"columns": COLUMNS} | changes))


def triples(*rows):
    return table(pl.DataFrame(list(rows), schema=["head", "relation", "tail"], orient="row"), TRIPLES)


def links(*rows):
    return table(pl.DataFrame(list(rows), schema=["item_id", "entity"], orient="row"), LINKS)


def read(built):
    names = built.nodes["name"]
    return [(names[head], relation, names[tail]) for _, head, relation, tail in built.edges.iter_rows()]


def test_catalogue_columns_become_edges():
    built = graph().build(catalogue(), None, None)
    assert built.nodes["item_id"].to_list()[:3] == ["a", "b", "c"]
    assert built.nodes["node"].to_list() == list(range(len(built.nodes)))
    entities = built.nodes[3:].select("kind", "name").rows()
    assert entities == sorted(entities)
    assert read(built) == [
        ("Alpha", "has genre", "Drama"),
        ("Alpha", "has genre", "Horror"),
        ("Alpha", "stars", "Am\u00e9lie"),
        ("Beta", "directed by", "Ana"),
        ("Beta", "has genre", "Drama"),
        ("Beta", "released in", "1990s"),
        ("Beta", "stars", "Am\u00e9lie"),
        ("Beta", "stars", "Ana"),
    ]


def test_report_counts_what_was_left_out():
    report = graph().build(catalogue(), None, None).report
    assert report["absent_columns"] == ["brand"]
    assert report["unreadable_values"] == 1
    assert report["duplicates"] == 1
    assert report["items_with_edges"] == 2
    assert report["items_without_edges"] == 1
    assert report["nodes"] == {"decade": 1, "genre": 2, "item": 3, "person": 2}
    assert sum(report["edges"].values()) == 8


def test_row_order_does_not_matter():
    one, two = graph().build(catalogue(), None, None), graph().build(catalogue().reverse(), None, None)
    assert one.nodes.equals(two.nodes)
    assert one.edges.equals(two.edges)


def test_one_name_of_two_kinds_is_two_entities():
    columns = [{"column": "categories", "relation": "r", "kind": kind} for kind in ("genre", "mood")]
    assert graph(columns=columns).build(catalogue(), None, None).report["nodes"] == {"genre": 2, "item": 3, "mood": 2}


@pytest.mark.parametrize(
    ("value", "name"), [("7", "0.0 to 10.0"), ("-3", "-10.0 to 0.0"), ("inf", None), ("1e300", None), ("x", None), ("", None)]
)
def test_bins(value, name):
    items = table({"item_id": ["a"], "attributes": [pairs(price=[value])]}, ITEMS)
    built = graph(columns=[{"column": "price", "relation": "costs", "kind": "price", "transform": "bin"}]).build(items, None, None)
    assert built.nodes["name"].to_list()[1:] == ([name] if name else [])
    assert built.report["unreadable_values"] == (1 if value and not name else 0)


def test_external_triples_are_joined_through_links():
    outside = triples(
        ("m1", "written by", "w1"), ("m1", "written by", "w1"), ("w1", "born in", "Rome"), ("Rome", "part of", "Italy"),
        ("m2", "sequel of", "m1"), ("m1", "is", "m1"), ("x", "knows", "y"), ("Rome\u0301", "r", "m1"), ("Rom\u00e9", "r", "m1"),
    )  # fmt: skip
    joined = links(("a", "m1"), ("b", "m1"), ("b", "m2"), ("zzz", "m1"), ("c", "nowhere"))
    built = graph(columns=[]).build(catalogue(), outside, joined)
    assert read(built) == [
        ("Alpha", "written by", "w1"), ("Beta", "sequel of", "Alpha"), ("Rom\u00e9", "r", "Alpha"), ("w1", "born in", "Rome")
    ]  # fmt: skip
    report = built.report
    assert report["links"] == {"matched": 2, "ambiguous": 1, "unmatched": 1, "unknown_items": 1}
    assert (report["triples"], report["triples_kept"], report["triples_far"]) == (9, 7, 2)
    assert (report["self_loops"], report["duplicates"]) == (1, 2)


def test_hops_and_the_limit_keep_the_nearest():
    outside = triples(("Rome", "part of", "Italy"), ("w1", "born in", "Rome"), ("m1", "written by", "w1"))
    joined = links(("a", "m1"))
    near = graph(columns=[], hops=1).build(catalogue(), outside, joined)
    few = graph(columns=[], hops=3, most=2).build(catalogue(), outside, joined)
    assert read(near) == [("Alpha", "written by", "w1")]
    assert read(few) == [("Alpha", "written by", "w1"), ("w1", "born in", "Rome")]
    assert few.report["triples_over_limit"] == 1


def test_without_links_an_item_id_is_the_item():
    built = graph(columns=[]).build(catalogue(), triples(("a", "like", "b"), ("other", "like", "other2")), None)
    assert read(built) == [("Alpha", "like", "Beta")]


@pytest.mark.parametrize("items", [catalogue(), table({"item_id": []}, ITEMS)])
def test_empty_graph(items):
    built = graph(columns=[]).build(items, None, None)
    assert len(built.nodes) == built.items == len(items)
    assert built.edges.is_empty()
    assert built.edges.columns == ["edge_id", "head", "relation", "tail"]
    assert [len(part) for part in built.pairs()] == [0, 0]


def test_empty_external_tables():
    built = graph().build(catalogue(), triples(), links())
    assert len(built.edges) == 8
    assert built.report["links"] == {"matched": 0, "ambiguous": 0, "unmatched": 0, "unknown_items": 0}


def test_unknown_key_is_refused_by_name():
    with pytest.raises(ValidationError, match="relatoin"):
        Graph(columns=[Column(column="a", relatoin="b", kind="c")])
    with pytest.raises(ConfigError, match=r"graph\.columns\.0\.transform"):
        nodes.build({"_target_": "components.knowledge.graph.Graph", "columns": [COLUMNS[0] | {"transform": "century"}]}, "graph")
