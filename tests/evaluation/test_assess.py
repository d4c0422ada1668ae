from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from components.data.histories import NOW
from components.errors import DataError
from components.evaluation.assess import assess
from components.evaluation.compare import Plan, evaluate
from components.evaluation.task import Task
from tests.evaluation.conftest import histories

PLAN = Plan(k=5, depth=10, resamples=50, seed=3)


@pytest.fixture(scope="module")
def found(bundle, dataset, categories, baselines):
    return assess(bundle, dataset, categories, baselines, PLAN)


def test_layout(found, bundle):
    _, metrics = found
    assert set(metrics["models"]) == {"hybrid", "popularity", "item_knn", "ease", "sequential", "recent"}
    assert set(metrics["paired"]) == set(metrics["models"]) - {"hybrid"}
    names = {f"{name}@{k}" for name in ("NDCG", "HR", "Recall", "Precision", "MRR", "MAP") for k in (5, 10)}
    assert all(set(own) == names for own in [*metrics["models"].values(), *metrics["paired"].values()])
    assert metrics["bundle"] == bundle.bundle
    assert metrics["leaks"] == {"seen_recommended": 0, "truth_in_training": 0}
    assert metrics["data"]["test_users"] == 80
    assert metrics["data"]["cold_users"] == 1
    assert metrics["data"]["cold_items"] == 2


def test_every_test_user_is_recommended_to_the_cold_one_too(found, dataset):
    table, _ = found
    assert table["user_id"].unique().sort().to_list() == dataset.users
    assert table.columns == ["user_id", "at", "item_id", "rank", "score"]


def test_intervals_hold_their_means_and_differences_are_those_of_the_means(found):
    _, metrics = found
    for own in metrics["models"].values():
        assert all(row["low"] <= row["mean"] <= row["high"] for row in own.values())
    for name, own in metrics["paired"].items():
        for metric, row in own.items():
            means = [metrics["models"][model][metric]["mean"] for model in ("hybrid", name)]
            assert row["difference"] == pytest.approx(means[0] - means[1])


def test_the_bundle_ties_with_the_baseline_it_is_made_of(found):
    _, metrics = found
    assert metrics["paired"]["sequential"]["NDCG@5"] == {"difference": 0.0, "low": 0.0, "high": 0.0}


def test_equal_runs_give_equal_results(found, bundle, dataset, categories, baselines):
    table, metrics = assess(bundle, dataset, categories, baselines, PLAN)
    assert metrics == found[1]
    assert table.equals(found[0])


def test_baselines_learn_from_what_the_bundle_was_fitted_on(found, bundle, dataset, categories, baselines):
    other = replace(bundle, about={"fitted_on": "train"})
    _, metrics = assess(other, dataset, categories, baselines, PLAN)
    assert metrics["fitted_on"] == "train"
    assert metrics["models"]["hybrid"] == found[1]["models"]["hybrid"]
    assert metrics["models"]["ease"] != found[1]["models"]["ease"]


def test_categories_become_slices(found):
    rows = {row["value"]: row["users"] for row in found[1]["slices"] if row["slice"] == "category"}
    assert set(rows) == {"even", "all", "odd"}
    assert rows["even"] == rows["all"] == 40


def test_a_test_pair_in_training_is_an_error(bundle, dataset, categories):
    test = histories([[int(row)] for row in dataset.known().items[dataset.known().offsets[:-1][:79]]] + [[0]])
    with pytest.raises(DataError, match="79 test pairs are also in train"):
        assess(bundle, replace(dataset, test=test), categories, {}, PLAN)


def test_a_bundle_that_has_seen_the_test_is_an_error(bundle, dataset, categories):
    with pytest.raises(DataError, match="the bundle's histories"):
        assess(replace(bundle, histories=dataset.test), dataset, categories, {}, PLAN)


def test_a_recommended_seen_item_is_an_error(bundle, dataset, categories):
    with pytest.raises(DataError, match="recommended items were seen"):
        assess(replace(bundle, histories=dataset.train), dataset, categories, {}, PLAN)


def test_a_bundle_of_another_catalogue_is_an_error(bundle, dataset, categories):
    with pytest.raises(DataError, match="another catalogue"):
        assess(replace(bundle, items=bundle.items[:-1]), dataset, categories, {}, PLAN)


def test_a_bundle_that_does_not_say_what_it_learned_from_is_an_error(bundle, dataset, categories):
    with pytest.raises(DataError, match="fitted_on None"):
        assess(replace(bundle, about={}), dataset, categories, {}, PLAN)


def test_no_test_event_is_an_error(bundle, dataset, categories):
    with pytest.raises(DataError, match="no user to evaluate"):
        assess(bundle, replace(dataset, test=histories([[]] * 80)), categories, {}, PLAN)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table.with_columns(item_id=pl.lit("elsewhere")), "not asked for"),
        (lambda table: table.with_columns(rank=pl.col("rank") - 1), "not asked for"),
        (lambda table: table.with_columns(item_id=pl.col("item_id").first().over("user_id")), "stands twice"),
        (lambda table: table.filter(pl.col("rank") != 2), "from 1"),
        (lambda table: table.reverse(), "not ordered"),
    ],
)
def test_damaged_recommendations_are_an_error(bundle, dataset, categories, damage, message):
    class Damaged(type(bundle)):
        def batch(self, users, k, at=None):
            return damage(super().batch(users, k, at))

    with pytest.raises(DataError, match=message):
        assess(Damaged(**vars(bundle)), dataset, categories, {}, PLAN)


def test_evaluate_needs_no_bundle():
    task = Task(histories([[0], [1]]), histories([[1], [0]]), np.array([1, 1, 0]), np.eye(3), {})
    right, wrong = np.array([[1, 2], [0, 2]]), np.array([[2, 1], [2, 0]])
    found = evaluate(task, {"right": right, "wrong": wrong}, Plan(k=1, depth=2, resamples=20, seed=0))
    assert found["models"]["right"]["NDCG@1"]["mean"] == 1.0
    assert found["models"]["wrong"]["NDCG@1"]["mean"] == 0.0
    assert found["models"]["wrong"]["HR@2"]["mean"] == 1.0
    assert found["paired"]["wrong"]["HR@1"] == {"difference": 1.0, "low": 1.0, "high": 1.0}
    assert found["beyond"]["Serendipity@1"] == 0.0


def test_parts_are_measured_through_the_recommender(found):
    worth = found[1]["worth"]
    assert set(worth["parts"]) == {"sequential", "silent"}
    assert worth["parts"]["silent"][0] == {"difference": 0.0, "low": 0.0, "high": 0.0}
    assert worth["parts"]["sequential"][0]["low"] > 0
    assert {row["state"]: row["users"] for row in worth["states"]}["cold"] == 1


def test_without_rules_there_are_no_costs(found):
    assert found[1]["costs"] == {}


def test_users_ask_at_the_time_of_their_test(bundle, dataset, categories):
    class Asked(type(bundle)):
        def batch(self, users, k, at=None):
            times = dict(zip(dataset.users, dataset.test.times[dataset.test.offsets[:-1]], strict=True))
            assert at.tolist() == [times[user] or NOW for user in users]
            return super().batch(users, k, at)

    assess(Asked(**vars(bundle)), dataset, categories, {}, PLAN)


def test_the_curve_of_diversity_gains_it_for_a_price(found):
    curve = found[1]["exchange"]
    assert [point["trade"] for point in curve] == [0.1, 0.3, 0.5]
    assert np.all(np.diff([point["diversity"] for point in curve]) > 0)
    assert curve[-1]["diversity_change"] > 0 > curve[-1]["NDCG_change"]
