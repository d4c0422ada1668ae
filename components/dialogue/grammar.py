"""A grammar of utterances with the state each must lead to, to measure understanding by (state accuracy)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from components import artifacts
from components.dialogue.acts import Act, Entity, Range
from components.dialogue.lexicon import Lexicon
from components.dialogue.names import Names
from components.dialogue.slots import Slots
from components.dialogue.tokens import key
from components.dialogue.vocabulary import FOLDER

LanguageCode = Literal["en", "zh"]
Part = Literal["dev", "held"]
TENS = {1960: "六十年代", 1970: "七十年代", 1980: "八十年代", 1990: "九十年代", 2000: "2000年代"}


@dataclass(frozen=True)
class Example:
    """An utterance, the template it was made of, and the acts it must be read as."""

    text: str
    template: str
    rule: str
    acts: tuple[Act, ...]

    def slots(self, before: Slots) -> Slots:
        """The slots that it must lead to."""
        return before.after(self.acts)


@dataclass(frozen=True)
class Values:
    """What the places of a template were filled with."""

    g: Entity
    h: Entity
    p: Entity
    t: str
    u: str
    years: tuple[float, float]
    d: int
    y: int
    number: str

    def span(self, low: float | None, high: float | None, *, out: bool = False) -> Act:
        """A range of the year."""
        return Act(kind="range", range=Range(name=self.number, low=low, high=high, out=out))


RULES: dict[str, Callable[[Values], tuple[Act, ...]]] = {
    "must": lambda v: (_entities("must", v.g),),
    "both": lambda v: (_entities("must", v.g), _entities("must", v.h)),
    "either": lambda v: (_entities("must", v.g, v.h),),
    "never": lambda v: (_entities("never", v.g),),
    "never2": lambda v: (_entities("never", v.g, v.h),),
    "lift": lambda v: (_entities("lift", v.g),),
    "wish": lambda v: (_entities("wish", v.g),),
    "wish_person": lambda v: (_entities("wish", _any(v.p)),),
    "directed": lambda v: (_entities("must", v.p),),
    "stars": lambda v: (_entities("must", v.p),),
    "never_person": lambda v: (_entities("never", _any(v.p)),),
    "never_star": lambda v: (_entities("never", v.p),),
    "decade": lambda v: (v.span(v.d, v.d + 9),),
    "out": lambda v: (v.span(v.d, v.d + 9, out=True),),
    "after": lambda v: (v.span(v.y + 1, None),),
    "before": lambda v: (v.span(None, v.y - 1),),
    "since": lambda v: (v.span(v.y, None),),
    "liked": lambda v: (Act(kind="judge", items=(v.t,), how="liked"),),
    "liked2": lambda v: (Act(kind="judge", items=(v.t, v.u), how="liked"),),
    "disliked": lambda v: (Act(kind="judge", items=(v.t,), how="disliked"),),
    "seen": lambda v: (Act(kind="judge", items=(v.t,), how="seen"),),
    "newer": lambda v: (Act(kind="judge", items=(v.t,), how="liked"), v.span(v.years[0] + 1, None)),
    "older": lambda v: (Act(kind="judge", items=(v.t,), how="liked"), v.span(None, v.years[0] - 1)),
    "mixed": lambda v: (_entities("must", v.g), _entities("never", v.h)),
    "dated": lambda v: (_entities("must", v.g), v.span(v.d, v.d + 9)),
    "cast": lambda v: (_entities("must", v.p), _entities("must", v.g)),
    "more": lambda _: (Act(kind="more"),),
    "undo": lambda _: (Act(kind="undo"),),
    "restart": lambda _: (Act(kind="restart"),),
}


@cache
def templates() -> dict[str, dict[str, dict[str, list[str]]]]:
    """Templates by language, part and rule."""
    return artifacts.read_yaml(FOLDER / "grammar.yaml")


def examples(lexicon: Lexicon, language: LanguageCode, part: Part, count: int, seed: int) -> Iterator[Example]:
    """Make utterances, each template alike often, filled with names of the catalogue that name one thing.

    The catalogue must have genres (or categories), people and the year of its items.
    """
    draw = np.random.default_rng(seed)
    pairs = [(rule, text) for rule, texts in templates()[language][part].items() for text in texts]
    pools = _pools(lexicon)
    for number in range(count):
        rule, template = pairs[number % len(pairs)]
        values = _values(pools, rule, draw)
        yield Example(_filled(template, values, lexicon, language, draw), template, rule, RULES[rule](values))


def equal(a: Slots, b: Slots) -> bool:
    """Whether two states are the same but for the order of what they hold."""

    def alike(slots: Slots) -> dict[str, Any]:
        must = sorted(sorted(each.model_dump_json() for each in group) for group in slots.must)
        rest = {name: sorted(each.model_dump_json() for each in getattr(slots, name)) for name in ("never", "wishes", "ranges", "opinions")}
        return {"must": must, **rest}

    return alike(a) == alike(b)


@dataclass(frozen=True)
class Pools:
    """What the places are filled from."""

    genres: list[Entity]
    people: dict[str, list[Entity]]
    items: list[str]
    years: dict[str, float]
    number: str


def _pools(lexicon: Lexicon) -> Pools:
    names, time = Names(lexicon), lexicon.number("time") or ""
    kind = next(kind for kind in ("genre", "category") if kind in lexicon.kinds)
    bare = lexicon.words.bare.get(kind, [])
    people = {
        relation: [
            Entity(kind="person", value=value, relation=relation)
            for k, value, r in sorted(lexicon.members)
            if k == "person" and r == relation and len(value.split()) > 1 and _sole(names, value) and value.split()[-1][0].isupper()
        ]
        for relation in lexicon.relations.get("person", [])
    }
    index = lexicon.catalogue.index
    clear = [
        item
        for item in lexicon.catalogue.ids
        if _sole(names, lexicon.titles[index[item]]) and not _plain(names, lexicon.titles[index[item]])
    ]
    years = {item: float(lexicon.numbers[time][index[item]]) for item in clear}
    items = [item for item in clear if 1950 <= years[item] <= 2005]
    return Pools([Entity(kind=kind, value=value) for value in lexicon.kinds[kind] if value not in bare], people, items, years, time)


def _sole(names: Names, name: str) -> bool:
    return len(names.targets.get(key(name), ())) == 1


def _plain(names: Names, title: str) -> bool:
    """Whether a title is only ordinary words, so that no one could tell it from them without capitals or marks."""
    words = key(title).split()
    return len(words) < 2 or all(word in names.ordinary or word.isdigit() for word in words)


def _values(pools: Pools, rule: str, draw: np.random.Generator) -> Values:
    g, h = (pools.genres[place] for place in draw.choice(len(pools.genres), 2, replace=False))
    t, u = (pools.items[place] for place in draw.choice(len(pools.items), 2, replace=False))
    relation = "directed by" if rule == "directed" else "stars"
    people = pools.people[relation]
    return Values(
        g=g,
        h=h,
        p=people[draw.integers(len(people))],
        t=t,
        u=u,
        years=(pools.years[t], pools.years[u]),
        d=int(draw.choice(list(TENS))),
        y=int(draw.integers(1960, 2010)),
        number=pools.number,
    )


def _filled(template: str, values: Values, lexicon: Lexicon, language: LanguageCode, draw: np.random.Generator) -> str:
    title = lexicon.title
    decade = (
        TENS[values.d] if language == "zh" else str(draw.choice([f"{values.d}s", f"{values.d % 100:02d}s" if values.d < 2000 else "2000s"]))
    )
    return template.format(
        g=_named(values.g, lexicon, language, draw),
        h=_named(values.h, lexicon, language, draw),
        p=values.p.value,
        t=title(values.t),
        u=title(values.u),
        d=decade,
        y=values.y,
    )


def _named(entity: Entity, lexicon: Lexicon, language: LanguageCode, draw: np.random.Generator) -> str:
    """A name of a genre: as the catalogue has it, in small letters, or in Chinese."""
    chinese = lexicon.words.names.get(entity.kind, {}).get(entity.value, {}).get("zh", [])
    if language == "zh" and chinese:
        return chinese[0].removesuffix("片")
    return str(draw.choice([entity.value, entity.value.lower()]))


def _entities(kind: Any, *entities: Entity) -> Act:
    return Act(kind=kind, entities=entities)


def _any(entity: Entity) -> Entity:
    return Entity(kind=entity.kind, value=entity.value)
