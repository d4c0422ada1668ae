"""How many tokens may be spent in an hour."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

HOUR = 3600.0


@dataclass
class Budget:
    """A bucket that fills by `most` tokens an hour and holds no more than that.

    Attributes:
        clock: seconds, never going back.
    """

    most: int
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _then: float = field(init=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        self._left, self._then = float(self.most), self.clock()

    def take(self, tokens: int) -> bool:
        """Take tokens for a call; False, and nothing taken, where there are too few."""
        with self._lock:
            now = self.clock()
            self._left = min(self.most, self._left + (now - self._then) * self.most / HOUR)
            self._then = now
            if tokens > self._left:
                return False
            self._left -= tokens
            return True

    def settle(self, taken: int, spent: int) -> None:
        """Say what a call really took."""
        with self._lock:
            self._left = min(self.most, self._left + taken - spent)
