"""What is said in each language, read once from the yaml beside the code."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from components import artifacts
from components.schema import Message

LanguageCode = Literal["en", "zh"]
Tone = Literal["plain", "warm", "brief"]
Length = Literal["short", "medium", "long"]
DECADE = re.compile(r"^\d{3}0s$")
FREEBASE = re.compile(r"^/?[mg][./][0-9a-z_]+$")
LINKED = "linked to"  # a relation that has no wording of its own: its label, which came from outside, is not shown
LANGUAGES: tuple[LanguageCode, ...] = ("en", "zh")


class Relation(Message):
    """How a relation is said: {x} is where it leads, {s} what of the history has it too.

    Attributes:
        many: what is said in place of `has` where it leads to several.
        words: words that claim this relation, wherever they stand.
    """

    noun: str
    nouns: str
    has: str
    many: str | None = None
    shared: list[str]
    words: list[str]


class Copy(Message):
    """Sentences of a promotional text."""

    shared: list[str]
    has: list[str]
    more: list[str]
    none: list[str]
    close: list[str]


class Language(Message):
    """All templates of a language."""

    quote: str
    and_: str = Field(alias="and")
    both: str
    pair: str
    pairs: str
    comma: str
    stop: str
    end: str
    this: str
    it: str
    lengths: dict[Length, int]
    relations: dict[str, Relation]
    unknown: Relation
    shared: dict[Tone, list[str]]
    joined: dict[Tone, list[str]]
    seen: dict[Tone, list[str]]
    asked: dict[Tone, list[str]]
    has: dict[Tone, list[str]]
    popular: dict[Tone, list[str]]
    chain: list[str]
    copy_: Copy = Field(alias="copy")
    joins: list[str]
    words: str

    def relation(self, name: str) -> Relation:
        """A relation's wording; that of a link where there is none."""
        return self.relations.get(name, self.unknown)

    def templates(self) -> Iterator[str]:
        """Every template and noun."""
        for each in [*self.relations.values(), self.unknown]:
            yield from (each.noun, each.nouns, each.has, each.many or "", *each.shared)
        for group in (self.shared, self.joined, self.seen, self.asked, self.has, self.popular):
            for variants in group.values():
                yield from variants
        copy = self.copy_
        for variants in (copy.shared, copy.has, copy.more, copy.none, copy.close):
            yield from variants
        yield from (self.this, self.it, self.and_, self.both, self.pairs)


class Relations(Message):
    """What the names of relations and attributes mean."""

    names: dict[str, list[str]]
    years: dict[str, str]
    kinds: dict[str, str]
    numbers: list[str]
    order: list[str]


def data(name: str) -> Any:
    """Read one of the yaml files of `templates`."""
    return artifacts.read_yaml(Path(__file__).parent / "templates" / f"{name}.yaml")


@cache
def language(code: LanguageCode) -> Language:
    """The templates of a language."""
    return Language.model_validate(data(code))


@cache
def names() -> dict[str, dict[str, dict[LanguageCode, list[str]]]]:
    """Other names of values of a catalogue, by kind, value and language."""
    return data("names")


def called(kind: str, value: str, code: LanguageCode) -> str:
    """How people read a value of a kind: in Chinese by its first Chinese name, where it has one."""
    if code != "zh":
        return value
    if kind == "decade" and DECADE.match(value):
        return f"{value[:-1]}年代"
    return _chinese().get((kind, value.casefold()), value)


@cache
def _chinese() -> dict[tuple[str, str], str]:
    """First Chinese names by kind and by any English name, case folded."""
    known = [(kind, value, own) for kind, values in names().items() for value, own in values.items() if own["zh"]]
    other = {(kind, name.casefold()): own["zh"][0] for kind, _, own in known for name in own["en"]}
    return other | {(kind, value.casefold()): own["zh"][0] for kind, value, own in known}


@cache
def relations() -> Relations:
    """What relations' names mean."""
    return Relations.model_validate(data("relations"))


def relation(name: str, target: str) -> str:
    """The name here of a relation as the graph or the catalogue calls it, `linked to` where it is not known.

    Of some it depends on whether a number is named.
    """
    called = _aliases().get(name, LINKED)
    return relations().years.get(called, called) if target.isdecimal() else called


def nameless(called: str, target: str) -> bool:
    """Whether where a relation leads is no name that people read: a bare number where none is expected, or a Freebase id."""
    return (target.isdecimal() and called not in relations().numbers) or FREEBASE.match(target) is not None


@cache
def _aliases() -> dict[str, str]:
    table = relations()
    own = {name: name for name in (*table.names, *table.years)}
    return own | {alias: name for name, aliases in table.names.items() for alias in aliases}
