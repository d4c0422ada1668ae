"""The ranker with knowledge beside the same ranker without: all else equal, the weights learned anew on both sides."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from knowledge_worlds import Setting

from components.data.histories import Histories, Ints, merge
from components.evaluation.metrics import distinct, measure, member
from components.evaluation.significance import interval, resample
from components.ranking.hybrid import COLD, Hybrid, HybridScorer
from components.ranking.parts import Floats, Part, Scorer
from components.ranking.pools import emptied, first_new, pool, scaled, spread
from components.ranking.search import Fitted, Kept
from components.ranking.terms import Terms
from components.ranking.weights import Contest, calibrate, cross_fit, join, learn

BLOCK = 512  # users ranked at a time
DEPTH = 20
RESAMPLES = 2000
DRAWN = ("knowledge", "attention")  # parts that differ from seed to seed
Columns = dict[str, Floats]


def sides(
    setting: Setting, ranker: Hybrid, told: tuple[str, ...], seed: int, kept: dict[str, Fitted]
) -> Iterator[tuple[str, dict[str, Columns], Any]]:
    """Fit with and without the parts `told`; give each side's name, its columns by question, and the weights learned."""
    for name, parts in (("with", ranker.parts), ("without", {key: part for key, part in ranker.parts.items() if key not in told})):
        own: dict[str, Part] = {key: part if key in DRAWN else Kept(part, key, kept) for key, part in parts.items()}
        scorer, held = fit(setting, replace(ranker, parts=own), seed)
        rows = [dict(zip(scorer.terms.names, map(float, row), strict=True)) for row in scorer.weights]
        yield name, asked(setting, scorer), {"weights": rows, "states": scorer.gate.names(), "validation": {"NDCG@10": held}}


def fit(setting: Setting, ranker: Hybrid, seed: int) -> tuple[HybridScorer, float]:
    """Fit as `Hybrid.fit` does, but without learning the weights once more without each part, which takes most of its time."""
    history, target = setting.world.histories.asked(setting.dataset.valid), first_new(setting.dataset.valid)
    stoppers, judges = ranker._split(target, seed)
    world = replace(setting.world, histories=history, target=np.where(stoppers, target, -1))
    parts, _ = ranker._fit(world, seed)
    gate, users = ranker._gate(history), history.pick(judges)
    strangers = emptied(users.pick(np.arange(min(len(users), COLD))))
    raw = join([pool(Terms.raw(parts), gate, who, target[judges][: len(who)], ranker.pool) for who in (users, strangers)])
    terms = Terms(parts, spread(raw, Terms.raw(parts)))
    judged_ = scaled(raw, terms, terms.spread)
    contest = Contest.of(judged_)
    found = cross_fit(contest, gate.count, ranker.prior, ranker.folds)
    first = learn(contest.first(len(parts)), gate.count, ranker.prior)
    if ranker.refit:
        known = replace(world, histories=merge(history, setting.dataset.valid))
        again: dict[str, Scorer] = ranker._refit(parts, known)
        terms, gate = replace(terms, parts=again), ranker._gate(known.histories)
    return HybridScorer(terms, gate, first, found.weights, calibrate(judged_, found.weights), {}, ranker.candidates), found.held_out


def asked(setting: Setting, scorer: HybridScorer) -> dict[str, Columns]:
    """Rank for every user with a test event: among all that he has not seen and, where items are cold, among those."""
    known, wanted = setting.asked
    everything = np.ones(setting.world.items, dtype=bool)
    questions = {"all": everything}
    if setting.cold is not None:
        among = ~everything
        among[setting.cold] = True
        questions = {"among cold": among, "among all": everything}
    return {name: judged(lists(scorer, known, may), wanted) for name, may in questions.items()}


def lists(scorer: HybridScorer, known: Histories, may: Any) -> Ints:
    """Each user's list, int64 (users, DEPTH)."""
    found = np.full((len(known), DEPTH), -1, dtype=np.int64)
    for start in range(0, len(known), BLOCK):
        users = np.arange(start, min(start + BLOCK, len(known)))
        block = known.pick(users)
        open_ = np.tile(may, (len(users), 1))
        open_[block.users, block.items] = False
        ranked, _ = scorer.rank(block, open_, DEPTH)
        found[users, : ranked.shape[1]] = ranked
    return found


def judged(found: Ints, wanted: Histories) -> Columns:
    """NDCG and recall of each user, at 10 and 20."""
    truth = distinct(wanted)
    columns: Columns = {}
    for k in (10, DEPTH):
        values = measure(member(found[:, :k], truth), truth.lengths, k)
        columns |= {f"{name}@{k}": values[name] for name in ("NDCG", "Recall")}
    return columns


def summed(runs: dict[str, list[Columns]], seed: int, base: str = "without") -> dict[str, Any]:
    """Means over seeds and users of each side, and what each is ahead of `base`, absolute and relative, with intervals.

    Args:
        runs: of each side, one run per seed; the users of all runs are the same, in one order.
    """
    names, figures = list(next(iter(runs.values()))[0]), {}
    for name in names:
        values = np.stack([np.mean([run[name] for run in own], axis=0) for own in runs.values()], axis=1)
        means, place = resample(values, RESAMPLES, seed), list(runs).index(base)
        figures[name] = {}
        for column, side in enumerate(runs):
            row = {"mean": float(values[:, column].mean()), "seeds": [float(run[name].mean()) for run in runs[side]]}
            if side != base:
                row["ahead"] = interval(values[:, column] - values[:, place], means[:, column] - means[:, place]).named("difference")
                gain, drawn = values[:, column].mean() / values[:, place].mean() - 1, means[:, column] / means[:, place] - 1
                low, high = np.percentile(drawn, [2.5, 97.5])
                row["gain"] = {"share": float(gain), "low": float(low), "high": float(high)}
            figures[name][side] = row
    return {"users": len(values), "figures": figures}
