"""Recency of popularity: what everyone chose lately."""

from dataclasses import dataclass

import numpy as np
from pydantic import PositiveFloat

from components.data.histories import Histories
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.schema import node

DAY = 86400.0


@dataclass(frozen=True)
class PopularityScorer:
    """The same score for everyone: float64 (items,)."""

    counts: Floats

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        return np.tile(np.log1p(self.counts), (len(histories), 1))

    def tensors(self) -> Arrays:
        """The decayed counts."""
        return {"counts": self.counts}


@node
class Popularity:
    """Events per item, each halved for every `half_life` days that it lies before the last event of all."""

    half_life: PositiveFloat = 90.0

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Count."""
        histories = world.histories
        age = histories.times.max(initial=0) - histories.times
        weights = 0.5 ** (age / DAY / self.half_life)
        counts: Floats = np.bincount(histories.items, weights, minlength=world.items).astype(np.float64)
        return PopularityScorer(counts), []

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Count again."""
        return self.fit(world, 0)[0]

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its counts."""
        return PopularityScorer(tensors["counts"])
