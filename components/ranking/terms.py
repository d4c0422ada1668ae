"""The terms of the hybrid's score: what each part says of the whole catalogue, and what parts that rerank say of candidates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from components.data.histories import Histories, Ints
from components.errors import BundleError
from components.ranking.parts import Bools, Floats, Growing, Reasoner, Reranker, Scorer, Sparing, World


@dataclass(frozen=True)
class Terms:
    """The fitted parts of a hybrid, and the scale of those that rerank.

    Attributes:
        parts: by name.
        spread: float64 (rerankers, 2), mean and deviation of their log-odds.
        silent: names of parts that tell those that rerank nothing: their z is 0.
        known: items that the parts were fitted on, the first ones; scores are standardised over these. All of them when None.
    """

    parts: dict[str, Scorer]
    spread: Floats
    silent: frozenset[str] = frozenset()
    known: int | None = None

    @classmethod
    def raw(cls, parts: dict[str, Scorer]) -> "Terms":
        """Terms whose log-odds are left as they are."""
        count = sum(isinstance(part, Reranker) for part in parts.values())
        return cls(parts, np.tile([0.0, 1.0], (count, 1)))

    @cached_property
    def rerankers(self) -> dict[str, Reranker]:
        """The parts that also rate candidates."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Reranker)}

    @property
    def names(self) -> list[str]:
        """Names of the terms: the parts, then the heads of those that rerank."""
        return [*self.parts, *map(head, self.rerankers)]

    def of(self, part: str) -> list[int]:
        """The places of a part's terms."""
        return [place for place, name in enumerate(self.names) if name in (part, head(part))]

    def without(self, part: str) -> "Terms":
        """The same terms with a part silent: what it knows of a pair no longer reaches the heads."""
        return replace(self, silent=self.silent | {part})

    def grow(self, world: World, told: Ints, known: int) -> "Terms":
        """The terms of a larger catalogue, of which the first `known` items were there before; raises BundleError."""
        grown: dict[str, Scorer] = {}
        for name, part in self.parts.items():
            if not isinstance(part, Growing):
                raise BundleError(f"ranker.parts.{name}: {type(part).__name__} can't take in items; retrain with them instead")
            grown[name] = part.grow(world, told)
        return replace(self, parts=grown, known=self.known or known)

    def standard(self, histories: Histories) -> list[Floats]:
        """Each part's scores with mean 0 and deviation 1 over the catalogue: float32 (users, items) each."""
        return [self._standard(part, histories) for part in self.parts.values()]

    def drawing(self, histories: Histories, needed: Bools) -> list[Floats | None]:
        """The same of the parts that are needed, bool (parts,); None for one that is not and can be asked about candidates alone."""
        parts = zip(self.parts.values(), needed, strict=True)
        return [self._standard(part, histories) if need or not isinstance(part, Sparing) else None for part, need in parts]

    def at(self, histories: Histories, candidates: Ints, standard: Sequence[Floats | None]) -> Floats:
        """All terms of candidates, int64 (users, c), given what `standard` or `drawing` gave: float64 (terms, users, c)."""
        found = [self._values(part, histories, candidates, own) for part, own in zip(self.parts.values(), standard, strict=True)]
        if self.rerankers:
            z = self._pairs(histories, candidates)
            for (mean, deviation), part in zip(self.spread, self.rerankers.values(), strict=True):
                found.append((part.rate(histories, candidates, z)[0] - mean) / deviation)
        return np.stack(found)

    def attention(self, histories: Histories, candidates: Ints) -> Floats | None:
        """The attention that the first part that reranks pays, float64 (users, c, 1 + n), as its `rate` says; None without one."""
        part = next(iter(self.rerankers.values()), None)
        return None if part is None else part.rate(histories, candidates, self._pairs(histories, candidates))[1]

    def _standard(self, part: Scorer, histories: Histories) -> Floats:
        scores = part.score(histories)
        return _scaled(scores, *part.moments(histories, self.known)) if isinstance(part, Sparing) else standardise(scores, self.known)

    def _values(self, part: Scorer, histories: Histories, candidates: Ints, standard: Floats | None) -> Floats:
        if standard is None:
            assert isinstance(part, Sparing)
            return _scaled(part.some(histories, candidates), *part.moments(histories, self.known)).astype(np.float64)
        return np.take_along_axis(standard, candidates, axis=1).astype(np.float64)

    def _pairs(self, histories: Histories, candidates: Ints) -> Floats | None:
        return None if self._reasoner is None else self._reasoner.pairs(histories, candidates)

    @cached_property
    def _reasoner(self) -> Reasoner | None:
        return next((part for name, part in self.parts.items() if isinstance(part, Reasoner) and name not in self.silent), None)


def head(part: str) -> str:
    """The name of the term that a part's head adds."""
    return f"{part} head"


def _scaled(scores: Floats, centre: Floats, deviation: Floats) -> Floats:
    """Shift and scale each user's scores: float32; constant scores become 0."""
    return ((scores - centre) * np.where(deviation > 1e-12, 1 / np.maximum(deviation, 1e-12), 0.0)).astype(np.float32)


def standardise(scores: Floats, known: int | None = None) -> Floats:
    """Shift and scale each user's scores to mean 0 and deviation 1 over the `known` first items, float32; constant scores become 0."""
    if len(scores) > 1 and scores.strides[0] == 0:  # the same for all
        return np.broadcast_to(standardise(scores[:1], known), scores.shape)
    centre = scores[:, :known].mean(1, keepdims=True)
    centred = scores[:, :known] - centre
    deviation = np.sqrt(np.einsum("ui,ui->u", centred, centred) / max(centred.shape[1], 1))[:, None]
    return _scaled(scores, centre, deviation)


def best(scores: Floats, count: int) -> Ints:
    """The `count` best items of each user, in no order, -1 where fewer have a finite score: int64 (users, min(count, items))."""
    count = min(count, scores.shape[1])
    found = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    return np.where(np.isneginf(np.take_along_axis(scores, found, axis=1)), -1, found)


def rounded(scores: Floats) -> Floats:
    """Round to float32's precision, so that a score does not tell what batch it was computed in: float64."""
    return scores.astype(np.float32).astype(np.float64)
