"""Diversity against the formulas, written out without tricks."""

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from components.errors import DataError
from components.recommend.diversity import DPP, MMR, relevance
from components.recommend.retrieval import directions

TRADES = [0.0, 0.1, 0.5, 0.9, 1.0]


def world(seed: int, n: int = 12, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return -np.sort(-draw.normal(size=(3, n)), axis=1), draw.normal(size=(3, n, d))


def rate(scores: np.ndarray) -> np.ndarray:
    return (scores - scores.min()) / (scores.max() - scores.min())


def mmr(scores: np.ndarray, unit: np.ndarray, k: int, trade: float) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < k:
        nearest = (unit @ unit[chosen].T).max(1) if chosen else np.zeros(len(unit))
        value = (1 - trade) * rate(scores) - trade * nearest
        value[chosen] = -np.inf
        chosen.append(int(value.argmax()))
    return chosen


def dpp(scores: np.ndarray, unit: np.ndarray, k: int, trade: float) -> list[int]:
    """log det of each extended list, from scratch: what the Cholesky rows stand for."""
    chosen: list[int] = []
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 1.0)
    for _ in range(k):
        values = np.full(len(unit), -np.inf)
        for item in set(range(len(unit))) - set(chosen):
            longer = [*chosen, item]
            values[item] = (1 - trade) * rate(scores)[longer].sum() + trade * np.linalg.slogdet(cosines[np.ix_(longer, longer)])[1]
        chosen.append(int(values.argmax()))
    return chosen


@pytest.mark.parametrize("trade", TRADES)
@pytest.mark.parametrize(("node", "oracle"), [(MMR, mmr), (DPP, dpp)])
@pytest.mark.parametrize("seed", range(5))
def test_the_list_is_that_of_the_formula(node: type, oracle, seed: int, trade: float) -> None:
    scores, vectors = world(seed)
    found = node(trade=trade).select(scores, vectors, 4)
    assert found.tolist() == [oracle(own, unit, 4, trade) for own, unit in zip(scores, directions(vectors), strict=True)]


@pytest.mark.parametrize("node", [MMR, DPP])
def test_no_trade_is_the_order_of_the_scores(node: type) -> None:
    scores, vectors = world(1)
    assert node(trade=0).select(scores, vectors, 12).tolist() == [list(range(12))] * 3


def alike(lists: np.ndarray) -> float:
    """Mean highest cosine of an item of a list, (users, k, d), to another."""
    cosines = lists @ lists.transpose(0, 2, 1)
    cosines[:, range(lists.shape[1]), range(lists.shape[1])] = -1
    return float(cosines.max(2).mean())


def flat(lists: np.ndarray) -> float:
    """Mean of -log det of a list's cosines."""
    return float(-np.linalg.slogdet(lists @ lists.transpose(0, 2, 1))[1].mean())


@pytest.mark.parametrize(("node", "sameness"), [(MMR, alike), (DPP, flat)])
def test_more_trade_is_more_diversity_and_less_relevance(node: type, sameness) -> None:
    draw = np.random.default_rng(2)
    scores, vectors = -np.sort(-draw.normal(size=(50, 40)), axis=1), draw.normal(size=(50, 40, 12))
    unit, rows = directions(vectors), np.arange(50)[:, None]
    lists = [node(trade=trade).select(scores, vectors, 8) for trade in (0.0, 0.3, 0.6, 1.0)]
    assert all(then < before for before, then in pairwise(sameness(unit[rows, places]) for places in lists))
    assert all(then < before for before, then in pairwise(scores[rows, places].sum() for places in lists))


@pytest.mark.parametrize("node", [MMR, DPP])
def test_a_list_does_not_depend_on_who_else_is_asked(node: type) -> None:
    draw = np.random.default_rng(3)
    scores, vectors = draw.normal(size=(64, 200)), draw.normal(size=(64, 200, 48)).astype(np.float32)
    together = node(trade=0.4).select(scores, vectors, 10)
    alone = [node(trade=0.4).select(scores[[user]], vectors[[user]], 10)[0] for user in range(64)]
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("node", [MMR, DPP])
def test_doubles_come_last(node: type) -> None:
    vectors = np.array([[[1, 0], [1, 0], [1, 0], [0, 1]]], dtype=float)
    scores = np.array([[4.0, 3.9, 3.8, 3.0]])
    assert node(trade=0.6).select(scores, vectors, 4).tolist() == [[0, 3, 1, 2]]


@pytest.mark.parametrize("node", [MMR, DPP])
def test_items_without_content_one_item_and_nothing_open(node: type) -> None:
    assert node(trade=0.5).select(np.array([[2.0, 1.0]]), np.zeros((1, 2, 4)), 5).tolist() == [[0, 1, -1, -1, -1]]
    assert node(trade=0.5).select(np.array([[2.0]]), np.ones((1, 1, 4)), 2).tolist() == [[0, -1]]
    assert node(trade=0.5).select(np.array([[-np.inf, 1.0], [-np.inf, -np.inf]]), np.ones((2, 2, 4)), 2).tolist() == [[1, -1], [-1, -1]]
    assert node(trade=1).select(np.array([[-np.inf, 1.0, 0.5]]), np.ones((1, 3, 4)), 2).tolist() == [[1, 2]]
    assert node(trade=0.5).select(np.zeros((2, 0)), np.zeros((2, 0, 4)), 2).tolist() == [[-1, -1]] * 2


@pytest.mark.parametrize("node", [MMR, DPP])
def test_nan_is_refused(node: type) -> None:
    scores, vectors = world(1)
    vectors[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="vector is NaN"):
        node().select(scores, vectors, 3)
    with pytest.raises(DataError, match="score is NaN"):
        node().select(np.full((1, 2), np.nan), np.ones((1, 2, 3)), 1)


def test_a_trade_is_within_0_and_1() -> None:
    for trade in (-0.1, 1.1):
        with pytest.raises(ValidationError):
            MMR(trade=trade)


def test_relevance_is_measured_on_the_first() -> None:
    scores = np.array([[3.0, 2.0, 1.0, -1.0], [5.0, 5.0, 5.0, 4.0], [7.0, -np.inf, -np.inf, -np.inf]])
    assert relevance(scores, 3).tolist() == [[1.0, 0.5, 0.0, -1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]]
