"""What a hybrid has to beat: simple models, fitted on the same events and asked the same."""

from typing import Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from pydantic import NonNegativeFloat, PositiveInt

from components.data.histories import Histories, Ints
from components.ranking.linear import LinearScorer, decayed, prune
from components.ranking.parts import Floats, Scorer, World
from components.recommend.retrieval import top
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


def recommend(scorer: Scorer, known: Histories, counts: Floats | Ints, depth: int, block: int = 512) -> Ints:
    """List each user's best unseen items: int64 (users, depth), -1 where nothing is left; equal scores by item index.

    Args:
        known: the users' histories; what is in them is not recommended.
        counts: (items,), the scores for users without any history.
        block: users scored at a time.
    """
    cuts = [np.arange(start, min(start + block, len(known))) for start in range(0, len(known), block)]
    return np.concatenate([_block(scorer, known.pick(cut), counts, depth) for cut in cuts] or [np.empty((0, depth), dtype=np.int64)])


def _block(scorer: Scorer, known: Histories, counts: Floats | Ints, depth: int) -> Ints:
    scores = np.array(scorer.score(known), dtype=np.float64)
    scores[known.lengths == 0] = counts
    scores[known.users, known.items] = -np.inf
    best = top(scores, depth)
    best = np.where(np.isfinite(np.take_along_axis(scores, best, axis=1)), best, -1)
    return np.pad(best, [(0, 0), (0, depth - best.shape[1])], constant_values=-1)
