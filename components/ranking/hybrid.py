"""The hybrid: its parts retrieve candidates, and all terms, joined by weights for the user's state, rank them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.special import expit

from components.data.histories import Histories, Ints, merge
from components.errors import DataError
from components.progress import say
from components.ranking.gate import Gate
from components.ranking.kinship import Kinship
from components.ranking.parts import Arrays, Bools, Floats, Part, Reasoner, Scorer, World
from components.ranking.pools import emptied, first_new, pool, scaled, spread
from components.ranking.terms import Terms, best, rounded
from components.ranking.weights import Contest, Pool, calibrate, cross_fit, join, learn
from components.schema import node

COLD = 1000  # judges who are asked once more as strangers


@dataclass(frozen=True)
class HybridScorer:
    """The score of a candidate: Σ_t w_st · x_t over the terms t, with s the user's state.

    Attributes:
        terms: the parts' scores, standardised, and after them the log-odds of the parts that rerank.
        gate: gives a user's state.
        retrieval: float64 (states, parts), the weights by which candidates are drawn from the whole catalogue.
        weights: float64 (states, terms), the weights by which they are ranked; none is negative.
        scales: float64 (states, 2), (a, b) of each state's calibration.
        ablated: (retrieval, weights) as learned without each part, by its name.
        candidates: how many are drawn.
    """

    terms: Terms
    gate: Gate
    retrieval: Floats
    weights: Floats
    scales: Floats
    ablated: dict[str, tuple[Floats, Floats]]
    candidates: int

    @property
    def parts(self) -> dict[str, Scorer]:
        """Fitted parts by name."""
        return self.terms.parts

    def rank(
        self, histories: Histories, open_: Bools | None, depth: int, also: Ints | None = None, leaning: Floats | None = None
    ) -> tuple[Ints, Floats]:
        """Rank the best candidates of each user.

        Args:
            open_: bool (users or 1, items), what may be recommended; everything when None.
            depth: how many to give back, at most; `candidates` are ranked, or `depth` where that is more.
            also: int64 (n,), items that are candidates in any case, open or not.
            leaning: float64 (items,), added to every user's scores, as one term more, the last.

        Returns:
            int64 (users, n) item indices, best first, equal scores by index, -1 where nothing is left; and what each term
            adds to the score, float64 (terms, users, n). The score is their sum, rounded to float32.
        """
        state = self.gate.states(histories)
        drawing = self.retrieval[state].astype(np.float32)
        standard = self.terms.drawing(histories, np.asarray(drawing.any(0)) if len(histories) else np.ones(drawing.shape[1], dtype=bool))
        drawn = _drawn(standard, drawing)
        if leaning is not None:
            drawn += leaning.astype(np.float32)
        chosen = best(_open(drawn, open_, also), max(depth, self.candidates))
        there = chosen >= 0
        values = self.terms.at(histories, np.maximum(chosen, 0), standard)
        added = self.weights[state].T[:, :, None] * values
        if leaning is not None:
            added = np.concatenate([added, leaning[np.maximum(chosen, 0)][None]])
        total = np.where(there, rounded(added.sum(0)), -np.inf)
        order = np.lexsort((chosen, -total), axis=1)[:, :depth]
        return np.take_along_axis(chosen, order, 1), np.take_along_axis(added, order[None], 2)

    def grow(self, world: World, told: Ints, known: int) -> "HybridScorer":
        """The hybrid over a larger catalogue, of which `known` items were there before, as `Growing.grow` has it; raises BundleError."""
        return replace(self, terms=self.terms.grow(world, told, known))

    def without(self, part: str) -> "HybridScorer":
        """The hybrid without a part: with the weights that were learned without it, and silent towards the heads."""
        retrieval, weights = self.ablated[part]
        return replace(self, terms=self.terms.without(part), retrieval=retrieval, weights=weights)

    def tensors(self) -> Arrays:
        """Weights by the terms' names, the calibration and the gate."""
        found = {f"gate.{name}": value for name, value in self.gate.tensors().items()} | {
            "scales": self.scales,
            "spread": self.terms.spread,
        }
        for key, (retrieval, weights) in ({"all": (self.retrieval, self.weights)} | self.ablated).items():
            found |= {f"retrieval.{key}.{name}": retrieval[:, i] for i, name in enumerate(self.parts)}
            found |= {f"weights.{key}.{name}": weights[:, i] for i, name in enumerate(self.terms.names)}
        return found

    def probability(self, histories: Histories, scores: Floats) -> Floats:
        """The probability ŷ = σ(a · score + b) that each score's item is the user's next: float64, shaped as `scores`."""
        scale = self.scales[self.gate.states(histories)]
        return expit(scale[:, :1] * scores + scale[:, 1:])


