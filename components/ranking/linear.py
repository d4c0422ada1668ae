"""Linear models in closed form: item-item, and sequential."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.linalg import get_lapack_funcs

from components.data.histories import Histories, Ints
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.schema import node

Sparse = Any  # scipy.sparse.csr_matrix, whose stubs don't know its operators


@dataclass(frozen=True)
class LinearScorer:
    """Scores are the history, decayed with age, times an item-item matrix.

    Attributes:
        weights: sparse float32 (items, items); row: an item of the history, column: the item that it speaks for.
        decay: an event's weight falls by e for every `decay` later events; infinity weighs all alike.
    """

    weights: Sparse
    decay: float

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        past = decayed(histories, self.weights.shape[0], self.decay)
        return (past @ self.weights).toarray()

    def tensors(self) -> Arrays:
        """The matrix in compressed rows."""
        matrix = self.weights
        return {"data": matrix.data, "indices": matrix.indices.astype(np.int32), "indptr": matrix.indptr.astype(np.int64)}


@node
class ItemLinear:
    """EASE: each item predicted from the others, ridge-regularised (Steck, Embarrassingly Shallow Autoencoders, WWW 2019).

    `keep` is how many weights of a row are kept, the largest ones; `decay` weighs the history when scoring.
    """

    l2: PositiveFloat = 300.0
    decay: PositiveFloat = float("inf")
    keep: PositiveInt = 200

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Solve B = I - P / diag(P), P = (XᵀX + λI)⁻¹."""
        events = decayed(world.histories, world.items, float("inf"))
        events.data[:] = 1.0
        inverse = _inverse(_gram(events, events), self.l2)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        return LinearScorer(prune(weights, self.keep), self.decay), []

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Solve again."""
        return self.fit(world, 0)[0]

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        return LinearScorer(_matrix(tensors, world.items), self.decay)


@node
class SequentialLinear:
    """Past windows predict what comes next, blended with whole sessions (after SLIST, Choi et al., WWW 2021).

    The past S of an event holds the `window` events before it with weights exp(-(age - 1) / past); its target T holds
    itself and the next `ahead - 1` events with weights exp(-distance / future). `session` is the share of the item-item
    term on whole histories X. Minimised in closed form:

        (1 - session) ‖T - S B‖² + session ‖X - X B‖² + λ ‖B‖²   with diag(B) = 0
    """

    l2: PositiveFloat = 150.0
    session: NonNegativeFloat = 0.3
    past: PositiveFloat = 3.0
    future: PositiveFloat = 3.0
    window: PositiveInt = 20
    ahead: PositiveInt = 10
    decay: PositiveFloat = 3.0
    keep: PositiveInt = 200

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Solve for B."""
        histories, items = world.histories, world.items
        before = _windows(histories, items, self.window, self.past, ahead=False)
        after = _windows(histories, items, self.ahead, self.future, ahead=True)
        whole = decayed(histories, items, float("inf"))
        whole.data[:] = 1.0
        own = self.session * _gram(whole, whole)
        inverse = _inverse((1 - self.session) * _gram(before, before) + own, self.l2)
        weights = inverse @ ((1 - self.session) * _gram(before, after) + own)
        weights -= inverse * (np.diag(weights) / np.diag(inverse))
        return LinearScorer(prune(weights, self.keep), self.decay), []

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Solve again."""
        return self.fit(world, 0)[0]

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        return LinearScorer(_matrix(tensors, world.items), self.decay)


def decayed(histories: Histories, items: int, decay: float) -> Sparse:
    """Weigh each event by exp(-later events / decay): sparse float64 (users, items), repeats summed."""
    later = np.repeat(histories.offsets[1:], histories.lengths) - 1 - np.arange(len(histories.items))
    weights = np.exp(-later / decay)
    return sp.csr_matrix((weights, (histories.users, histories.items)), shape=(len(histories), items))


def prune(weights: Floats, keep: int) -> Sparse:
    """Keep the `keep` largest weights by magnitude of each row: sparse float32."""
    count, width = weights.shape
    if keep < width:
        chosen = np.sort(np.argpartition(-np.abs(weights), keep - 1, axis=1)[:, :keep], axis=1)
    else:
        chosen = np.broadcast_to(np.arange(width), weights.shape)
    values = np.take_along_axis(weights, chosen, axis=1).astype(np.float32)
    pointers = np.arange(count + 1) * chosen.shape[1]
    matrix = sp.csr_matrix((values.ravel(), chosen.ravel(), pointers), shape=weights.shape)
    matrix.eliminate_zeros()
    return matrix


def _windows(histories: Histories, items: int, width: int, decay: float, *, ahead: bool) -> Sparse:
    """Weigh, for each event with one before it, the events around it: sparse (events, items)."""
    place = np.arange(len(histories.items))
    start, end = (np.repeat(edge, histories.lengths) for edge in (histories.offsets[:-1], histories.offsets[1:]))
    rows: list[Ints] = []
    columns: list[Ints] = []
    weights: list[Floats] = []
    for distance in range(width):
        other = place + distance if ahead else place - 1 - distance
        there = (place > start) & (other >= start) & (other < end)
        rows.append(place[there])
        columns.append(histories.items[other[there]])
        weights.append(np.full(there.sum(), np.exp(-distance / decay)))
    return sp.csr_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(len(place), items))


def _gram(left: Sparse, right: Sparse) -> Floats:
    return (left.T @ right).toarray()


def _inverse(gram: Floats, l2: float) -> Floats:
    """Invert gram + l2·I, symmetric and positive definite."""
    gram[np.diag_indices_from(gram)] += l2
    factor, invert = get_lapack_funcs(("potrf", "potri"), (gram,))
    lower, info = factor(gram, lower=1, overwrite_a=1)
    assert info == 0, "the Gram matrix plus a positive ridge is positive definite"
    inverse, _ = invert(lower, lower=1, overwrite_c=1)
    return np.tril(inverse) + np.tril(inverse, -1).T


def _matrix(tensors: Arrays, items: int) -> Sparse:
    return sp.csr_matrix((tensors["data"], tensors["indices"], tensors["indptr"]), shape=(items, items))
