"""A bundle, asked what its users will be asked: recommendations for every test user, and all figures about them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from components.data.histories import NOW, Dataset, Histories, Ints, spaced
from components.errors import DataError
from components.evaluation import leaks
from components.evaluation.baselines import Baseline, recommend
from components.evaluation.beyond import reliability
from components.evaluation.compare import Plan, evaluate
from components.evaluation.metrics import Bools, distinct, member, repeated
from components.evaluation.recent import Recent
from components.evaluation.reranking import costs, exchange
from components.evaluation.task import Task, counted
from components.evaluation.worth import answers, worth
from components.progress import say
from components.ranking.parts import World
from components.recommend import Recommender
from components.recommend.diversity import MMR

MODEL = "hybrid"  # what metrics.json calls the bundle, beside the names of the baselines
TRADES, CURVE = (0.1, 0.3, 0.5), 1000  # trades of the diversity curve, and users it is drawn from at most


def assess(
    recommender: Recommender,
    dataset: Dataset,
    categories: pl.DataFrame,
    baselines: Mapping[str, Baseline],
    plan: Plan,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Evaluate a bundle on a dataset: its recommendations to `plan.depth`, each with when it was asked for, and metrics.json.

    Args:
        categories: item_id, categories (list) of the catalogue.
        baselines: by name; fitted on what the bundle was fitted on.

    Raises:
        DataError: the bundle is of another catalogue, there is a leak, or no user has a test event.
    """
    fitted = _fitted(recommender, dataset)
    users, task = _task(recommender, dataset, fitted, categories)
    say(f"recommending to {len(users)} test users")
    given = answers(recommender, users, task.known.at, plan)
    table, own = given.whole, _lists(given.whole, users, dataset.items, plan.depth)
    some, asked = task.pick(given.some), [users[place] for place in given.some]
    without = {
        kind: {name: _lists(other, asked, dataset.items, plan.k) for name, other in kinds.items()} for kind, kinds in given.without.items()
    }
    spent = costs(own[given.some], without["policies"], some.truth, plan.k, plan.resamples, plan.seed)
    counts = leaks.check(recommender, users, task, own)
    chosen = {name: _chosen(name, baseline, dataset) for name, baseline in baselines.items()}
    nothing = np.zeros((task.items, 0), dtype=np.float32)
    world = World(fitted, np.full(len(fitted), -1), vectors=nothing, content=nothing)
    lists = {MODEL: own} | {name: _baseline(name, baseline, world, task, plan) for name, baseline in chosen.items()}
    return _dated(table, users, task.known.at), evaluate(task, lists, plan) | {
        "bundle": recommender.bundle,
        "fitted_on": recommender.about["fitted_on"],
        "k": plan.k,
        "depth": plan.depth,
        "resamples": plan.resamples,
        "data": _data(dataset, task),
        "calibration": reliability(table["score"].to_numpy(), member(own, task.truth)[own >= 0]),
        "worth": worth(some, own[given.some], without["parts"], plan),
        "costs": {name: cost.named("difference") for name, cost in spent.items()},
        "exchange": _exchange(recommender, users, task, plan),
        "leaks": counts,
    }


def _exchange(recommender: Recommender, users: list[str], task: Task, plan: Plan) -> list[dict[str, float]]:
    """What diversity would cost, asked of evenly spaced users."""
    some = spaced(len(users), CURVE)
    candidates = recommender.candidates([users[place] for place in some], task.known.at[some])
    return exchange(candidates, task.content, task.truth.pick(some), MMR(trade=0.0), TRADES, plan.k)


def _dated(table: pl.DataFrame, users: list[str], at: Ints) -> pl.DataFrame:
    """Add `at`, when each user asked, null for now: so asked, `Recommender.recommend` and the service give the same list."""
    moments = pl.DataFrame({"user_id": users, "at": at}, schema={"user_id": pl.String, "at": pl.Int64}).with_columns(
        pl.when(pl.col("at") != NOW).then("at")
    )
    dated = moments.with_columns(pl.from_epoch("at", time_unit="s").dt.replace_time_zone("UTC"))
    return table.join(dated, on="user_id", how="left", maintain_order="left").select("user_id", "at", "item_id", "rank", "score")


