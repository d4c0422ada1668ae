"""The closed schema of what an utterance can do; a model that parses has no other words."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from components.schema import Message

WIDTH = 160  # characters of any name
Name = Annotated[str, StringConstraints(max_length=WIDTH, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$")]
Number = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]

How = Literal["liked", "disliked", "seen", "rejected", "accepted"]
Kind = Literal[
    "must",  # entities: any of them is a condition
    "never",  # entities: none of them may be shown
    "answer",  # entities: any of them was chosen of those offered; evidence, not a condition
    "wish",  # entities: preferably
    "lift",  # entities, or all of a kind: no longer a condition, a negation or a wish
    "range",  # a number must lie within; `out`: must not
    "judge",  # items: liked, disliked, seen, rejected, accepted
    "remove",  # one chip, by its id
    "ask",  # recommend
    "more",  # others than those shown
    "why",
    "compare",
    "skip",  # no preference, to a question; entities: of those offered it is none
    "undo",
    "restart",
    "language",
    "chat",  # small talk, by topic
    "unclear",  # a name that is ambiguous (items or entities are the choice) or not known
]
CHANGES = frozenset({"must", "never", "answer", "wish", "lift", "range", "judge", "remove"})


class Entity(Message):
    """Something of the catalogue's graph: a kind (genre, person, …), its name, and the relation if one was named."""

    kind: Name
    value: Name
    relation: Name = ""


class Range(Message):
    """A number of an item that must lie within (or with `out` outside) two bounds, both included."""

    name: Name
    low: Number | None = None
    high: Number | None = None
    out: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number meets it; an unknown one (NaN) is only outside."""
        inside = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return (value != value or not inside) if self.out else (value == value and inside)  # noqa: PLR0124 - NaN


class Act(Message):
    """One thing that an utterance does.

    Attributes:
        name: of `remove` a chip's id, of `chat` a topic, of `language` en or zh, of `unclear` the name, of `lift` a kind.
        replace: of `must`: instead of other conditions of these kinds.
        then: of `unclear`: what was to be done with the name.
    """

    kind: Kind
    items: tuple[Name, ...] = Field(default=(), max_length=64)
    entities: tuple[Entity, ...] = Field(default=(), max_length=32)
    range: Range | None = None
    how: How | None = None
    name: Name = ""
    replace: bool = False
    then: Kind | None = None
