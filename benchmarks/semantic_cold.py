"""P3: items that left training, ranked for whom knows none of them; ours beside kNN and the linear autoencoder on the same content.

What is tuned is tuned on items that are cut from training in the same way, fold by fold; the test is looked at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from ranking_judge import columns, questions, summarise
from ranking_split import LEAST, Case

from components import artifacts
from components.data.histories import Histories, Ints
from components.ranking.content import ContentLinear
from components.ranking.kinship import CONTENT, Kinship, features
from components.ranking.linear import ItemLinear
from components.ranking.parts import Floats, World

DRAWS = 5  # sets of items that are cut from a fold's training; of two draws popularity learned a weight that did not hold
NARROW = 300  # kinds of entities up to so many are given to the autoencoder as well
RIDGES = (0.1, 0.3, 1.0)
KNN = 1e6  # a ridge with which the autoencoder is the sum of cosines
SHARES = (0.0, 0.3, 0.6, 1.0, 1.5)
GRID = {"l2": (5.0, 15.0), "person": (0.3, 1.0)}
TOP = 10


@dataclass(frozen=True)
class Asked:
    """Users who are asked about cold items.

    Attributes:
        world: what is known, without the cold items; known: the users' histories.
        cold: int64 (c,), the items; wanted: bool (users, c).
    """

    world: World
    known: Histories
    cold: Ints
    wanted: Any

    @cached_property
    def blocks(self) -> dict[str, Any]:
        """Features of all items by kind."""
        chosen = np.unique(self.world.histories.items)
        return features(self.world, chosen)

    def autoencoder(self, ridge: float, content: Floats | None = None) -> Floats:
        """Scores of the linear autoencoder, (users, cold)."""
        world = self.world if content is None else replace(self.world, content=content.astype(np.float32))
        return ContentLinear(ridge=ridge, decay=float("inf")).fit(world, 0)[0].score(self.known)[:, self.cold]

    def kin(self, l2: float, person: float) -> tuple[Floats, Floats]:
        """Scores of the extended item-item model, and the extended log of counts: (users, cold), (1, cold)."""
        kin = Kinship(l2=l2, weights={"person": person}).fit(self.world)
        assert kin is not None
        counts = np.log1p(np.bincount(self.world.histories.items, minlength=self.world.items))[kin.anchors]
        popular = (counts - counts.mean()) @ kin.weights
        places = np.searchsorted(kin.told, self.cold)
        return self._item[:, kin.anchors] @ kin.weights[:, places], popular[places][None]

    @cached_property
    def wide(self) -> Floats:
        """Content and entities of the kinds that have few."""
        kept = [block.toarray() for name, block in self.blocks.items() if name != CONTENT and block.shape[1] <= NARROW]
        return np.concatenate([self.world.content, *kept], axis=1)

    @cached_property
    def _item(self) -> Floats:
        """What the item-item model says of the items that were chosen, (users, items); `Kin.extend` sums the same."""
        return ItemLinear(l2=300.0, keep=1000).fit(self.world, 0)[0].score(self.known)

    def ndcg(self, scores: Floats) -> float:
        """Mean NDCG@10."""
        order = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        gain = 1 / np.log2(np.arange(2, TOP + 2))
        found = (np.take_along_axis(self.wanted, order, 1) * gain).sum(1)
        return float((found / np.cumsum(gain)[np.minimum(self.wanted.sum(1), TOP) - 1]).mean())


def ask(world: World, known: Histories, truth: Histories, cold: Ints) -> Asked:
    """Ask every user who wants a cold item."""
    users = np.flatnonzero(truth.lengths)
    wanted = np.zeros((len(users), world.items), dtype=bool)
    own = truth.pick(users)
    wanted[own.users, own.items] = True
    return Asked(world, known.pick(users), cold, wanted[:, cold])


def cut(world: World, known: Histories, seed: int) -> Asked:
    """Cut a tenth of the frequent items from what is known, as P3 does."""
    frequent = np.flatnonzero(np.bincount(known.items, minlength=world.items) >= LEAST)
    cold = np.sort(np.random.default_rng(seed).permutation(frequent)[: len(frequent) // 10])
    gone = np.isin(known.items, cold)
    kept = _only(known, ~gone)
    told = replace(world, histories=kept)
    there = kept.lengths > 0
    truth = _only(known, gone & there[known.users])
    return ask(told, kept, truth, cold)


def run(setting: Any, case: Case, judge: Path, seed: int, work: Path) -> dict[str, Any]:
    """Tune, rank the test's cold items once, and have the rankings judged; figures of each model, and what was chosen."""
    known = setting.dataset.known()
    world = replace(setting.world, histories=known)
    drawn = [cut(world, known, seed + 1000 + draw) for draw in range(DRAWS)]
    chosen = tune(drawn)
    print(case.name, case.fold, chosen, flush=True)
    asked = ask(world, known, setting.dataset.test, setting.cold)
    users = np.flatnonzero(setting.dataset.test.lengths)
    [question] = [question for question in questions(case) if question.name == "among cold"]
    found = {}
    for name, scores in models(asked, chosen).items():
        path = work / f"{case.name}-{case.fold}-{name.replace(' ', '-')}.parquet"
        _write(path, scores, [setting.dataset.users[user] for user in users], [setting.dataset.items[item] for item in setting.cold])
        found[name], said = columns(case, question, path, judge)
        print(case.name, case.fold, name, round(float(found[name]["NDCG@10"].mean()), 4), said, flush=True)
    return {"chosen": chosen, "columns": found}