def _baseline(name: str, baseline: Baseline, world: World, task: Task, plan: Plan) -> Ints:
    say(f"baseline {name}")
    scorer, _ = baseline.fit(world, plan.seed)
    return recommend(scorer, task.known, task.counts, plan.depth)


def _chosen(name: str, baseline: Baseline, dataset: Dataset) -> Baseline:
    if not isinstance(baseline, Recent):
        return baseline
    chosen = baseline.choose(dataset.train, dataset.valid, len(dataset.items))
    say(f"baseline {name}: {chosen.days[0]:g} days, by validation")
    return chosen


def _fitted(recommender: Recommender, dataset: Dataset) -> Histories:
    if recommender.items != dataset.items:
        raise DataError(f"bundle {recommender.bundle}: made from another catalogue than the one evaluated; build it again (`dvc repro`)")
    parts = {"train": dataset.train, "train+valid": dataset.known()}
    if (said := recommender.about.get("fitted_on")) not in parts:
        raise DataError(f"bundle {recommender.bundle}: its manifest says fitted_on {said!r}, not one of {', '.join(parts)}; build it again")
    return parts[said]


def _task(recommender: Recommender, dataset: Dataset, fitted: Histories, categories: pl.DataFrame) -> tuple[list[str], Task]:
    chosen = np.flatnonzero(dataset.test.lengths)
    task = Task(
        known=dataset.known().asked(dataset.test).pick(chosen),
        truth=distinct(dataset.test.pick(chosen)),
        counts=counted(fitted, len(dataset.items)),
        content=recommender.content,
        categories=_categories(categories, dataset.items),
    )
    return [dataset.users[user] for user in chosen], task


def _lists(table: pl.DataFrame, users: list[str], items: list[str], depth: int) -> Ints:
    """Lay recommendations out as item indices: int64 (users, depth)."""
    places = {"user_id": users, "item_id": items}
    user, item = (table[name].replace_strict(ids, range(len(ids)), default=None, return_dtype=pl.Int64) for name, ids in places.items())
    rank = table["rank"]
    if user.null_count() or item.null_count() or not rank.is_between(1, depth).all():
        raise DataError("recommendations: a user, item or rank that was not asked for; the bundle does not fit the split")
    lists = np.full((len(users), depth), -1, dtype=np.int64)
    lists[user.to_numpy(), rank.to_numpy() - 1] = item.to_numpy()
    gaps = (np.diff(lists >= 0, axis=1) & (lists[:, 1:] >= 0)).any()
    if gaps or not np.array_equal(lists[lists >= 0], item.to_numpy()) or repeated(lists):
        raise DataError("recommendations: not ordered by user and rank from 1, or an item stands twice in one list")
    return lists


def _categories(table: pl.DataFrame, items: list[str]) -> dict[str, Bools]:
    index = pl.DataFrame({"item_id": items}).with_row_index("place")
    pairs = table.explode("categories").drop_nulls().join(index, on="item_id").sort("categories", "place")
    found = pairs.group_by("categories", maintain_order=True).agg("place")
    masks = np.zeros((len(found), len(items)), dtype=bool)
    for mask, places in zip(masks, found["place"], strict=True):
        mask[places.to_numpy()] = True
    return dict(zip(found["categories"], masks, strict=True))


def _data(dataset: Dataset, task: Task) -> dict[str, int]:
    sizes = {name: len(events.items) for name, events in (("train", dataset.train), ("valid", dataset.valid), ("test", dataset.test))}
    return {
        "users": len(dataset.users),
        "items": task.items,
        "interactions": sum(sizes.values()),
        **sizes,
        "test_users": len(task.known),
        "cold_users": int((task.known.lengths == 0).sum()),
        "cold_items": int((task.counts == 0).sum()),
    }
