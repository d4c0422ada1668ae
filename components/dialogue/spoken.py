"""The query model beside a conversation's state: q_t is made again from the turns that count, so that any of them can be undone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.dialogue.acts import Entity
from components.dialogue.facets import Sparse, marked
from components.dialogue.query import Memory, Query, Said
from components.dialogue.state import Slots, Turn
from components.ranking.parts import Floats


@dataclass(frozen=True)
class Spoken:
    """What a query model makes of turns and slots.

    Attributes:
        index: item id to index.
    """

    query: Query
    index: dict[str, int]

    def lean(self, turns: Sequence[Turn], slots: Slots) -> Floats:
        """Give float64 (items,), to be added to the ranker's scores; zeros where nothing was said that the model can hear."""
        memory = self.memory(turns, slots)
        heard = bool(memory.text.any()) or any(part.nnz for part in (memory.named, memory.liked, memory.refused, memory.disliked))
        return self.query.lean(memory)[0] if heard else np.zeros(len(self.query.content))

    def memory(self, turns: Sequence[Turn], slots: Slots) -> Memory:
        """q_t: the words of each turn that asks for something, and what the slots hold now."""
        memory = self.query.start()
        silent = Said(memory.text, memory.named, memory.liked)
        for turn in turns:
            if turn.echo and any(act.kind in {"must", "wish", "range", "judge", "ask"} for act in turn.acts):
                memory = self.query.hear(memory, turn.echo, silent)
        wanted = [entity for group in slots.must for entity in group] + list(slots.wishes)
        liked, disliked = self._items(slots.judged("liked", "accepted")), self._items(slots.judged("disliked", "rejected"))
        return Memory(memory.text, self._named(wanted), liked, self._named(slots.never), disliked)

    def _named(self, entities: Sequence[Entity]) -> Sparse:
        return self.query.facets.named([[entity.value for entity in entities]], [[entity.kind for entity in entities]])

    def _items(self, items: Sequence[str]) -> Sparse:
        return marked([(0, self.index[item]) for item in items if item in self.index], (1, len(self.query.content)))
