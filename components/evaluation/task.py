"""What every model is asked: find the items that each test user went on to choose."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from components.data.histories import Histories, Ints
from components.evaluation.metrics import Bools
from components.ranking.parts import Floats


@dataclass(frozen=True)
class Task:
    """The test, by index; `known` and `truth` have the same users, each with at least one wanted item.

    Attributes:
        known: what each test user has seen before the test; empty for a cold user.
        truth: what each wants: different items, none of them known.
        counts: int64 (items,), training events of each item.
        content: float (items, d), content vectors, for the diversity of a list.
        categories: which items each category has, bool (items,).
    """

    known: Histories
    truth: Histories
    counts: Ints
    content: Floats
    categories: Mapping[str, Bools]

    def pick(self, users: Ints) -> "Task":
        """The same task for some of its users."""
        return replace(self, known=self.known.pick(users), truth=self.truth.pick(users))

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        return len(self.counts)


def counted(events: Histories, items: int) -> Ints:
    """Events of each item: int64 (items,)."""
    return np.bincount(events.items, minlength=items)
