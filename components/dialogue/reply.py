"""What a turn gives back."""

from pydantic import Field

from components.dialogue.state import State
from components.schema import Message, Recommendation


class Chip(Message):
    """One thing that is remembered, in words; removing it is an act."""

    id: str
    words: str


class Asked(Message):
    """A question, said after the text and the items, with answers to choose from."""

    kind: str = Field(description="which or mean: what was meant; facet: a preference; relax: a condition to give up")
    text: str
    options: list[str] = Field(description="each can be said as an answer")


class Reply(Message):
    """What is said in a turn, and the state after it."""

    state: State
    text: str
    items: list[Recommendation] = Field(description="recommended, best first, each with its reason")
    question: Asked | None = None
    chips: list[Chip] = Field(description="all that is remembered, in words; each can be removed by its id")
    source: str = Field(description="hybrid, dialogue or popularity, where items are recommended; else dialogue")
    provider: str = Field(
        description="who understood the words: rules, or the provider; fallback: rules in place of a provider that failed"
    )
