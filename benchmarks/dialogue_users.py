"""Who the simulated users are: test items of a split as what they want, drawn by seed, and the facts of a bundle's graph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components import artifacts
from components.dialogue.conversation import Conversation
from components.dialogue.leaning import Heard
from components.dialogue.lexicon import Lexicon
from components.dialogue.query import Query
from components.dialogue.shelf import Moment
from components.evaluation.significance import resample
from components.evaluation.simulator import Facts
from components.evaluation.talking import told
from components.ranking.parts import Floats
from components.recommend import Recommender

RESAMPLES = 1000


@dataclass(frozen=True)
class Wanting:
    """A user, an item of their test events, and when they came for it."""

    user: str
    item: str
    now: Moment


@dataclass(frozen=True)
class World:
    """A bundle that talks, what its graph says of each item, and the test events of its split."""

    conversation: Conversation
    facts: dict[str, Facts]
    tests: pl.DataFrame

    @classmethod
    def load(cls, bundle: Path, split: Path, query: Path | None) -> "World":
        """Read a bundle and its split; `query` is a folder with a query model, where the bundle has none."""
        lexicon = Lexicon.load(bundle)
        own = query or (bundle if (bundle / "query.json").exists() else None)
        leaning = Heard(Query.load(bundle, own), lexicon) if own else None
        conversation = Conversation.of(Recommender.load(bundle), lexicon, leaning)
        tests = artifacts.read_table(split / "test.parquet").sort("user_id", "timestamp", "item_id")
        return cls(conversation, told(bundle), tests)

    def listing(self, k: int) -> Conversation:
        """The conversation with k items in a list."""
        return replace(self.conversation, settings=replace(self.conversation.settings, k=k))

    def wanting(self, count: int, seed: int) -> list[Wanting]:
        """Users with one of their test items each, of those of which the graph knows something."""
        first = self.tests.unique("user_id", keep="first", maintain_order=True)
        known = [row for row in first.select("user_id", "item_id", "timestamp").iter_rows() if self.facts.get(row[1])]
        chosen = np.sort(np.random.default_rng(seed).permutation(len(known))[:count])
        return [Wanting(known[place][0], known[place][1], Moment(known[place][2])) for place in chosen]


def personas(world: World, wanting: Sequence[Wanting], count: int) -> list[tuple[str, ...]]:
    """Hidden likes: a user's test item and, until there are enough, those of the users whose histories are most alike (Jaccard).

    None of them was seen by the user.
    """
    recommender = world.conversation.recommender
    seen = {user: frozenset(recommender.histories.pick(np.array([place])).items.tolist()) for user, place in recommender.users.items()}
    tests: dict[str, list[str]] = {}
    for user, item in world.tests.select("user_id", "item_id").iter_rows():
        if world.facts.get(item):
            tests.setdefault(user, []).append(item)
    chosen: list[tuple[str, ...]] = []
    for each in wanting:
        own = seen[each.user]
        alike = sorted(tests, key=lambda user, own=own: (-len(own & seen[user]) / max(len(own | seen[user]), 1), user))
        items = (item for user in (each.user, *alike) for item in tests[user] if recommender.catalogue.index[item] not in own)
        chosen.append(tuple(dict.fromkeys(items))[:count])
    return chosen


def compared(columns: dict[str, dict[str, Floats]], ours: str, seed: int) -> dict[str, Any]:
    """Means of every system with 95 % intervals, and ours less each other: the same users drawn for all."""
    names = [(system, metric) for system, own in columns.items() for metric in own]
    values = np.stack([columns[system][metric] for system, metric in names], axis=1)
    drawn = dict(zip(names, resample(values, RESAMPLES, seed).T, strict=True))
    found: dict[str, Any] = {}
    for system, own in columns.items():
        found[system] = {metric: _interval(float(own[metric].mean()), drawn[system, metric]) for metric in own}
        if system != ours:
            less = {m: _interval(float((columns[ours][m] - own[m]).mean()), drawn[ours, m] - drawn[system, m]) for m in own}
            over = {m: float(columns[ours][m].mean() / own[m].mean()) if own[m].any() else None for m in own}
            found[system] |= {"ours less": less, "ours over": over}
    return found


def _interval(mean: float, drawn: Floats) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": round(mean, 4), "low": round(float(low), 4), "high": round(float(high), 4)}
