"""Paths enumerated in bulk against a search by hand, and the part of the ranker that weighs them."""

import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from components.data.histories import Histories
from components.errors import DataError
from components.knowledge.channels import Channels, Limits
from components.knowledge.graph import Graph, Knowledge
from components.ranking.knowledge import KnowledgeRanker, KnowledgeScorer
from components.ranking.parts import Reasoner, World
from components.schema import ITEMS, TRIPLES, table
from components.training import Plan

PLAN = Plan(epochs=8, batch=64, rate=0.1)


def pairs(**values):
    return [{"name": name, "value": value} for name, found in values.items() for value in found]


def build(genres, directors=None, triples=()):
    attributes = [pairs(director=names) for names in directors or [[]] * len(genres)]
    rows = {"item_id": [f"{i:05}" for i in range(len(genres))], "categories": genres, "attributes": attributes}
    columns = [
        {"column": "categories", "relation": "has genre", "kind": "genre"},
        {"column": "director", "relation": "directed by", "kind": "person"},
    ]
    given = table(pl.DataFrame(list(triples), schema=["head", "relation", "tail"], orient="row"), TRIPLES) if triples else None
    return Graph(columns=columns, hops=3).build(table(rows, ITEMS), given, None)


def histories(rows):
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    return Histories(items, np.arange(len(items)), np.cumsum([0, *map(len, rows)]))


def world(graph, rows):
    nothing = np.zeros((graph.items, 1), dtype=np.float32)
    return World(histories(rows), np.full(len(rows), -1), nothing, nothing, graph=graph)


def by_hand(graph, source, target, hops):
    """All chains of edges from source to target that meet no item twice: (edges, relations)."""
    ends = {}
    for edge, head, relation, tail in graph.edges.iter_rows():
        for a, b in ((head, tail), (tail, head)):
            ends.setdefault(a, []).append((b, edge, relation))
    found = []

    def walk(node, met, edges, relations):
        if node == target and edges:
            found.append((tuple(edges), tuple(relations)))
            return
        if len(edges) == hops:
            return
        for other, edge, relation in ends.get(node, []):
            if other not in met:
                walk(other, met | {other}, [*edges, edge], [*relations, relation])

    walk(source, {source}, [], [])
    return sorted(found)


@pytest.fixture(scope="module")
def mixed():
    """Items that touch each other, entities that touch each other, parallel edges both ways."""
    draw = np.random.default_rng(0)
    genres = [[f"g{g}" for g in draw.choice(6, draw.integers(0, 3), replace=False)] for _ in range(20)]
    directors = [[f"p{p}" for p in draw.choice(8, draw.integers(0, 3), replace=False)] for _ in range(20)]
    triples = [(f"{a:05}", "sequel of", f"{b:05}") for a, b in draw.integers(0, 20, (12, 2))]
    triples += [(f"{a:05}", "at", f"x{b}") for a, b in draw.integers(0, 9, (14, 2))]
    triples += [(f"x{a}", "near", f"x{b}") for a, b in draw.integers(0, 9, (10, 2))]
    triples += [("00001", "sequel of", "00002"), ("00002", "sequel of", "00001"), ("x1", "near", "x2"), ("x2", "near", "x1")]
    return build(genres, directors, triples)


def scorer(graph, hops=3, **changes):
    ranker = KnowledgeRanker(hops=hops, plan=PLAN, **changes)
    found, _ = ranker.fit(world(graph, [[0, 1, 2], [3, 4, 5], [6, 7, 0, 3]]), 0)
    assert isinstance(found, KnowledgeScorer)
    assert isinstance(found, Reasoner)
    return found


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_all_paths_and_no_others(mixed, hops):
    found = scorer(mixed, hops)
    count = 0
    for source in range(20):
        for target in range(20):
            if source != target:
                paths = found.paths(np.array([source]), target, 10_000)
                assert sorted(path.edges for path in paths) == [edges for edges, _ in by_hand(mixed, source, target, hops)]
                count += len(paths)
    assert count > {1: 20, 2: 100, 3: 200}[hops]


def test_types_name_the_relations_along_the_path(mixed):
    relation = mixed.edges["relation"]
    channels = Channels.build(mixed, Limits(hops=3, hub=1000, types=1000))
    assert ("sequel of",) in channels.types
    assert ("at", "near", "at") in channels.types
    expected = {relations for a in range(20) for b in range(20) if a != b for _, relations in by_hand(mixed, a, b, 3)}
    assert set(channels.types) == expected
    assert relation.n_unique() == 5


