"""The state of a conversation: an immutable log of typed acts; the slots are a fold of it, so that any turn can be undone."""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from components.dialogue.acts import CHANGES, Act, Entity, Name
from components.dialogue.slots import Message, Slots
from components.errors import RequestError
from components.generation.clean import spoken

VERSION = 1
TURNS = 60  # in a log; older ones are folded into one
SIZE = 262_144  # bytes of a state as JSON
ECHO = 160  # characters of an utterance that are kept
Echo = Annotated[Name, Field(max_length=ECHO)]


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
    return spoken(text, ECHO)