def tune(drawn: list[Asked]) -> dict[str, Any]:
    """Settings of every model by NDCG@10 of the items that were cut: of the peer, of ours, and how ours is blended."""
    told = bool(drawn[0].world.content.any())
    ridge = max(RIDGES, key=lambda value: _mean(drawn, lambda asked: asked.autoencoder(value))) if told else None
    wide = max(RIDGES, key=lambda value: _mean(drawn, lambda asked: asked.autoencoder(value, asked.wide)))
    grid = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    kin = max(grid, key=lambda value: _mean(drawn, lambda asked: asked.kin(**value)[0]))
    settings = {"autoencoder": ridge, "wide": wide, "kin": kin}
    parts = [terms(asked, settings) for asked in drawn]
    weights = dict.fromkeys(parts[0], 1.0)

    def worth(trial: dict[str, float]) -> float:
        return float(np.mean([asked.ndcg(_blend(own, trial)) for asked, own in zip(drawn, parts, strict=True)]))

    for _, name in product(range(2), weights):
        weights = max([weights, *({**weights, name: share} for share in SHARES)], key=worth)
    return settings | {"weights": weights, "validation": worth(weights)}


def terms(asked: Asked, settings: dict[str, Any]) -> dict[str, Floats]:
    """What ours blends, each standardised over the cold items."""
    kin, popular = asked.kin(**settings["kin"])
    found = {"kin": kin, "popular": popular, "wide": asked.autoencoder(settings["wide"], asked.wide)}
    if settings["autoencoder"] is not None:
        found["autoencoder"] = asked.autoencoder(settings["autoencoder"])
    return {name: (own - own.mean(1, keepdims=True)) / (own.std(1, keepdims=True) + 1e-12) for name, own in found.items()}


def models(asked: Asked, chosen: dict[str, Any]) -> dict[str, Floats]:
    """Scores of ours, of its strongest part alone, and of the peers: (users, cold)."""
    found = {"ours": _blend(terms(asked, chosen), chosen["weights"]), "kinship alone": asked.kin(**chosen["kin"])[0]}
    if chosen["autoencoder"] is not None:
        found |= {"linear autoencoder": asked.autoencoder(chosen["autoencoder"]), "content kNN": asked.autoencoder(KNN)}
    return found


def joined(folds: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Figures over the users of all folds, and what ours is ahead of each other model, as a share of its figure."""
    names = list(folds[0]["columns"])
    together = {name: {"NDCG@10": np.concatenate([fold["columns"][name]["NDCG@10"] for fold in folds])} for name in names}
    alone, ahead = summarise(together, {name: "ours" for name in names if name != "ours"}, seed)
    return {"figures": alone, "ahead": ahead, "chosen": [fold["chosen"] for fold in folds], "folds": _each(folds)}


def _each(folds: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [{name: float(own["NDCG@10"].mean()) for name, own in fold["columns"].items()} for fold in folds]


def _mean(drawn: list[Asked], scores: Any) -> float:
    return float(np.mean([asked.ndcg(scores(asked)) for asked in drawn]))


def _blend(parts: dict[str, Floats], weights: dict[str, float]) -> Floats:
    shape = np.broadcast_shapes(*(part.shape for part in parts.values()))
    return sum((weights[name] * part for name, part in parts.items()), np.zeros(shape))


def _only(histories: Histories, kept: Any) -> Histories:
    offsets = np.concatenate([[0], np.cumsum(np.bincount(histories.users[kept], minlength=len(histories)))])
    return Histories(histories.items[kept], histories.times[kept], offsets, histories.who)


def _write(path: Path, scores: Floats, users: list[str], items: list[str]) -> None:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    artifacts.write_table(path, pl.DataFrame(list(_rows(best, users, items)), schema=["user", "item", "rank"], orient="row"))


def _rows(best: Ints, users: list[str], items: list[str]) -> Iterator[tuple[str, str, int]]:
    for user, row in zip(users, best, strict=True):
        yield from ((user, items[item], rank) for rank, item in enumerate(row, 1))
