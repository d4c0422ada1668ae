"""The words of both languages, read from the data files beside: cues, other names, kinds, relations, numbers, replies."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from components import artifacts
from components.dialogue.tokens import key
from components.errors import ConfigError
from components.generation.wording import LanguageCode, names

FOLDER = Path(__file__).parent / "words"


@dataclass(frozen=True)
class Role:
    """A number of the catalogue as people speak of it.

    Attributes:
        columns: attributes that may hold it, the first one there is taken.
        units: what a figure is followed by, and how many of the number's unit that is.
    """

    name: str
    columns: list[str]
    called: dict[str, str]
    units: dict[str, float]


@dataclass(frozen=True)
class Vocabulary:
    """All words.

    Attributes:
        cues: what a phrase (as `tokens.key`) may signal, each a `class` or `class:detail`.
        longest: words of the longest phrase.
        names: by kind, value and language, other names.
        both: by kind, names of two values.
        bare: by kind, values whose name is an ordinary word too.
        beside: words beside which it is the value.
        stop: words that carry no meaning alone.
    """

    cues: dict[str, tuple[str, ...]]
    longest: int
    names: dict[str, dict[str, dict[LanguageCode, list[str]]]]
    both: dict[str, dict[str, list[str]]]
    bare: dict[str, list[str]]
    beside: frozenset[str]
    kinds: dict[str, dict[str, Any]]
    relations: dict[str, dict[str, Any]]
    roles: dict[str, Role]
    replies: dict[str, dict[str, str]]
    stop: frozenset[str]

    def say(self, name: str, language: str, /, **slots: object) -> str:
        """Fill a reply's template."""
        return self.replies[name][language].format(**slots)

    def all(self, kind: str, value: str) -> list[list[str]]:
        """The words of each name of a value."""
        return [key(name).split() for name in (value, *chain(*self.names.get(kind, {}).get(value, {}).values()))]

    @cached_property
    def own(self) -> frozenset[str]:
        """Words that say nothing of what is wanted: those of cues, those beside names, and those without a meaning."""
        return frozenset((*self.stop, *self.beside, *(word for phrase in self.cues for word in phrase.split())))


@cache
def vocabulary() -> Vocabulary:
    """Read the words, once."""
    roles, readings = _read("roles"), _read("readings")
    pairs = [*_cues(_read("cues")), *_relations(roles["relations"]), *_kinds(roles["kinds"]), *_numbers(roles["numbers"])]
    cues = _group(pairs)
    return Vocabulary(
        cues=cues,
        longest=max(len(phrase.split()) for phrase in cues),
        both=readings["both"],
        bare=readings["bare"],
        beside=frozenset(readings["beside"]),
        names=names(),
        kinds=roles["kinds"],
        relations=roles["relations"],
        roles={
            name: Role(name, role["columns"], {"en": role["en"], "zh": role["zh"]}, role["units"])
            for name, role in roles["numbers"].items()
        },
        replies=_read("replies"),
        stop=frozenset(key(word) for word in _read("stop")["words"].split()),
    )


def _read(name: str) -> dict[str, Any]:
    path = FOLDER / f"{name}.yaml"
    try:
        return artifacts.read_yaml(path)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: can't be read ({error}); install Zhijian again") from None


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for phrase, name in pairs:
        found[phrase] = tuple(dict.fromkeys((*found.get(phrase, ()), name)))
    return found


def _cues(table: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    yield from ((key(phrase), name.rstrip("_")) for name, phrases in table.items() for phrase in phrases)


def _relations(table: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, relation in table.items():
        yield from ((key(phrase), f"relation:{name}") for phrase in relation["pre"])
        yield from ((key(phrase), f"after:{name}") for phrase in relation["post"])


def _kinds(table: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    yield from ((key(phrase), f"kind:{name}") for name, kind in table.items() for phrase in kind["calls"])


def _numbers(table: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, role in table.items():
        for sign in ("less", "more", "too_low", "too_high"):
            yield from ((key(phrase), f"{sign}:{name}") for phrase in role[sign])
