import polars as pl
import pytest
from pydantic import ValidationError

from components import nodes
from components.errors import ConfigError
from components.knowledge.channels import Channels, Limits
from components.knowledge.graph import Column, Graph
from components.knowledge.names import readable
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


@pytest.mark.parametrize(("value", "name"), [("7", "0 to 10"), ("-3", "-10 to 0"), ("inf", None), ("1e300", None), ("x", None), ("", None)])
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
    counts = {name: value for name, value in report["links"].items() if name != "examples"}
    assert counts == {"id": 2, "exact": 0, "fuzzy": 0, "ambiguous": 1, "unmatched": 1, "unknown_items": 1, "dangling": 1}
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
    assert (built.report["links"]["id"], built.report["links"]["unmatched"]) == (0, 3)


def test_bins_of_a_broken_step_have_short_names():
    items = table({"item_id": ["a"], "attributes": [pairs(price=["0.35"])]}, ITEMS)
    built = graph(columns=[COLUMNS[0] | {"column": "price", "transform": "bin", "step": 0.1}]).build(items, None, None)
    assert built.nodes["name"].to_list()[1:] == ["0.3 to 0.4"]


@pytest.mark.parametrize("year", ["1994", "1994.0", " 1994 ", "1994-07-31", "1994-07"])
def test_decades_of_numbers_and_dates(year):
    items = table({"item_id": ["a"], "attributes": [pairs(year=[year])]}, ITEMS)
    assert graph().build(items, None, None).nodes["name"].to_list()[1:] == ["1990s"]


def test_lists_are_split():
    items = table({"item_id": ["a"], "attributes": [pairs(tag=["space | Robots||robots"])]}, ITEMS)
    built = graph(columns=[{"column": "tag", "relation": "tagged", "kind": "tag", "separator": "|"}]).build(items, None, None)
    assert built.nodes["name"].to_list()[1:] == ["Robots", "space"]


def test_twins_meet_and_are_read_as_most_often_spelled():
    tags = [
        "Sci\u00adFi",
        "scifi",
        "\uff33\uff43\uff49\uff26\uff49",
        "SCIFI",
        "scifi",
        "Am\u00e9lie",
        "AME\u0301LIE",
        "stra\u00dfe",
        "STRASSE",
    ]
    items = table({"item_id": [str(i) for i in range(9)], "categories": [[tag] for tag in tags]}, ITEMS)
    built = graph().build(items, None, None)
    assert built.nodes["name"].to_list()[9:] == ["AM\u00c9LIE", "STRASSE", "scifi"]
    assert built.report["twins"]["count"] == 3
    assert built.report["twins"]["examples"][1] == ["scifi", "SCIFI", "SciFi", "\uff33\uff43\uff49\uff26\uff49"]


def test_values_may_be_items_and_dangling_ones_are_counted():
    rows = {"item_id": ["a", "b"], "title": ["Alpha", "Beta"], "attributes": [pairs(also=["b", "a", "gone", "gone2"]), []]}
    column = {"column": "also", "relation": "bought with", "kind": "item"}
    built = graph(columns=[column]).build(table(rows, ITEMS), None, None)
    assert read(built) == [("Alpha", "bought with", "Beta")]
    assert built.report["dangling_items"] == {"count": 2, "examples": ["gone", "gone2"]}
    assert built.report["self_loops"] == 1


def test_items_of_one_title_stay_apart():
    items = table({"item_id": ["a", "b"], "title": ["Heat", "Heat"], "categories": [["Heat"], ["Heat"]]}, ITEMS)
    built = graph().build(items, None, None)
    assert built.nodes.select("kind", "item_id").rows() == [("item", "a"), ("item", "b"), ("genre", None)]
    assert len(built.edges) == 2


def test_declared_relations_join_the_catalogue_s_own_entities():
    outside = triples(("f1", "film.directed_by", "ANA"), ("Ana", "director.film", "f1"), ("ana", "born in", "Rome"))
    relations = [
        {"relation": "film.directed_by", "name": "directed by", "tail": "person"},
        {"relation": "director.film", "name": "directed by", "tail": "person", "inverse": True},
    ]
    built = graph(columns=COLUMNS[1:2], relations=relations).build(catalogue(), outside, links(("c", "f1")))
    assert read(built) == [("Beta", "directed by", "Ana"), ("c", "directed by", "Ana"), ("Ana", "born in", "Rome")]  # ANA and ana once each
    assert built.report["nodes"] == {"entity": 1, "item": 3, "person": 1}
    assert built.report["duplicates"] == 1


def test_labels_are_read_and_two_entities_of_one_name_stay_apart():
    outside = triples(
        ("m1", "by", "p1"), ("m1", "by", "p2"), ("m1", "by", "p3"), ("p1", "name", "John Smith"), ("p2", "name", "John  Smith"),
        ("p3", "name", "Ana"), ("p9", "name", "nobody"),
    )  # fmt: skip
    relations = [{"relation": "by", "name": "directed by", "tail": "person"}]
    built = graph(columns=COLUMNS[1:2], relations=relations, labels=["name"]).build(catalogue(), outside, links(("a", "m1")))
    assert sorted(read(built)) == [
        ("Alpha", "directed by", "Ana"), ("Alpha", "directed by", "John Smith"), ("Alpha", "directed by", "John Smith"),
        ("Beta", "directed by", "Ana"),
    ]  # fmt: skip
    assert built.report["nodes"] == {"item": 3, "person": 3}
    assert built.report["labels"] == {"count": 3, "shared": 2, "examples": ["John Smith"]}


