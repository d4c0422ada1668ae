"""Utterances read by a model where there is one, into the same closed acts; by rule where there is none, or where it fails."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from components.dialogue.acts import Act, How, Range
from components.dialogue.lexicon import Lexicon
from components.dialogue.names import Target
from components.dialogue.state import State
from components.dialogue.tokens import key
from components.dialogue.understanding import ACTS, Understanding
from components.generation.messages import ProviderError
from components.generation.writer import Writer
from components.schema import Message


class Said(Message):
    """One act as a model may say it: names are words of the utterance, linked by us.

    Attributes:
        action: what is done with the names, or without any.
        titles: names of items; names: of genres, people and the like.
        number: which number must lie from `low` to `high`; with `action` never: must not.
    """

    action: Literal[
        "must",
        "never",
        "wish",
        "lift",
        "liked",
        "disliked",
        "seen",
        "rejected",
        "accepted",
        "range",
        "ask",
        "more",
        "why",
        "compare",
        "chat",
    ]
    titles: list[str] = Field(default_factory=list, max_length=8)
    names: list[str] = Field(default_factory=list, max_length=8)
    number: Literal["time", "length", "pages", "price"] | None = None
    low: float | None = Field(default=None, ge=-1e9, le=1e9, allow_inf_nan=False)
    high: float | None = Field(default=None, ge=-1e9, le=1e9, allow_inf_nan=False)


class Parse(Message):
    """What an utterance does, in the closed schema that a model fills in."""

    acts: list[Said] = Field(max_length=8)


@dataclass(frozen=True)
class Parsing:
    """Reads utterances.

    Attributes:
        writer: its model, if it has one, is asked first; never about an answer to a question, a command or an order to a model.
    """

    understanding: Understanding
    writer: Writer
    deadline: float

    def read(self, text: str, state: State) -> tuple[tuple[Act, ...], str]:
        """The acts of a cleaned utterance, and who read it: rules, the provider's name, or fallback with the reason."""
        own = self.understanding.read(text, state)
        plain = {"undo", "restart", "language", "skip", "why", "compare", "more", "chat"}
        settled = all(act.kind in plain for act in own) and own[0].name != "lost"
        if self.writer.speaker.idle or settled or state.question:
            return own, "rules"
        try:
            said = self.writer.parse(text, Parse, [], self.deadline)
            acts = tuple(act for each in said.acts for act in self._linked(each, text))
        except ProviderError as error:
            return own, f"fallback: {error}"
        return (acts[:ACTS], self.writer.speaker.name) if acts else (own, "fallback: the model understood nothing")

    @property
    def _lexicon(self) -> Lexicon:
        return self.understanding.lexicon

    def _linked(self, said: Said, text: str) -> list[Act]:
        """The acts that one of the model's says, with what the catalogue has; a name that was not said counts for nothing."""
        items, entities = [], []
        for name in [*said.titles, *said.names]:
            for target in self._targets(name, text, titles=name in said.titles):
                items += [target.item] if target.item else []
                entities += target.entities
        acts: list[Act] = []
        if span := self._range(said, text):
            acts.append(Act(kind="range", range=span))
        how: dict[str, How] = {"liked": "liked", "disliked": "disliked", "seen": "seen", "rejected": "rejected", "accepted": "accepted"}
        if items:
            opinion = how.get(said.action) or ("rejected" if said.action == "never" else "liked")
            acts.append(Act(kind="judge", items=tuple(items), how=opinion))
        if entities and said.action in {"never", "lift", "wish"}:
            acts.append(Act(kind=said.action, entities=tuple(entities)))  # pyright: ignore[reportArgumentType]
        elif entities:
            kind = {"liked": "wish", "disliked": "never", "rejected": "never"}.get(said.action, "must")
            acts.append(Act(kind=kind, entities=tuple(entities)))  # pyright: ignore[reportArgumentType]
        if not acts and said.action in {"ask", "more", "why", "compare"}:
            acts.append(Act(kind=said.action))  # pyright: ignore[reportArgumentType]
        return acts

    def _targets(self, name: str, text: str, *, titles: bool) -> tuple[Target, ...]:
        """The one thing that a name means, if it was said."""
        names = self.understanding.linker.names
        said = [target for element in self.understanding.linker.elements(text) for target in element.targets]
        fitting = [target for target in names.targets.get(key(name), ()) if bool(target.item) == titles]
        return tuple(target for target in fitting if target in said)[:1]

    def _range(self, said: Said, text: str) -> Range | None:
        """A range, if the catalogue has the number and the figures were said."""
        name = self._lexicon.number(said.number) if said.number else None
        if name is None or (said.low is None and said.high is None):
            return None
        found = [element.figure.range for element in self.understanding.linker.elements(text) if element.figure and element.figure.range]
        span = Range(name=name, low=said.low, high=said.high, out=said.action == "never")
        return span if any(each.name == name for each in found) else None
