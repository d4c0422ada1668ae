"""What a conversation leans to, as numbers over the catalogue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import csr_matrix

from components.dialogue.acts import Entity
from components.dialogue.facets import marked
from components.dialogue.lexicon import Floats, Lexicon
from components.dialogue.query import Query, Said
from components.dialogue.slots import Slots
from components.dialogue.state import State, Turn
from components.dialogue.tokens import key

SPOKEN = frozenset({"ask", "must", "never", "answer", "wish", "lift", "range", "judge", "skip"})  # acts whose words say what is wanted


class Leaning(Protocol):
    """A model of what words ask for."""

    def lean(self, turns: Sequence[Turn], slots: Slots) -> Floats:
        """Give float64 (items,), in deviations of the ranker's terms, for the turns that count and what they add up to."""
        ...


@dataclass(frozen=True)
class Unled:
    """Leans to nothing."""

    items: int

    def lean(self, turns: Sequence[Turn], slots: Slots) -> Floats:
        """Zero for every item."""
        return np.zeros(self.items)


@dataclass(frozen=True)
class Heard:
    """The query model, told turn by turn what was said; what is no longer in the slots is as if it had not been named."""

    query: Query
    lexicon: Lexicon

    def lean(self, turns: Sequence[Turn], slots: Slots) -> Floats:
        """q_t from q_0 by one step for each turn that says what is wanted; zero where none does."""
        spoken = [turn for turn in turns if any(act.kind in SPOKEN for act in turn.acts) and self._telling(turn)]
        if not spoken:
            return np.zeros(len(self.lexicon.catalogue.ids))
        memory = self.query.start()
        for turn in spoken:
            memory = self.query.hear(memory, turn.echo, self._said(turn, slots))
        return self.query.lean(memory)[0]

    def _telling(self, turn: Turn) -> bool:
        """Whether a turn says what conditions do not: a wish, an opinion, or words that are no phrase of ours and no name."""
        if any(act.kind in {"wish", "judge"} for act in turn.acts):
            return True
        vocabulary = self.lexicon.words
        named = {
            word for act in turn.acts for entity in act.entities for name in vocabulary.all(entity.kind, entity.value) for word in name
        }
        return bool(set(key(turn.echo).split()) - named - vocabulary.own)

    def _said(self, turn: Turn, slots: Slots) -> Said:
        wanted = [*slots.wanted, *slots.wishes]
        named = [entity for act in turn.acts for entity in act.entities]
        items = [item for act in turn.acts for item in act.items]
        return Said(
            text=np.zeros((1, 0), dtype=np.float32),
            named=self._entities(entity for entity in named if entity in wanted),
            liked=self._items(item for item in items if item in slots.judged("liked", "accepted")),
            refused=self._entities(entity for entity in named if entity in slots.never),
            disliked=self._items(item for item in items if item in slots.judged("disliked")),
        )

    def _entities(self, entities: Iterable[Entity]) -> csr_matrix:
        said = list(entities)
        return self.query.facets.named([[entity.value for entity in said]], [[entity.kind for entity in said]])

    def _items(self, items: Iterable[str]) -> csr_matrix:
        index = self.lexicon.catalogue.index
        return marked([(0, index[item]) for item in items], (1, len(index)))


def wished(lexicon: Lexicon, state: State) -> Floats:
    """How many of the liked entities each item has, less those that were offered and not taken: float64 (items,)."""
    total = np.zeros(len(lexicon.catalogue.ids))
    for entity in state.slots.wishes:
        total += lexicon.mask([entity])
    for entity in declined(state):
        total -= lexicon.mask([entity])
    return total


def met(lexicon: Lexicon, slots: Slots) -> Floats:
    """How many of the answers to questions each item meets: float64 (items,)."""
    return sum((lexicon.mask(group).astype(np.float64) for group in slots.answers), np.zeros(len(lexicon.catalogue.ids)))


def declined(state: State) -> list[Entity]:
    """Entities that were offered and not taken, and not asked for since: nothing is closed by that."""
    passed = dict.fromkeys(entity for turn in state.live for act in turn.acts if act.kind == "skip" for entity in act.entities)
    return [entity for entity in passed if entity not in state.slots.entities]
