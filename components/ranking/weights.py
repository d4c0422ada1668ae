"""How the terms of the hybrid are joined: weights that maximise NDCG on validation, and a calibrated probability."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from components.data.histories import Ints
from components.ranking.parts import Floats

Bools = np.ndarray[Any, np.dtype[np.bool_]]
STEPS = (0.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0)  # factors tried on one weight at a time
FIRST = 0.5  # a weight of 0 is tried as if it were this


@dataclass(frozen=True)
class Pool:
    """Candidates to learn on, the wanted one first.

    Attributes:
        terms: float32 (terms, users, candidates), each standardised.
        there: bool (users, candidates), False where a place holds no candidate.
        state: int64 (users,), the users' states.
    """

    terms: Floats
    there: Bools
    state: Ints

    def __len__(self) -> int:
        return len(self.state)

    def only(self, chosen: np.ndarray[Any, Any]) -> "Pool":
        """Keep some of the users."""
        return Pool(self.terms[:, chosen], self.there[chosen], self.state[chosen])

    def without(self, places: list[int]) -> "Pool":
        """Blank some terms."""
        terms = self.terms.copy()
        terms[places] = 0.0
        return Pool(terms, self.there, self.state)


@dataclass(frozen=True)
class Learnt:
    """Weights and what they were worth on users they were not learned on.

    Attributes:
        weights: float64 (states, terms), non-negative, each row summing to 1.
        held_out: NDCG@10 of users with a history, by the weights learned on the other folds; NaN where there are none.
    """

    weights: Floats
    held_out: float


def join(pools: list[Pool]) -> Pool:
    """Lay pools of equal width one after the other."""
    there, state = ([getattr(pool, name) for pool in pools] for name in ("there", "state"))
    return Pool(np.concatenate([pool.terms for pool in pools], 1), np.concatenate(there), np.concatenate(state))


def gains(pool: Pool, weights: Floats, k: int = 10) -> Floats:
    """NDCG@k of each user's one wanted item, ties counted against it: float64 (users,).

    Args:
        weights: float64 (terms,) for all, or (users, terms).
    """
    shape = "up,puc->uc" if weights.ndim == 2 else "p,puc->uc"
    return _gains(np.einsum(shape, weights.astype(np.float32), _leads(pool)) + _absent(pool), k)


def ascend(pool: Pool, start: Floats, rounds: int = 5) -> Floats:
    """Improve non-negative weights one at a time until none of the tried factors raises the mean NDCG@10: float64 (terms,)."""
    leads, weights = _leads(pool), start.astype(np.float64)
    scores = np.tensordot(weights.astype(np.float32), leads, 1) + _absent(pool)
    best = _gains(scores).mean()
    for _ in range(rounds):
        before = best
        for term, lead in enumerate(leads):
            for value in _tried(weights, term):
                tried = scores + np.float32(value - weights[term]) * lead
                if (gain := _gains(tried).mean()) > best + 1e-9:
                    weights[term], scores, best = value, tried, gain
        if best <= before:
            break
    return weights / weights.sum()


def learn(pool: Pool, states: int, prior: float, start: Floats | None = None) -> Floats:
    """Weights for each state of the user: float64 (states, terms), each row summing to 1.

    A state's own optimum is averaged with the common one as if that were worth `prior` users. State 0 (cold) has nothing
    in common with the others and stands for itself. `start` (states, terms) is where the search begins; equal weights if None.
    """
    equal = np.full(len(pool.terms), 1 / len(pool.terms))
    first = np.tile(equal, (states, 1)) if start is None else start
    warm = pool.state > 0
    common = ascend(pool.only(warm), first[1:].mean(0)) if warm.any() else equal
    rows = [ascend(pool.only(~warm), first[0]) if (~warm).any() else equal]
    for index in range(1, states):
        chosen = pool.state == index
        own = ascend(pool.only(chosen), common) if chosen.any() else common
        rows.append((chosen.sum() * own + prior * common) / (chosen.sum() + prior))
    return np.stack(rows)


def cross_fit(pool: Pool, states: int, prior: float, folds: int) -> Learnt:
    """Learn on all folds of the users but one, for each in turn; the weights are the mean, and what each is worth is
    measured on the fold that it has not seen."""
    fold = np.arange(len(pool)) % folds
    rows = [learn(pool.only(fold != held), states, prior) for held in range(folds)]
    worth = np.zeros(len(pool))
    for held, weights in enumerate(rows):
        there = fold == held
        worth[there] = gains(pool.only(there), weights[pool.state[there]])
    warm = pool.state > 0
    return Learnt(np.mean(rows, axis=0), float(worth[warm].mean()) if warm.any() else float("nan"))


def calibrate(pool: Pool, weights: Floats) -> Floats:
    """Fit P(wanted) = σ(a · score + b) for each state: float64 (states, 2); a state without users gets the fit of all."""
    scores: Floats = np.einsum("up,puc->uc", weights[pool.state], pool.terms)
    chosen = [pool.state == index for index in range(len(weights))]
    chosen = [rows if rows.any() else np.ones_like(rows) for rows in chosen]
    wanted = np.zeros(scores.shape)
    wanted[:, 0] = 1.0
    return np.stack([_platt(scores[rows][pool.there[rows]], wanted[rows][pool.there[rows]]) for rows in chosen])


def _tried(weights: Floats, term: int) -> list[float]:
    now = weights[term]
    values = [float(step * (now or FIRST)) for step in STEPS]
    return [value for value in values if value != now and (value or weights.sum() > now)]


def _leads(pool: Pool) -> Floats:
    """By how much each candidate stands above the wanted one in each term: float32 (terms, users, candidates - 1)."""
    return pool.terms[:, :, 1:] - pool.terms[:, :, :1]


def _absent(pool: Pool) -> Floats:
    return np.where(pool.there[:, 1:], 0, -np.inf).astype(np.float32)


def _gains(scores: Floats, k: int = 10) -> Floats:
    rank = (scores >= 0).sum(1)
    return np.where(rank < k, 1 / np.log2(rank + 2), 0.0)


def _platt(scores: Floats, wanted: Floats, l2: float = 1e-5) -> Floats:
    """Maximise the mean log-likelihood of σ(a · score + b) less l2 · a², which bounds a: float64 (2,) (Platt, 1999)."""

    def loss(found: Floats) -> tuple[float, Floats]:
        odds = found[0] * scores + found[1]
        error = expit(odds) - wanted
        value = np.logaddexp(0, odds).mean() - (wanted * odds).mean() + l2 * found[0] ** 2
        return float(value), np.array([(error * scores).mean() + 2 * l2 * found[0], error.mean()])

    start = np.array([0.0, logit(wanted.mean())])
    return minimize(loss, start, jac=True, method="BFGS").x
