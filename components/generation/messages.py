"""What goes between writer, provider and checker."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, Field

from components.errors import ZhijianError
from components.generation.facts import FactSheet
from components.generation.planner import Point
from components.generation.wording import LanguageCode, Length, Tone
from components.schema import Message

Purpose = Literal["reason", "copy"]
S = TypeVar("S", bound=BaseModel)


class ProviderError(ZhijianError):
    """A provider gave no answer, or none that may be used; its text says why in a few words."""


class Claim(Message):
    """A sentence whose names are placeholders, {item} and {f3.object}, and the facts that it rests on."""

    text: str = Field(max_length=1000)
    fact_ids: list[str] = Field(max_length=40)


class Claims(Message):
    """What a provider answers."""

    claims: list[Claim] = Field(max_length=8)


class Text(Message):
    """What may be shown, and its trace."""

    text: str
    fact_ids: list[str] = Field(description="the facts of the sheet that it rests on")
    source: str = Field(description="who spoke: templates, or the provider; fallback: templates in place of a provider that failed")
    why: str = Field(description="why that one spoke")


@dataclass(frozen=True)
class Task:
    """What is to be worded; equal tasks have equal answers.

    Attributes:
        points: what to say, one sentence each.
    """

    sheet: FactSheet
    points: tuple[Point, ...]
    purpose: Purpose
    language: LanguageCode
    tone: Tone
    length: Length


class Speaker(Protocol):
    """A provider at work."""

    @property
    def name(self) -> str:
        """What a text's source calls it."""
        ...

    @property
    def idle(self) -> str:
        """Why it has no model to ask; empty where it has one."""
        ...

    def word(self, task: Task, deadline: float) -> list[Claim]:
        """Word a task's points within some seconds; raises ProviderError."""
        ...

    def parse(self, utterance: str, schema: type[S], names: Collection[str], deadline: float) -> S:
        """Read what a person said into a closed schema within some seconds; raises ProviderError."""
        ...


@runtime_checkable
class Provider(Protocol):
    """A configured provider."""

    def start(self) -> Speaker:
        """Make it ready and find out whether it answers; what is wrong is told by `idle` and never raised."""
        ...
