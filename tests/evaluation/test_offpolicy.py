"""What another policy would have earned, on a world in which that is known."""

import numpy as np
import polars as pl
import pytest

from components.errors import DataError
from components.evaluation.offpolicy import COLUMNS, Shown, estimates, judged

K, SLOTS, USERS, LISTS = 10, 0.05, 150, 4
RANKED = 0.4 / np.arange(1, K + 1)  # how probable it is that an item of the ranking is taken, by its rank
NEW = 0.5 * RANKED + 0.02
BETTER = 1.25  # what the challenger multiplies it by
TRUTH = {
    "champion": (1 - SLOTS) * RANKED.mean() + SLOTS * NEW.mean(),
    "ranking alone": RANKED.mean() * (1 + BETTER) / 2,
    "new items alone": NEW.mean(),
    "challenger": (1 - SLOTS) * RANKED.mean() * BETTER + SLOTS * NEW.mean(),
}


def exposures(seed: int, users: int = USERS) -> pl.DataFrame:
    """Lists as the service logs them; people differ in how much they take."""
    draw = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), LISTS * K)
    rank = np.tile(np.arange(1, K + 1), users * LISTS)
    challenger = (draw.random(users) < 0.5)[user]
    explored = draw.random(users * LISTS) < SLOTS * K
    slot = draw.integers(1, K + 1, users * LISTS)
    new = np.repeat(explored, K) & (np.repeat(slot, K) == rank)
    eager = draw.uniform(0.5, 1.5, users)[user]
    chance = np.where(new, NEW[rank - 1], RANKED[rank - 1] * np.where(challenger, BETTER, 1.0))
    columns = {
        "user_id": [f"u{number}" for number in user],
        "rank": rank,
        "taken": draw.random(len(rank)) < chance * eager,
        "arm": np.where(challenger, "challenger", "champion"),
        "share": np.full(len(rank), 0.5),
        "slot": np.full(len(rank), SLOTS),
        "new": new,
    }
    return pl.DataFrame(columns)


@pytest.fixture(scope="module")
def repeated() -> list[dict]:
    return [judged(exposures(seed)) for seed in range(40)]


@pytest.mark.parametrize("policy", TRUTH)
@pytest.mark.parametrize("way", ["ips", "snips", "dr"])
def test_the_truth_lies_in_its_interval_and_no_estimate_leans(repeated, policy, way):
    found = [run["policies"][policy][way] for run in repeated]
    covered = np.mean([one["low"] <= TRUTH[policy] <= one["high"] for one in found])
    assert covered >= 0.85  # of 40 runs; 95 % are meant to
    values = np.array([one["value"] for one in found])
    assert abs(values.mean() - TRUTH[policy]) < 4 * values.std() / np.sqrt(len(values)) + 0.002


def test_a_better_challenger_is_found_better(repeated):
    true = TRUTH["challenger"] - TRUTH["champion"]
    for way in ("snips", "dr"):
        found = [run["challenger above champion"][way] for run in repeated]
        assert np.mean([one["low"] <= true <= one["high"] for one in found]) >= 0.85
        assert np.mean([one["low"] > 0 for one in found]) > 0.3


def test_a_guess_of_the_reward_narrows_the_interval(repeated):
    def width(way):
        return np.mean([run["policies"]["challenger"][way]["high"] - run["policies"]["challenger"][way]["low"] for run in repeated])

    assert width("dr") < width("ips")
    assert width("snips") < width("ips")


def test_estimates_by_hand():
    ones = np.ones(4)
    shown = Shown(np.array([1.0, 0, 1, 0]), np.array([2.0, 2, 0, 0]), 0.5 * ones, 0.25 * ones, np.arange(4))
    found = estimates(shown)
    assert (found["ips"].value, found["snips"].value, found["dr"].value) == (0.5, 0.5, 0.25)
    assert found["ips"].low < 0.5 < found["ips"].high


def test_without_new_items_or_a_second_arm_there_is_less_to_judge():
    table = exposures(0, 20).with_columns(arm=pl.lit("champion"), new=pl.lit(value=False))
    assert judged(table)["policies"] == {}
    assert "challenger above champion" not in judged(table)


@pytest.mark.parametrize("column", COLUMNS)
def test_what_is_missing_is_named(column):
    with pytest.raises(DataError, match=f"no column '{column}'"):
        judged(exposures(0, 5).drop(column))


def test_nothing_shown_says_what_to_do():
    with pytest.raises(DataError, match="zhijian ab"):
        judged(exposures(0, 5).with_columns(arm=pl.lit(None, pl.String)))
