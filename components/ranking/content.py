"""Content similarity: how far the content of an item goes with the content of the history; cold items have it as well."""

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp
from pydantic import PositiveFloat

from components.data.histories import Histories, Ints
from components.ranking.linear import aged, decayed
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.schema import node

GRID, LENGTH = 4096, 3900  # lengths of vectors of whole numbers, rounding left out: with it, no product reaches 2 ** 24


@dataclass(frozen=True)
class ContentScorer:
    """Scores are x F M Fᵀ with the decayed history x.

    Features are whole multiples of 1 / `GRID`, and what they are multiplied by is made whole too: the sums of the products then fit
    float32 without rounding, at half the price of float64, and are the same whoever else asks.

    Attributes:
        features: float32 (items, d), centred content vectors F of length 1, or 0 for an item without content, times `GRID`.
        metric: float64 (d, d), M.
        decay: an event's weight falls by e for every `decay` later events.
    """

    features: Floats
    metric: Floats
    decay: float
    _spreads: dict[int, tuple[Floats, Floats]] = field(
        default_factory=dict[int, tuple[Floats, Floats]], init=False, repr=False, compare=False
    )

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        query, scale = self._query(histories)
        return (query @ self.features.T) * scale

    def some(self, histories: Histories, candidates: Ints) -> Floats:
        """Score candidates, int64 (users, c): float64 (users, c)."""
        query, scale = self._query(histories)
        return (self.features[candidates] @ query[:, :, None])[:, :, 0] * scale

    def moments(self, histories: Histories, known: int | None) -> tuple[Floats, Floats]:
        """Mean and deviation of each user's scores of the `known` first items, or of all: float64 (users, 1) each."""
        query, scale = self._query(histories)
        centre, spread = self._spread(len(self.features) if known is None else known)
        wide = query.astype(np.float64)
        return (wide @ centre)[:, None] * scale, np.sqrt(np.maximum(((wide @ spread) * wide).sum(1), 0.0))[:, None] * scale

    def grow(self, world: World, told: Ints) -> "ContentScorer":
        """What is told of an item is all that is asked; it is centred as the others were, by those that someone chose."""
        centre = _centre(world.content, np.unique(world.histories.items)).astype(np.float64)
        more = np.zeros((world.items - len(self.features), self.features.shape[1]), dtype=np.float32)
        features = np.concatenate([self.features, more])
        features[told] = _whole(_directed(world.content[told].astype(np.float64), centre))
        return replace(self, features=features)

    def tensors(self) -> Arrays:
        """The features and the metric."""
        return {"features": self.features / np.float32(GRID), "metric": self.metric.astype(np.float32)}

    def _query(self, histories: Histories) -> tuple[Floats, Floats]:
        """What features are multiplied by, whole numbers: float32 (users, d); and what a product is worth, float64 (users, 1)."""
        return histories.once(self, "query", lambda: self._asked(histories))

    def _spread(self, known: int) -> tuple[Floats, Floats]:
        """Mean and covariance of the first features: float64 (d,) and (d, d)."""
        if known not in self._spreads:
            centre = self.features[:known].mean(0, dtype=np.float64)
            apart = self.features[:known] - centre
            self._spreads[known] = centre, apart.T @ apart / max(known, 1)
        return self._spreads[known]

    def _asked(self, histories: Histories) -> tuple[Floats, Floats]:
        items, place = np.unique(histories.items, return_inverse=True)
        past = sp.csr_matrix((aged(histories, self.decay), place, histories.offsets), shape=(len(histories), len(items)))
        query = past @ self.features[items].astype(np.float64) @ self.metric
        length = np.linalg.norm(query, axis=1, keepdims=True)
        return np.rint(query * (LENGTH / np.maximum(length, 1e-300))).astype(np.float32), length / (LENGTH * GRID**2)


@node
class ContentLinear:
    """A linear autoencoder on content: each history X predicted from the content of its items F, in closed form.

    Minimises ‖X F - X F M FᵀF‖² with M shrunk on both sides; `ridge` is relative to the mean eigenvalue of either Gram matrix.
    With a large one M tends to a multiple of the identity in effect: plain cosine of centred vectors, summed over the history.
    """

    ridge: PositiveFloat = 1.0
    decay: PositiveFloat = 30.0

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Solve M = (FᵀXᵀXF + λ₁)⁻¹ FᵀXᵀXF (FᵀF + λ₂)⁻¹ over the items that someone chose."""
        events = decayed(world.histories, world.items, float("inf"))
        events.data[:] = 1.0
        warm = np.unique(world.histories.items)
        content = world.content.astype(np.float64)
        features = _directed(content, _centre(content, warm))
        profile = events @ features
        behind, ahead = profile.T @ profile, features[warm].T @ features[warm]
        metric = np.linalg.solve(_ridged(behind, self.ridge), behind) @ np.linalg.inv(_ridged(ahead, self.ridge))
        return self.restore({"features": features.astype(np.float32), "metric": metric.astype(np.float32)}, world), []

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Solve again."""
        return self.fit(world, 0)[0]

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        return ContentScorer(_whole(tensors["features"]), tensors["metric"].astype(np.float64), self.decay)


def _centre(content: Floats, warm: np.ndarray) -> Floats:
    """The mean over the items that have content and were chosen: (d,)."""
    known = warm[np.linalg.norm(content[warm], axis=1) > 0]
    return content[known].mean(0) if len(known) else np.zeros(content.shape[1])


def _directed(content: Floats, centre: Floats) -> Floats:
    """Subtract the centre and scale to length 1; without content stay 0."""
    there = np.linalg.norm(content, axis=1) > 0
    moved = np.where(there[:, None], content - centre, 0.0)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return moved / np.where(length > 1e-9, length, np.inf)


def _whole(features: Floats) -> Floats:
    """Vectors of length 1 at most, times GRID, in whole numbers: float32."""
    return np.rint(features * GRID).astype(np.float32)


def _ridged(gram: Floats, ridge: float) -> Floats:
    mean = np.trace(gram) / len(gram) or 1.0
    return gram + ridge * mean * np.eye(len(gram))
