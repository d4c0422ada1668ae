"""Recency of popularity: counted before the moment of asking, whoever else asks."""

import numpy as np

from components.data.histories import Histories
from components.ranking.parts import World
from components.ranking.popularity import DAY, Popularity

ITEMS = 7


def world(times: list[int] | None = None, seed: int = 0, events: int = 400) -> World:
    draw = np.random.default_rng(seed)
    when = np.sort(draw.integers(0, int(90 * DAY), events)) if times is None else np.array(times)
    items = draw.integers(0, ITEMS, len(when))
    nothing = np.zeros((ITEMS, 1), dtype=np.float32)
    return World(Histories(items, when, np.array([0, len(when)])), np.array([-1]), nothing, nothing)


def strangers(at: list[float]) -> Histories:
    nothing = np.zeros(len(at) + 1, dtype=np.int64)
    return Histories(nothing[:0], nothing[:0], nothing, at=np.array(at, dtype=np.int64))


def expected(where: World, at: int, half_life: float) -> np.ndarray:
    before = where.histories.times < at
    weights = 0.5 ** ((at - where.histories.times[before]) / DAY / half_life)
    return np.bincount(where.histories.items[before], weights, minlength=ITEMS)


def test_counts_what_came_before_asking() -> None:
    where = world()
    moments = [0, 5 * DAY, 5 * DAY + 1, 44.5 * DAY, 89 * DAY, -3 * DAY]
    scorer, _ = Popularity(half_life=2.0).fit(where, 0)
    found = scorer.score(strangers(moments))
    for row, at in zip(found, moments, strict=True):
        np.testing.assert_allclose(row, expected(where, int(at), 2.0), atol=1e-9)


def test_the_event_at_the_very_second_is_not_counted() -> None:
    where = world([100, 200, 200, 300])
    scorer, _ = Popularity(half_life=1.0).fit(where, 0)
    before, after = scorer.score(strangers([200, 201]))
    assert np.count_nonzero(before) == 1
    assert after.sum() > 2.9


def test_alone_or_together_the_bits_are_the_same() -> None:
    scorer, _ = Popularity(half_life=3.0).fit(world(), 0)
    moments = [float(x) for x in np.random.default_rng(1).integers(0, int(100 * DAY), 50)]
    together = scorer.score(strangers(moments))
    for place, at in enumerate(moments):
        np.testing.assert_array_equal(scorer.score(strangers([at]))[0], together[place])


def test_now_is_the_end_of_the_data() -> None:
    where = world()
    scorer, _ = Popularity(half_life=3.0).fit(where, 0)
    now = scorer.score(Histories(np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(3, np.int64)))
    np.testing.assert_array_equal(now[0], now[1])
    np.testing.assert_allclose(now[0], expected(where, int(where.histories.times.max()) + 1, 3.0))


def test_without_times_all_events_count_alike() -> None:
    where = world([0] * 30)
    scorer, _ = Popularity(half_life=1.0).fit(where, 0)
    counts = np.bincount(where.histories.items, minlength=ITEMS)
    np.testing.assert_allclose(scorer.score(strangers([0.0, 1e12]))[1] / counts, 1.0, rtol=1e-4)


def test_restored_it_scores_the_same() -> None:
    where = world()
    part = Popularity(half_life=3.0)
    scorer, _ = part.fit(where, 0)
    np.testing.assert_array_equal(part.restore(scorer.tensors(), where).score(strangers([9 * DAY])), scorer.score(strangers([9 * DAY])))
