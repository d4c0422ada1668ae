"""Recency of popularity: what everyone chose just before the user asks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import PositiveFloat

from components.data.histories import Histories, Ints
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.schema import node

DAY = 86400.0
STEPS = 256  # moments, evenly spaced over the events' time, up to which events are counted once for all who ask soon after


@dataclass(frozen=True)
class PopularityScorer:
    """Events of each item before the user asks, each halved for every `half_life` days that it is old.

    Attributes:
        items: int32 (events,), what was chosen, in the order of time.
        times: int64 (events,), when, seconds since 1970.
        size: of the catalogue.
        half_life: days.
    """

    items: np.ndarray[Any, np.dtype[np.int32]]
    times: Ints
    size: int
    half_life: float

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items), one row for all where all ask after the last event; what happens at the very
        second of asking is not counted."""
        asked, place = np.unique(np.minimum(histories.at, self.end), return_inverse=True)
        if len(asked) == 1 and asked[0] == self.end:
            return np.broadcast_to(self.latest, (len(place), self.size))
        return self._counts(asked)[place]

    def grow(self, world: World, told: Ints) -> "PopularityScorer":
        """A new item was chosen by nobody yet."""
        return replace(self, size=world.items)

    def tensors(self) -> Arrays:
        """The events."""
        return {"items": self.items, "times": self.times}

    @property
    def end(self) -> int:
        """The second after the last event."""
        return int(self.times[-1]) + 1 if len(self.times) else 0

    @cached_property
    def latest(self) -> Floats:
        """The scores after all events: float64 (1, items)."""
        return self._counts(np.array([self.end]))

    def _counts(self, asked: Ints) -> Floats:
        """Count for ascending times: float64 (times, items); up to the last moment before each for all, what is newer for each."""
        start, step = self._grid
        moment = start + (asked - start) // step * step
        first = np.searchsorted(self.times, moment)
        newer = np.searchsorted(self.times, asked) - first
        rows = np.repeat(np.arange(len(asked)), newer)
        events = np.arange(len(rows)) + np.repeat(first - np.cumsum(newer) + newer, newer)
        weights = self._faded(self.times[events], asked[rows])
        counts = sp.csr_matrix((weights, (rows, self.items[events])), shape=(len(asked), self.size)).toarray()
        faded = self._faded(moment, asked)
        for now, base in self._walk(int(moment[-1])):
            own = slice(*np.searchsorted(moment, [now, now + 1]))
            counts[own] += base * faded[own, None]
        return counts

    @property
    def _grid(self) -> tuple[int, int]:
        """The first moment and the seconds to the next: of the events alone, so that others who ask don't show in a score."""
        start = int(self.times[0]) if len(self.times) else 0
        return start, max(1, (self.end - start) // STEPS)

    def _walk(self, last: int) -> Iterator[tuple[int, Floats]]:
        """Each moment up to `last`, and the counts then: float64 (items,)."""
        start, step = self._grid
        base, before, fade = np.zeros(self.size), 0, float(self._faded(0, step))
        for now in range(start, last + 1, step):
            upto = int(np.searchsorted(self.times, now))
            newer = slice(before, upto)
            base = base * fade + np.bincount(self.items[newer], self._faded(self.times[newer], now), minlength=self.size)
            before = upto
            yield now, base

    def _faded(self, then: Ints | int, now: Ints | int) -> Floats:
        return np.exp2((np.asarray(then) - now) / (DAY * self.half_life))


@node
class Popularity:
    """What is popular when the user asks; where the source has no times, over all time. `half_life` in days."""

    half_life: PositiveFloat = 90.0

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Lay the events in the order of time."""
        order = np.argsort(world.histories.times, kind="stable")
        items = world.histories.items[order].astype(np.int32)
        return PopularityScorer(items, world.histories.times[order], world.items, self.half_life), []

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Take in the validation events."""
        return self.fit(world, 0)[0]

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its events."""
        return PopularityScorer(tensors["items"], tensors["times"], world.items, self.half_life)