@node
class Hybrid:
    """Which parts there are and how they are joined.

    A share `stop` of the validation users stops the training of parts early; the weights are learned on the others (at most
    `most`), cross-fitted in `folds`, so that no part is judged on what it was fitted on. States are bounded by `lengths`
    and `ages` (see Gate); `prior` is how many users the common weights are worth against a state's own; `pool` is how many
    items of each part the weights are learned on. With `refit`, parts that can take in the validation events cheaply do,
    after the weights are learned. With `kinship`, item-item matrices also speak for items without events. `candidates`
    are drawn by all parts and ranked by all terms.
    """

    parts: dict[str, Part]
    lengths: list[PositiveInt]
    ages: list[PositiveFloat]
    prior: NonNegativeFloat = 500.0
    pool: PositiveInt = 100
    most: PositiveInt = 6000
    stop: float = Field(0.25, gt=0, lt=1)
    folds: int = Field(4, ge=2)
    candidates: PositiveInt = 200
    refit: bool = True
    kinship: Kinship | None = None

    def fit(self, world: World, valid: Histories, seed: int) -> tuple[HybridScorer, dict[str, Any]]:
        """Fit the parts on train, the weights on validation, and refit; also returns curves and weights as plain data.

        Args:
            world: training events; its target is ignored.
            valid: validation events of the same users.

        Raises:
            DataError: no user has a validation item.
        """
        asked, target = world.histories.asked(valid), first_new(valid)
        stoppers, judges = self._split(target, seed)
        world = replace(world, histories=asked, target=np.where(stoppers, target, -1))
        fitted, curves = self._fit(world, seed)
        scorer, held_out = self._join(fitted, asked.pick(judges), target[judges])
        if self.refit:
            known = replace(world, histories=merge(world.histories, valid))
            scorer = replace(scorer, terms=replace(scorer.terms, parts=self._refit(fitted, known)), gate=self._gate(known.histories))
        rows = [dict(zip(scorer.terms.names, map(float, row), strict=True)) for row in scorer.weights]
        about = {"curves": curves, "weights": rows, "states": scorer.gate.names(), "validation": {"NDCG@10": held_out}}
        return scorer, about

    def restore(self, tensors: dict[str, Arrays], world: World) -> HybridScorer:
        """Make the scorer from the tensors of its parts and its own, under the name `hybrid`."""
        parts: dict[str, Scorer] = {}
        for name, part in self.parts.items():
            parts[name] = part.restore(tensors[name], world)
        own = tensors["hybrid"]
        terms = Terms(parts, own["spread"])
        gate = Gate(own["gate.lengths"], own["gate.ages"], int(own["gate.end"][0]))

        def weights(key: str) -> tuple[Floats, Floats]:
            rows = ([own[f"{kind}.{key}.{name}"] for name in names] for kind, names in (("retrieval", parts), ("weights", terms.names)))
            retrieval, ranking = (np.stack(row, axis=1) for row in rows)
            return retrieval, ranking

        ablated = {name: weights(name) for name in parts} if len(parts) > 1 else {}
        return HybridScorer(terms, gate, *weights("all"), own["scales"], ablated, self.candidates)

    def _split(self, target: Ints, seed: int) -> tuple[Bools, Ints]:
        """Who stops trainings early, bool (users,), and who judges the parts, int64."""
        users = np.flatnonzero(target >= 0)
        if not len(users):
            raise DataError("split: no user has a validation item, so the hybrid's weights can't be learned; give more interactions")
        shuffled = np.random.default_rng(seed).permutation(users)
        cut = int(self.stop * len(users))
        stoppers = np.zeros(len(target), dtype=bool)
        stoppers[shuffled[:cut]] = True
        return stoppers, np.sort(shuffled[cut:][: self.most])

    def _fit(self, world: World, seed: int) -> tuple[dict[str, Scorer], dict[str, list[dict[str, float]]]]:
        fitted: dict[str, Scorer] = {}
        curves: dict[str, list[dict[str, float]]] = {}
        for name, part in self.parts.items():
            say(f"fitting {name}")
            fitted[name], curve = part.fit(_world(world, fitted, name), seed)
            if curve:
                curves[name] = curve
        return self._extended(fitted, world), curves

    def _refit(self, fitted: dict[str, Scorer], world: World) -> dict[str, Scorer]:
        again: dict[str, Scorer] = {}
        for name, part in self.parts.items():
            again[name] = part.refit(fitted[name], _world(world, again, f"{name}-again"))
        return self._extended(again, world)

    def _extended(self, parts: dict[str, Scorer], world: World) -> dict[str, Scorer]:
        """Let matrices of chosen items speak for the others too."""
        kin = self.kinship.fit(world) if self.kinship else None
        return {name: kin.extend(part) for name, part in parts.items()} if kin else parts

    def _gate(self, histories: Histories) -> Gate:
        return Gate(np.array(self.lengths, dtype=np.int64), np.array(self.ages), int(histories.times.max(initial=-1)) + 1)

    def _join(self, parts: dict[str, Scorer], asked: Histories, target: Ints) -> tuple[HybridScorer, float]:
        """Learn weights and calibration on each judge's validation item, with the history and, as a cold user, without."""
        say("learning the weights")
        gate, terms = self._gate(asked), Terms.raw(parts)
        strangers = emptied(asked.pick(np.arange(min(len(asked), COLD))))

        def pools(terms: Terms) -> Pool:
            return join([pool(terms, gate, users, target[: len(users)], self.pool) for users in (asked, strangers)])

        raw = pools(terms)
        terms = Terms(parts, spread(raw, terms))
        judged = scaled(raw, terms, terms.spread)
        contest = Contest.of(judged)
        found = cross_fit(contest, gate.count, self.prior, self.folds)
        first = learn(contest.first(len(parts)), gate.count, self.prior)
        ablated = {}
        for name in parts if len(parts) > 1 else ():
            told = terms.rerankers and isinstance(parts[name], Reasoner)
            silent = Contest.of(scaled(pools(Terms.raw(parts).without(name)), terms, terms.spread)) if told else contest
            blank = silent.without(terms.of(name))
            drawing = learn(blank.first(len(parts)), gate.count, self.prior, _dropped(first, terms.of(name)[:1]))
            ablated[name] = (drawing, learn(blank, gate.count, self.prior, _dropped(found.weights, terms.of(name))))
        return HybridScorer(terms, gate, first, found.weights, calibrate(judged, found.weights), ablated, self.candidates), found.held_out


