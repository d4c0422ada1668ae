"""The closed-form models: against their definitions, and on worlds whose answer is known."""

import numpy as np
import pytest

from components.data.histories import Histories
from components.ranking.linear import ItemLinear, LinearScorer, SequentialLinear, decayed, prune
from components.ranking.parts import World


def histories(rows: list[list[int]]) -> Histories:
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    return Histories(items, np.arange(len(items)), np.cumsum([0, *map(len, rows)]))


def world(rows: list[list[int]], items: int) -> World:
    return World(histories(rows), np.full(len(rows), -1), np.zeros((items, 4), dtype=np.float32), None)


def test_decay_weighs_the_last_event_one() -> None:
    weights = decayed(histories([[0, 1, 2], [], [2]]), 3, 2.0).toarray()
    np.testing.assert_allclose(weights, [[np.exp(-1), np.exp(-0.5), 1], [0, 0, 0], [0, 0, 1]])


def test_item_linear_is_the_closed_form_of_ease() -> None:
    rows = [[0, 1], [0, 1, 2], [2, 3], [1, 3], [0, 3]]
    scorer, curve = ItemLinear(l2=2.0, keep=4).fit(world(rows, 4), 0)
    dense = decayed(histories(rows), 4, np.inf).toarray()
    inverse = np.linalg.inv(dense.T @ dense + 2.0 * np.eye(4))
    expected = np.eye(4) - inverse / np.diag(inverse)
    np.testing.assert_allclose(scorer.score(histories([[0], [1], [2], [3]])), expected, atol=1e-6)
    assert curve == []


def test_sequential_linear_minimises_its_objective() -> None:
    rows = [[0, 1, 2], [1, 2, 3], [3, 0], [2, 1, 0, 3]]
    part = SequentialLinear(l2=1.5, session=0.0, past=2.0, future=1.0, window=2, ahead=1, decay=1.0, keep=4)
    before, after = [], []
    for row in rows:
        for place in range(1, len(row)):
            past, target = np.zeros(4), np.zeros(4)
            for age, item in enumerate(row[max(0, place - 2) : place][::-1]):
                past[item] += np.exp(-age / 2.0)
            target[row[place]] = 1.0
            before.append(past)
            after.append(target)
    left, right = np.array(before), np.array(after)
    inverse = np.linalg.inv(left.T @ left + 1.5 * np.eye(4))
    expected = inverse @ left.T @ right
    expected -= inverse * (np.diag(expected) / np.diag(inverse))
    scorer, _ = part.fit(world(rows, 4), 0)
    np.testing.assert_allclose(scorer.score(histories([[0], [1], [2], [3]])), expected, atol=1e-6)


@pytest.mark.parametrize("part", [ItemLinear(l2=1.0), SequentialLinear(l2=1.0)], ids=["item", "sequential"])
def test_checkerboard_puts_the_withheld_item_first(part: ItemLinear | SequentialLinear) -> None:
    rows = [[item for item in range(user % 2, 50, 2) if item != user] for user in range(50)]
    scores = part.fit(world(rows, 50), 0)[0].score(histories(rows))
    scores[histories(rows).users, histories(rows).items] = -np.inf
    assert (scores.argmax(1) == np.arange(50)).all()


def test_sequential_linear_learns_what_follows_what() -> None:
    rows = [[(start + step) % 12 for step in range(5)] for start in range(12)] * 5
    scores = SequentialLinear(l2=1.0, session=0.1).fit(world(rows, 12), 0)[0].score(histories([[a, a + 1] for a in range(9)]))
    scores[np.arange(9), np.arange(9)] = scores[np.arange(9), np.arange(9) + 1] = -np.inf
    assert (scores.argmax(1) == np.arange(9) + 2).all()


def test_a_user_s_scores_do_not_depend_on_the_batch() -> None:
    draw = np.random.default_rng(0)
    rows = [draw.permutation(30)[: draw.integers(1, 12)].tolist() for _ in range(40)]
    scorer, _ = SequentialLinear().fit(world(rows, 30), 0)
    together = scorer.score(histories(rows))
    assert all((scorer.score(histories([row]))[0] == together[i]).all() for i, row in enumerate(rows))


def test_prune_keeps_the_largest_by_magnitude() -> None:
    kept = prune(np.array([[0.1, -3.0, 2.0], [0.0, 1.0, 0.5]]), 2).toarray()
    np.testing.assert_allclose(kept, [[0, -3, 2], [0, 1, 0.5]])


def test_tensors_round_trip() -> None:
    rows = [[0, 1, 2], [2, 3], [1, 3, 0]]
    part = SequentialLinear(l2=1.0)
    scorer, _ = part.fit(world(rows, 4), 0)
    again = part.restore(scorer.tensors(), world(rows, 4))
    assert isinstance(again, LinearScorer)
    assert (again.score(histories(rows)) == scorer.score(histories(rows))).all()
