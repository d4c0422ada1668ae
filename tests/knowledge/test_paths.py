import time

import numpy as np
import polars as pl
import pytest

from components.knowledge.graph import Graph
from components.knowledge.paths import Paths
from components.schema import ITEMS, TRIPLES, table


def build(genres, triples=None):
    items = table(pl.DataFrame({"item_id": [f"{i:05}" for i in range(len(genres))], "categories": genres}), ITEMS)
    columns = [{"column": "categories", "relation": "has genre", "kind": "genre"}]
    return Graph(columns=columns).build(items, triples, None)


def brute(built, history, candidates, most):
    ends = {}
    for edge, head, _, tail in built.edges.iter_rows():
        for item, entity in ((head, tail), (tail, head)):
            if item < built.items <= entity:
                ends.setdefault(item, []).append((edge, entity))
    degree = {}
    for pairs in ends.values():
        for _, entity in pairs:
            degree[entity] = degree.get(entity, 0) + 1
    found = []
    for candidate in candidates:
        paths = [
            (source, [one, two], np.log1p(built.items / degree[entity]) / np.log1p(built.items))
            for source in set(history) - {candidate}
            for one, entity in ends.get(source, [])
            for two, other in ends.get(candidate, [])
            if entity == other
        ]
        found.append(sorted(paths, key=lambda path: (-path[2], path[1]))[:most])
    return found


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    genres = [[f"g{g}" for g in rng.choice(12, rng.integers(0, 4), replace=False)] for _ in range(40)]
    triples = table({"head": ["x", "00003", "00001"], "relation": ["r", "r", "sequel"], "tail": ["00004", "x", "00002"]}, TRIPLES)
    return build(genres, triples)


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_equals_brute_force(world, most):
    rng = np.random.default_rng(1)
    paths = Paths.build(world.nodes, world.edges)
    for _ in range(10):
        history, candidates = rng.choice(40, 8), rng.choice(40, 5, replace=False)
        assert paths.between(history, candidates, most) == brute(world, history.tolist(), candidates.tolist(), most)


def test_every_path_exists_edge_by_edge(world):
    edges = world.edges.rows_by_key("edge_id", named=True, unique=True)
    candidates = np.arange(20, 40)
    found = Paths.build(world.nodes, world.edges).between(np.arange(20), candidates, 50)
    assert sum(map(len, found)) > 50
    for candidate, paths in zip(candidates.tolist(), found, strict=True):
        for source, (one, two), weight in paths:
            first, second = ({edges[edge]["head"], edges[edge]["tail"]} for edge in (one, two))
            assert source < 20
            assert source in first
            assert candidate in second
            assert (first - {source}) == (second - {candidate})
            assert 0 < weight <= 1


def test_rarer_entities_weigh_more():
    built = build([["common", "rare"], ["common", "rare"], ["common"], ["common"]])
    ((path, other, *_),) = Paths.build(built.nodes, built.edges).between(np.array([0, 2]), np.array([1]), 5)
    assert path[0] == 0
    assert path[2] > other[2]
    rows = built.edges.rows()
    assert built.nodes["name"][rows[path[1][0]][3]] == "rare"


def test_nothing_to_find(world):
    paths = Paths.build(world.nodes, world.edges)
    none = np.zeros(0, dtype=np.int64)
    assert paths.between(none, np.array([1, 2]), 3) == [[], []]
    assert paths.between(np.array([1]), none, 3) == []
    assert paths.between(np.array([1]), np.array([1]), 3) == [[]]
    empty = build([[], []])
    assert Paths.build(empty.nodes, empty.edges).between(np.array([0]), np.array([1]), 3) == [[]]


def test_fast_enough_to_answer_with():
    rng = np.random.default_rng(0)
    built = build([[f"g{g}" for g in rng.choice(20, 3, replace=False)] + [f"p{p}" for p in rng.integers(0, 4000, 5)] for _ in range(3000)])
    paths = Paths.build(built.nodes, built.edges)
    history, candidates = rng.choice(3000, 200, replace=False), rng.choice(3000, 10, replace=False)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        paths.between(history, candidates, 3)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.005
