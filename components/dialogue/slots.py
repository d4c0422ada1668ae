"""What is wanted, as typed slots, and how acts change them: the latest word counts."""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Self

from components.dialogue.acts import Act, Entity, How, Name, Range
from components.schema import Message as Plain

Groups = tuple[tuple[Entity, ...], ...]
CHIPS = 60  # conditions, wishes and opinions at once


class Message(Plain):
    """A message that can be changed in part."""

    def but(self, **changes: object) -> Self:
        """The same with some fields changed; what it had computed does not come along, as it would by `model_copy`."""
        fields: dict[str, Any] = {name: changes.get(name, getattr(self, name)) for name in type(self).model_fields}
        return self.model_construct(None, **fields)


class Opinion(Message):
    """What the user said of an item."""

    item: Name
    how: How


class Slots(Message):
    """What is wanted, as typed slots.

    Attributes:
        must: each group is a condition that any of its entities meets.
        never: entities that nothing shown may have.
        answers: groups as in `must` that were chosen when asked: what meets more of them comes first, and nothing is closed.
        wishes: entities that are liked: they lean, and close nothing.
    """

    opinions: tuple[Opinion, ...] = ()
    must: Groups = ()
    never: tuple[Entity, ...] = ()
    answers: Groups = ()
    wishes: tuple[Entity, ...] = ()
    ranges: tuple[Range, ...] = ()

    def judged(self, *how: How) -> list[str]:
        """Items of which this was said, oldest first."""
        return [opinion.item for opinion in self.opinions if opinion.how in how]

    @property
    def entities(self) -> tuple[Entity, ...]:
        """All that is wanted, refused or liked."""
        return (*self.wanted, *self.never, *self.wishes)

    @property
    def wanted(self) -> tuple[Entity, ...]:
        """All that is a condition or was chosen when asked."""
        return tuple(entity for group in (*self.must, *self.answers) for entity in group)

    @cached_property
    def entries(self) -> "dict[str, Entry]":
        """What the slots hold, each by the id of its chip."""
        found: dict[str, Entry] = {}
        found |= {_chip("must", *group): group for group in self.must}
        found |= {_chip("range", each): each for each in self.ranges}
        found |= {_chip("never", entity): entity for entity in self.never}
        found |= {_chip("answer", *group): group for group in self.answers}
        found |= {_chip("wish", entity): entity for entity in self.wishes}
        return found | {_chip("item", opinion): opinion for opinion in self.opinions}

    def without(self, chips: Iterable[str]) -> "Slots":
        """The slots without these entries; an id that there is not changes nothing."""
        gone = {identity: self.entries[identity] for identity in chips if identity in self.entries}
        keep = [(identity, entry) for identity, entry in self.entries.items() if identity not in gone]
        return Slots(
            opinions=tuple(entry for _, entry in keep if isinstance(entry, Opinion)),
            must=tuple(entry for identity, entry in keep if isinstance(entry, tuple) and identity.startswith("must")),
            answers=tuple(entry for identity, entry in keep if isinstance(entry, tuple) and identity.startswith("answer")),
            never=tuple(entry for identity, entry in keep if isinstance(entry, Entity) and identity.startswith("never")),
            wishes=tuple(entry for identity, entry in keep if isinstance(entry, Entity) and identity.startswith("wish")),
            ranges=tuple(entry for _, entry in keep if isinstance(entry, Range)),
        )

    def after(self, acts: Iterable[Act]) -> "Slots":
        """The slots after some acts, the latest word counting; what would be more than `CHIPS` entries is left out."""
        slots = self
        for act in acts:
            changed = _after(slots, act)
            slots = changed if len(changed.entries) <= max(CHIPS, len(slots.entries)) else slots
        return slots

    def acts(self) -> tuple[Act, ...]:
        """Acts that give these slots from empty ones."""
        return (
            *(Act(kind="must", entities=group) for group in self.must),
            *(Act(kind="never", entities=(entity,)) for entity in self.never),
            *(Act(kind="answer", entities=group) for group in self.answers),
            *(Act(kind="wish", entities=(entity,)) for entity in self.wishes),
            *(Act(kind="range", range=each) for each in self.ranges),
            *(Act(kind="judge", items=(opinion.item,), how=opinion.how) for opinion in self.opinions),
        )


Entry = Opinion | tuple[Entity, ...] | Entity | Range


def _chip(slot: str, *content: Plain) -> str:
    text = "\0".join(each.model_dump_json() for each in content)
    return f"{slot}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _same(a: Entity, b: Entity) -> bool:
    """Whether two entities are one, whatever the relation where either names none."""
    return (a.kind, a.value) == (b.kind, b.value) and (not a.relation or not b.relation or a.relation == b.relation)


