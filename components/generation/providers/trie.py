"""Constrained decoding: a model may only write one of the given texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Trie:
    """The given token sequences, by their beginnings; after a whole one only the end token may come."""

    end: int
    children: dict[int, "Trie"] = field(default_factory=dict[int, "Trie"])
    whole: bool = False

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]], end: int) -> "Trie":
        """Make the trie of some sequences."""
        root = cls(end)
        for sequence in sequences:
            here = root
            for token in sequence:
                here = here.children.setdefault(token, cls(end))
            here.whole = True
        return root

    def allowed(self, written: Sequence[int]) -> list[int]:
        """Tokens that may come after those written: at least one, the end where nothing else may."""
        here = self
        for token in written:
            if token not in here.children:
                return [self.end]
            here = here.children[token]
        return sorted(here.children) + ([self.end] if here.whole or not here.children else [])
