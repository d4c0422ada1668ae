"""The closed-form models: against their definitions, and on worlds whose answer is known."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from pydantic import ValidationError

from components.data.histories import Histories
from components.errors import ConfigError
from components.ranking.linear import ItemLinear, LinearScorer, SequentialLinear, decayed, prune
from components.ranking.parts import World
from components.ranking.ridge import Gram, Ridge, cuts

PARTS = [ItemLinear(l2=1.0), SequentialLinear(l2=1.0), ItemLinear(l2=1.0, dense=1), SequentialLinear(l2=1.0, dense=1)]
NAMES = ["item", "sequential", "item-restricted", "sequential-restricted"]


def histories(rows: list[list[int]]) -> Histories:
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    return Histories(items, np.arange(len(items)), np.cumsum([0, *map(len, rows)]))


def world(rows: list[list[int]], items: int) -> World:
    return World(histories(rows), np.full(len(rows), -1), np.zeros((items, 4), dtype=np.float32), np.zeros((items, 1), dtype=np.float32))


def drawn(users: int, items: int, longest: int, seed: int = 0) -> list[list[int]]:
    """Random histories, low item numbers far more often."""
    draw = np.random.default_rng(seed)
    return [(draw.random(draw.integers(1, longest)) ** 3 * items).astype(int).tolist() for _ in range(users)]


def sparse(rows: int, items: int, density: float, seed: int = 0) -> sp.csr_matrix:
    draw = np.random.default_rng(seed)
    return sp.csr_matrix((draw.random((rows, items)) * (draw.random((rows, items)) < density)).astype(np.float32))


def test_decay_weighs_the_last_event_one() -> None:
    weights = decayed(histories([[0, 1, 2], [], [2]]), 3, 2.0).toarray()
    np.testing.assert_allclose(weights, [[np.exp(-1), np.exp(-0.5), 1], [0, 0, 0], [0, 0, 1]])


def test_a_power_gives_the_decay_a_long_tail() -> None:
    asked = histories([[0, 1, 2]])
    np.testing.assert_allclose(decayed(asked, 3, 2.0, 1.0).toarray(), [[1 / 2, 1 / 1.5, 1]])
    np.testing.assert_allclose(decayed(asked, 3, 2.0, 1e9).toarray(), decayed(asked, 3, 2.0).toarray(), rtol=1e-6)
    np.testing.assert_allclose(decayed(asked, 3, np.inf, 1.0).toarray(), [[1, 1, 1]])


def test_fade_weighs_by_the_days_before_the_last_event() -> None:
    asked = Histories(np.array([0, 1, 2, 2]), np.array([0, 10, 30, 500]) * 86_400, np.array([0, 3, 4]))
    np.testing.assert_allclose(decayed(asked, 3, np.inf, fade=10.0).toarray(), [[np.exp(-3), np.exp(-2), 1], [0, 0, 1]])


@pytest.mark.parametrize("part", [ItemLinear(power=1.0, fade=5.0), SequentialLinear(power=1.0, fade=5.0)], ids=["item", "sequential"])
def test_power_and_fade_reach_the_scores(part: ItemLinear | SequentialLinear) -> None:
    known = world(drawn(50, 20, 8), 20)
    scorer = part.fit(known, 0)[0]
    asked = Histories(np.array([3, 4, 5]), np.array([0, 4, 9]) * 86_400, np.array([0, 3]))
    assert isinstance(scorer, LinearScorer)
    expected = (decayed(asked, 20, part.decay, 1.0, 5.0) @ scorer.weights).toarray()
    assert (scorer.score(asked) == expected).all()
    assert (part.restore(scorer.tensors(), known).score(asked) == expected).all()


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


@pytest.mark.parametrize("part", PARTS, ids=NAMES)
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


def test_blocks_give_what_the_whole_matrix_gives() -> None:
    inputs, targets = sparse(900, 1100, 0.02), sparse(900, 1100, 0.02, seed=1)
    left, right = inputs.toarray().astype(np.float64), targets.toarray().astype(np.float64)
    inverse = np.linalg.inv(left.T @ left + 3.0 * np.eye(1100))
    expected = inverse @ left.T @ right
    expected -= inverse * (np.diag(expected) / np.diag(inverse))
    np.fill_diagonal(expected, 0.0)
    found = Ridge(3.0, 50, 1100, 1).solve(inputs, targets)
    assert found.dtype == np.float32
    assert (np.diff(found.indptr) == 50).all()
    certain = np.abs(expected) > -np.sort(-np.abs(expected), axis=1)[:, [49]] * 1.001
    np.testing.assert_allclose(found.toarray()[certain], expected[certain], atol=1e-5)


def test_restricted_to_all_items_is_exact() -> None:
    inputs, targets = sparse(200, 40, 0.4), sparse(200, 40, 0.4, seed=1)
    exact, restricted = Ridge(3.0, 40, 40, 40).solve(inputs, targets), Ridge(3.0, 40, 39, 40).solve(inputs, targets)
    np.testing.assert_allclose(restricted.toarray(), exact.toarray(), atol=1e-5)


def test_restricted_solves_each_column_on_its_neighbours() -> None:
    inputs = sparse(60, 30, 0.1)
    dense = inputs.toarray().astype(np.float64)
    gram = dense.T @ dense
    worth = gram / np.sqrt(np.diag(gram) + 2.0)[:, None]
    np.fill_diagonal(worth, 0.0)
    expected = np.zeros((30, 30))
    for item in range(30):
        near = np.argsort(-worth[:, item])[: min(5, (worth[:, item] > 0).sum())]
        expected[near, item] = np.linalg.solve(gram[np.ix_(near, near)] + 2.0 * np.eye(len(near)), gram[near, item])
    np.testing.assert_allclose(Ridge(2.0, 30, 1, 5).solve(inputs, inputs).toarray(), expected, atol=1e-5)


@pytest.mark.parametrize("hot", [0, 7, 30])
def test_gram_squares_are_read_right(hot: int) -> None:
    inputs = sparse(80, 30, 0.1)
    chosen = np.array([[3, 29, 0, 12], [7, 1, 30, 30], [30, 30, 30, 30]])  # 30 is no item
    whole = np.zeros((31, 31))
    whole[:30, :30] = (inputs.T @ inputs).toarray()
    np.testing.assert_allclose(Gram.of(inputs, hot).among(chosen), whole[chosen[:, :, None], chosen[:, None, :]], rtol=1e-6)


def test_cuts_keep_every_place_once_and_the_limit() -> None:
    work = np.random.default_rng(0).integers(0, 50, 300)
    runs = cuts(work, 100)
    assert (np.concatenate(runs) == np.arange(300)).all()
    assert all(work[run].sum() <= 150 for run in runs)
    assert len(runs) > 50
    assert cuts(np.empty(0, dtype=np.int64), 100) == []


@pytest.mark.parametrize("part", PARTS, ids=NAMES)
def test_two_fits_have_the_same_bytes(part: ItemLinear | SequentialLinear) -> None:
    known = world(drawn(200, 700, 30), 700)
    first, second = (part.fit(known, 0)[0].tensors() for _ in range(2))
    assert len(first["data"]) > 0
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


@pytest.mark.parametrize("part", PARTS, ids=NAMES)
@pytest.mark.parametrize(
    ("rows", "items"),
    [
        ([[0, 1, 2]], 3),
        ([[0]], 1),
        ([[0], [1], [2]], 3),
        ([[], []], 2),
        ([], 2),
        ([[1] * 50], 2),
        ([[0, 1], [1, 0]], 900),
        ([list(range(700))], 700),
    ],
    ids=["one-user", "one-item", "no-co-occurrence", "no-event", "no-user", "one-item-again", "unseen-items", "one-session"],
)
def test_odd_worlds_give_finite_scores(part: ItemLinear | SequentialLinear, rows: list[list[int]], items: int) -> None:
    scorer, _ = part.fit(world(rows, items), 0)
    asked = histories([*rows, [], [items - 1]])
    scores = scorer.score(asked)
    assert scores.shape == (len(rows) + 2, items)
    assert np.isfinite(scores).all()
    assert (scores[-2] == 0).all()
    seen = np.unique(histories(rows).items)
    assert (scores[:, np.setdiff1d(np.arange(items), seen)] == 0).all()


@pytest.mark.parametrize("part", PARTS, ids=NAMES)
def test_a_history_of_100_000_events_among_short_ones(part: ItemLinear | SequentialLinear) -> None:
    follows = [[2 * pair, 2 * pair + 1] for pair in range(150)] * 20
    long = np.random.default_rng(0).integers(0, 300, 100_000).tolist()
    scorer, _ = part.fit(world([*follows, long], 300), 0)
    scores = scorer.score(histories([[2 * pair] for pair in range(150)]))
    assert np.isfinite(scorer.score(histories([long]))).all()
    assert (scores.argmax(1) == 2 * np.arange(150) + 1).all()


def test_the_exact_fit_holds_few_square_matrices() -> None:
    items = 3000
    known = world(drawn(400, items, 30), items)
    tracemalloc.start()
    SequentialLinear(keep=50).fit(known, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 4 * items**2  # one float32 square and blocks; double precision with copies takes over 12


@pytest.mark.parametrize("dense", [1, 1000])
def test_a_ridge_that_is_too_small_is_refused_by_name(dense: int) -> None:
    rows = [list(range(20))] * 50
    with pytest.raises(ConfigError, match=r"^l2: 1e-12 is too small"):
        ItemLinear(l2=1e-12, dense=dense).fit(world(rows, 20), 0)


def test_a_share_over_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="session"):
        SequentialLinear(session=1.1)
