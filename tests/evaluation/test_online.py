from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from components.evaluation.online import Window, change, lists

END = datetime(2026, 3, 29, tzinfo=UTC)
WINDOW = Window(days=7, before=28, least=100)


def shown(chance_before: float, chance_now: float, *, seed: int = 1, hours: int = 36 * 24) -> pl.DataFrame:
    """A list of three items every hour; the first of it is taken by chance, which changes seven days (and one to ripen) before the end."""
    draw = np.random.default_rng(seed)
    rows = []
    for hour in range(hours):
        at = END - timedelta(hours=hours - hour - 1)
        taken = draw.random() < (chance_now if END - at < timedelta(days=8) else chance_before)
        rows += [(f"u{hour % 50}", at, f"r{hour}", taken and rank == 0) for rank in range(3)]
    return pl.DataFrame(rows, schema=["user_id", "timestamp", "request", "taken"], orient="row")


def test_impressions_of_one_answer_are_one_list():
    exposures = shown(1.0, 1.0, hours=10)
    found = lists(exposures)
    assert (len(found), int(found["hit"].sum())) == (10, 10)
    without = lists(exposures.with_columns(request=pl.lit(None, pl.String)))
    assert len(without) == 10, "without a request, what was shown to one user at one moment"


def test_what_may_still_be_answered_does_not_count():
    late = shown(0.5, 0.5).with_columns(taken=pl.col("taken") & (pl.col("timestamp") <= END - timedelta(days=1)))
    found = change(late, WINDOW)
    assert found is not None
    assert found.now.value > 0.35
    assert found.lists == (28 * 24, 7 * 24)


def test_a_drop_is_sure_or_it_is_none():
    dropped = change(shown(0.5, 0.2), WINDOW)
    assert dropped is not None
    assert dropped.surely(0.2)
    assert 0.4 < dropped.drop < 0.8
    alarms = [change(shown(0.5, 0.5, seed=seed), WINDOW) for seed in range(20)]
    assert not any(found.surely(0.2) for found in alarms if found)
    better = change(shown(0.2, 0.5), WINDOW)
    assert better is not None
    assert (better.drop < 0, better.surely(0.2)) == (True, False)


def test_of_too_few_lists_nothing_is_said():
    assert change(shown(0.5, 0.1), Window(days=7, before=28, least=10_000)) is None
    assert change(shown(0.5, 0.1).clear(), WINDOW) is None
