from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from components.evaluation.compare import Plan
from components.evaluation.task import Task
from components.evaluation.worth import answers, worth
from components.recommend.diversity import MMR
from components.recommend.policy import Policy
from components.recommend.rules import Pin, Stock
from tests.evaluation.conftest import Bundle, Silent, histories, lists, total

AT = np.arange(80)
PLAN = Plan(k=1, depth=2, resamples=50, seed=0)
ASKED = Plan(k=5, depth=10, resamples=50, seed=0)


def task(known: list[list[int]], truth: list[list[int]]) -> Task:
    return Task(histories(known), histories(truth), np.ones(30, dtype=np.int64), np.eye(30), {})


def test_a_part_scores_each_block_once_for_all_comparisons(bundle, dataset):
    silent = Silent(30)
    parts = bundle.scorer.parts | {"silent": silent, "other": Silent(30)}
    found = answers(replace(bundle, scorer=total(parts), block=30), dataset.users, AT, ASKED)
    assert silent.asked == 3
    assert found.whole.equals(bundle.batch(dataset.users, 10, AT))
    assert found.some.tolist() == list(range(80))
    assert found.without["parts"]["silent"].equals(bundle.batch(dataset.users, 5, AT))
    assert found.without["parts"]["sequential"].group_by("user_id").len()["len"].unique().to_list() == [5]


def test_many_users_are_asked_whole_and_some_without(bundle, dataset):
    parts = bundle.scorer.parts | {"silent": Silent(30)}
    found = answers(replace(bundle, scorer=total(parts), block=10), dataset.users, AT, replace(ASKED, sample=30))
    assert found.whole.equals(bundle.batch(dataset.users, 10, AT))
    assert found.some.tolist() == [*range(10), *range(30, 40), *range(70, 80)]
    chosen = [dataset.users[place] for place in found.some]
    assert found.without["parts"]["silent"].equals(bundle.batch(chosen, 5, AT[found.some]))


def test_a_hybrid_of_one_part_has_nothing_to_compare_with(bundle, dataset):
    alone = replace(bundle, scorer=total({"sequential": bundle.scorer.parts["sequential"]}))
    found = answers(alone, dataset.users, AT, ASKED)
    assert found.without == {"parts": {}, "policies": {}}
    assert found.whole.equals(bundle.batch(dataset.users, 10, AT))
    assert worth(task([[0]], [[1]]), lists([[1]], 1), {}, PLAN)["parts"] == {}


def test_losses_by_state_with_paired_intervals():
    known = [[], *[[0]] * 4, *[[0] * 6] * 3]
    asked = task(known, [[1]] * 8)
    whole, without = lists([[1, 2]] * 8, 2), lists([[1, 2]] * 5 + [[2, 3]] * 3, 2)
    found = worth(asked, whole, {"part": without}, replace(PLAN, k=2))
    assert [(row["state"], row["users"]) for row in found["states"]] == [("all", 8), ("cold", 1), ("short", 4), ("medium", 3), ("long", 0)]
    everyone, cold, short, medium, long = found["parts"]["part"]
    assert everyone["difference"] == pytest.approx(3 / 8)
    assert everyone["low"] < 3 / 8 < everyone["high"]
    assert cold == short == {"difference": 0.0, "low": 0.0, "high": 0.0}
    assert medium == {"difference": 1.0, "low": 1.0, "high": 1.0}
    assert long is None


def test_users_ask_at_their_times_and_rules_are_those_of_the_latest(bundle, dataset):
    class Asked(Bundle):
        def batch(self, users, k, at=None):
            told.append((self.clock().timestamp(), dict(zip(users, at.tolist(), strict=True))))
            return super().batch(users, k, at)

    told: list = []
    answers(Asked(**vars(bundle)), dataset.users, AT * 1000, ASKED)
    assert {time for time, _ in told} == {79_000.0}
    assert all(users[user] == 1000 * dataset.users.index(user) for _, users in told for user in users)


def test_each_rule_and_the_diversity_are_left_out_in_turn(bundle, dataset):
    class Ruled(Bundle):
        def batch(self, users, k, at=None):
            policy = self.reranking.policy
            left = [rule.name for rule in policy.rules] + ["diversity"] * bool(policy.diversity)
            return super().batch(users, k, at).with_columns(score=pl.lit(float(len(left))), said=pl.lit(" ".join(left)))

    rules = [Stock(name="gone", items=["i01"]), Pin(name="show", items=["i02"])]
    ruled = Ruled(**vars(bundle)).under(Policy(rules=rules, diversity=MMR(trade=0.3)))
    found = answers(ruled, dataset.users, AT, ASKED).without["policies"]
    said = {name: table["said"].unique().to_list() for name, table in found.items()}
    assert said == {"gone": ["show diversity"], "show": ["gone diversity"], "diversity": ["gone show"]}
    assert not answers(ruled.under(Policy(diversity=MMR(trade=0.0))), dataset.users, AT, ASKED).without["policies"]
