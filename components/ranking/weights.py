"""How the parts of the hybrid are joined: weights that maximise NDCG on validation, and a calibrated probability."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from components.data.histories import Ints
from components.ranking.parts import Floats

Bools = np.ndarray[Any, np.dtype[np.bool_]]
STEPS = (0.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0)  # factors tried on one weight at a time


@dataclass(frozen=True)
class Pool:
    """Candidates to learn on, the wanted one first.

    Attributes:
        terms: float32 (parts, users, candidates), each part's standardised scores.
        there: bool (users, candidates), False where a place holds no candidate.
        state: int64 (users,), the users' states.
    """

    terms: Floats
    there: Bools
    state: Ints

    def only(self, chosen: np.ndarray[Any, Any]) -> "Pool":
        """Keep some of the users."""
        return Pool(self.terms[:, chosen], self.there[chosen], self.state[chosen])


def join(pools: list[Pool]) -> Pool:
    """Lay pools of equal width one after the other."""
    there, state = ([getattr(pool, name) for pool in pools] for name in ("there", "state"))
    return Pool(np.concatenate([pool.terms for pool in pools], 1), np.concatenate(there), np.concatenate(state))


def gains(pool: Pool, weights: Floats, k: int = 10) -> Floats:
    """NDCG@k of each user's one wanted item, ties counted against it: float64 (users,)."""
    scores = np.tensordot(weights, pool.terms, 1)
    rank = ((scores[:, 1:] >= scores[:, :1]) & pool.there[:, 1:]).sum(1)
    return np.where(rank < k, 1 / np.log2(rank + 2), 0.0)


def ascend(pool: Pool, start: Floats, rounds: int = 5) -> Floats:
    """Improve non-negative weights one at a time until none of the tried factors raises the mean NDCG@10: float64 (parts,)."""
    weights, best = start, gains(pool, start).mean()
    for _ in range(rounds):
        before = best
        for part in range(len(weights)):
            for step in STEPS:
                tried = weights.copy()
                tried[part] = weights[part] * step if weights[part] else step * 0.5
                if tried.any() and (value := gains(pool, tried).mean()) > best + 1e-9:
                    weights, best = tried, value
        if best <= before:
            break
    return weights / weights.sum()


def learn(pool: Pool, count: int, prior: float) -> Floats:
    """Weights for each state of the user: float64 (states, parts), each row summing to 1.

    A state's own optimum is averaged with the common one as if that were worth `prior` users. State 0 (cold) has nothing
    in common with the others and stands for itself.
    """
    warm = pool.state > 0
    equal = np.full(len(pool.terms), 1 / len(pool.terms))
    common = ascend(pool.only(warm), equal) if warm.any() else equal
    rows = [ascend(pool.only(~warm), equal) if (~warm).any() else equal]
    for index in range(1, count):
        chosen = pool.state == index
        own = ascend(pool.only(chosen), common) if chosen.any() else common
        rows.append((chosen.sum() * own + prior * common) / (chosen.sum() + prior))
    return np.stack(rows)


def calibrate(pool: Pool, weights: Floats) -> Floats:
    """Fit P(wanted) = σ(a · score + b) for each state: float64 (states, 2); a state without users gets the fit of all."""
    scores: Floats = np.einsum("up,puc->uc", weights[pool.state], pool.terms)
    chosen = [pool.state == index for index in range(len(weights))]
    chosen = [rows if rows.any() else np.ones_like(rows) for rows in chosen]
    wanted = np.zeros(scores.shape)
    wanted[:, 0] = 1.0
    return np.stack([_platt(scores[rows][pool.there[rows]], wanted[rows][pool.there[rows]]) for rows in chosen])


def _platt(scores: Floats, wanted: Floats, l2: float = 1e-5) -> Floats:
    """Maximise the mean log-likelihood of σ(a · score + b) less l2 · a², which bounds a: float64 (2,) (Platt, 1999)."""

    def loss(found: Floats) -> tuple[float, Floats]:
        odds = found[0] * scores + found[1]
        error = expit(odds) - wanted
        value = np.logaddexp(0, odds).mean() - (wanted * odds).mean() + l2 * found[0] ** 2
        return float(value), np.array([(error * scores).mean() + 2 * l2 * found[0], error.mean()])

    start = np.array([0.0, logit(wanted.mean())])
    return minimize(loss, start, jac=True, method="BFGS").x
