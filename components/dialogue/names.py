"""The names of a catalogue, as they are found in an utterance: exact, other names, parts of names, and how ordinary each is."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import polars as pl

from components.dialogue import tokens
from components.dialogue.acts import Entity
from components.dialogue.lexicon import Lexicon
from components.dialogue.tokens import words_of

ARTICLES = words_of("the a an le la les el los il der die das")
LONGEST = 14  # words of a name that are compared
ORDINARY = 4  # texts in which a word stands in small letters, from which it is an ordinary word
DIGITS = re.compile(r"^[\d\s]+s?$")
PERSON = "person"
key = lru_cache(1 << 16)(tokens.key)  # the next bundle has nearly the names of this one


@dataclass(frozen=True)
class Target:
    """What a name means: an item, or an entity (or several at once, as a romcom is two genres).

    Attributes:
        part: the name is only a part of the whole one: a surname, a title before its colon.
        bare: the name is an ordinary word too, and means this only beside words like film.
    """

    item: str = ""
    entities: tuple[Entity, ...] = ()
    part: bool = False
    bare: bool = False


@dataclass(frozen=True)
class Names:
    """All names of a lexicon, by `tokens.key`."""

    lexicon: Lexicon

    @cached_property
    def targets(self) -> dict[str, tuple[Target, ...]]:
        """What each name may mean: whole names where there are any, else what it is a part of, the best known first."""
        found: dict[str, list[Target]] = defaultdict(list)
        for name, target in [*self._titles(), *self._entities()]:
            if name and len(name.split()) <= LONGEST:
                found[name].append(target)
        return {name: self._best(targets) if len(targets) > 1 else tuple(targets) for name, targets in found.items()}

    @cached_property
    def whole(self) -> list[str]:
        """Names of four letters or more that a misspelled one is compared with."""
        return [name for name in self.targets if len(name) >= 4 and not DIGITS.match(name)]

    @cached_property
    def short(self) -> list[str]:
        """Names of kinds with few values, such as genres: compared with any unknown word."""
        few = {kind for kind, values in self.lexicon.kinds.items() if len(values) <= 100}
        return [
            name
            for name in self.whole
            if any(entity.kind in few for target in self.targets[name] for entity in target.entities)
            and not any(letter > "ÿ" for letter in name)
        ]

    @cached_property
    def ordinary(self) -> frozenset[str]:
        """Words that people use for themselves: of our own phrases, and those in small letters in several of the catalogue's texts."""
        texts = self.lexicon.catalogue.table["text"].drop_nulls()
        words = (
            texts.str.extract_all(r"(?:^|[^\p{L}])\p{Ll}[\p{Ll}']*")
            .list.eval(pl.element().str.strip_chars("\"' .,;:()[]-–—/"))
            .list.unique()
        )
        counts = words.explode().value_counts().filter(pl.col("count") >= ORDINARY) if len(texts) else None
        common = {key(word) for word in counts[texts.name] if word} if counts is not None else set[str]()
        vocabulary = self.lexicon.words
        return frozenset(common | vocabulary.stop | {word for phrase in vocabulary.cues for word in phrase.split()})

    def size(self, target: Target) -> float:
        """How well known a target is."""
        lexicon = self.lexicon
        return lexicon.weight[lexicon.catalogue.index[target.item]] if target.item else sum(lexicon.size(each) for each in target.entities)

    def _best(self, targets: list[Target]) -> tuple[Target, ...]:
        each = list(dict.fromkeys(targets))
        whole = [target for target in each if not target.part] or each
        return tuple(sorted(whole, key=lambda target: -self.size(target)) if len(whole) > 1 else whole)

    def _titles(self) -> Iterator[tuple[str, Target]]:
        for item, title in zip(self.lexicon.catalogue.ids, self.lexicon.titles, strict=True):
            name = key(title)
            yield name, Target(item)
            first, _, rest = name.partition(" ")
            if first in ARTICLES and rest:
                yield rest, Target(item)
            if any(mark in title for mark in "·-.") and len(name) <= 12:
                yield name.replace(" ", ""), Target(item)
            head = re.split(r": | - ", title)[0]
            if head != title and len(key(head)) >= 4:
                yield key(head), Target(item, part=True)
            if len(name.split()) == 2 and name.split()[1].isdigit():
                yield name.split()[0], Target(item, part=True)

    def _entities(self) -> Iterator[tuple[str, Target]]:
        words = self.lexicon.words
        for kind, values in self.lexicon.kinds.items():
            bare = words.bare.get(kind, [])
            for value in values:
                if DIGITS.match(key(value)):
                    continue  # years and decades are read as numbers
                entity = (Entity(kind=kind, value=value),)
                yield key(value), Target(entities=entity, bare=value in bare)
                yield key(value).replace(" ", "") if kind != PERSON else "", Target(entities=entity, bare=value in bare)
                for names in words.names.get(kind, {}).get(value, {}).values():
                    yield from ((key(name), Target(entities=entity)) for name in names)
                if kind == PERSON and " " in key(value):
                    yield key(value).split()[-1], Target(entities=entity, part=True)
            for name, both in words.both.get(kind, {}).items():
                if set(both) <= set(values):
                    yield key(name), Target(entities=tuple(Entity(kind=kind, value=value) for value in both))
