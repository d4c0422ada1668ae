"""What a person said they want, as numbers over the catalogue."""

from dataclasses import dataclass

from components.data.histories import Histories
from components.ranking.parts import Floats
from components.recommend.catalogue import Mask


@dataclass(frozen=True)
class Wish:
    """A wish in words, once it is understood.

    Attributes:
        leaning: float64 (items,), added to each item's score, whose terms are standardised: 1 is a deviation.
        allowed: bool (items,), what meets the conditions; all else is closed.
    """

    leaning: Floats
    allowed: Mask


@dataclass(frozen=True)
class Question:
    """Whom to rank for and among what.

    Attributes:
        histories: who asks.
        open_: bool (users, items), what may be recommended.
        leaning: float64 (items,), added to the score; nothing when None.
    """

    histories: Histories
    open_: Mask
    leaning: Floats | None = None

    def within(self, mask: Mask) -> "Question":
        """The same question among fewer items; mask: bool (items,) or (users, items)."""
        return Question(self.histories, self.open_ & mask, self.leaning)
