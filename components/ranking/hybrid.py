"""The hybrid: standardised scores of its parts, joined by weights learned on validation for each state of the user."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt
from scipy.special import expit

from components.data.histories import Histories, Ints, merge
from components.errors import DataError
from components.progress import say
from components.ranking.parts import Arrays, Floats, Part, Scorer, World
from components.ranking.weights import Bools, Pool, calibrate, join, learn
from components.schema import node


@dataclass(frozen=True)
class HybridScorer:
    """The score of every item: Σ_p w_sp · z_p, with z_p a part's scores standardised over the catalogue, s the user's state.

    Attributes:
        parts: fitted parts by name.
        weights: float64 (states, parts), non-negative; state s holds histories longer than bounds[s - 1], up to bounds[s].
        scales: float64 (states, 2), (a, b) of each state's calibration.
        bounds: int64 (states - 1,), ascending; the first is 0: state 0 is the cold user.
    """

    parts: dict[str, Scorer]
    weights: Floats
    scales: Floats
    bounds: Ints

    def terms(self, histories: Histories) -> Floats:
        """What each part adds to the score: float64 (parts, users, items)."""
        weights = self.weights[states(histories, self.bounds)]
        return np.stack([weights[:, [i]] * standardise(part.score(histories)) for i, part in enumerate(self.parts.values())])

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        return self.terms(histories).sum(0)

    def tensors(self) -> Arrays:
        """The weights by the parts' names, the calibration and the states' bounds."""
        named = {f"weight.{name}": self.weights[:, place] for place, name in enumerate(self.parts)}
        return named | {"scales": self.scales, "bounds": self.bounds}

    def probability(self, histories: Histories, scores: Floats) -> Floats:
        """The probability ŷ = σ(a · score + b) that each score's item is the user's next: float64, shaped as `scores`."""
        scale = self.scales[states(histories, self.bounds)]
        return expit(scale[:, :1] * scores + scale[:, 1:])


@node
class Hybrid:
    """Which parts there are and how they are joined.

    `bounds` are the longest histories of each state but cold and the last; `prior` is how many users the common weights are
    worth against a state's own; `pool` is how many items of each part the weights are learned on; with `refit`, parts that
    can take in the validation events cheaply do, after the weights are learned.
    """

    parts: dict[str, Part]
    bounds: list[int]
    prior: NonNegativeFloat = 500.0
    pool: PositiveInt = 100
    refit: bool = True

    def fit(self, world: World, valid: Histories, seed: int) -> tuple[HybridScorer, dict[str, Any]]:
        """Fit the parts on train, the weights on validation, and refit; also returns curves and weights as plain data.

        Args:
            world: training events; its target is ignored.
            valid: validation events of the same users.
        """
        world = replace(world, target=first_new(valid))
        fitted: dict[str, Scorer] = {}
        curves: dict[str, list[dict[str, float]]] = {}
        for name, part in self.parts.items():
            say(f"fitting {name}")
            own = replace(world, checkpoint=world.checkpoint / name if world.checkpoint else None)
            fitted[name], curve = part.fit(own, seed)
            if curve:
                curves[name] = curve
        weights, scales = self._weigh(fitted, world)
        if self.refit:
            known = replace(world, histories=merge(world.histories, valid))
            fitted = {name: part.refit(fitted[name], known) for name, part in self.parts.items()}
        named = [dict(zip(self.parts, map(float, row), strict=True)) for row in weights]
        return HybridScorer(fitted, weights, scales, np.array([0, *self.bounds])), {
            "curves": curves,
            "weights": named,
            "bounds": [0, *self.bounds],
        }

    def restore(self, tensors: dict[str, Arrays], world: World) -> HybridScorer:
        """Make the scorer from the tensors of its parts and its own, under the name `hybrid`."""
        parts = {name: part.restore(tensors[name], world) for name, part in self.parts.items()}
        own = tensors["hybrid"]
        weights = np.stack([own[f"weight.{name}"] for name in parts], axis=1)
        return HybridScorer(parts, weights, own["scales"], own["bounds"])

    def _weigh(self, parts: dict[str, Scorer], world: World) -> tuple[Floats, Floats]:
        """Learn weights and calibration on each user's validation item, with the history and, as a cold user, without."""
        bounds = np.array([0, *self.bounds])
        users = np.flatnonzero(world.target >= 0)
        if not len(users):
            raise DataError("split: no user has a validation item, so the hybrid's weights can't be learned; give more interactions")
        asked, target = world.histories.pick(users), world.target[users]
        pool = join([_pools(parts, histories, target, bounds, self.pool) for histories in (asked, emptied(asked))])
        weights = learn(pool, len(bounds) + 1, self.prior)
        return weights, calibrate(pool, weights)


def states(histories: Histories, bounds: Ints) -> Ints:
    """The state of each user by the length of the history, int64 (users,): 0 is cold."""
    return np.searchsorted(bounds, histories.lengths, side="left")


def standardise(scores: Floats) -> Floats:
    """Shift and scale each user's scores to mean 0 and deviation 1 over the catalogue; constant scores become 0."""
    centred = scores - scores.mean(1, keepdims=True)
    deviation = centred.std(1, keepdims=True)
    return centred / np.where(deviation > 1e-12, deviation, np.inf)


def emptied(histories: Histories) -> Histories:
    """The same number of users, strangers without a history."""
    return Histories(histories.items[:0], histories.times[:0], np.zeros(len(histories) + 1, dtype=np.int64))


def first_new(valid: Histories) -> Ints:
    """Each user's first validation item, -1 for users without one: int64 (users,)."""
    target = np.full(len(valid), -1, dtype=np.int64)
    there = valid.lengths > 0
    target[there] = valid.items[valid.offsets[:-1][there]]
    return target


def _pools(parts: dict[str, Scorer], asked: Histories, target: Ints, bounds: Ints, width: int, block: int = 256) -> Pool:
    cuts = np.split(np.arange(len(asked)), np.arange(block, len(asked), block))
    found = [_pool(parts, asked.pick(cut), target[cut], width) for cut in cuts]
    return join([Pool(terms, there, states(asked.pick(cut), bounds)) for (terms, there), cut in zip(found, cuts, strict=True)])


def _pool(parts: dict[str, Scorer], histories: Histories, target: Ints, width: int) -> tuple[Floats, Bools]:
    """Each user's target, then the `width` best unseen items of each part; what stands a second time is not there."""
    raw = np.stack([standardise(part.score(histories)) for part in parts.values()])
    open_ = raw.copy()
    open_[:, histories.users, histories.items] = -np.inf
    width = min(width, raw.shape[2])
    best = np.sort(np.concatenate(np.argpartition(-open_, width - 1, axis=2)[:, :, :width], axis=1), axis=1)
    there = best != target[:, None]
    there[:, 1:] &= best[:, 1:] != best[:, :-1]
    there &= np.isfinite(np.take_along_axis(open_[0], best, axis=1))
    chosen = np.concatenate([target[:, None], best], axis=1)
    terms = np.take_along_axis(raw, chosen[None], axis=2).astype(np.float32)
    return terms, np.concatenate([np.ones((len(target), 1), dtype=bool), there], axis=1)
