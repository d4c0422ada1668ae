"""Evidence from the reasoner's paths, as data and as a sentence."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from components.data.histories import Histories
from components.knowledge.drawing import draw
from components.knowledge.graph import Graph
from components.ranking.gate import Gate
from components.ranking.hybrid import HybridScorer
from components.ranking.knowledge import KnowledgeRanker
from components.ranking.parts import World
from components.ranking.popularity import Popularity
from components.ranking.terms import Terms
from components.recommend.catalogue import Catalogue
from components.recommend.explain import Evidence, reason
from components.schema import ITEMS, TRIPLES, Attention, Edge, Path, table
from components.training import Plan

TITLES = ["Heat", "Ali", "Unforgiven", "Alien", "Aliens", "Shrek"]
FILMS = [
    {"director": ["Michael Mann"], "actor": ["Al Pacino"]},
    {"director": ["Michael Mann"]},
    {"director": ["Clint Eastwood"]},
    {},
    {},
    {},
]
COLUMNS = [
    {"column": "director", "relation": "directed by", "kind": "person"},
    {"column": "actor", "relation": "stars", "kind": "person"},
]
RANKER = KnowledgeRanker(plan=Plan(epochs=2, batch=8, rate=0.1))


def film(n):
    return [{"name": name, "value": value} for name, values in FILMS[n].items() for value in values]


def items():
    return table({"item_id": [f"i{n}" for n in range(6)], "title": TITLES, "attributes": [film(n) for n in range(6)]}, ITEMS)


def graph():
    facts = [("i4", "sequel of", "i3"), ("Ridley Scott", "made", "i3"), ("Ridley Scott", "made", "i2")]
    facts += [("Al Pacino", "born in", "New York"), ("i3", "set in", "New York")]
    triples = table(pl.DataFrame(facts, schema=["head", "relation", "tail"], orient="row"), TRIPLES)
    relations = [{"relation": "born in", "head": "person"}]
    return Graph(columns=COLUMNS, relations=relations).build(items(), triples, None)


def world(built):
    nothing = np.zeros((6, 1), dtype=np.float32)
    rows = Histories(np.array([0, 1, 0, 2, 1, 0, 3]), np.arange(7), np.array([0, 2, 4, 7]))
    return World(rows, np.full(3, -1), nothing, nothing, graph=built)


def evidence(built, part=None):
    part = part or RANKER.fit(world(built), 0)[0]
    terms = Terms({"knowledge": part}, np.zeros((0, 2)))
    gate = Gate(np.array([5]), np.array([1.0]), 0)
    ones = np.ones((9, 1))
    scorer = HybridScorer(terms, gate, ones, ones, np.ones((9, 2)), {}, 6)
    names = built.nodes["name"]
    edges = [Edge(edge_id=e, head=names[h], relation=r, tail=names[t]) for e, h, r, t in built.edges.iter_rows()]
    return Evidence(Catalogue(items()), scorer, edges)


def of(found, history, item):
    asked = Histories(np.array(history), np.arange(len(history)), np.array([0, len(history)]))
    [[shown]] = found.of(asked, np.array([[item]]), np.ones((1, 1, 1)), np.ones((1, 1)), [[[]]])
    return shown


def test_paths_are_data_with_true_shares_and_existing_edges():
    built = graph()
    found = evidence(built)
    shown = of(found, [0, 2], 1)
    assert shown.paths
    assert sum(path.weight for path in shown.paths) == pytest.approx(1, abs=1e-5)
    for path in shown.paths:
        assert path.source in ("Heat", "Unforgiven")
        assert all(found.edges[edge.edge_id] == edge for edge in path.edges)
    assert shown.reason == "because of Heat in your history: also directed by Michael Mann"
    assert "Michael Mann" in draw(shown.title, shown.paths)


def test_deleting_the_shown_edge_deletes_the_explanation():
    built = graph()
    part = RANKER.fit(world(built), 0)[0]
    shown = of(evidence(built, part), [0], 1)
    assert len(shown.paths) == 1
    for edge in shown.paths[0].edges:
        less = replace(built, edges=built.edges.filter(pl.col("edge_id") != edge.edge_id))
        numbered = replace(less, edges=less.edges)
        again = RANKER.restore(part.tensors(), world(numbered))
        after = of(evidence(built, again), [0], 1)
        assert after.paths == []
        assert after.reason == "popular with everyone lately"


@pytest.mark.parametrize(
    ("history", "item", "said"),
    [
        (3, 4, "because of Alien in your history: this one is sequel of Alien"),
        (4, 3, "because of Aliens in your history: Aliens is sequel of this one"),
        (3, 2, "because of Alien in your history: Ridley Scott made this one too"),
        (0, 3, "because of Heat in your history: it stars Al Pacino, Al Pacino born in New York, and this one is set in New York"),
    ],
)
def test_sentences_of_one_to_three_edges(history, item, said):
    shown = of(evidence(graph()), [history], item)
    assert shown.reason == said


def test_roles_that_differ_are_both_said():
    edges = [
        Edge(edge_id=0, head="Unforgiven", relation="directed by", tail="Clint Eastwood"),
        Edge(edge_id=1, head="Dirty Harry", relation="stars", tail="Clint Eastwood"),
    ]
    said = reason([vars(Path(source="Unforgiven", edges=edges, weight=1.0))], [])
    assert said == "because of Unforgiven in your history: it is directed by Clint Eastwood, and this one stars Clint Eastwood"


@pytest.mark.parametrize("name", ["{0}", "{}", "%s", "a, and b"])
def test_names_are_said_as_they_are(name):
    for relation in ("has genre", name):
        edges = [Edge(edge_id=n, head=head, relation=relation, tail=name) for n, head in enumerate("AB")]
        assert reason([vars(Path(source="A", edges=edges, weight=1.0))], []).endswith(name)


def test_without_a_path_the_reason_is_another():
    assert of(evidence(graph()), [0], 5).paths == []
    assert reason([], [vars(Attention(item_id="i0", title="Heat", weight=1.0))]) == "because of Heat in your history"


def test_a_hybrid_without_a_reasoner_shows_no_path():
    part, _ = Popularity(half_life=1.0).fit(world(graph()), 0)
    assert of(evidence(graph(), part), [0], 1).paths == []


def test_what_has_a_name_is_shown_before_what_has_none():
    facts = [(item, "by", who) for item in ("i3", "i4") for who in ("m.01", "m.02", "Ridley Scott")]
    triples = table(pl.DataFrame(facts, schema=["head", "relation", "tail"], orient="row"), TRIPLES)
    built = Graph(columns=[], ids=r"m\.\d+").build(items(), triples, None)
    part = RANKER.fit(world(built), 0)[0]
    heavy = {entity: 5.0 if "unnamed" in name else 0.0 for entity, name in built.nodes.select("node", "name").iter_rows()}
    learned = part.tensors() | {"delta": np.array([heavy[node] for node in range(len(heavy))], dtype=np.float32)}
    shown = of(evidence(built, RANKER.restore(learned, world(built))), [3], 4)
    assert shown.reason == "because of Alien in your history: also by Ridley Scott"
    weights = [path.weight for path in shown.paths]
    assert len(weights) == 3
    assert weights[0] < weights[2] == weights[1]
