"""Interactions as sequences: dense indices inside, string ids at the border."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from components import artifacts

Ints = np.ndarray[Any, np.dtype[np.int64]]
T = TypeVar("T")
NOW = int(np.iinfo(np.int64).max)  # asked after every event there is


@dataclass(frozen=True)
class Histories:
    """One item sequence per user, oldest first, laid end to end.

    Attributes:
        items: int64 (events,), item indices.
        times: int64 (events,), seconds since 1970; 0 where the source has no times.
        offsets: int64 (users + 1,); user i has the events from offsets[i] to offsets[i + 1].
        who: int64 (users,), the users' indices in the dataset; -1 for a stranger, as everyone is by default.
        at: int64 (users,), when each asks, seconds since 1970; NOW by default. What others do from then on is not counted.
    """

    items: Ints
    times: Ints
    offsets: Ints
    who: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    at: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _known: dict[tuple[int, str], tuple[object, Any]] = field(
        default_factory=dict[tuple[int, str], tuple[object, Any]], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        for name, default in (("who", -1), ("at", NOW)):
            if len(getattr(self, name)) != len(self):
                object.__setattr__(self, name, np.full(len(self), default, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """Events per user, int64 (users,)."""
        return np.diff(self.offsets)

    @property
    def users(self) -> Ints:
        """The user of each event, int64 (events,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def once(self, owner: object, name: str, make: Callable[[], T]) -> T:
        """What `owner` makes of these histories, made once: kept under a name for as long as they are."""
        kept = self._known.get((id(owner), name))
        if kept is None or kept[0] is not owner:
            kept = self._known[id(owner), name] = owner, make()
        return kept[1]

    def pick(self, users: Ints) -> "Histories":
        """Keep the given users, in the given order."""
        lengths = self.lengths[users]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - self.offsets[users], lengths)
        return Histories(self.items[places], self.times[places], offsets, self.who[users], self.at[users])

    def asked(self, then: "Histories") -> "Histories":
        """Ask at the time of each user's first event in `then`; who has none there, or none with a time, asks NOW."""
        there = then.lengths > 0
        at = np.full(len(self), NOW, dtype=np.int64)
        at[there] = then.times[then.offsets[:-1][there]]
        return replace(self, at=np.where(at == 0, NOW, at))

    def padded(self, width: int, fill: int) -> Ints:
        """Lay the last `width` items of each user in a row, right-aligned, `fill` before them: int64 (users, width)."""
        rows = np.full((len(self), width), fill, dtype=np.int64)
        places = np.arange(len(self.items)) - np.repeat(self.offsets[1:], self.lengths) + width
        recent = places >= 0
        rows[self.users[recent], places[recent]] = self.items[recent]
        return rows


@dataclass(frozen=True)
class Dataset:
    """What was split, indexed.

    Attributes:
        items: ids of the catalogue, sorted; an item's index is its place here.
        users: ids of everyone who occurs in a split, sorted; all three histories have these users in this order.
        train, valid, test: each user's events of that split; empty for users without any.
    """

    items: list[str]
    users: list[str]
    train: Histories
    valid: Histories
    test: Histories

    def known(self) -> Histories:
        """Train and validation events together: what a user has seen before the test."""
        return merge(self.train, self.valid)


def spaced(count: int, most: int) -> Ints:
    """Places of at most `most` of `count` things, evenly spaced, the first and the last among them: int64, ascending."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(most, count)).astype(np.int64))


def load(tables: Path, split: Path) -> Dataset:
    """Read the catalogue (`tables`/items.parquet) and the three splits."""
    items = artifacts.read_table(tables / "items.parquet")["item_id"].sort().to_list()
    frames = [artifacts.read_table(split / f"{name}.parquet") for name in ("train", "valid", "test")]
    users = pl.concat([frame["user_id"] for frame in frames]).unique().sort().to_list()
    return Dataset(items, users, *(index(frame, users, items) for frame in frames))


def index(interactions: pl.DataFrame, users: list[str], items: list[str]) -> Histories:
    """Turn an interactions table into histories; within a user the order is (timestamp, row). All ids must be known."""
    time = pl.col("timestamp").dt.epoch("s").fill_null(0)
    user = pl.col("user_id").replace_strict(pl.Series(users), pl.int_range(len(users), eager=True), return_dtype=pl.Int64)
    item = pl.col("item_id").replace_strict(pl.Series(items), pl.int_range(len(items), eager=True), return_dtype=pl.Int64)
    rows = interactions.select("row", user=user, item=item, time=time).sort("user", "time", "row")
    counts = np.bincount(rows["user"].to_numpy(), minlength=len(users))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Histories(rows["item"].to_numpy(), rows["time"].to_numpy(), offsets, np.arange(len(users)))


def together(parts: Sequence[Histories]) -> Histories:
    """The users of several histories, one after another."""
    if len(parts) == 1:
        return parts[0]
    items, times, who, at = (np.concatenate([getattr(part, name) for part in parts]) for name in ("items", "times", "who", "at"))
    return Histories(items, times, np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in parts]))]), who, at)


def merge(first: Histories, then: Histories) -> Histories:
    """Append each user's events in `then` to those in `first`."""
    users = np.concatenate([first.users, then.users])
    order = np.argsort(users, kind="stable")
    offsets = first.offsets + then.offsets
    items, times = np.concatenate([first.items, then.items]), np.concatenate([first.times, then.times])
    return Histories(items[order], times[order], offsets, first.who, first.at)
