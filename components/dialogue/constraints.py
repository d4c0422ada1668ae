"""Constraints are filters: slots become a mask over the catalogue, and what is shown is verified once more, item by item."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from components.dialogue.acts import Entity, Range
from components.dialogue.lexicon import Lexicon
from components.dialogue.slots import Opinion, Slots
from components.recommend.catalogue import Mask

MOST = 3  # conditions that are offered to be given up at once
TRIED = 300  # choices of them


@dataclass(frozen=True)
class Constraints:
    """What slots close of a catalogue."""

    lexicon: Lexicon

    def mask(self, slots: Slots, passed: Sequence[str] = ()) -> Mask:
        """Which items meet every condition, and were neither judged nor passed over: bool (items,)."""
        open_ = ~self.lexicon.mask(slots.never)
        for group in slots.must:
            open_ &= self.lexicon.mask(group)
        for span in slots.ranges:
            open_ &= self._within(span)
        index = self.lexicon.catalogue.index
        closed = [index[item] for item in [*slots.judged("liked", "disliked", "seen", "rejected", "accepted"), *passed] if item in index]
        open_[closed] = False
        return open_

    def broken(self, slots: Slots, item: str, passed: Sequence[str] = ()) -> list[str]:
        """Chips of the conditions that one item breaks, found fact by fact and not by `mask`."""
        place = self.lexicon.catalogue.index.get(item)
        if place is None:
            return ["unknown"]
        found = [chip for chip, entry in slots.entries.items() if self._breaks(place, item, chip, entry)]
        return [*found, "passed"] if item in passed else found

    def met(self, slots: Slots, item: str) -> list[Entity]:
        """Entities that were asked for or liked, and that the item has."""
        has = self.lexicon.has[self.lexicon.catalogue.index[item]]
        return [entity for entity in (*slots.wanted, *slots.wishes) if _meets(has, (entity,))]

    def answered(self, slots: Slots, item: str) -> bool:
        """Whether an item meets all answers to questions."""
        has = self.lexicon.has[self.lexicon.catalogue.index[item]]
        return all(_meets(has, group) for group in slots.answers)

    def relaxation(self, slots: Slots, passed: Sequence[str] = ()) -> tuple[list[str], int]:
        """The fewest conditions, three at most, whose removal leaves anything; of those what leaves most, and how many items that are."""
        hard = [chip for chip in slots.entries if chip.startswith(("must", "never", "range"))]
        for size in range(1, MOST + 1):
            sets = list(islice(combinations(hard, size), TRIED))
            counts = [int(self.mask(slots.without(chips), passed).sum()) for chips in sets]
            if counts and max(counts):
                best = int(np.argmax(counts))
                return list(sets[best]), counts[best]
        return [], 0

    def _within(self, span: Range) -> Mask:
        values = self.lexicon.numbers.get(span.name)
        if values is None:
            return np.full(len(self.lexicon.catalogue.ids), span.out)
        with np.errstate(invalid="ignore"):
            low = np.ones(len(values), dtype=bool) if span.low is None else values >= span.low
            high = np.ones(len(values), dtype=bool) if span.high is None else values <= span.high
        there = np.isfinite(values)
        return ~(low & high & there) if span.out else low & high & there

    def _breaks(self, place: int, item: str, chip: str, entry: Opinion | tuple[Entity, ...] | Entity | Range) -> bool:
        has = self.lexicon.has[place]
        if isinstance(entry, tuple):
            return chip.startswith("must") and not _meets(has, entry)
        if isinstance(entry, Range):
            values = self.lexicon.numbers.get(entry.name)
            return not entry.holds(float("nan") if values is None else float(values[place]))
        if isinstance(entry, Entity):
            return chip.startswith("never") and _meets(has, (entry,))
        return entry.item == item


def _meets(has: frozenset[tuple[str, str, str]], group: Sequence[Entity]) -> bool:
    """Whether any of these entities is among what an item has: kind, value, relation."""
    return any((entity.kind, entity.value, entity.relation) in has for entity in group)
