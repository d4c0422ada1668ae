"""Histories: when each user asks, and what no times mean."""

import numpy as np
import polars as pl

from components.data.histories import NOW, Histories, index, merge


def test_each_asks_at_the_first_event_then_or_now() -> None:
    past = Histories(np.array([1, 2, 3]), np.array([5, 6, 7]), np.array([0, 1, 2, 3]), np.arange(3))
    then = Histories(np.array([4, 5, 6]), np.array([9, 12, 0]), np.array([0, 2, 2, 3]), np.arange(3))
    assert past.at.tolist() == [NOW, NOW, NOW]
    assert past.asked(then).at.tolist() == [9, NOW, NOW]
    assert past.asked(then).pick(np.array([2, 0])).at.tolist() == [NOW, 9]
    assert merge(past.asked(then), then).at.tolist() == [9, NOW, NOW]


def test_without_timestamps_the_order_is_the_rows_and_times_are_none() -> None:
    frame = pl.DataFrame(
        {"row": [0, 1, 2], "user_id": ["b", "a", "b"], "item_id": ["x", "y", "y"], "timestamp": [None] * 3},
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    )
    found = index(frame, ["a", "b"], ["x", "y"])
    assert found.items.tolist() == [1, 0, 1]
    assert found.times.tolist() == [0, 0, 0]
    assert found.asked(found).at.tolist() == [NOW, NOW]
