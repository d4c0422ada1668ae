"""What another policy would have earned, from what was shown and with what probability: IPS, SNIPS and DR, each with its interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from components.data.histories import Ints
from components.errors import DataError
from components.ranking.parts import Floats

FOLDS, PRIOR, LEVEL = 5, 10.0, 0.95
COLUMNS = ("user_id", "rank", "taken", "arm", "share", "slot", "new")


@dataclass(frozen=True)
class Estimate:
    """A policy's mean reward of a shown item, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    """Items that were shown, and what a target policy has to do with each.

    Attributes:
        reward: float64 (n,), what came of it.
        weight: float64 (n,), the target's probability of showing it there over the probability with which it was shown.
        guess: float64 (n,), the reward that a model expects of it; it may not have learned from this user.
        expected: float64 (n,), the reward that the model expects of what the target shows there.
        users: int64 (n,), whose lists; what one user does is not independent.
    """

    reward: Floats
    weight: Floats
    guess: Floats
    expected: Floats
    users: Ints


def estimates(shown: Shown) -> dict[str, Estimate]:
    """Estimate a target policy's mean reward.

    IPS (Horvitz, Thompson, JASA 1952) is unbiased; SNIPS (Swaminathan, Joachims, NeurIPS 2015) divides by the mean weight; DR (Dudík,
    Langford, Li, ICML 2011) corrects the model's guess by what it missed. Raises DataError where nothing was shown.
    """
    return {name: _estimate(value, shown.users) for name, value in influences(shown).items()}


def lift(target: Shown, other: Shown) -> dict[str, Estimate]:
    """Estimate by how much one policy's mean reward is above another's; both of the same items shown."""
    mine, theirs = influences(target), influences(other)
    return {name: _estimate(mine[name] - theirs[name], target.users) for name in mine}


def influences(shown: Shown) -> dict[str, Floats]:
    """What each item shown adds to each estimate: float64 (n,); the estimate is the mean (of SNIPS: linearised about it)."""
    if not len(shown.reward):
        raise DataError("off-policy: no impression is known of; send impressions to /feedback with the request that they belong to")
    earned, mean = shown.weight * shown.reward, shown.weight.mean()
    ratio = earned.mean() / mean if mean else 0.0
    linear = ratio + shown.weight * (shown.reward - ratio) / mean if mean else np.zeros_like(earned)
    return {"ips": earned, "snips": linear, "dr": shown.expected + shown.weight * (shown.reward - shown.guess)}


def _estimate(influence: Floats, users: Ints) -> Estimate:
    """The mean and its interval by Student's t, what one user adds taken together."""
    from scipy.stats import t  # late: whoever only reads settings waits for no statistics

    value, groups = float(influence.mean()), int(users.max()) + 1
    sums = np.bincount(users, influence - value, minlength=groups)
    error = float(np.sqrt((sums**2).sum() * groups / max(groups - 1, 1))) / len(influence)
    reach = float(t.ppf((1 + LEVEL) / 2, max(groups - 1, 1))) * error
    return Estimate(value, value - reach, value + reach)


def judged(exposures: pl.DataFrame) -> dict[str, Any]:
    """What the exposures of an experiment say of its policies.

    Args:
        exposures: user_id, rank, taken, and of the list: arm, the share of the arm, the share of slots that new items took (`slot`),
            whether this one was new. Rows without an arm were shown outside of any experiment and say nothing.

    Raises:
        DataError: a column is missing, or nothing was shown in an experiment.
    """
    if missing := [name for name in COLUMNS if name not in exposures.columns]:
        raise DataError(f"exposures: no column {missing[0]!r}; export them with `python -m serving.learning OUT exposures`")
    shown = exposures.drop_nulls(["arm", "rank"])
    if shown.is_empty():
        raise DataError("exposures: nothing was shown in an experiment; begin one with `zhijian ab`, and send impressions to /feedback")
    policies = {name: _facing(shown, name) for name in targets(shown)}
    about = {
        "shown": shown.height,
        "users": shown["user_id"].n_unique(),
        "taken": int(shown["taken"].sum()),
        "policies": {name: {way: vars(found) for way, found in estimates(seen).items()} for name, seen in policies.items()},
    }
    if "challenger" in policies and "champion" in policies:
        found = lift(policies["challenger"], policies["champion"])
        about["challenger above champion"] = {way: vars(one) for way, one in found.items()}
    return about


def targets(shown: pl.DataFrame) -> list[str]:
    """Policies that the exposures can judge: each arm for everybody, no slot for new items, or all for them."""
    arms = sorted(shown["arm"].unique()) if shown["arm"].n_unique() > 1 else []
    return [*arms, *(["ranking alone", "new items alone"] if shown["new"].any() else [])]


def weights(shown: pl.DataFrame, policy: str) -> Floats:
    """Over what probability an item was shown, the probability with which a policy shows it there: float64 (n,)."""
    new, slot = shown["new"].to_numpy().astype(bool), shown["slot"].to_numpy().astype(np.float64)
    if policy == "ranking alone":
        return np.where(new, 0.0, 1 / (1 - np.where(new, 0.0, slot)))
    if policy == "new items alone":
        return np.where(new, 1 / np.where(new, slot, 1.0), 0.0)
    return np.where(shown["arm"].to_numpy() == policy, 1 / shown["share"].to_numpy(), 0.0)


def _facing(shown: pl.DataFrame, policy: str) -> Shown:
    users = np.unique(shown["user_id"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    reward, rank = shown["taken"].to_numpy().astype(np.float64), np.minimum(shown["rank"].to_numpy(), 100).astype(np.int64)
    new, arm = shown["new"].to_numpy().astype(np.int64), (shown["arm"] == "challenger").to_numpy().astype(np.int64)
    learn = _Model.of(reward, (rank, new, arm), users)
    then = {"ranking alone": (rank, 0 * new, arm), "new items alone": (rank, 0 * new + 1, arm)}
    aim = then.get(policy, (rank, new, 0 * arm + (policy == "challenger")))
    return Shown(reward, weights(shown, policy), learn.at((rank, new, arm)), learn.at(aim), users)


@dataclass(frozen=True)
class _Model:
    """Mean rewards of (rank, new, arm), each learned without the users of a fold and drawn towards the mean of all.

    Attributes:
        means: float64 (folds, cells).
        fold: int64 (n,), whose model is asked about each row.
    """

    means: Floats
    fold: Ints

    @classmethod
    def of(cls, reward: Floats, cell: tuple[Ints, Ints, Ints], users: Ints) -> "_Model":
        fold, place = users % FOLDS, _cell(cell)
        counts = np.zeros((FOLDS, 101 * 4))
        sums = np.zeros_like(counts)
        np.add.at(counts, (fold, place), 1.0)
        np.add.at(sums, (fold, place), reward)
        counts, sums = counts.sum(0) - counts, sums.sum(0) - sums
        overall = sums.sum(1, keepdims=True) / np.maximum(counts.sum(1, keepdims=True), 1)
        return cls((sums + PRIOR * overall) / (counts + PRIOR), fold)

    def at(self, cell: tuple[Ints, Ints, Ints]) -> Floats:
        return self.means[self.fold, _cell(cell)]


def _cell(cell: tuple[Ints, Ints, Ints]) -> Ints:
    rank, new, arm = cell
    return rank * 4 + new * 2 + arm
