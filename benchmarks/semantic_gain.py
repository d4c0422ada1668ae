"""What pretraining is worth to the ranker's transformer: trained from pretrained or from random item vectors, all else equal.

Each side has the same content vectors, plan, epochs (the best by validation is kept, none ends early: a flat start would end the random
side's training) and the same choice of learning rates, made on validation with the first seed. Users are paired, seeds averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from knowledge_gain import Columns, judged, summed
from knowledge_worlds import Setting
from ranking_judge import columns, questions
from ranking_split import Case

from components import artifacts
from components.data.histories import Histories, Ints
from components.ranking.parts import Floats, Scorer, World
from components.ranking.pools import first_new
from components.ranking.sequence import SequenceModel
from components.semantic.behaviour import Behaviour

SIDES: dict[str, dict[str, float] | None] = {  # all but the first with the match of u and v and the alignment of views, which make v
    "neither": None,
    "alignment alone": {"mlm": 0.0, "nsp": 0.0},
    "MLM only": {"nsp": 0.0},
    "NSP only": {"mlm": 0.0},
    "both": {},
}
RATES = (0.5, 1.0, 2.0)  # times the configured learning rate
FEW, DEPTH, BLOCK = 5, 20, 512


@dataclass(frozen=True)
class Trial:
    """A split, how items are pretrained, and the transformer that is trained from their vectors."""

    setting: Setting
    behaviour: Behaviour
    model: SequenceModel

    @cached_property
    def world(self) -> World:
        """Training events, and every user's validation item to choose the epoch by."""
        valid = self.setting.dataset.valid
        return replace(self.setting.world, histories=self.setting.world.histories.asked(valid), target=first_new(valid))

    def vectors(self, side: str, seed: int) -> Floats:
        """Item vectors of a side, float32 (items, d)."""
        changes = SIDES[side]
        if changes is None:
            return np.random.default_rng(seed).standard_normal((self.world.items, self.behaviour.width)).astype(np.float32)
        content, data = torch.from_numpy(self.world.content), self.setting.dataset
        module, _ = replace(self.behaviour, **changes).pretrain(content, data.train, data.valid, seed)
        with torch.inference_mode():
            return module.encode_items().numpy()

    def train(self, vectors: Floats, rate: float, seed: int) -> tuple[Scorer, float]:
        """Train the transformer at `rate` times its learning rate; also its best NDCG@10 on validation."""
        plan = replace(self.model.plan, rate=self.model.plan.rate * rate, patience=0)
        scorer, curve = replace(self.model, plan=plan).fit(replace(self.world, vectors=vectors), seed)
        return scorer, max(row["score"] for row in curve)

    def side(self, name: str, seeds: Sequence[int]) -> tuple[dict[str, list[Columns]], dict[str, Any], list[Ints]]:
        """All runs of a side: columns by question, what was chosen, and the lists of the first question."""
        found: dict[str, list[Columns]] = {}
        lists, validation, rates = [], [], RATES
        for seed in seeds:
            vectors = self.vectors(name, seed)
            tried = {rate: self.train(vectors, rate, seed) for rate in rates}
            best = max(tried, key=lambda rate: tried[rate][1])
            rates, (scorer, reached) = (best,), tried[best]
            validation.append(reached)
            for question, (known, seen, wanted) in self.questions.items():
                shown = ranked(scorer, known, seen)
                found.setdefault(question, []).append(judged(shown, wanted))
                lists += [shown] if question == "all" else []
            print(name, seed, f"rate x {best}", round(reached, 4), round(float(found["all"][-1]["NDCG@10"].mean()), 4), flush=True)
        return found, {"rate": rates[0], "validation": validation}, lists

    @cached_property
    def questions(self) -> dict[str, tuple[Histories, Histories, Histories]]:
        """What is known of each user, what he has seen, and what is wanted."""
        known, wanted = self.setting.asked
        few = np.flatnonzero(known.lengths <= FEW)
        found = {"all": (known, known, wanted), f"the last {FEW} events alone": (last(known, FEW), known, wanted)}
        if len(few):
            found[f"at most {FEW} events"] = (known.pick(few), known.pick(few), wanted.pick(few))
        return found


def run(trial: Trial, sides: Sequence[str], seeds: Sequence[int], case: Case | None = None, judge: Path | None = None) -> dict[str, Any]:
    """Run sides, `neither` among them; figures by question with what each is ahead of `neither`, absolute and relative."""
    runs, chosen = dict[str, dict[str, list[Columns]]](), {}
    for name in sides:
        found, chosen[name], lists = trial.side(name, seeds)
        for question, own in found.items():
            runs.setdefault(question, {})[name] = own
        if case and judge:
            _judge(trial, lists[0], case, judge)
    return {"chosen": chosen, "questions": {question: summed(own, seeds[0], "neither") for question, own in runs.items()}}


def ranked(scorer: Scorer, known: Histories, seen: Histories) -> Ints:
    """Each user's list of what he has not seen, int64 (users, DEPTH)."""
    found = []
    for users in np.array_split(np.arange(len(known)), max(1, -(-len(known) // BLOCK))):
        scores, own = scorer.score(known.pick(users)), seen.pick(users)
        scores[own.users, own.items] = -np.inf
        found.append(np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH])
    return np.concatenate(found)


def last(histories: Histories, count: int) -> Histories:
    """The last `count` events of each user."""
    kept = np.repeat(histories.offsets[1:], histories.lengths) - np.arange(len(histories.items)) <= count
    offsets = np.concatenate([[0], np.cumsum(np.minimum(histories.lengths, count))])
    return Histories(histories.items[kept], histories.times[kept], offsets, histories.who, histories.at)


def _judge(trial: Trial, shown: Ints, case: Case, judge: Path) -> None:
    """Have the independent judge measure one run's lists; it and our metrics must agree."""
    data = trial.setting.dataset
    users = np.flatnonzero(data.test.lengths)
    rows = [(data.users[user], data.items[item], rank) for user, own in zip(users, shown, strict=True) for rank, item in enumerate(own, 1)]
    path = case.folder / "gain.parquet"
    artifacts.write_table(path, pl.DataFrame(rows, schema=["user", "item", "rank"], orient="row"))
    columns(case, next(question for question in questions(case) if question.name == "all"), path, judge)
