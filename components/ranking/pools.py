"""What the hybrid's weights are learned on: each judge's wanted item among the best of every part."""

from dataclasses import replace

import numpy as np

from components.data.histories import Histories, Ints
from components.ranking.gate import Gate
from components.ranking.parts import Floats
from components.ranking.terms import Terms, best
from components.ranking.weights import Pool, join


def pool(terms: Terms, gate: Gate, asked: Histories, target: Ints, width: int, block: int = 256) -> Pool:
    """Each user's target, then the `width` best unseen items of each part; what stands a second time is not there."""
    cuts = np.split(np.arange(len(asked)), range(block, len(asked), block))
    return join([_block(terms, gate, asked.pick(cut), target[cut], width) for cut in cuts])


def spread(pools: Pool, terms: Terms) -> Floats:
    """Mean and deviation of what each reranker says of the candidates that are there: float64 (rerankers, 2)."""
    values = [pools.terms[place][pools.there] for place in range(len(terms.parts), len(terms.names))]
    return np.array([[own.mean(dtype=np.float64), own.std(dtype=np.float64) or 1.0] for own in values]).reshape(-1, 2)


def scaled(pools: Pool, terms: Terms, spreads: Floats) -> Pool:
    """The pool with the rerankers' log-odds standardised by `spreads`."""
    values = pools.terms.copy()
    values[len(terms.parts) :] = (values[len(terms.parts) :] - spreads[:, :1, None]) / spreads[:, 1:, None]
    return replace(pools, terms=values)


def emptied(histories: Histories) -> Histories:
    """As many strangers without a history, asking at the same times."""
    nothing = np.zeros(len(histories) + 1, dtype=np.int64)
    return Histories(histories.items[:0], histories.times[:0], nothing, at=histories.at)


def first_new(valid: Histories) -> Ints:
    """Each user's first validation item, -1 for users without one: int64 (users,)."""
    target = np.full(len(valid), -1, dtype=np.int64)
    there = valid.lengths > 0
    target[there] = valid.items[valid.offsets[:-1][there]]
    return target


def _block(terms: Terms, gate: Gate, histories: Histories, target: Ints, width: int) -> Pool:
    standard = terms.standard(histories)
    found = [best(_unseen(values, histories), width) for values in standard]
    ordered = np.sort(np.concatenate(found, axis=1), axis=1)
    there = (ordered != target[:, None]) & (ordered >= 0)
    there[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    there = np.concatenate([np.ones((len(target), 1), dtype=bool), there], axis=1)
    chosen = np.concatenate([target[:, None], np.maximum(ordered, 0)], axis=1)
    packed = np.argsort(~there, axis=1, kind="stable")[:, : there.sum(1).max(initial=0)]  # rating is what takes long
    there, chosen = (np.take_along_axis(values, packed, axis=1) for values in (there, chosen))
    return Pool(terms.at(histories, chosen, standard).astype(np.float32), there, gate.states(histories))


def _unseen(values: Floats, histories: Histories) -> Floats:
    open_ = values.copy()
    open_[histories.users, histories.items] = -np.inf
    return open_