def _world(world: World, fitted: dict[str, Scorer], name: str) -> World:
    """What the part of a name may learn from: with the reasoner among the parts before it, and a checkpoint of its own."""
    reasoner = next((part for part in fitted.values() if isinstance(part, Reasoner)), None)
    return replace(world, reasoner=reasoner, name=name, checkpoint=world.checkpoint / name if world.checkpoint else None)


def _dropped(weights: Floats, places: list[int]) -> Floats:
    """Without some terms, each row summing to 1 again; equal weights of the others where nothing is left."""
    kept = weights.copy()
    kept[:, places] = 0.0
    others = np.ones(weights.shape[1])
    others[places] = 0.0
    kept[kept.sum(1) == 0] = others
    return kept / kept.sum(1, keepdims=True)


def _drawn(standard: Sequence[Floats | None], weights: Floats) -> Floats:
    """The sum of the parts, each times every user's weight, float32 (users, parts): float32 (users, items)."""
    there = [(weight, values) for weight, values in zip(weights.T, standard, strict=True) if values is not None]
    total = np.zeros(there[0][1].shape, dtype=np.float32)
    for weight, values in there:
        if weight.any():
            total += weight[:, None] * values
    return total


def _open(drawn: Floats, open_: Bools | None, also: Ints | None) -> Floats:
    """Scores of what may be drawn, -inf for the rest; of `also` infinite, so that they are."""
    scores = drawn.copy() if open_ is None else np.where(open_, drawn, -np.inf)
    if also is not None:
        scores[:, also] = np.inf
    return scores