def test_the_score_is_the_sum_of_its_paths(mixed):
    found = scorer(mixed)
    asked = histories([[0, 5, 9], [], [3], [7, 7, 2]])
    score = found.score(asked)
    candidates = np.tile(np.arange(20), (4, 1))
    z = found.pairs(asked, candidates)
    assert z.shape == (4, 20, len(found.channels.types))
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.sum(2), score, rtol=1e-4, atol=1e-5)
    assert not score[1].any()
    for user in (0, 2, 3):
        history = asked.pick(np.array([user])).items
        for target in range(20):
            paths = found.paths(history, target, 10_000)
            assert bool(paths) == (score[user, target] > 1e-9)
            if paths:
                assert sum(path.weight for path in paths) == pytest.approx(1)
                assert [path.weight for path in paths] == sorted((path.weight for path in paths), reverse=True)
                assert all(path.source in history and path.source != target for path in paths)


def test_paths_found_together_are_those_found_alone(mixed):
    found = scorer(mixed)
    asked = histories([[0, 5, 9], [], [3, 3, 5], [7, 7, 2]])
    candidates = np.array([[1, 2, 3, -1], [1, 2, 3, 4], [19, 5, 5, -1], [0, 11, 12, 13]])
    lists = found.chains(asked, candidates, 4).lists(candidates.size)
    for user in range(4):
        own = asked.pick(np.array([user])).items
        for place, item in enumerate(candidates[user].tolist()):
            together, alone = lists[user * 4 + place], found.paths(own, item, 4) if item >= 0 else []
            assert [(path.source, path.edges) for path in together] == [(path.source, path.edges) for path in alone]
            assert [path.weight for path in together] == pytest.approx([path.weight for path in alone])
    assert sum(map(len, lists)) >= 20


def test_deleting_the_shown_edge_deletes_the_path_and_its_share_of_the_score(mixed):
    found = scorer(mixed)
    history = np.array([0, 5, 9, 3])
    asked, tried = histories([history.tolist()]), 0
    score = found.score(asked)[0]
    for target in np.flatnonzero(score > 1e-9).tolist():
        top = found.paths(history, target, 1)[0]
        for edge in top.edges:
            less = replace(mixed, edges=mixed.edges.filter(pl.col("edge_id") != edge))
            again = KnowledgeRanker(plan=PLAN).restore(found.tensors(), world(less, [[0]]))
            assert isinstance(again, KnowledgeScorer)
            lost = sum(path.weight for path in found.paths(history, target, 10_000) if edge in path.edges)
            assert again.score(asked)[0, target] == pytest.approx(score[target] * (1 - lost), abs=1e-6)
            assert again.score(asked)[0, target] < score[target]
            assert all(edge not in path.edges for path in again.paths(history, target, 10_000))
            tried += 1
    assert tried > 10


def taste(users=150, seed=0):
    """A world in which the director of the last film decides, and genres tell nothing; films 90 to 99 no one has seen."""
    draw = np.random.default_rng(seed)
    directors = [[f"p{i % 10}"] for i in range(100)]
    genres = [[f"g{draw.integers(4)}"] for _ in range(100)]
    rows = [(draw.permutation(9)[:6] * 10 + draw.integers(10)).tolist() for _ in range(users)]
    return build(genres, directors), rows


def test_learns_which_relation_tells_and_scores_cold_items():
    graph, rows = taste()
    found, curve = KnowledgeRanker(plan=PLAN).fit(world(graph, rows), 0)
    assert curve[-1]["loss"] < curve[0]["loss"] < np.log(100)
    scores = found.score(histories([[3], [24]]))
    assert set(np.argsort(-scores[0])[:9]) == {13, 23, 33, 43, 53, 63, 73, 83, 93}
    assert 94 in np.argsort(-scores[1])[:9]
    [first, *_] = found.paths(np.array([3]), 93, 5)
    names = graph.nodes["name"]
    assert [names[graph.edges["tail"][edge]] for edge in first.edges] == ["p3", "p3"]
    assert first.weight > 0.5


def test_an_item_without_an_entity_has_no_z():
    graph = build([["a"], ["a"], [], None])
    found, _ = KnowledgeRanker(plan=PLAN).fit(world(graph, [[0, 1], [1, 0]]), 0)
    assert not found.score(histories([[0]]))[0, 2:].any()
    assert not found.pairs(histories([[0, 2]]), np.array([[2, 3]])).any()
    assert found.paths(np.array([0, 1]), 2, 5) == []


