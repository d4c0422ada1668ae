"""The recommender without each of its parts, rules and diversity, asked the same; and what each part is worth by that."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import polars as pl

from components.data.histories import NOW, Ints, spaced
from components.evaluation.compare import Plan
from components.evaluation.memory import remember
from components.evaluation.metrics import measure, member
from components.evaluation.significance import interval, resample
from components.evaluation.task import Task
from components.progress import track
from components.ranking.parts import Floats
from components.ranking.terms import Terms
from components.recommend import Recommender
from components.recommend.policy import Policy

STATES = (("all", 0, np.inf), ("cold", 0, 0), ("short", 1, 5), ("medium", 6, 20), ("long", 21, np.inf))  # by length of the history
WHOLE = ("whole", "")
Key = tuple[str, str]  # what is left out: ("parts" or "policies", its name)


@dataclass(frozen=True)
class Answers:
    """What a recommender answers, whole and without something.

    Attributes:
        whole: user_id, item_id, rank, score, as `Recommender.batch` gives.
        some: int64 (n,), the users who were asked without something too.
        without: the same table for these, by what is left out ("parts" or "policies") and its name.
    """

    whole: pl.DataFrame
    some: Ints
    without: dict[str, dict[str, pl.DataFrame]]


def answers(recommender: Recommender, users: list[str], at: Ints, plan: Plan) -> Answers:
    """Recommend to `plan.depth`, and to `plan.k` without each part, each rule and the diversity in turn.

    All go through the users block by block together, so that a part scores a block once, and rates a candidate once; beyond
    `plan.sample` users, evenly spaced blocks are asked without something. A hybrid of one part has nothing to compare with.

    Args:
        at: int64 (users,), when each asks, seconds since 1970; rules are those of the latest of these times.
    """
    latest = datetime.fromtimestamp(int(at[at < NOW].max(initial=0)), UTC)
    models = _models(replace(recommender, clock=lambda: latest))
    found: dict[Key, list[pl.DataFrame]] = {key: [] for key in models}
    starts = range(0, max(len(users), 1), recommender.block)
    some = [starts[place] for place in spaced(len(starts), max(plan.sample // recommender.block, 1))]
    for start in track(starts, "recommending"):
        cut = slice(start, start + recommender.block)
        for key, model in models.items():
            if key == WHOLE or start in some:
                found[key].append(model.batch(users[cut], plan.depth if key == WHOLE else plan.k, at[cut]))
    tables = {key: pl.concat(frames) for key, frames in found.items()}
    kinds = {kind: {name: table for (own, name), table in tables.items() if own == kind} for kind in ("parts", "policies")}
    asked = np.concatenate([np.arange(start, min(start + recommender.block, len(users))) for start in some])
    return Answers(tables[WHOLE], asked, kinds)


def worth(task: Task, whole: Ints, without: Mapping[str, Ints], plan: Plan) -> dict[str, Any]:
    """NDCG@k lost without each part, with paired 95 % intervals, over all users and by the length of their history.

    Args:
        whole: int64 (users, at least k), the hybrid's lists.
        without: int64 (users, k), the lists without each part.

    Returns:
        `states`, each with its number of users, and for each of the `parts` one interval per state, None where it has no user.
    """
    lost, lengths = _lost(task, whole, without, plan.k), task.known.lengths
    users = {name: np.flatnonzero((lengths >= low) & (lengths <= high)) for name, low, high in STATES}
    rows = [_intervals(lost[chosen], plan) for chosen in users.values()]
    return {
        "states": [{"state": name, "users": len(chosen)} for name, chosen in users.items()],
        "parts": {name: [row[place] for row in rows] for place, name in enumerate(without)},
    }


def _models(recommender: Recommender) -> dict[Key, Recommender]:
    scorer = replace(recommender.scorer, terms=cast("Terms", remember(recommender.scorer.terms)))
    parts = list(recommender.scorer.parts)
    whole = replace(recommender, scorer=scorer)
    models = {WHOLE: whole}
    if len(parts) > 1:
        models |= {("parts", name): replace(whole, scorer=scorer.without(name)) for name in parts}
    return models | {("policies", name): whole.under(policy) for name, policy in _policies(recommender.reranking.policy).items()}


def _policies(policy: Policy) -> dict[str, Policy]:
    """The policy without each rule, and without its diversity."""
    found = {rule.name: policy.without(rule.name) for rule in policy.rules}
    if policy.diversity is not None and policy.diversity.trade:
        found["diversity"] = Policy(candidates=policy.candidates, rules=policy.rules)
    return found


def _lost(task: Task, whole: Ints, without: Mapping[str, Ints], k: int) -> Floats:
    """NDCG@k of the whole less that without each: float64 (users, without)."""
    sizes = task.truth.lengths
    full = measure(member(whole, task.truth), sizes, k)["NDCG"]
    others = [measure(member(lists, task.truth), sizes, k)["NDCG"] for lists in without.values()]
    return np.stack([full - other for other in others], axis=1) if others else np.empty((len(sizes), 0))


def _intervals(values: Floats, plan: Plan) -> list[dict[str, float] | None]:
    if not values.size:
        return [None] * values.shape[1]
    means = resample(values, plan.resamples, plan.seed)
    return [interval(values[:, i], means[:, i]).named("difference") for i in range(values.shape[1])]
