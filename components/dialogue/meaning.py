"""What words mean that name nothing, exactly or nearly: the value of a small kind whose names lie closest in the text encoder's space."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from components.dialogue.names import Names
from components.ranking.parts import Floats
from components.recommend.retrieval import directions
from components.semantic.text import TextEncoder, phrase

SURE, MAYBE = 0.68, 0.62  # cosine from which a value is meant, and from which it is asked about: `python benchmarks/dialogue_meaning.py`
APART = 0.10  # by which it must exceed that of every other value


@dataclass(frozen=True)
class Meaning:
    """Compares words with the names of genres and the like.

    English only: the encoder that is carried knows no Chinese. Values whose name is an ordinary word (Short, Music …) take no part.

    Attributes:
        encoder: None where the bundle has none: then nothing means anything.
    """

    names: Names
    encoder: TextEncoder | None

    def closest(self, words: str) -> tuple[str, float] | None:
        """The name closest to some words, as in `Names.targets`, and its cosine; None below `MAYBE`, or where another is about as close."""
        if self.encoder is None or not self.compared:
            return None
        cosines = self.vectors @ directions(phrase(self.encoder, words)[None])[0]
        best = int(cosines.argmax())
        others = cosines[self.values != self.values[best]]
        apart = cosines[best] - others.max(initial=-1.0)
        return (self.compared[best], float(cosines[best])) if cosines[best] >= MAYBE and apart >= APART else None

    @cached_property
    def compared(self) -> list[str]:
        """Names that words are compared with."""
        bare = self.names.lexicon.words.bare
        plain = {(kind, value) for kind, values in bare.items() for value in values}
        return [
            name
            for name in self.names.short
            if all((entity.kind, entity.value) not in plain for target in self.names.targets[name] for entity in target.entities)
        ]

    @cached_property
    def vectors(self) -> Floats:
        """Directions of `compared`: float32 (names, w)."""
        assert self.encoder is not None
        return _directions(self.encoder, tuple(self.compared))

    @cached_property
    def values(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Which of `compared` are of one value: int64 (names,)."""
        targets = [self.names.targets[name][0] for name in self.compared]
        known = list(dict.fromkeys(target.entities for target in targets))
        return np.array([known.index(target.entities) for target in targets], dtype=np.int64)


@lru_cache(2)
def _directions(encoder: TextEncoder, names: tuple[str, ...]) -> Floats:
    """Directions of names, once for all bundles that are encoded alike."""
    return directions(encoder.encode(list(names)))
