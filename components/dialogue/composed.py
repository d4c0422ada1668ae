"""Conversations composed from the catalogue: what a user who chose an item might have said before, told from training data alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from components.data.histories import Histories, Ints
from components.dialogue.facets import Facets, Sparse, marked
from components.ranking.parts import Floats
from components.recommend.retrieval import directions
from components.schema import node

DAY = 86_400.0
Random = np.random.Generator


@dataclass(frozen=True)
class Composed:
    """Conversations, one a row.

    Attributes:
        target: int64 (n,), the item that was chosen then.
        said: the utterances of each, oldest first.
        named: float32 (n, nodes), entities that were linked; others stand in the words alone.
        liked: float32 (n, items), items that the user chose before and speaks of.
    """

    target: Ints
    said: list[list[str]]
    named: Sparse
    liked: Sparse


@node
class Composer:
    """How conversations are composed.

    Events of late are drawn more often (`half_life` in days), and those of items that are chosen often less, by the power
    `temper`: people talk of more than they all watch. Of each at most `likes` of the user's last `window` items are spoken of,
    with a chance that grows by e for each 1 / `apt` of cosine with the chosen one's content; at most `cues` entities, and
    a piece of `words` words of the item's text with the chance `text`. With the chance `loose` a cue is not the item's but of
    something else that the user chose: people ask for one thing and take another. With the chance `linked` an entity is
    understood as such. `phrases` say how: by kind of entity, `item`, `text`, `open` and `other`.
    """

    count: PositiveInt = 2000
    half_life: PositiveFloat = 365.0
    temper: float = Field(0.4, ge=0, le=1)
    likes: int = Field(3, ge=0)
    window: PositiveInt = 50
    apt: NonNegativeFloat = 10.0
    cues: int = Field(3, ge=0)
    loose: float = Field(0.5, ge=0, le=1)
    linked: float = Field(0.7, ge=0, le=1)
    text: float = Field(0.3, ge=0, le=1)
    words: PositiveInt = 8
    silent: list[str] = Field(["year"], description="kinds of entities that nobody speaks of")
    phrases: dict[str, list[str]]

    def compose(self, events: Histories, items: pl.DataFrame, facets: Facets, content: Floats, seed: int) -> Composed:
        """Compose conversations of training events; items as in `components.schema`, sorted by id; content as vectors, centred."""
        rng = np.random.default_rng(seed)
        places = self._drawn(events, rng)
        target, titles, texts = events.items[places], items["title"].fill_null("").to_list(), items["text"].fill_null("").to_list()
        kinds, names = facets.nodes["kind"].to_list(), facets.nodes["name"].to_list()
        has = _entities(facets, [kind in self.silent for kind in kinds])
        near = directions(content)
        starts = events.offsets[events.users[places]]
        said, named, liked = list[list[str]](), list[tuple[int, int]](), list[tuple[int, int]]()
        for row, (place, start) in enumerate(zip(places, starts, strict=True)):
            before = events.items[max(start, place - self.window) : place]
            likes = self._likes(before, near[before] @ near[target[row]], rng)
            cues = self._cues(has, int(target[row]), before, rng)
            turns = [self._say(rng, "item", titles[item]) for item in likes if titles[item]]
            turns += [self._say(rng, kinds[cue], names[cue]) for cue in cues]
            if texts[target[row]] and rng.random() < self.text:
                turns.append(self._say(rng, "text", _piece(texts[target[row]], self.words, rng)))
            said.append([self._say(rng, "open", ""), *_ordered(turns, rng)])
            liked += [(row, int(item)) for item in likes]
            named += [(row, cue) for cue in cues if rng.random() < self.linked]
        shape = len(places)
        return Composed(target, said, marked(named, (shape, len(kinds))), marked(liked, (shape, facets.items)))

    def _drawn(self, events: Histories, rng: Random) -> Ints:
        """Places of events, each at most once, late ones more often."""
        late = (events.times - events.times.max(initial=0)) / DAY
        often = np.bincount(events.items)[events.items] if len(events.items) else late
        weight = np.exp2(late / self.half_life) * often**-self.temper
        count = min(self.count, len(weight))
        return np.sort(np.argsort(-(rng.random(len(weight)) ** (1 / weight)), kind="stable")[:count]) if count else np.empty(0, np.int64)

    def _likes(self, before: Ints, alike: Floats, rng: Random) -> Ints:
        """Items of the history to speak of: those that are like the target first, but for chance (Gumbel's, so that it is a softmax)."""
        order = np.argsort(-(self.apt * alike + rng.gumbel(size=len(before))), kind="stable")
        return before[order[: rng.integers(self.likes + 1)]]

    def _cues(self, has: list[Ints], target: int, before: Ints, rng: Random) -> list[int]:
        found: list[int] = []
        for _ in range(rng.integers(self.cues + 1)):
            whose = rng.choice(before) if len(before) and rng.random() < self.loose else target
            if len(has[whose]):
                found.append(int(rng.choice(has[whose])))
        return sorted(set(found))

    def _say(self, rng: Random, kind: str, name: str) -> str:
        phrases = self.phrases.get(kind) or self.phrases["other"]
        return phrases[rng.integers(len(phrases))].replace("{}", name)


def utterances(said: Sequence[Sequence[str]]) -> list[str]:
    """All different utterances, sorted."""
    return sorted({text for turns in said for text in turns if text})


def turn(said: Sequence[Sequence[str]], number: int, vectors: Mapping[str, np.ndarray], width: int) -> np.ndarray:
    """Vectors of each conversation's turn of a number, float32 (n, w); 0 where it has none."""
    silence = np.zeros(width, dtype=np.float32)
    return np.array([vectors[turns[number]] if number < len(turns) and turns[number] else silence for turns in said])


def _entities(facets: Facets, silent: Sequence[bool]) -> list[Ints]:
    """What can be said of each item."""
    spoken = ~np.array(silent, dtype=bool)
    rows: Sparse = sparse.csr_matrix((facets.items, len(spoken)), dtype=np.float32)
    for there in facets.there:
        rows = rows + there
    found = [np.sort(each).astype(np.int64) for each in np.split(rows.indices, rows.indptr[1:-1])]
    return [each[spoken[each]] for each in found]


def _piece(text: str, words: int, rng: Random) -> str:
    every = text.split()
    start = rng.integers(max(1, len(every) - words + 1))
    return " ".join(every[start : start + words])


def _ordered(turns: list[str], rng: Random) -> list[str]:
    return [turns[place] for place in rng.permutation(len(turns))]
