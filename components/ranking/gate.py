"""The state of a user: which row of the hybrid's weights holds."""

from dataclasses import dataclass

import numpy as np

from components.data.histories import Histories, Ints
from components.ranking.parts import Arrays, Floats

DAY = 86400.0


@dataclass(frozen=True)
class Gate:
    """States by the length of the history and the age of its last event when the user asks; state 0 is the cold user.

    Attributes:
        lengths: int64, ascending, the longest history of each class but the last.
        ages: float64, ascending, days, the oldest last event of each class but the last.
        end: seconds since 1970, when the training events end; who asks later is taken to ask then.
    """

    lengths: Ints
    ages: Floats
    end: int

    @property
    def count(self) -> int:
        """How many states there are."""
        return 1 + (len(self.lengths) + 1) * (len(self.ages) + 1)

    def states(self, histories: Histories) -> Ints:
        """The state of each user, int64 (users,)."""
        warm = histories.lengths > 0
        last = np.zeros(len(histories), dtype=np.int64)
        last[warm] = histories.times[histories.offsets[1:][warm] - 1]
        age = (np.minimum(histories.at, self.end) - last) / DAY
        length = np.searchsorted(self.lengths, histories.lengths, side="left")
        state = 1 + length * (len(self.ages) + 1) + np.searchsorted(self.ages, age, side="left")
        return np.where(warm, state, 0)

    def names(self) -> list[str]:
        """What people call each state, such as `6-20 events, last within 1 day`."""
        ages = [f", last within {age:g} d" for age in self.ages] + [", last earlier"] if len(self.ages) else [""]
        first = [1, *(self.lengths + 1)]
        ranges = [f"{low}-{high}" for low, high in zip(first[:-1], self.lengths, strict=True)] + [f"{first[-1]} or more"]
        return ["cold"] + [f"{events} events{age}" for events in ranges for age in ages]

    def tensors(self) -> Arrays:
        """The bounds and the end."""
        return {"lengths": self.lengths, "ages": self.ages, "end": np.array([self.end])}
