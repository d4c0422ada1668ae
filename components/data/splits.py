"""How interactions become train, valid and test, and the check that nothing of the future leaks back."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import polars as pl
from pydantic import Field

from components.errors import ConfigError, DataError
from components.schema import node

NAMES = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Three parts of one interactions table, each in the order of time."""

    train: pl.DataFrame
    valid: pl.DataFrame
    test: pl.DataFrame

    def parts(self) -> dict[str, pl.DataFrame]:
        """The parts by name."""
        return {name: getattr(self, name) for name in NAMES}


@runtime_checkable
class Splitter(Protocol):
    """Assigns each interaction to a part."""

    def assign(self, interactions: pl.DataFrame) -> pl.DataFrame:
        """Set the column `split` to train, valid or test; rows are in the order of time and no (user, item) pair repeats."""
        ...

    def leaks(self, split: Split) -> dict[str, list[str]]:
        """Name, by kind, the users or rows whose future stands before the cut."""
        ...


@node
class LeaveLast:
    """Each user's last interaction is test, the one before it valid; users with fewer than `least` stay in train."""

    least: int = Field(3, ge=3)

    def assign(self, interactions: pl.DataFrame) -> pl.DataFrame:
        """Assign by the place from the end of each user's interactions."""
        place = pl.int_range(pl.len()).reverse().over("user_id")
        part = pl.when(pl.len().over("user_id") < self.least).then(pl.lit("train"))
        part = part.when(place == 0).then(pl.lit("test")).when(place == 1).then(pl.lit("valid")).otherwise(pl.lit("train"))
        return interactions.with_columns(split=part)

    def leaks(self, split: Split) -> dict[str, list[str]]:
        """Within each user, train is before valid is before test."""
        return user_order(split)


@node
class Time:
    """The last `test` share of all interactions by time is test, the `valid` share before it valid."""

    test: float = Field(0.1, gt=0, lt=1)
    valid: float = Field(0.1, gt=0, lt=1)

    def assign(self, interactions: pl.DataFrame) -> pl.DataFrame:
        """Assign by two cuts in time; interactions at the very time of a cut go to the later part."""
        if self.test + self.valid >= 1:
            raise ConfigError(f"split: test {self.test} and valid {self.valid} leave nothing to learn from; together they must be below 1")
        if interactions["timestamp"].is_null().any():
            raise DataError("interactions: a split by time needs a timestamp in every row; use split=leave_last")
        times = interactions["timestamp"].sort()
        first, second = (times[min(len(times) - 1, round(len(times) * (1 - share)))] for share in (self.test + self.valid, self.test))
        part = pl.when(pl.col("timestamp") >= second).then(pl.lit("test")).when(pl.col("timestamp") >= first).then(pl.lit("valid"))
        return interactions.with_columns(split=part.otherwise(pl.lit("train")))

    def leaks(self, split: Split) -> dict[str, list[str]]:
        """Nothing in train is as late as the first of valid, nothing in either as late as the first of test."""
        pairs = {"train_after_valid": (split.train, split.valid), "valid_after_test": (split.valid, split.test)}
        return {name: _late(before, after) for name, (before, after) in pairs.items()}


@node
class Provided:
    """The parts that the column `split` of the interactions names."""

    def assign(self, interactions: pl.DataFrame) -> pl.DataFrame:
        """Check that every row names a part."""
        wrong = interactions.filter(~pl.col("split").is_in(NAMES) | pl.col("split").is_null())
        if len(wrong):
            value, row = wrong["split"][0], wrong["row"][0]
            raise DataError(f"interactions: column 'split', row {row}: {value!r} is none of train, valid, test ({len(wrong)} such rows)")
        return interactions

    def leaks(self, split: Split) -> dict[str, list[str]]:
        """Within each user, train is before valid is before test."""
        return user_order(split)


def divide(interactions: pl.DataFrame, splitter: Splitter) -> tuple[Split, dict[str, Any]]:
    """Split interactions and report.

    Only a user's first interaction with an item counts, later ones are dropped (`repeats`): a test item is never one seen.
    Equal timestamps keep the order of the source.

    Returns:
        the split and its report: counts, cut times, leaks (all 0).

    Raises:
        DataError: a part is empty where it must not be, or the split leaks.
    """
    ordered = interactions.sort("timestamp", "row", nulls_last=False)
    first = ordered.unique(["user_id", "item_id"], keep="first", maintain_order=True)
    assigned = splitter.assign(first)
    split = Split(*(assigned.filter(pl.col("split") == name) for name in NAMES))
    if split.train.is_empty() or split.test.is_empty():
        raise DataError(f"interactions: nothing to {'learn from' if split.train.is_empty() else 'test on'} after the split; give more data")
    leaks = {"pairs_in_two_parts": _twice(split)} | splitter.leaks(split)
    if any(leaks.values()):
        found = ", ".join(f"{len(names)} {kind.replace('_', ' ')} ({', '.join(names[:3])})" for kind, names in leaks.items() if names)
        raise DataError(
            f"interactions: the split leaks the future: {found}; correct the column 'split', or use split=time or split=leave_last"
        )
    return split, {
        "repeats": len(ordered) - len(first),
        "parts": {name: _count(part) for name, part in split.parts().items()},
        "leaks": {kind: len(names) for kind, names in leaks.items()},
    }


def user_order(split: Split) -> dict[str, list[str]]:
    """Name users of whom an interaction of an earlier part lies after one of a later part."""
    found = {}
    for early, late in (("train", "valid"), ("valid", "test"), ("train", "test")):
        ends = split.parts()[early].group_by("user_id").agg(_place().max().alias("end"))
        starts = split.parts()[late].group_by("user_id").agg(_place().min().alias("start"))
        both = ends.join(starts, "user_id")
        found[f"users_with_{early}_after_{late}"] = both.filter(pl.col("end") > pl.col("start"))["user_id"].sort().to_list()
    return found


def _place() -> pl.Expr:
    return pl.coalesce(pl.col("timestamp").dt.epoch("us"), pl.col("row"))


def _twice(split: Split) -> list[str]:
    pairs = pl.concat(part.select("user_id", "item_id") for part in split.parts().values())
    return pairs.filter(pairs.is_duplicated())["user_id"].unique().sort().to_list()


def _late(before: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    if after.is_empty():
        return []
    late = before.filter(pl.col("timestamp") >= after["timestamp"].min())
    return [f"row {row}" for row in late["row"].sort()]


def _count(part: pl.DataFrame) -> dict[str, Any]:
    times = part["timestamp"].drop_nulls()
    span = [times.min(), times.max()] if len(times) else [None, None]
    counts = {"interactions": len(part), "users": part["user_id"].n_unique(), "items": part["item_id"].n_unique()}
    return counts | {"from": span[0] and str(span[0]), "to": span[1] and str(span[1])}
