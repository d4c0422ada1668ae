"""A graph that takes in items says the same as one that was built of all of them."""

import numpy as np
import polars as pl

from components.knowledge.graph import Column, Graph
from components.knowledge.growing import grow
from components.schema import ITEMS, table

DECLARED = Graph(
    columns=[
        Column(column="categories", relation="has genre", kind="genre"),
        Column(column="actor", relation="stars", kind="person"),
        Column(column="year", relation="released in", kind="decade", transform="decade"),
        Column(column="follows", relation="follows", kind="item"),
    ]
)


def catalogue(*items):
    told = [
        {
            "item_id": name,
            "title": name.upper(),
            "categories": genres,
            "attributes": [{"name": key, "value": value} for key, value in pairs],
        }
        for name, genres, pairs in items
    ]
    return table(pl.DataFrame(told), ITEMS)


def said(graph):
    names = graph.nodes["name"]
    return sorted((names[head], relation, names[tail]) for _, head, relation, tail in graph.edges.rows())


OLD = (("b", ["Drama"], [("actor", "Ann"), ("year", "1994")]), ("c", ["Comedy"], [("actor", "Bo"), ("follows", "b")]))
NEW = (
    ("a", ["drama", "Noir"], [("actor", "ann"), ("actor", "Cy"), ("year", "1999"), ("year", "soon"), ("follows", "c")]),
    ("d", ["Noir"], [("follows", "a"), ("follows", "d"), ("follows", "nowhere")]),
)


def test_new_items_are_linked_as_if_they_had_been_there():
    before = DECLARED.build(catalogue(*OLD), None, None)
    grown = grow(before, DECLARED, catalogue(*OLD, *NEW), np.array([2, 3]), len(before.edges))
    whole = DECLARED.build(catalogue(*OLD, *NEW), None, None)
    assert said(grown) == said(whole)
    assert grown.items == 4
    assert grown.nodes["node"].to_list() == list(range(len(grown.nodes)))
    assert grown.nodes["item_id"].head(4).to_list() == ["b", "c", "a", "d"]
    assert sorted(grown.nodes["name"]) == sorted(whole.nodes["name"])
    old = set(before.edges["edge_id"])
    assert {edge for edge in grown.edges["edge_id"] if edge in old} == old, "edges between old items keep their ids"
    assert grown.edges["edge_id"].is_unique().all()


def test_a_changed_item_gets_what_is_said_now_and_keeps_what_others_say():
    before = DECLARED.build(catalogue(*OLD), None, None)
    changed = (("b", ["Noir"], []), OLD[1])
    grown = grow(before, DECLARED, catalogue(*changed), np.array([0]), len(before.edges))
    assert said(grown) == said(DECLARED.build(catalogue(*changed), None, None))
    anew = grown.edges.filter(pl.col("edge_id") >= len(before.edges))
    assert set(anew["relation"]) == {"has genre", "follows"}, "edges that touch it are read anew, since its title may have changed"
