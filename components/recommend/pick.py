"""The greedy pick of a list: what each candidate adds, and what limits the choice."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from components.data.histories import Ints
from components.ranking.parts import Floats
from components.recommend.catalogue import Mask


class Gain(Protocol):
    """What each candidate would add to the list picked so far."""

    def values(self) -> Floats:
        """The gains: float64 (users, n)."""
        ...

    def take(self, chosen: Ints) -> None:
        """Put one more candidate of each user on the list, by its place: int64 (users,)."""
        ...


class Limit(Protocol):
    """What may be picked next."""

    def keeps(self, open_: Mask, step: int) -> Mask:
        """Of the candidates still open, those that the limit lets be picked at this step (from 0): bool (users, n)."""
        ...

    def take(self, chosen: Ints, there: Mask) -> None:
        """Count one more candidate of each user for whom it is `there`, by its place: int64 (users,)."""
        ...


class Relevance:
    """A gain that does not depend on the list."""

    def __init__(self, relevance: Floats) -> None:
        self._relevance = relevance

    def values(self) -> Floats:
        """The relevance itself."""
        return self._relevance

    def take(self, chosen: Ints) -> None:
        """Nothing changes."""


def greedy(gain: Gain, open_: Mask, limits: Sequence[Limit], k: int) -> tuple[Ints, Mask]:
    """Pick, k times, each user's open candidate of the highest gain that every limit lets pass, equal ones by place.

    Limits are asked in order, each about what those before it let pass. Where nothing passes the list ends.

    Returns:
        Places in the order picked, int64 (users, k), -1 where none was left; and which limit changed the choice at which
        step, bool (limits, users, k).
    """
    left, users = open_.copy(), np.arange(len(open_))
    places, acted = np.full((len(left), k), -1), np.zeros((len(limits), len(left), k), dtype=bool)
    for step in range(k if left.size else 0):
        values = gain.values()
        kept, best = left, np.where(left, values, -np.inf).argmax(1)
        for number, limit in enumerate(limits):
            kept = limit.keeps(kept, step)
            then = np.where(kept, values, -np.inf).argmax(1)
            acted[number, :, step], best = then != best, then
        there = kept[users, best]
        left[~there] = False
        if not there.any():
            break
        places[there, step] = best[there]
        left[users[there], best[there]] = False
        gain.take(best)
        for limit in limits:
            limit.take(best, there)
    return places, acted & (places >= 0)


class CapLimit:
    """Closes what would be one too many of a label among the first `span` picks of each user, int64 (users,)."""

    def __init__(self, most: int, labels: Ints, span: Ints) -> None:
        self._most, self._labels, self._span = most, labels, span
        self._users = np.arange(len(labels))
        self._counts = np.zeros((len(labels), int(labels.max(initial=-1)) + 2), dtype=np.int64)  # the last column: no label

    def keeps(self, open_: Mask, step: int) -> Mask:
        """What is not one too many."""
        full = self._counts >= self._most
        full[:, -1] = False
        closed = full[self._users[:, None, None], self._labels].any(2)
        return open_ & ~(closed & (step < self._span)[:, None])

    def take(self, chosen: Ints, there: Mask) -> None:
        """Count the labels of what was picked."""
        np.add.at(self._counts, (self._users[:, None], self._labels[self._users, chosen]), there[:, None])


class QuotaLimit:
    """Leaves only members open once so many are missing as there are picks left; several quotas share the picks, the nearest end first.

    Args:
        least: int64 (quotas,), how many members each wants.
        member: bool (quotas, users, n).
        span: int64 (quotas, users), among how many first picks.
    """

    def __init__(self, least: Ints, member: Mask, span: Ints) -> None:
        self._member, self._span = member, span
        self._missing = np.repeat(least[:, None], span.shape[1], axis=1)

    def keeps(self, open_: Mask, step: int) -> Mask:
        """Members of what is due, where there are any."""
        kept, settled = open_, np.zeros(len(open_), dtype=bool)
        missing = np.where(self._span > step, self._missing, 0)
        for number in np.argsort(self._span.max(1, initial=0), kind="stable"):
            needed = np.where(self._span <= self._span[number], missing, 0)
            members = open_ & (self._member & (needed > 0)[:, :, None]).any(0)
            due = (needed.sum(0) >= self._span[number] - step) & members.any(1) & ~settled
            kept, settled = np.where(due[:, None], members, kept), settled | due
        return kept

    def take(self, chosen: Ints, there: Mask) -> None:
        """Count a member."""
        found = self._member[:, np.arange(len(chosen)), chosen] & there
        self._missing = np.maximum(self._missing - found, 0)


class BuryLimit:
    """Leaves what is buried, bool (users, n), until nothing else is open."""

    def __init__(self, buried: Mask) -> None:
        self._buried = buried

    def keeps(self, open_: Mask, step: int) -> Mask:
        """What is not buried, where there is any."""
        above = open_ & ~self._buried
        return np.where(above.any(axis=1, keepdims=True), above, open_)

    def take(self, chosen: Ints, there: Mask) -> None:
        """Nothing changes."""