@pytest.mark.parametrize("graph", [build([[], []]), build([["a"], []]), build([["a"], ["b"]])])
def test_a_graph_without_paths_tells_nothing(graph):
    found, curve = KnowledgeRanker(plan=PLAN).fit(world(graph, [[0, 1], [1, 0]]), 0)
    assert curve == []
    assert not found.score(histories([[0], [0, 1]])).any()
    assert found.pairs(histories([[0]]), np.array([[0, 1]])).shape == (1, 2, 0)
    assert found.paths(np.array([0]), 1, 5) == []


def test_restored_scores_are_the_same_bits_and_fitting_repeats():
    graph, rows = taste(60)
    one, _ = KnowledgeRanker(plan=PLAN).fit(world(graph, rows), 3)
    two, _ = KnowledgeRanker(plan=PLAN).fit(world(graph, rows), 3)
    again = KnowledgeRanker(plan=PLAN).restore(one.tensors(), world(graph, []))
    asked = histories(rows[:5])
    for other in (two, again):
        assert (other.score(asked) == one.score(asked)).all()
    assert {name: value.tobytes() for name, value in one.tensors().items()} == {n: v.tobytes() for n, v in two.tensors().items()}


def test_another_graph_is_refused():
    graph, rows = taste(20)
    found, _ = KnowledgeRanker(plan=PLAN).fit(world(graph, rows), 0)
    with pytest.raises(DataError, match="3 nodes"):
        KnowledgeRanker(plan=PLAN).restore(found.tensors(), world(build([["a"], ["a"]]), []))


def test_a_score_does_not_depend_on_its_batch(mixed, monkeypatch):
    found = scorer(mixed)
    asked = histories([[0, 5, 9], [], [3], [7, 2]])
    whole, z = found.score(asked), found.pairs(asked, np.tile(np.arange(20), (4, 1)))
    monkeypatch.setattr("components.ranking.knowledge.BLOCK", 1)
    np.testing.assert_allclose(found.score(asked), whole, rtol=1e-12, atol=1e-12)
    assert (found.pairs(asked, np.tile(np.arange(20), (4, 1))) == z).all()


def test_hubs_end_no_three_edge_path_and_rare_types_are_counted(mixed):
    assert isinstance(mixed, Knowledge)
    few = Channels.build(mixed, Limits(hops=3, hub=1, types=3))
    assert len(few.types) == 3
    assert few.report["types_left_out"] > 0
    assert few.report["hubs"] > 0


def test_fast_enough_to_rerank_with():
    draw = np.random.default_rng(0)
    genres = [[f"g{g}" for g in draw.choice(20, 3, replace=False)] + [f"p{p}" for p in draw.integers(0, 4000, 5)] for _ in range(3000)]
    found = scorer(build(genres))
    asked, candidates = histories([draw.choice(3000, 200, replace=False).tolist()]), draw.choice(3000, 500, replace=False)[None]
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        found.pairs(asked, candidates)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.005


def test_what_is_popular_is_no_reason():
    """Popular films share a genre by chance: with the offset genres stay light, without it they take the blame."""
    draw = np.random.default_rng(0)
    share = np.where(np.arange(100) < 20, 12.0, 1.0)
    rows = [draw.choice(100, 6, replace=False, p=share / share.sum()).tolist() for _ in range(300)]
    graph = build([["hit"] if i < 20 else ["other"] for i in range(100)])
    weights = {}
    for offset in (0.0, 1.0):
        found, _ = KnowledgeRanker(plan=PLAN, offset=offset).fit(world(graph, rows), 0)
        scores = found.score(histories([[0], [50]]))
        weights[offset] = scores[0, 1] / scores[1, 51]
    assert weights[1.0] < 0.5 * weights[0.0]


def test_steps_and_doors_count_every_path_once(mixed):
    channels = Channels.build(mixed, Limits(hops=3, hub=1000, types=1000))
    into, out = ((channels.steps @ side).toarray() for side in (channels.enter, channels.leave))
    assert into.min() == out.min() == 0
    for source in range(20):
        for target in range(20):
            if source != target:
                assert into[source] @ out[target] == len(by_hand(mixed, source, target, 3))
    for side, taken in ((into, channels.into), (out, channels.out)):
        place, channel, _ = taken(np.arange(20))
        counted = np.zeros_like(side)
        np.add.at(counted, (place, channel), 1)
        assert (counted == side).all()
