"""What a hybrid has to beat: simple models, fitted on the same events and asked the same."""

from typing import Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
import torch
from pydantic import NonNegativeFloat, PositiveInt

from components.data.histories import Histories, Ints
from components.ranking.linear import LinearScorer, decayed, prune
from components.ranking.parts import Floats, Scorer, World
from components.schema import node


@runtime_checkable
class Baseline(Protocol):
    """The configuration of a baseline; every part of the hybrid can be one."""

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Fit on the training events of a world."""
        ...


@node
class ItemKnn:
    """Item-item nearest neighbours (Sarwar et al., WWW 2001): cosine |a ∩ b| / (√(|a| |b|) + shrinkage) over the users.

    An item is scored by the sum of its similarities to the items of the history that are among its `neighbours` nearest.
    `block` items are compared at a time.
    """

    neighbours: PositiveInt = 100
    shrinkage: NonNegativeFloat = 10.0
    block: PositiveInt = 512

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Find every item's neighbours."""
        events = sp.csc_matrix(decayed(world.histories, world.items, float("inf")))
        events.data[:] = 1.0
        starts = range(0, world.items, self.block)
        nearest = sp.vstack([self._nearest(events, start) for start in starts], format="csr")
        return LinearScorer(nearest.T.tocsr(), float("inf")), []

    def _nearest(self, events: sp.csc_matrix, start: int) -> sp.csr_matrix:
        chosen = events[:, start : start + self.block]
        sizes, own = (np.asarray(matrix.sum(0)).ravel() for matrix in (events, chosen))
        scale = np.sqrt(np.outer(own, sizes)) + self.shrinkage
        similar = (chosen.T @ events).toarray() / np.where(scale > 0, scale, 1.0)
        similar[np.arange(len(own)), start + np.arange(len(own))] = 0.0
        return prune(similar, self.neighbours)


def recommend(scorer: Scorer, known: Histories, counts: Floats | Ints, depth: int, block: int = 256) -> Ints:
    """List each user's best unseen items: int64 (users, depth), -1 where nothing is left; scores equal in float32 by item index.

    Args:
        known: the users' histories; what is in them is not recommended.
        counts: (items,), the scores for users without any history of whom the scorer says nothing: all its scores are equal.
        block: users scored at a time.
    """
    cuts = [np.arange(start, min(start + block, len(known))) for start in range(0, len(known), block)]
    return np.concatenate([_block(scorer, known.pick(cut), counts, depth) for cut in cuts] or [np.empty((0, depth), dtype=np.int64)])


def popular(counts: Ints, known: Histories, depth: int, block: int = 512) -> Ints:
    """List each user's most frequent unseen items, as `recommend` does, without scoring anyone: int64 (users, depth)."""
    order = np.argsort(-counts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    cuts = [np.arange(start, min(start + block, len(known))) for start in range(0, len(known), block)]
    return np.concatenate([_unseen(order, place, known.pick(cut), depth) for cut in cuts] or [np.empty((0, depth), dtype=np.int64)])


def _unseen(order: Ints, place: Ints, known: Histories, depth: int) -> Ints:
    width = min(len(order), depth + int(known.lengths.max(initial=0)))
    open_ = np.ones((len(known), width), dtype=bool)
    near = place[known.items] < width
    open_[known.users[near], place[known.items[near]]] = False
    rank = np.cumsum(open_, axis=1) - 1
    lists = np.full((len(known), depth), -1, dtype=np.int64)
    user, column = np.nonzero(open_ & (rank < depth))
    lists[user, rank[user, column]] = order[column]
    return lists


def _block(scorer: Scorer, known: Histories, counts: Floats | Ints, depth: int) -> Ints:
    scores = scorer.score(known).astype(np.float32)
    cold = np.flatnonzero(known.lengths == 0)
    scores[cold[np.ptp(scores[cold], axis=1) == 0]] = counts
    scores[known.users, known.items] = -np.inf
    best = _top(scores, depth)
    best = np.where(np.isfinite(np.take_along_axis(scores, best, axis=1)), best, -1)
    return np.pad(best, [(0, 0), (0, depth - best.shape[1])], constant_values=-1)


def _top(scores: Floats, depth: int) -> Ints:
    """The best of each row of float32 scores, equal ones by index: in one integer, the score's bits before the item's place from the end.

    Scores of sparse models are 0 for most items, so that ties are the rule, which a search by score alone finds slow.
    """
    bits = (scores + np.float32(0)).view(np.int32)  # -0 becomes 0
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64) << 32
    keys += np.arange(scores.shape[1])[::-1]
    return torch.topk(torch.from_numpy(keys), min(depth, scores.shape[1])).indices.numpy()
