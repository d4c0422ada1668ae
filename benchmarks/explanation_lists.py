"""Everyone's list with the paths that lead to it: are they true, whom do they reach, how much do they differ?"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components import artifacts
from components.data.histories import Histories, Ints, index
from components.ranking.knowledge import KnowledgeScorer
from components.ranking.knowledge import Path as Chain
from components.recommend import Recommender
from components.recommend.explain import SHOWN


@dataclass(frozen=True)
class Lists:
    """Everyone's first k items.

    Attributes:
        nodes, edges: the graph's tables.
        asked: every user's history, asked at the time of the first test event.
        test: what each user did from then on.
        items: int64 (users, k), -1 where a list has ended.
    """

    recommender: Recommender
    nodes: pl.DataFrame
    edges: pl.DataFrame
    users: list[str]
    asked: Histories
    test: Histories
    items: Ints

    @cached_property
    def reasoner(self) -> KnowledgeScorer:
        return next(part for part in self.recommender.scorer.parts.values() if isinstance(part, KnowledgeScorer))

    @cached_property
    def ends(self) -> list[tuple[int, int, str]]:
        """Head, tail and relation of each edge."""
        return self.edges.select("head", "tail", "relation").rows()

    def history(self, user: int) -> Ints:
        """The items of a user's history, oldest first."""
        return self.asked.items[self.asked.offsets[user] : self.asked.offsets[user + 1]]

    def later(self, user: int) -> Ints:
        """The items of a user's test events."""
        return self.test.items[self.test.offsets[user] : self.test.offsets[user + 1]]

    def chains(self, user: int, item: int) -> list[Chain]:
        """The paths that are shown."""
        return self.reasoner.paths(self.history(user), item, SHOWN)

    def types(self, chain: Chain) -> tuple[str, ...]:
        """The relations along a path."""
        return tuple(self.ends[edge][2] for edge in chain.edges)


def lists(recommender: Recommender, bundle: Path, split: Path, k: int) -> Lists:
    """Rank for every user of the bundle, at the time of their first test event where they have one."""
    users = list(recommender.users)
    rows = artifacts.read_table(split / "test.parquet")
    test = index(rows.filter(pl.col("user_id").is_in(users)), users, recommender.items)
    asked = recommender.histories.asked(test)
    frame = recommender.batch(users, k, asked.at)
    items = np.full((len(users), k), -1, dtype=np.int64)
    place = [recommender.users[user] for user in frame["user_id"]]
    items[place, frame["rank"].to_numpy() - 1] = [recommender.catalogue.index[item] for item in frame["item_id"]]
    nodes, edges = (artifacts.read_table(bundle / f"{name}.parquet") for name in ("nodes", "edges"))
    return Lists(recommender, nodes, edges, users, asked, test, items)


def evidence(shown: Lists) -> dict[str, Any]:
    """Validity, coverage and diversity of the paths of all items of all users."""
    judged = Counter[str]()
    ratios, recency = list[tuple[float, float, float]](), list[float]()
    sources, between, kinds = Counter[int](), Counter[int](), Counter[tuple[str, ...]]()
    for user in range(len(shown.users)):
        listed = [int(item) for item in shown.items[user] if item >= 0]
        found = [(item, chain) for item in listed for chain in shown.chains(user, item)]
        judged["items"] += len(listed)
        judged["reached"] += len({item for item, _ in found})
        for item, chain in found:
            judged["paths"] += 1
            judged["valid"] += _valid(shown, user, item, chain)
            judged["not held out"] += _past(shown, user, chain)
        if found:
            linked = [chain.source for _, chain in found]
            middle = [node for item, chain in found for node in _between(shown, item, chain)]
            types = [shown.types(chain) for _, chain in found]
            ratios.append(tuple(len(set(each)) / len(each) for each in (linked, middle, types)))
            place = {int(item): at for at, item in enumerate(shown.history(user), 1)}
            recency += [place[item] / len(place) for item in linked]
            sources.update(linked)
            between.update(middle)
            kinds.update(types)
    means, total = np.mean(ratios, axis=0), len(shown.users) * shown.items.shape[1]
    return {
        "paths": judged["paths"],
        "path_validity": judged["valid"] / judged["paths"],
        "without_held_out": judged["not held out"] / judged["paths"],
        "user_nodes": int((shown.nodes["kind"] == "user").sum()),
        "coverage": judged["reached"] / total,
        "lists_filled": judged["items"] / total,
        "distinct_per_path_in_a_list": dict(zip(("linked_items", "entities", "path_types"), map(float, means), strict=True)),
        "recency_of_linked": float(np.mean(recency)),
        "distinct": {"linked_items": len(sources), "entities": len(between), "path_types": len(kinds)},
        "path_types": {" + ".join(kind): count for kind, count in kinds.most_common()},
    }


def _valid(shown: Lists, user: int, item: int, chain: Chain) -> bool:
    """Whether the edges, each in the graph, lead from an item of the history to the item."""
    here = chain.source
    for edge in chain.edges:
        head, tail, _ = shown.ends[edge]
        if here not in (head, tail):
            return False
        here = tail if here == head else head
    return here == item and chain.source in shown.history(user)


def _past(shown: Lists, user: int, chain: Chain) -> bool:
    """Whether a path starts at what the user had seen, and none of its edges has a user at an end."""
    items, count = len(shown.recommender.items), len(shown.nodes)
    entities = all(
        end < items or (end < count and shown.nodes["kind"][end] != "user") for edge in chain.edges for end in shown.ends[edge][:2]
    )
    return entities and not (chain.source in shown.later(user) and chain.source not in shown.history(user))


def _between(shown: Lists, item: int, chain: Chain) -> list[int]:
    """The nodes of a path but its ends."""
    nodes = [end for edge in chain.edges for end in shown.ends[edge][:2]]
    return sorted({node for node in nodes if node not in (chain.source, item)})
