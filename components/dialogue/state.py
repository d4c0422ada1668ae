"""The state of a conversation: an immutable log of typed acts; the slots are a fold of it, so that any turn can be undone."""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from components.dialogue.acts import CHANGES, Act, Entity, How, Name, Range
from components.dialogue.cleaning import ECHO, clean
from components.errors import RequestError
from components.schema import Message as Plain

VERSION = 1
TURNS = 60  # in a log; older ones are folded into one
CHIPS = 60  # conditions, wishes and opinions at once
SIZE = 262_144  # bytes of a state as JSON
Echo = Annotated[Name, Field(max_length=ECHO)]


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
        wishes: entities that are liked: they lean, and close nothing.
    """

    opinions: tuple[Opinion, ...] = ()
    must: tuple[tuple[Entity, ...], ...] = ()
    never: tuple[Entity, ...] = ()
    wishes: tuple[Entity, ...] = ()
    ranges: tuple[Range, ...] = ()

    def judged(self, *how: How) -> list[str]:
        """Items of which this was said, oldest first."""
        return [opinion.item for opinion in self.opinions if opinion.how in how]

    @property
    def entities(self) -> tuple[Entity, ...]:
        """All that is wanted, refused or liked."""
        return (*(entity for group in self.must for entity in group), *self.never, *self.wishes)

    @cached_property
    def entries(self) -> "dict[str, Entry]":
        """What the slots hold, each by the id of its chip."""
        found: dict[str, Entry] = {}
        found |= {_chip("must", *group): group for group in self.must}
        found |= {_chip("range", each): each for each in self.ranges}
        found |= {_chip("never", entity): entity for entity in self.never}
        found |= {_chip("wish", entity): entity for entity in self.wishes}
        return found | {_chip("item", opinion): opinion for opinion in self.opinions}

    def without(self, chips: Iterable[str]) -> "Slots":
        """The slots without these entries; an id that there is not changes nothing."""
        gone = {identity: self.entries[identity] for identity in chips if identity in self.entries}
        keep = [(identity, entry) for identity, entry in self.entries.items() if identity not in gone]
        return Slots(
            opinions=tuple(entry for _, entry in keep if isinstance(entry, Opinion)),
            must=tuple(entry for _, entry in keep if isinstance(entry, tuple)),
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
            *(Act(kind="wish", entities=(entity,)) for entity in self.wishes),
            *(Act(kind="range", range=each) for each in self.ranges),
            *(Act(kind="judge", items=(opinion.item,), how=opinion.how) for opinion in self.opinions),
        )


Entry = Opinion | tuple[Entity, ...] | Entity | Range


class Question(Message):
    """What the user was asked.

    Attributes:
        kind: which: one of several things of one name; facet: a value of `name`; relax: give up a condition (chips are the options);
            mean: is this what was meant?
        then: what an answer does: an act whose items or entities are filled in.
    """

    kind: Literal["which", "facet", "relax", "mean"]
    name: Name = ""
    items: tuple[Name, ...] = Field(default=(), max_length=12)
    entities: tuple[Entity, ...] = Field(default=(), max_length=12)
    chips: tuple[Name, ...] = Field(default=(), max_length=12)
    then: Act | None = None


class Turn(Message):
    """One turn: what was understood, what was shown, and what was asked back; of the words a cleaned, short echo."""

    number: int = Field(ge=1, le=1_000_000)
    echo: Echo = ""
    acts: tuple[Act, ...] = Field(default=(), max_length=160)
    shown: tuple[Name, ...] = Field(default=(), max_length=100)
    focus: Name = ""
    question: Question | None = None
    undone: bool = False


class State(Message):
    """A conversation up to now; whole in itself, so that a server need not remember it.

    Attributes:
        user: id of a known user, whose history counts too.
        fixed: the language was chosen, and does not follow the utterances.
        bundle: the bundle that spoke last.
    """

    version: Literal[1] = VERSION
    bundle: Name = ""
    user: Name | None = None
    language: Literal["en", "zh"] = "en"
    fixed: bool = False
    turns: tuple[Turn, ...] = Field(default=(), max_length=TURNS)

    @model_validator(mode="after")
    def _in_order(self) -> "State":
        numbers = [turn.number for turn in self.turns]
        if sorted(set(numbers)) != numbers:
            raise ValueError("turns: their numbers must rise")
        return self

    @classmethod
    def read(cls, text: str | bytes) -> "State":
        """Read a state from JSON; raises RequestError that names the field that is forged, oversized or of another version."""
        if len(text) > SIZE:
            raise RequestError("state", f"is larger than {SIZE} bytes; start a new conversation")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(["state", *(str(place) for place in first["loc"])])
            raise RequestError(where, f"{first['msg']}; send the state as it was given, or start a new conversation") from None
        except ValueError:
            raise RequestError("state", "is not valid JSON text; send the state as it was given") from None

    def write(self) -> str:
        """Write the state as JSON that `read` takes."""
        return self.model_dump_json(exclude_defaults=True)

    @cached_property
    def live(self) -> tuple[Turn, ...]:
        """The turns that count."""
        return tuple(turn for turn in self.turns if not turn.undone)

    @cached_property
    def slots(self) -> Slots:
        """What the turns that count add up to."""
        return Slots().after(act for turn in self.live for act in turn.acts)

    @property
    def shown(self) -> tuple[str, ...]:
        """Items shown last."""
        return next((turn.shown for turn in reversed(self.live) if turn.shown), ())

    @property
    def focus(self) -> str:
        """The item that was spoken of last, if any since the last list."""
        for turn in reversed(self.live):
            if turn.focus or turn.shown:
                return turn.focus
        return ""

    @property
    def passed(self) -> tuple[str, ...]:
        """Items that were shown before others were asked for."""
        found: list[str] = []
        shown: list[str] = []
        for turn in self.live:
            if any(act.kind == "more" for act in turn.acts):
                found, shown = [*found, *shown], []
            shown += turn.shown
        return tuple(dict.fromkeys(found))

    @property
    def question(self) -> Question | None:
        """What was asked in the last turn that counts."""
        return self.live[-1].question if self.live else None

    @property
    def next(self) -> int:
        """Number of the turn to come."""
        return self.turns[-1].number + 1 if self.turns else 1

    def add(self, turn: Turn) -> "State":
        """The state with one turn more; a full log's older half is folded into one turn."""
        turns = (*self.turns, turn)
        if len(turns) > TURNS:
            old, new = turns[: TURNS // 2], turns[TURNS // 2 :]
            slots = Slots().after(act for each in old if not each.undone for act in each.acts)
            turns = (Turn(number=old[-1].number, acts=slots.acts()), *new)
        return self.but(turns=turns)

    def undo(self, number: int | None = None) -> "State":
        """The state as if one turn had not been said, the last that changed something if none is given.

        Raises:
            RequestError: there is no such turn, or it is undone already.
        """
        chosen = self._undoable(number)
        turns = tuple(turn.but(undone=True) if turn.number == chosen else turn for turn in self.turns)
        return self.but(turns=turns)

    def restart(self) -> "State":
        """The same user and language, and nothing said."""
        return self.but(turns=())

    def _undoable(self, number: int | None) -> int:
        there = [turn.number for turn in self.live if any(act.kind in CHANGES or act.kind == "more" for act in turn.acts)]
        if number is None and there:
            return there[-1]
        if number is None or number not in [turn.number for turn in self.live]:
            raise RequestError("turn", f"no turn {number} to undo" if number else "nothing to undo")
        return number


def echo(text: str) -> str:
    """What is kept of an utterance."""
    return clean(text, ECHO)


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
    groups = tuple(group for group in (_drop(group, gone) for group in slots.must) if group)
    return slots.but(must=groups, never=_drop(slots.never, gone), wishes=_drop(slots.wishes, gone))


def _after(slots: Slots, act: Act) -> Slots:
    update = {"must": _must, "never": _never, "wish": _wish, "lift": _lift, "range": _range, "judge": _judge, "remove": _remove}
    return update[act.kind](slots, act) if act.kind in update else slots


def _must(slots: Slots, act: Act) -> Slots:
    if not act.entities:
        return slots
    kept = slots.but(never=_drop(slots.never, act.entities), wishes=_drop(slots.wishes, act.entities))
    groups = tuple(group for group in kept.must if len(_drop(group, act.entities)) == len(group))
    if act.replace:
        kinds = {entity.kind for entity in act.entities}
        groups = tuple(group for group in groups if not any(entity.kind in kinds for entity in group))
    return kept.but(must=(*groups, act.entities))


def _never(slots: Slots, act: Act) -> Slots:
    kept = _lifted(slots, act.entities)
    return kept.but(never=(*kept.never, *act.entities))


def _wish(slots: Slots, act: Act) -> Slots:
    known = [entity for group in slots.must for entity in group]
    new = tuple(entity for entity in act.entities if entity not in known)
    kept = _lifted(slots, new)
    return kept.but(wishes=(*kept.wishes, *new))


def _lift(slots: Slots, act: Act) -> Slots:
    kept = _lifted(slots, act.entities)
    if act.items:
        return kept.but(opinions=tuple(opinion for opinion in kept.opinions if opinion.item not in act.items))
    if act.name:
        groups = tuple(group for group in kept.must if not any(entity.kind == act.name for entity in group))
        never = tuple(entity for entity in kept.never if entity.kind != act.name)
        ranges = tuple(each for each in kept.ranges if each.name != act.name)
        return kept.but(must=groups, never=never, ranges=ranges)
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