def test_blank_triples_are_counted_with_their_rows():
    outside = pl.DataFrame({"row": [4, 5, 6], "head": ["a", " \u200b", None], "relation": ["r", "r", "r"], "tail": ["b", "a", "a"]})
    built = graph(columns=[]).build(catalogue(), table(outside, TRIPLES), None)
    assert read(built) == [("Alpha", "r", "Beta")]
    assert built.report["triples_blank"] == {"count": 2, "rows": [5, 6]}


def test_friends_are_ties_and_no_edges():
    outside = triples(
        ("u2", "friend", "u1"), ("u1", "friend", "u2"), ("u1", "friend", "u1"), ("u3", "friend", "zzz"), ("u2", "friend", "u3")
    )
    built = graph(columns=[], people=["friend"]).build(catalogue(), outside, None, ["u1", "u2", "u3"])
    assert built.ties.tolist() == [[0, 1], [1, 2]]
    assert built.edges.is_empty()
    assert built.report["ties"] == {"kept": 2, "unknown_users": 1}


def test_a_cycle_and_a_hub():
    spokes = [(f"x{i:05}", "in", "hub") for i in range(20_000)]
    outside = triples(("a", "r", "hub"), ("hub", "r", "x00000"), ("x00000", "r", "a"), *spokes)
    built = graph(columns=[], most=10_000).build(catalogue(), outside, None)
    assert built.report["largest"][0] == {"kind": "entity", "name": "hub", "edges": 10_000 - 1}
    assert built.report["triples_over_limit"] == 20_003 - 10_000
    assert ("Alpha", "r", "hub") in read(built)


def test_what_reading_order_the_triples_have_does_not_matter():
    outside = triples(
        ("ROME", "r", "a"), ("Rome", "r", "b"), ("Rome", "part of", "Italy"), ("b", "s", "\u212bland"), ("\u00c5land", "s", "a")
    )
    one, two = (graph().build(catalogue(), rows, None) for rows in (outside, outside.reverse()))
    assert one.nodes.equals(two.nodes)
    assert one.edges.equals(two.edges)
    assert one.report == two.report


def test_unknown_key_is_refused_by_name():
    with pytest.raises(ValidationError, match="relatoin"):
        Graph(columns=[Column(column="a", relatoin="b", kind="c")])
    with pytest.raises(ConfigError, match=r"graph\.columns\.0\.transform"):
        nodes.build({"_target_": "components.knowledge.graph.Graph", "columns": [COLUMNS[0] | {"transform": "century"}]}, "graph")


def test_ids_are_read_as_what_they_are_and_labels_name_them():
    relations = [{"relation": "actor", "name": "stars", "tail": "person"}]
    outside = triples(("a", "actor", "m.01"), ("a", "actor", "m.02"), ("a", "actor", "Ana"), ("b", "r", "m.03"), ("m.02", "label", "Bea"))
    built = graph(columns=[], relations=relations, labels=["label"], ids=r"m\.\d+").build(catalogue(), outside, None)
    assert sorted(built.nodes["name"][3:]) == ["Ana", "Bea", "unnamed entity (m.03)", "unnamed person (m.01)"]
    assert built.report["unnamed"] == 2
    assert built.nodes[3:].filter(readable(pl.col("name")))["name"].to_list() == ["Ana", "Bea"]


def test_an_id_that_is_an_item_is_read_by_the_item_s_title():
    built = graph(columns=[], ids=r"m\.\d+").build(catalogue(), triples(("m.01", "sequel of", "m.02")), links(("a", "m.01"), ("b", "m.02")))
    assert read(built) == [("Alpha", "sequel of", "Beta")]


def test_a_wrong_expression_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"graph\.ids: .*no regular expression"):
        nodes.build({"_target_": "components.knowledge.graph.Graph", "columns": [], "ids": "m.("}, "graph")


def test_an_entity_with_a_million_neighbours():
    count = 1_000_000
    spokes = pl.DataFrame({"head": pl.Series(range(count)).cast(pl.String), "relation": "in", "tail": "hub"})
    outside = table(pl.concat([pl.DataFrame({"head": ["a", "b"], "relation": ["in", "in"], "tail": ["hub", "hub"]}), spokes]), TRIPLES)
    built = graph(columns=[], most=2 * count).build(catalogue(), outside, None)
    assert built.report["largest"][0] == {"kind": "entity", "name": "hub", "edges": count + 2}
    channels = Channels.build(built, Limits(hops=3, hub=1000, types=64))
    assert channels.types == [("in", "in")]
    assert channels.report["channels"] == 1
