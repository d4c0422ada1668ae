"""Does the evidence of the paths cause the score? What is lost without it, and what is left with it alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
from explanation_lists import Lists

from components.data.histories import Histories, Ints
from components.evaluation.significance import interval, resample
from components.ranking.parts import Floats
from components.recommend.explain import SHOWN

RESAMPLES = 1000
Keep = Callable[[int], Any]  # which events of a user's history stay, bool (events,)


def sampled(shown: Lists, count: int, seed: int, least: int) -> Ints:
    """Users with a full list and at least some events, drawn evenly, ascending."""
    good = np.flatnonzero((shown.items >= 0).all(1) & (shown.asked.lengths >= least))
    return np.sort(np.random.default_rng(seed).permutation(good)[:count])


def kept(shown: Lists, users: Ints, keep: Keep) -> Histories:
    """The histories of some users with some of their events."""
    picked = shown.asked.pick(users)
    masks = [np.asarray(keep(int(user)), dtype=bool) for user in users]
    mask, lengths = np.concatenate(masks), [int(each.sum()) for each in masks]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Histories(picked.items[mask], picked.times[mask], offsets, picked.who, picked.at)


def scores(shown: Lists, asked: Histories, items: Ints, block: int = 250) -> tuple[Floats, Floats]:
    """The hybrid's score of items, int64 (users, c), float64 as they, and all terms, float64 (terms, users, c)."""
    scorer = shown.recommender.scorer
    parts: list[tuple[Floats, Floats]] = []
    for start in range(0, len(asked), block):
        own = asked.pick(np.arange(start, min(start + block, len(asked))))
        values = scorer.terms.at(own, items[start : start + block], scorer.terms.standard(own))
        weights = scorer.weights[scorer.gate.states(own)].T[:, :, None]
        parts.append(((weights * values).sum(0), values))
    return np.concatenate([total for total, _ in parts]), np.concatenate([values for _, values in parts], axis=1)


def bars(shown: Lists, asked: Histories, items: Ints, block: int = 250) -> Floats:
    """The score that an item must pass to be in a list: that of the k-th best of the others, float64 (users,)."""
    scorer, k = shown.recommender.scorer, shown.items.shape[1]
    found: list[Floats] = []
    for start in range(0, len(asked), block):
        own = asked.pick(np.arange(start, min(start + block, len(asked))))
        open_ = np.ones((len(own), len(shown.recommender.items)), dtype=bool)
        open_[own.users, own.items] = False
        ranked, added = scorer.rank(own, open_, k + 1)
        others = np.where(ranked == items[start : start + block], -np.inf, added.sum(0))
        found.append(-np.sort(-others, axis=1)[:, k - 1])
    return np.concatenate(found)


def causes(shown: Lists, count: int, seed: int) -> dict[str, Any]:
    """Take away the history items that the first item's paths start at, or all others, or as many others at random."""
    users = sampled(shown, count, seed, 4)
    first = shown.items[users, :1]
    origins = {
        int(user): {chain.source for chain in shown.chains(int(user), int(item))} for user, item in zip(users, first[:, 0], strict=True)
    }
    users = np.array([user for user in users if 0 < len(origins[int(user)]) < len(set(shown.history(int(user))))])
    first, draw = shown.items[users, :1], np.random.default_rng(seed)

    def without(user: int) -> Any:
        return ~np.isin(shown.history(user), list(origins[user]))

    def without_others(user: int) -> Any:
        mask = without(user)
        rest = np.flatnonzero(mask)
        gone = draw.permutation(rest)[: int((~mask).sum())]
        return ~np.isin(np.arange(len(mask)), gone)

    kinds: dict[str, Keep] = {
        "whole": lambda user: np.ones(len(shown.history(user)), dtype=bool),
        "without": without,
        "alone": lambda user: ~without(user),
        "random": without_others,
    }
    histories = {name: kept(shown, users, keep) for name, keep in kinds.items()}
    found = {name: scores(shown, asked, first) for name, asked in histories.items()}
    within = {name: found[name][0][:, 0] > bars(shown, histories[name], first) for name in ("whole", "without", "random")}
    whole = found["whole"][0][:, 0]
    term = shown.recommender.scorer.terms.names.index("knowledge")
    columns = {
        "necessity": whole - found["without"][0][:, 0],
        "necessity_of_as_many_others": whole - found["random"][0][:, 0],
        "necessity_beyond_others": found["random"][0][:, 0] - found["without"][0][:, 0],
        "sufficiency_lost": whole - found["alone"][0][:, 0],
        "knowledge_term_lost": found["whole"][1][term, :, 0] - found["without"][1][term, :, 0],
        "flip@10": within["whole"] & ~within["without"],
        "flip@10_of_as_many_others": within["whole"] & ~within["random"],
    }
    told = {
        "users": len(users),
        "paths_at_most": SHOWN,
        "unit": "the hybrid's score, whose terms are standardised",
        "items_removed": _mean_gone(shown, users, origins),
    }
    return told | summarised(columns, seed) | {"edges": _edges(shown, users, first, seed)}


def summarised(columns: dict[str, Floats], seed: int) -> dict[str, Any]:
    """Means over users with their intervals; the draws are the same for all columns."""
    stacked = np.stack([column.astype(np.float64) for column in columns.values()], axis=1)
    means = resample(stacked, RESAMPLES, seed)
    return {name: interval(stacked[:, i], means[:, i]).named("mean") for i, name in enumerate(columns)}


def _mean_gone(shown: Lists, users: Ints, origins: dict[int, set[int]]) -> float:
    return float(np.mean([len(origins[int(user)]) / len(shown.history(int(user))) for user in users]))


def _edges(shown: Lists, users: Ints, first: Ints, seed: int) -> dict[str, Any]:
    """Delete the shown paths themselves: from the reasoner's score, and from what the head knows of the pair."""
    scorer, asked = shown.recommender.scorer, shown.asked.pick(users)
    types = {kind: place for place, kind in enumerate(shown.reasoner.channels.types)}
    whole = shown.reasoner.pairs(asked, first).astype(np.float64)
    left = whole.copy()
    for place, (user, item) in enumerate(zip(users, first[:, 0], strict=True)):
        for chain in shown.chains(int(user), int(item)):
            left[place, 0, types[shown.types(chain)]] -= chain.weight * whole[place, 0].sum()
    raw = shown.reasoner.score(asked)
    spread = raw.std(1, keepdims=True)
    fall = (whole - left).sum(2)[:, 0] / spread[:, 0]
    weights = scorer.weights[scorer.gate.states(asked)]
    names = scorer.terms.names
    columns = {
        "share_of_the_reasoner's_score": 1 - left.sum((1, 2)) / whole.sum((1, 2)),
        "lost_by_the_knowledge_term": weights[:, names.index("knowledge")] * fall,
    }
    for place, (name, part) in enumerate(scorer.terms.rerankers.items()):
        odds = [part.rate(asked, first, z.astype(np.float32))[0][:, 0] for z in (whole, left)]
        columns[f"lost_by_{name}_head"] = weights[:, names.index(f"{name} head")] * (odds[0] - odds[1]) / scorer.terms.spread[place, 1]
    return summarised(columns, seed)
