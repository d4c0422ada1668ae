"""How the terms of the hybrid are joined: weights that maximise NDCG on validation, and a calibrated probability."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from components.data.histories import Ints
from components.ranking.parts import Bools, Floats

STEPS = (0.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0)  # factors tried on one weight at a time
FIRST = 0.5  # a weight of 0 is tried as if it were this
GAINS = np.append(1 / np.log2(np.arange(10) + 2), 0.0)  # NDCG@10 of one wanted item, by the number of those above it


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


@dataclass(frozen=True)
class Contest:
    """What NDCG@10 hangs on: the candidates that stand above the wanted one or below it, as the weights are.

    No weight is negative, so who stands below in each term is never counted, and who does not in any always is; ten of the
    latter settle that the user gains nothing. What is left is a third of a pool.

    Attributes:
        leads: float32 (terms, n), by how much each stands above the wanted one; user by user, the wanted one itself first.
        lengths: int64 (users,), how many there are of each user.
        above: int64 (users,), how many more always stand above, or level.
        state: int64 (users,), the users' states.
    """

    leads: Floats
    lengths: Ints
    above: Ints
    state: Ints

    @classmethod
    def of(cls, pool: Pool) -> "Contest":
        """Leave out of a pool what is settled."""
        leads = pool.terms - pool.terms[:, :, :1]
        ahead = leads >= 0
        always = ahead.all(0) & pool.there
        always[:, 0] = False
        above = always.sum(1)
        left = ahead.any(0) & pool.there & ~always & (above < len(GAINS) - 1)[:, None]
        left[:, 0] = True
        return cls(leads[:, left], left.sum(1), above, pool.state)

    def __len__(self) -> int:
        return len(self.state)

    def only(self, chosen: Bools) -> "Contest":
        """Keep some of the users."""
        return Contest(self.leads[:, np.repeat(chosen, self.lengths)], self.lengths[chosen], self.above[chosen], self.state[chosen])

    def without(self, places: list[int]) -> "Contest":
        """Blank some terms."""
        leads = self.leads.copy()
        leads[places] = 0.0
        return replace(self, leads=leads)

    def first(self, terms: int) -> "Contest":
        """Keep the first terms."""
        return replace(self, leads=self.leads[:terms])

    def scores(self, weights: Floats) -> Floats:
        """By how much each stands above by weights (terms,) for all, or (users, terms): float32 (n,)."""
        if weights.ndim == 1:
            return weights.astype(np.float32) @ self.leads
        return np.einsum("np,pn->n", np.repeat(weights.astype(np.float32), self.lengths, axis=0), self.leads)

    def gains(self, scores: Floats) -> Floats:
        """NDCG@10 of each user's wanted item, ties counted against it: float64 (users,)."""
        level = np.add.reduceat(scores >= 0, np.cumsum(self.lengths) - self.lengths, dtype=np.int32)  # the wanted one among them
        return GAINS[np.minimum(self.above + level - 1, len(GAINS) - 1)]


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
    """Lay pools one after the other; the widest says how many places there are."""
    spare = [max(pool.there.shape[1] for pool in pools) - pool.there.shape[1] for pool in pools]
    terms = [np.pad(pool.terms, [(0, 0), (0, 0), (0, more)]) for pool, more in zip(pools, spare, strict=True)]
    there = [np.pad(pool.there, [(0, 0), (0, more)]) for pool, more in zip(pools, spare, strict=True)]
    return Pool(np.concatenate(terms, 1), np.concatenate(there), np.concatenate([pool.state for pool in pools]))


def ascend(contest: Contest, start: Floats, rounds: int = 5) -> Floats:
    """Improve non-negative weights one at a time until none of the tried factors raises the mean NDCG@10: float64 (terms,)."""
    weights = start.astype(np.float64)
    scores = contest.scores(weights)
    best = contest.gains(scores).mean()
    for _ in range(rounds):
        before = best
        for term, lead in enumerate(contest.leads):
            for value in _tried(weights, term):
                tried = scores + np.float32(value - weights[term]) * lead
                if (gain := contest.gains(tried).mean()) > best + 1e-9:
                    weights[term], scores, best = value, tried, gain
        if best <= before:
            break
    return weights / weights.sum()


def learn(contest: Contest, states: int, prior: float, start: Floats | None = None) -> Floats:
    """Weights for each state of the user: float64 (states, terms), each row summing to 1.

    A state's own optimum is averaged with the common one as if that were worth `prior` users. State 0 (cold) has nothing
    in common with the others and stands for itself. `start` (states, terms) is where the search begins; equal weights if None.
    """
    equal = np.full(len(contest.leads), 1 / len(contest.leads))
    first = np.tile(equal, (states, 1)) if start is None else start
    warm = contest.state > 0
    common = ascend(contest.only(warm), first[1:].mean(0)) if warm.any() else equal
    rows = [ascend(contest.only(~warm), first[0]) if (~warm).any() else equal]
    for index in range(1, states):
        chosen = contest.state == index
        own = ascend(contest.only(chosen), common) if chosen.any() else common
        rows.append((chosen.sum() * own + prior * common) / (chosen.sum() + prior))
    return np.stack(rows)


def cross_fit(contest: Contest, states: int, prior: float, folds: int) -> Learnt:
    """Learn on all folds of the users but one, for each in turn; the weights are the mean, and what each is worth is
    measured on the fold that it has not seen."""
    fold = np.arange(len(contest)) % folds
    rows = [learn(contest.only(fold != held), states, prior) for held in range(folds)]
    worth = np.zeros(len(contest))
    for held, weights in enumerate(rows):
        there = contest.only(fold == held)
        worth[fold == held] = there.gains(there.scores(weights[there.state]))
    warm = contest.state > 0
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


def _platt(scores: Floats, wanted: Floats, l2: float = 1e-5) -> Floats:
    """Maximise the mean log-likelihood of σ(a · score + b) less l2 · a², which bounds a: float64 (2,) (Platt, 1999)."""

    def loss(found: Floats) -> tuple[float, Floats]:
        odds = found[0] * scores + found[1]
        error = expit(odds) - wanted
        value = np.logaddexp(0, odds).mean() - (wanted * odds).mean() + l2 * found[0] ** 2
        return float(value), np.array([(error * scores).mean() + 2 * l2 * found[0], error.mean()])

    from scipy.optimize import minimize  # late: who only scores fits nothing

    start = np.array([0.0, logit(wanted.mean())])
    return minimize(loss, start, jac=True, method="BFGS").x
