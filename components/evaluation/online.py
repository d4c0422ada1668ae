"""Online: what came of the lists that were shown, and whether it is less than before."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl
from pydantic import PositiveFloat, PositiveInt

from components.evaluation.significance import Interval, proportion
from components.schema import node

RIPE = timedelta(days=1)  # until then an impression may still be answered


@node
class Window:
    """Which lists are compared: those of the last `days` that may not be answered any more, and of `before` days ahead of them.

    On each side there must be `least` lists.
    """

    days: PositiveFloat = 7.0
    before: PositiveFloat = 28.0
    least: PositiveInt = 500


@dataclass(frozen=True)
class Change:
    """Hit rates before and now, each a share of lists."""

    before: float
    now: Interval
    lists: tuple[int, int]

    @property
    def drop(self) -> float:
        """What is lost, as a share of the rate before."""
        return 1 - self.now.value / self.before if self.before else 0.0

    def surely(self, bound: float) -> bool:
        """Whether the whole interval lies below what a drop by `bound` leaves."""
        return self.now.high < (1 - bound) * self.before


def lists(exposures: pl.DataFrame) -> pl.DataFrame:
    """Gather impressions to the lists that they were shown in: `at`, and `hit`, whether any item was taken.

    Args:
        exposures: user_id, timestamp, request, taken; without a request, what a user was shown at one moment is a list.
    """
    shown = pl.coalesce("request", pl.col("timestamp").cast(pl.String)).alias("list")
    return exposures.group_by("user_id", shown).agg(at=pl.col("timestamp").min(), hit=pl.col("taken").any()).select("at", "hit")


def change(exposures: pl.DataFrame, window: Window) -> Change | None:
    """Compare the hit rate of the last days with that of the days before; None where there are too few lists."""
    shown = lists(exposures)
    if shown.is_empty():
        return None
    end = shown["at"].max() - RIPE  # pyright: ignore[reportOperatorIssue]
    start = end - timedelta(days=window.days)
    now = shown.filter((pl.col("at") > start) & (pl.col("at") <= end))["hit"]
    before = shown.filter((pl.col("at") > start - timedelta(days=window.before)) & (pl.col("at") <= start))["hit"]
    if min(len(now), len(before)) < window.least:
        return None
    return Change(int(before.sum()) / len(before), proportion(int(now.sum()), len(now)), (len(before), len(now)))
