"""What rules and diversity cost: NDCG against what they are for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from components.data.histories import Histories, Ints
from components.evaluation.beyond import diversity
from components.evaluation.metrics import measure, member
from components.evaluation.significance import Interval, interval, resample
from components.ranking.parts import Floats
from components.recommend.diversity import DPP, MMR


def costs(whole: Ints, without: Mapping[str, Ints], truth: Histories, k: int, resamples: int, seed: int) -> dict[str, Interval]:
    """What each rule changes: NDCG@k under all rules less that under all but this one, paired; below 0 the rule costs.

    Args:
        whole: int64 (users, depth), lists under all rules, best first; -1 where a list has ended.
        without: by the rule's name, lists under all rules but it.
        truth: what the same users want: different items, at least one each.
    """
    if not without:
        return {}
    full = _ndcg(whole, truth, k)
    differences = np.stack([full - _ndcg(lists, truth, k) for lists in without.values()], axis=1)
    means = resample(differences, resamples, seed)
    return {name: interval(differences[:, column], means[:, column]) for column, name in enumerate(without)}


def exchange(
    candidates: tuple[Ints, Floats], content: Floats, truth: Histories, node: MMR | DPP, trades: Sequence[float], k: int = 10
) -> list[dict[str, float]]:
    """The curve of a diversity: per trade NDCG@k and intra-list diversity, and how much more or less that is than without any.

    Args:
        candidates: of each user, items, int64 (users, n), -1 where there are no more, and scores, float64, best first.
        content: float (items, d), content vectors.

    Returns:
        per trade: `trade`, `NDCG`, `diversity`, and `NDCG_change` and `diversity_change`, shares of the figures at trade 0.
    """
    points = [(trade, _lists(candidates, content, replace(node, trade=trade), k)) for trade in (0.0, *trades)]
    figures = [(trade, float(_ndcg(lists, truth, k).mean()), diversity(lists, content)) for trade, lists in points]
    (_, accuracy, spread), *rest = figures
    return [
        {
            "trade": trade,
            "NDCG": ndcg,
            "diversity": mixed,
            "NDCG_change": ndcg / accuracy - 1 if accuracy else 0.0,
            "diversity_change": mixed / spread - 1 if spread else 0.0,
        }
        for trade, ndcg, mixed in rest
    ]


def _ndcg(lists: Ints, truth: Histories, k: int) -> Floats:
    return measure(member(lists, truth), truth.lengths, k)["NDCG"]


def _lists(candidates: tuple[Ints, Floats], content: Floats, node: MMR | DPP, k: int, block: int = 256) -> Ints:
    items, scores = candidates
    found = np.full((len(items), k), -1)
    for start in range(0, len(items), block):
        own = items[start : start + block]
        places = node.select(np.where(own >= 0, scores[start : start + block], -np.inf), content[own], k)
        found[start : start + block] = np.where(places >= 0, np.take_along_axis(own, np.maximum(places, 0), axis=1), -1)
    return found
