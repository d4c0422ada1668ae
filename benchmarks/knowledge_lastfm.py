"""hetrec Last.FM: what kg.txt and the ties between friends add to the best item-item model, each side with its own finely chosen l2."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import knowledge_gain
import numpy as np
from knowledge_worlds import Setting, lastfm

from components.ranking.hybrid import Hybrid
from components.ranking.knowledge import KnowledgeRanker
from components.ranking.linear import ItemLinear
from components.ranking.parts import Arrays, Part, Scorer, World
from components.ranking.popularity import Popularity
from components.ranking.social import SocialLinear
from components.training import Plan

L2 = (50.0, 75.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0)  # of the item-item model, on every side
TIES = ((50.0, 0.5), (75.0, 0.5), (100.0, 0.5))  # l2 of the model with ties, and how much a tie weighs
EXACT = 8000  # items and users that are solved exactly, unpruned


@dataclass(frozen=True)
class Solved:
    """A part in closed form that is solved once for all sides, on train and on train with validation."""

    part: Part
    found: dict[str, Any]

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Solve, or give what was solved before."""
        return self._once("train", lambda: self.part.fit(world, seed))

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Solve with the validation events, or give what was solved before."""
        return self._once("whole", lambda: self.part.refit(scorer, world))

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        return self.part.restore(tensors, world)

    def _once(self, on: str, solve: Callable[[], Any]) -> Any:
        key = f"{on} {self.part}"
        if key not in self.found:
            self.found[key] = solve()
        return self.found[key]


def run(seed: int, seeds: int) -> dict[str, Any]:
    """Five random splits; all that is chosen, is chosen on the validation part of that split."""
    runs: dict[str, list[dict[str, Any]]] = {}
    chosen: list[dict[str, Any]] = []
    for number in range(seed, seed + seeds):
        setting = lastfm(number)
        sides, about = _sides(setting, number)
        chosen.append({"seed": number} | about)
        for name, parts in sides.items():
            ranker = Hybrid(parts=parts, lengths=[20], ages=[], refit=True)
            scorer, _ = knowledge_gain.fit(setting, ranker, number)
            columns = knowledge_gain.asked(setting, scorer)["all"]
            runs.setdefault(name, []).append(columns)
            chosen[-1][name] |= {"weights": [dict(zip(scorer.terms.names, map(float, row), strict=True)) for row in scorer.weights]}
            print("lastfm", number, name, {key: round(float(value.mean()), 4) for key, value in columns.items()}, flush=True)
    return {
        "data": [setting.about],
        "questions": {"all": knowledge_gain.summed(runs, seed)},
        "chosen": chosen,
        "protocol": "random 80/20 per user",
    }


def _sides(setting: Setting, seed: int) -> tuple[dict[str, dict[str, Part]], dict[str, Any]]:
    """Parts of each side, with the l2 that is best on validation for the part alone."""
    found: dict[str, Any] = {}
    items = {l2: Solved(ItemLinear(l2=l2, keep=EXACT), found) for l2 in L2}
    tied_ = {pair: Solved(SocialLinear(l2=pair[0], tie=pair[1], keep=EXACT), found) for pair in TIES}
    item, ties = ({key: _valid(setting, part, seed) for key, part in own.items()} for own in (items, tied_))
    best, tied = max(item, key=lambda key: item[key]), max(ties, key=lambda key: ties[key])
    own: dict[str, Part] = {"item": items[best], "popularity": Popularity(half_life=90.0)}
    graph: dict[str, Part] = {
        "knowledge": KnowledgeRanker(decay=float("inf"), power=float("inf"), plan=Plan(epochs=4, batch=256, rate=0.05))
    }
    social: dict[str, Part] = {"social": tied_[tied]}
    about = {"without": {"l2": best, "grid": list(item.values())}, "with": {"l2": tied[0], "tie": tied[1], "grid": list(ties.values())}}
    return {"with": own | graph | social, "graph alone": own | graph, "without": own}, about | {"graph alone": {"l2": best}}


def _valid(setting: Setting, part: Part, seed: int) -> float:
    """Recall@20 of the validation events."""
    scores = part.fit(setting.world, seed)[0].score(setting.dataset.train)
    train = setting.dataset.train
    scores[train.users, train.items] = -np.inf
    users = np.flatnonzero(setting.dataset.valid.lengths)
    ranked = np.argsort(-scores[users], axis=1, kind="stable")[:, : knowledge_gain.DEPTH]
    return round(float(knowledge_gain.judged(ranked, setting.dataset.valid.pick(users))["Recall@20"].mean()), 5)
