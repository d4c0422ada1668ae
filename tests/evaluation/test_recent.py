from dataclasses import replace

import numpy as np
import pytest

from components.data.histories import Histories
from components.evaluation.baselines import Baseline, recommend
from components.evaluation.recent import DAY, Recent
from tests.evaluation.conftest import histories, world


def dated(rows: list[list[tuple[int, int]]]) -> Histories:
    """Histories of (item, day)."""
    events = histories([[item for item, _ in row] for row in rows])
    return replace(events, times=np.array([day * DAY for row in rows for _, day in row], dtype=np.int64))


def asking(*days: int) -> Histories:
    """Strangers who ask on these days."""
    return replace(histories([[]] * len(days)), at=np.array(days) * DAY + 7)


EVENTS = dated([[(0, 1), (0, 2)], [(1, 8)], [(2, 9), (2, 10)]])


def scorer(days: float):
    found, curve = Recent(days=[days]).fit(world(EVENTS, 4), 0)
    assert curve == []
    return found


def test_it_is_a_baseline():
    assert isinstance(Recent(), Baseline)
    assert Recent().days == [7.0, 30.0, 90.0]


def test_only_the_days_before_the_request_count():
    counts = np.floor(scorer(2).score(asking(9, 3, 10)))
    assert counts.tolist() == [[0, 1, 0, 0], [2, 0, 0, 0], [0, 1, 1, 0]]


def test_who_asks_later_asks_after_the_last_event():
    assert np.floor(scorer(2).score(histories([[]]))).tolist() == [[0, 0, 2, 0]]
    assert np.floor(scorer(2).score(asking(400))).tolist() == [[0, 0, 2, 0]]


def test_older_events_break_ties_only():
    assert recommend(scorer(1), asking(9), np.zeros(4), 3).tolist() == [[1, 0, 2]]


def test_the_window_is_chosen_on_validation():
    trend = [[(item, day)] for day in range(40) for item in [day // 4] * 3]
    train = dated([*trend, *[[(39, day)] for day in range(40)] * 2])
    fresh = dated([[]] * (len(train) - 40) + [[(day // 4, day)] for day in range(40)])
    assert Recent(days=[90.0, 3.0]).choose(train, fresh, 40).days == [3.0]
    always = dated([[]] * (len(train) - 3) + [[(39, 39)], [(39, 38)], [(39, 37)]])
    seen_by_none = replace(train, items=np.where(np.arange(len(train.items)) >= len(train.items) - 3, 0, train.items))
    assert Recent(days=[90.0, 3.0]).choose(seen_by_none, always, 40).days == [90.0]


def test_a_choice_of_one_and_a_choice_without_validation_are_the_first():
    none = histories([[]] * 3)
    assert Recent(days=[30.0]).choose(EVENTS, EVENTS, 4).days == [30.0]
    assert Recent(days=[90.0, 7.0]).choose(EVENTS, none, 4).days == [90.0]


def test_without_times_it_is_popularity():
    flat = replace(EVENTS, times=np.zeros_like(EVENTS.times))
    found, _ = Recent(days=[7.0]).fit(world(flat, 4), 0)
    assert recommend(found, histories([[]]), np.zeros(4), 4).tolist() == [[0, 2, 1, 3]]
    assert Recent(days=[7.0, 30.0]).choose(flat, flat, 4).days == [7.0]


@pytest.mark.parametrize("days", [[], [0.0], [-7.0]])
def test_windows_must_be_days(days):
    with pytest.raises(ValueError, match="days"):
        Recent(days=days)
