"""A piece of an utterance."""

from dataclasses import dataclass
from typing import Literal

from components.dialogue.names import Target
from components.dialogue.numbers import Figure


@dataclass(frozen=True)
class Element:
    """A piece of an utterance.

    Attributes:
        targets: of a name, what it may mean; a quoted name that is not known means nothing.
        guess: the name was misspelled, and this likeness (0 to 100) is what speaks for it.
        cues: what a phrase may signal.
    """

    kind: Literal["name", "figure", "cue", "word", "mark"]
    text: str
    start: int
    end: int
    targets: tuple[Target, ...] = ()
    quoted: bool = False
    guess: float = 100.0
    figure: Figure | None = None
    cues: tuple[str, ...] = ()
    capital: bool = False

    def has(self, *names: str) -> str | None:
        """The first of these cues that it may signal, with its detail."""
        return next((cue for name in names for cue in self.cues if cue == name or cue.startswith(f"{name}:")), None)
