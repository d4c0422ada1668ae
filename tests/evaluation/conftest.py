"""A small made world, and a stand-in for a bundle over it that recommends by a real linear model."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from components.data.histories import Dataset, Histories
from components.evaluation.baselines import ItemKnn, recommend
from components.evaluation.recent import Recent
from components.ranking.linear import ItemLinear, SequentialLinear
from components.ranking.parts import World
from components.ranking.popularity import Popularity
from components.ranking.terms import Terms
from components.recommend.policy import Policy
from components.schema import Answer, Recommendation

ROOT = Path(__file__).parents[2]


class Silent:
    """A part that says nothing, and counts how often it is asked."""

    def __init__(self, items):
        self.items, self.asked = items, 0

    def score(self, histories):
        self.asked += 1
        return np.zeros((len(histories), self.items))

    def tensors(self):
        return {}


@dataclass(frozen=True)
class Sum:
    """What `answers` reads of a hybrid: terms, added up, and the same without one of them."""

    terms: Terms
    left_out: str | None = None

    @property
    def parts(self):
        return self.terms.parts

    def score(self, histories):
        scores = zip(self.parts, self.terms.standard(histories), strict=True)
        return np.sum([values for name, values in scores if name != self.left_out], axis=0)

    def without(self, name):
        return replace(self, left_out=name)


def total(parts: dict[str, Any]) -> Sum:
    return Sum(Terms(parts, np.zeros((0, 2))))


@dataclass
class Bundle:
    """What `assess` reads of a Recommender."""

    items: list[str]
    users: dict[str, int]
    histories: Histories
    content: np.ndarray
    vectors: np.ndarray
    scorer: Any
    about: dict[str, Any] = field(default_factory=lambda: {"fitted_on": "train+valid"})
    bundle: str = "0123456789abcdef"
    block: int = 32
    reranking: Any = field(default_factory=lambda: SimpleNamespace(policy=Policy()))
    clock: Any = None

    def under(self, policy):
        return replace(self, reranking=SimpleNamespace(policy=policy))

    def candidates(self, users, at):
        order = {item: place for place, item in enumerate(self.items)}
        table = self.batch(users, 20, at)
        rows = table["user_id"].replace_strict(users, range(len(users)), return_dtype=pl.Int64).to_numpy()
        found, scores = np.full((len(users), 20), -1, dtype=np.int64), np.full((len(users), 20), -np.inf)
        found[rows, table["rank"].to_numpy() - 1] = [order[item] for item in table["item_id"]]
        scores[rows, table["rank"].to_numpy() - 1] = table["score"]
        return found, scores

    def recommend(self, user, k, at):
        assert at.tzinfo is not None
        rows = self.batch([user], k).iter_rows(named=True)
        shown = [{"title": row["item_id"], "parts": {}, "reason": "", "attention": [], "paths": []} | row for row in rows]
        items = [Recommendation(**{key: value for key, value in row.items() if key != "user_id"}) for row in shown]
        return Answer(bundle=self.bundle, source="hybrid", user_id=user, unknown=[], items=items)

    def batch(self, users, k, at=None):
        events = self.histories
        offsets, who = np.append(events.offsets, events.offsets[-1]), np.append(events.who, -1)
        strangers = Histories(events.items, events.times, offsets, who)
        chosen = strangers.pick(np.array([self.users.get(user, len(self.users)) for user in users], dtype=np.int64))
        asked = chosen if at is None else replace(chosen, at=at)
        counts = np.bincount(self.histories.items, minlength=len(self.items))
        best = recommend(self.scorer, asked, counts, k)
        rows, columns = np.nonzero(best >= 0)
        return pl.DataFrame(
            {
                "user_id": np.array(users, dtype=object)[rows],
                "item_id": np.array(self.items, dtype=object)[best[rows, columns]],
                "rank": columns + 1,
                "score": 1 / (columns + 2.0),
            },
            schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.Int64, "score": pl.Float64},
        )


def histories(rows: list[list[int]]) -> Histories:
    offsets = np.cumsum([0, *map(len, rows)])
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    return Histories(items, np.arange(len(items)), offsets, np.arange(len(rows)))


def lists(rows: list[list[int]], depth: int) -> np.ndarray:
    return np.array([[*row, *[-1] * depth][:depth] for row in rows], dtype=np.int64).reshape(len(rows), depth)


def world(train: Histories, items: int) -> World:
    return World(train, np.full(len(train), -1), *np.zeros((2, items, 0), dtype=np.float32))


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """80 users in two camps, each choosing from its own half of 30 items; user 79 is cold, items 14 and 29 are."""
    draw = np.random.default_rng(5)
    rows = [draw.permutation(14)[: draw.integers(4, 12)] + 15 * (user % 2) for user in range(79)]
    train = histories([row[:-2].tolist() for row in rows] + [[]])
    valid = histories([[int(row[-2])] for row in rows] + [[]])
    test = histories([[int(row[-1])] for row in rows[:-1]] + [[29], [0, 29]])
    return Dataset([f"i{item:02d}" for item in range(30)], [f"u{user:02d}" for user in range(80)], train, valid, test)


@pytest.fixture(scope="session")
def categories(dataset) -> pl.DataFrame:
    camps = [["even", "all"] if item < 15 else ["odd"] for item in range(29)] + [None]
    return pl.DataFrame({"item_id": dataset.items, "categories": camps})


@pytest.fixture(scope="session")
def bundle(dataset) -> Bundle:
    content = np.random.default_rng(1).normal(size=(30, 8)).astype(np.float32)
    scorer, _ = SequentialLinear(l2=5.0).fit(world(dataset.known(), 30), 0)
    users = {user: place for place, user in enumerate(dataset.users)}
    return Bundle(dataset.items, users, dataset.known(), content, content[:, :4], total({"sequential": scorer, "silent": Silent(30)}))


@pytest.fixture(scope="session")
def baselines() -> dict[str, Any]:
    return {
        "popularity": Popularity(half_life=90.0),
        "item_knn": ItemKnn(neighbours=10, shrinkage=1.0, block=7),
        "ease": ItemLinear(l2=5.0, keep=30),
        "sequential": SequentialLinear(l2=5.0),
        "recent": Recent(days=[1.0, 5.0]),
    }
