"""The evaluation itself, free of files and bundles: lists in, plain figures out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.data.histories import Ints
from components.evaluation import beyond, slices
from components.evaluation.baselines import popular
from components.evaluation.metrics import listed, measure, member
from components.evaluation.significance import interval, resample
from components.evaluation.task import Task
from components.ranking.parts import Floats

Columns = dict[str, dict[str, Floats]]  # model, then metric: float64 (users,)


@dataclass(frozen=True)
class Plan:
    """How to evaluate.

    Attributes:
        k: ranking metrics are measured at k and, as far as the lists are deep, at 2 k; all else at k.
        depth: length of the lists, at least k.
        resamples: bootstrap resamples of the users, shared by all models.
        seed: of the resamples, and of baselines that draw.
        sample: how many users, at most but for one block, are asked without each part, rule and diversity.
    """

    k: int
    depth: int
    resamples: int
    seed: int
    sample: int = 5000


def evaluate(task: Task, lists: Mapping[str, Ints], plan: Plan) -> dict[str, Any]:
    """Measure models on one task, compare the first with each of the others, and look closer at the first.

    Args:
        lists: int64 (users, depth) by model, item indices, best first, -1 where a list has ended.

    Returns:
        Plain data with the keys `models`, `paired`, `beyond`, `exposure` and `slices` of metrics.json.

    Raises:
        DataError: there are no users.
    """
    first, *others = lists
    k = plan.k
    columns = {name: _columns(task, own, k) for name, own in lists.items()}
    means = _resampled(columns, plan.resamples, plan.seed)
    return {
        "models": {
            name: {metric: interval(own[metric], means[name][metric]).named("mean") for metric in own} for name, own in columns.items()
        },
        "paired": {other: _paired(columns, means, first, other) for other in others},
        "beyond": _beyond(task, lists[first][:, :k], k),
        "exposure": {
            "events": beyond.concentration(np.sort(task.counts)[::-1]),
            "models": {name: beyond.exposure(own[:, :k], task.counts) for name, own in lists.items()},
        },
        "slices": [slices.score(part, task, lists[first], k) for part in slices.slices(task)],
    }


def _columns(task: Task, lists: Ints, k: int) -> dict[str, Floats]:
    relevant, sizes = member(lists, task.truth), task.truth.lengths
    cuts = [cut for cut in (k, 2 * k) if cut == k or cut <= lists.shape[1]]
    return {f"{name}@{cut}": values for cut in cuts for name, values in measure(relevant, sizes, cut).items()}


def _resampled(columns: Columns, resamples: int, seed: int) -> Columns:
    names = [(model, metric) for model, own in columns.items() for metric in own]
    means = resample(np.stack([columns[model][metric] for model, metric in names], axis=1), resamples, seed)
    return {model: {metric: means[:, names.index((model, metric))] for metric in own} for model, own in columns.items()}


def _paired(columns: Columns, means: Columns, first: str, other: str) -> dict[str, dict[str, float]]:
    shared = [metric for metric in columns[first] if metric in columns[other]]
    differences = {m: (columns[first][m] - columns[other][m], means[first][m] - means[other][m]) for m in shared}
    return {metric: interval(*difference).named("difference") for metric, difference in differences.items()}


def _beyond(task: Task, lists: Ints, k: int) -> dict[str, float]:
    expected = member(lists, listed(popular(task.counts, task.known, k)))
    found = {
        "Coverage": beyond.coverage(lists, task.items),
        "Gini": beyond.gini(lists, task.items),
        "Novelty": beyond.novelty(lists, task.counts),
        "Diversity": beyond.diversity(lists, task.content),
        "Serendipity": beyond.serendipity(member(lists, task.truth), expected),
        "Popularity": beyond.popularity(lists, task.counts),
    }
    return {f"{name}@{k}": value for name, value in found.items()}
