"""Lists that are not more of the same: maximal marginal relevance and determinantal point processes, picked greedily."""

from typing import Protocol

import numpy as np
from pydantic import Field

from components.data.histories import Ints
from components.errors import DataError
from components.ranking.parts import Floats
from components.recommend.pick import Gain, greedy
from components.recommend.retrieval import directions
from components.schema import node

LEAST = 1e-10  # below this a candidate's own part of the volume is noise


class Diversity(Protocol):
    """Picks lists; `trade` in [0, 1] is what relevance is given up for: 0 is the order of the scores."""

    @property
    def trade(self) -> float:
        """The share of relevance given up."""
        ...

    def gain(self, relevance: Floats, unit: Floats) -> Gain:
        """What candidates add, of their relevance, (users, n), and their vectors of length 1 or 0, (users, n, d)."""
        ...

    def select(self, scores: Floats, vectors: Floats, k: int) -> Ints:
        """Pick k of n candidates for each user.

        Args:
            scores: float (users, n), any scale, -inf for what may not be picked.
            vectors: float (users, n, d).

        Returns:
            Places in the order picked, int64 (users, k); -1 where no candidate is left.

        Raises:
            DataError: a score or a vector is NaN.
        """
        ...


@node
class MMR:
    """Maximal marginal relevance (Carbonell, Goldstein, SIGIR 1998): (1 - trade) · relevance - trade · max cosine to the list.

    Relevance is 1 for the user's best candidate and 0 for the worst, so that a candidate is passed over for one whose highest
    cosine is lower by c when that costs less than c · trade / (1 - trade) of the way from best to worst.
    """

    trade: float = Field(0.1, ge=0, le=1)

    def gain(self, relevance: Floats, unit: Floats) -> Gain:
        """See `Diversity.gain`."""
        return _Nearest((1 - self.trade) * relevance, unit, self.trade)

    def select(self, scores: Floats, vectors: Floats, k: int) -> Ints:
        """See `Diversity.select`."""
        return _select(self, scores, vectors, k)


@node
class DPP:
    """Greedy MAP of a determinantal point process (Chen, Zhang, Zhou, NeurIPS 2018).

    Maximises (1 - trade) · Σ relevance + trade · log det S over the list, S the cosines; relevance is 1 for the user's best
    candidate and 0 for the worst. A candidate adds (1 - trade) · relevance + trade · log d², d² the part of its direction that
    the list does not span: one that is half spanned is worth 0.69 · trade / (1 - trade) of the way from best to worst less.
    """

    trade: float = Field(0.1, ge=0, le=1)

    def gain(self, relevance: Floats, unit: Floats) -> Gain:
        """See `Diversity.gain`."""
        return _Volume((1 - self.trade) * relevance, unit, self.trade)

    def select(self, scores: Floats, vectors: Floats, k: int) -> Ints:
        """See `Diversity.select`."""
        return _select(self, scores, vectors, k)


def relevance(scores: Floats, width: int | None = None) -> Floats:
    """Put scores on the scale of 1 for the best and 0 for the worst of each user's first `width`: float64 (users, n).

    Equal scores are all 1; what is not finite is 0.
    """
    known = np.where(np.isfinite(scores), scores, np.nan)[:, :width]
    there = np.isfinite(known)
    low = np.min(known, axis=1, keepdims=True, where=there, initial=np.inf)
    spread = np.max(known, axis=1, keepdims=True, where=there, initial=-np.inf) - low
    usable = np.isfinite(spread) & (spread > 0)
    scaled = (np.where(np.isfinite(scores), scores, 0.0) - np.where(usable, low, 0.0)) / np.where(usable, spread, 1.0)
    return np.where(np.isfinite(scores), np.where(usable, scaled, 1.0), 0.0)


class _Nearest:
    def __init__(self, relevance: Floats, unit: Floats, trade: float) -> None:
        self._relevance, self._unit, self._trade = relevance, unit, trade
        self._nearest: Floats | None = None

    def values(self) -> Floats:
        return self._relevance if self._nearest is None else self._relevance - self._trade * self._nearest

    def take(self, chosen: Ints) -> None:
        cosines = _cosines(self._unit, chosen)
        self._nearest = cosines if self._nearest is None else np.maximum(self._nearest, cosines)


class _Volume:
    """Rows of the Cholesky factor of the chosen candidates' cosines, and what is left of each candidate's length."""

    def __init__(self, relevance: Floats, unit: Floats, trade: float) -> None:
        self._relevance, self._unit, self._trade = relevance, unit, trade
        self._left = np.ones(relevance.shape)
        self._rows: list[Floats] = []

    def values(self) -> Floats:
        return self._relevance + self._trade * np.log(np.maximum(self._left, LEAST))

    def take(self, chosen: Ints) -> None:
        users = np.arange(len(chosen))
        row = _cosines(self._unit, chosen)
        for earlier in self._rows:
            row -= earlier[users, chosen][:, None] * earlier
        own = self._left[users, chosen][:, None]
        row = np.where(own > LEAST, row / np.sqrt(np.maximum(own, LEAST)), 0.0)
        self._rows.append(row)
        self._left = self._left - row**2


def _cosines(unit: Floats, chosen: Ints) -> Floats:
    """Cosines of each user's candidates to the chosen one: float64 (users, n)."""
    return (unit @ unit[np.arange(len(unit)), chosen][:, :, None])[:, :, 0]


def _select(diversity: Diversity, scores: Floats, vectors: Floats, k: int) -> Ints:
    for name, values in (("score", scores), ("vector", vectors)):
        if np.isnan(values).any():
            raise DataError(f"diversity: a candidate's {name} is NaN; train the model again")
    gain = diversity.gain(relevance(scores), directions(vectors))
    return greedy(gain, scores > -np.inf, [], k)[0]