def _drop(entities: Iterable[Entity], gone: tuple[Entity, ...]) -> tuple[Entity, ...]:
    return tuple(entity for entity in entities if not any(_same(entity, each) for each in gone))


def _lifted(slots: Slots, gone: tuple[Entity, ...]) -> Slots:
    """Without these entities, in whatever slot."""
    must, answers = (tuple(group for group in (_drop(group, gone) for group in groups) if group) for groups in (slots.must, slots.answers))
    return slots.but(must=must, answers=answers, never=_drop(slots.never, gone), wishes=_drop(slots.wishes, gone))


def _after(slots: Slots, act: Act) -> Slots:
    update = {
        "must": _must,
        "never": _never,
        "answer": _answer,
        "wish": _wish,
        "lift": _lift,
        "range": _range,
        "judge": _judge,
        "remove": _remove,
    }
    return update[act.kind](slots, act) if act.kind in update else slots


def _must(slots: Slots, act: Act) -> Slots:
    if not act.entities:
        return slots
    kept = slots.but(never=_drop(slots.never, act.entities), wishes=_drop(slots.wishes, act.entities))
    must, answers = (_apart(groups, act.entities) for groups in (slots.must, slots.answers))
    if act.replace:
        must, answers = (_beside(groups, {entity.kind for entity in act.entities}) for groups in (must, answers))
    return kept.but(must=(*must, act.entities), answers=answers)


def _apart(groups: Groups, entities: tuple[Entity, ...]) -> Groups:
    """The groups that have none of these entities."""
    return tuple(group for group in groups if len(_drop(group, entities)) == len(group))


def _beside(groups: Groups, kinds: set[str]) -> Groups:
    """The groups that have nothing of these kinds."""
    return tuple(group for group in groups if kinds.isdisjoint(entity.kind for entity in group))


def _answer(slots: Slots, act: Act) -> Slots:
    if not act.entities or _apart(slots.must, act.entities) != slots.must:
        return slots
    kept = slots.but(never=_drop(slots.never, act.entities), wishes=_drop(slots.wishes, act.entities))
    return kept.but(answers=(*_apart(kept.answers, act.entities), act.entities))


def _never(slots: Slots, act: Act) -> Slots:
    kept = _lifted(slots, act.entities)
    return kept.but(never=(*kept.never, *act.entities))


def _wish(slots: Slots, act: Act) -> Slots:
    new = tuple(entity for entity in act.entities if entity not in slots.wanted)
    kept = _lifted(slots, new)
    return kept.but(wishes=(*kept.wishes, *new))


def _lift(slots: Slots, act: Act) -> Slots:
    kept = _lifted(slots, act.entities)
    if act.items:
        return kept.but(opinions=tuple(opinion for opinion in kept.opinions if opinion.item not in act.items))
    if act.name:
        must, answers = (_beside(groups, {act.name}) for groups in (kept.must, kept.answers))
        never = tuple(entity for entity in kept.never if entity.kind != act.name)
        ranges = tuple(each for each in kept.ranges if each.name != act.name)
        return kept.but(must=must, answers=answers, never=never, ranges=ranges)
    if act.range is not None:
        return kept.but(ranges=tuple(each for each in kept.ranges if not _covers(act.range, each)))
    return kept


def _covers(asked: Range, there: Range) -> bool:
    """Whether a range that is lifted takes this one away: all of it, or just what it excludes."""
    unbounded = asked.low is None and asked.high is None
    return asked.name == there.name and (unbounded or (asked.low, asked.high) == (there.low, there.high))


def _range(slots: Slots, act: Act) -> Slots:
    if act.range is None:
        return slots
    same = [each for each in slots.ranges if each.name == act.range.name]
    rest = tuple(each for each in slots.ranges if each.name != act.range.name)
    if act.range.out:
        twin = Range(name=act.range.name, low=act.range.low, high=act.range.high)
        return slots.but(ranges=(*rest, *(each for each in same if each not in (twin, act.range)), act.range))
    met = next((_meet(each, act.range) for each in same if not each.out), act.range)
    outs = tuple(each for each in same if each.out and (each.low, each.high) != (act.range.low, act.range.high))
    return slots.but(ranges=(*rest, *outs, act.range if act.replace or met is None else met))


def _meet(a: Range, b: Range) -> Range | None:
    lows = [each.low for each in (a, b) if each.low is not None]
    highs = [each.high for each in (a, b) if each.high is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    return None if low is not None and high is not None and low > high else Range(name=a.name, low=low, high=high)


def _judge(slots: Slots, act: Act) -> Slots:
    if act.how is None:
        return slots
    kept = tuple(opinion for opinion in slots.opinions if opinion.item not in act.items)
    return slots.but(opinions=(*kept, *(Opinion(item=item, how=act.how) for item in dict.fromkeys(act.items))))


def _remove(slots: Slots, act: Act) -> Slots:
    return slots.without([act.name])
