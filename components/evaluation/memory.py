"""Terms that remember: hybrids that differ in weights alone are compared at little more than the price of one."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.data.histories import Histories, Ints
from components.ranking.parts import Bools, Floats, Reranker
from components.ranking.terms import Terms

Key = tuple[bytes, ...]


@dataclass
class RememberedTerms:
    """A hybrid's terms that, asked for the very same histories again, give what they gave; it can't be written to."""

    terms: Terms
    asked: Key = ()
    scores: list[Floats] = field(default_factory=list[Floats])

    def standard(self, histories: Histories) -> list[Floats]:
        """Each part's scores, standardised: float32 (users, items) each."""
        if (asked := _key(histories)) != self.asked:
            self.asked, self.scores = asked, [values.view() for values in self.terms.standard(histories)]
            for values in self.scores:
                values.flags.writeable = False
        return self.scores

    def drawing(self, histories: Histories, needed: Bools) -> list[Floats]:
        """The same, whatever is needed: the next hybrid may need another part."""
        return self.standard(histories)

    def __getattr__(self, name: str) -> Any:
        """All else is as it was."""
        return getattr(self.terms, name)


@dataclass
class RememberedReranker:
    """A part that reranks, and rates a candidate of the same histories once; it tells no attention."""

    part: Reranker
    asked: tuple[Key, bool] = ((), False)
    rated: Floats = field(default_factory=lambda: np.empty((0, 0)))

    def rate(self, histories: Histories, candidates: Ints, z: Floats | None = None) -> tuple[Floats, Floats]:
        """Rate candidates, int64 (users, c); knowledge z of a pair is taken to be what it was: log-odds, float64 (users, c)."""
        asked, size = (_key(histories), z is None), int(candidates.max(initial=-1)) + 1
        if asked != self.asked:
            self.asked, self.rated = asked, np.full((len(histories), size), np.nan)
        if size > self.rated.shape[1]:
            self.rated = np.pad(self.rated, [(0, 0), (0, size - self.rated.shape[1])], constant_values=np.nan)
        new = np.isnan(np.take_along_axis(self.rated, candidates, axis=1))
        if len(users := np.flatnonzero(new.any(1))):
            places = np.argsort(~new[users], axis=1, kind="stable")[:, : int(new.sum(1).max())]
            chosen = np.take_along_axis(candidates[users], places, axis=1)
            known = None if z is None else np.take_along_axis(z[users], places[:, :, None], axis=1)
            self.rated[users[:, None], chosen] = self.part.rate(histories.pick(users), chosen, known)[0]
        return np.take_along_axis(self.rated, candidates, axis=1), np.empty((*candidates.shape, 0))

    def __getattr__(self, name: str) -> Any:
        """All else is as it was."""
        return getattr(self.part, name)


def remember(terms: Terms) -> RememberedTerms:
    """Give terms a memory for the last histories that they were asked for."""
    parts: dict[str, Any] = {name: RememberedReranker(part) if isinstance(part, Reranker) else part for name, part in terms.parts.items()}
    return RememberedTerms(Terms(parts, terms.spread))


def _key(histories: Histories) -> Key:
    return tuple(values.tobytes() for values in (histories.items, histories.offsets, histories.times, histories.who, histories.at))
