"""Ridge regression of items on items without their own weight: exact, or restricted to each item's neighbours."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from components.data.histories import Ints
from components.errors import ConfigError
from components.ranking.parts import Floats

Places = np.ndarray[Any, np.dtype[np.int32]]
Sparse = Any  # scipy.sparse.csr_matrix, whose stubs don't know its operators

WIDTH = 512  # rows or columns of a large dense matrix that are made at a time
CELLS = 2**23  # numbers that are worked on at a time where the solution is restricted
HOT = 8192  # most frequent items, whose Gram matrix the restricted solution holds dense
DENSITY = 0.03  # a sparser matrix is multiplied as such
TOLERANCE = 0.01  # the largest relative error of an inverse


@dataclass(frozen=True)
class Ridge:
    """Minimise ‖Y - Z B‖² + λ ‖B‖² with diag(B) = 0: exactly, or with each column of B restricted to a few rows.

    Attributes:
        l2: λ.
        keep: weights of a row of B that are kept, the largest by magnitude.
        dense: the most items that are solved exactly: one float32 (items, items) matrix is held.
        neighbours: beyond, the non-zero weights of a column: the items i with the largest (ZᵀY)_ij / √((ZᵀZ)_ii + λ),
            which alone would lower the loss most; memory grows with the interactions and items x neighbours.
    """

    l2: float
    keep: int
    dense: int
    neighbours: int

    def solve(self, inputs: Sparse, targets: Sparse) -> Sparse:
        """Solve for B: sparse float32 (items, items).

        Args:
            inputs: Z, sparse float32 (events, items).
            targets: Y, likewise; the same object where each item is predicted from the others.

        Raises:
            ConfigError: ZᵀZ + λI is not positive definite in float32.
        """
        return self._exact(inputs, targets) if inputs.shape[1] <= self.dense else self._restricted(inputs, targets)

    def _exact(self, inputs: Sparse, targets: Sparse) -> Sparse:
        """B = P ZᵀY - P diag(P ZᵀY) / diag(P), a block of columns at a time; for Y = Z that is I - P / diag(P)."""
        items = inputs.shape[1]
        inverse, wanted = _inverse(inputs, self.l2), targets.T.tocsr()
        scale = inverse.diagonal().copy()
        kept = Kept.none(items)
        for start in range(0, items, WIDTH):
            columns = np.arange(start, min(start + WIDTH, items))
            if targets is inputs:
                block = inverse[columns] / -scale[columns, None]
            else:
                block = _product(wanted[columns] @ inputs, inverse)
                block -= inverse[columns] * (block[np.arange(len(columns)), columns] / scale[columns])[:, None]
            block[np.arange(len(columns)), columns] = 0.0
            kept = kept.add(block.T, columns, self.keep)
        return kept.matrix((items, items))

    def _restricted(self, inputs: Sparse, targets: Sparse) -> Sparse:
        """b_j = (K_NN)⁻¹ (ZᵀY)_Nj with K = ZᵀZ + λI and N the neighbours of j, in batches of like size."""
        gram, weights = Gram.of(inputs), self._near(inputs, targets)
        for rows in _batches(weights, gram):
            sizes = np.diff(weights.indptr)[rows]
            there = np.arange(sizes.max()) < sizes[:, None]
            entries = (weights.indptr[rows].astype(np.int64)[:, None] + np.arange(sizes.max()))[there]
            chosen, wanted = np.full(there.shape, weights.shape[1]), np.zeros(there.shape, dtype=np.float32)
            chosen[there], wanted[there] = weights.indices[entries], weights.data[entries]
            weights.data[entries] = _solve(gram.among(chosen), wanted, self.l2)[there]
        found = weights.T.tocsr()
        blocks = (found[rows] for rows in cuts(np.diff(found.indptr), CELLS))
        return sp.vstack([_largest(block, np.abs(block.data), self.keep) for block in blocks], format="csr")

    def _near(self, inputs: Sparse, targets: Sparse) -> Sparse:
        """(ZᵀY)_ij for the neighbours i of each item j: sparse float32 (items j, items i)."""
        wanted = targets.T.tocsr()
        scale = 1 / np.sqrt(np.asarray(inputs.multiply(inputs).sum(0)).ravel() + self.l2)
        pairs = (wanted.astype(bool) @ np.diff(inputs.indptr).astype(np.float64)).astype(np.int64)
        found: list[Sparse] = []
        for rows in cuts(pairs + 1, CELLS):
            cross = wanted[rows] @ inputs
            own = np.repeat(rows, np.diff(cross.indptr)) == cross.indices
            found.append(_largest(cross, np.where(own, 0, cross.data * scale[cross.indices]), self.neighbours))
        return sp.vstack(found, format="csr")


def prune(weights: Floats, keep: int) -> Sparse:
    """Keep the `keep` largest weights by magnitude of each row: sparse float32."""
    columns = np.arange(weights.shape[1])
    return Kept.none(len(weights)).add(weights, columns, keep).matrix(weights.shape)


@dataclass(frozen=True)
class Kept:
    """The largest weights by magnitude of each row, of the columns seen so far.

    Attributes:
        values: float32 (rows, up to `keep`).
        columns: int32 (rows, up to `keep`), where they stand.
    """

    values: Floats
    columns: Places

    @classmethod
    def none(cls, rows: int) -> "Kept":
        """Start with no columns seen."""
        return cls(np.empty((rows, 0), dtype=np.float32), np.empty((rows, 0), dtype=np.int32))

    def add(self, block: Floats, columns: Ints, keep: int) -> "Kept":
        """Take in more columns: block is (rows, len(columns))."""
        values = np.concatenate([self.values, block], axis=1, dtype=np.float32)
        places = np.concatenate([self.columns, np.broadcast_to(columns.astype(np.int32), block.shape)], axis=1)
        if values.shape[1] <= keep:
            return Kept(values, places)
        chosen = np.argpartition(-np.abs(values), keep - 1, axis=1)[:, :keep]
        return Kept(np.take_along_axis(values, chosen, axis=1), np.take_along_axis(places, chosen, axis=1))

    def matrix(self, shape: tuple[int, int]) -> Sparse:
        """The kept weights that are not 0: sparse float32."""
        pointers = np.arange(shape[0] + 1) * self.values.shape[1]
        matrix = sp.csr_matrix((self.values.ravel(), self.columns.ravel(), pointers), shape=shape)
        matrix.eliminate_zeros()
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True)
class Gram:
    """ZᵀZ, made so that small squares of it are read fast.

    Attributes:
        hot: float32 (hot + 1, hot + 1), dense among the most frequent items; the last row and column are 0.
        place: int64 (items + 1,), an item's place in `hot`; the last for the others and for the item that is none.
        rest: sparse float32 (items, items), the rows of the others.
    """

    hot: Floats
    place: Ints
    rest: Sparse

    @classmethod
    def of(cls, inputs: Sparse, hot: int = HOT) -> "Gram":
        """Multiply out Z, sparse float32 (events, items)."""
        events = inputs.T.tocsr()
        frequent = np.sort(np.argsort(-np.diff(events.indptr), kind="stable")[:hot])
        place = np.full(inputs.shape[1] + 1, len(frequent))
        place[frequent] = np.arange(len(frequent))
        square = np.zeros((len(frequent) + 1, len(frequent) + 1), dtype=np.float32)
        chosen = events[frequent]
        square[:-1, :-1] = _gram(chosen, chosen.T.tocsr())
        others = sp.diags((place[:-1] == len(frequent)).astype(np.float32)) @ events
        others.eliminate_zeros()
        return cls(square, place, others @ inputs)

    @property
    def lengths(self) -> Ints:
        """Entries of each item's row in `rest`, int64 (items + 1,); the last is of the item that is none."""
        return np.append(np.diff(self.rest.indptr), 0).astype(np.int64)

    def among(self, chosen: Ints) -> Floats:
        """Read the square of each row of items: float32 (rows, width, width).

        Args:
            chosen: (rows, width), distinct items of each row; `items` is none, its rows and columns are 0.
        """
        places = self.place[chosen]
        squares = self.hot[places[:, :, None], places[:, None, :]]
        row, column = np.nonzero(self.lengths[chosen])
        found = self.rest[chosen[row, column]]
        entries, source, other = _find(chosen, row, found)
        row, column = row[source], column[source]
        squares[row, column, other] = squares[row, other, column] = found.data[entries]
        return squares


def cuts(work: Ints, limit: int) -> list[Ints]:
    """Cut places 0 … len(work) - 1 into runs that sum to about `limit`, at most that and one more."""
    runs = np.cumsum(work, dtype=np.int64) // limit
    return [run for run in np.split(np.arange(len(work)), np.flatnonzero(np.diff(runs)) + 1) if len(run)]


def _batches(near: Sparse, gram: Gram) -> list[Ints]:
    """Put rows with like many entries together, none filled up to over twice its own; rows without any are left out."""
    sizes = np.diff(near.indptr)
    widths = np.where(sizes > 0, 2 ** np.ceil(np.log2(np.maximum(sizes, 1))), 0).astype(np.int64)
    work = widths**2 + (near.astype(bool) @ gram.lengths[:-1].astype(np.float64)).astype(np.int64)
    classes = [np.flatnonzero(widths == width) for width in np.unique(widths[widths > 0])]
    return [rows[run] for rows in classes for run in cuts(work[rows], CELLS)]


def _find(chosen: Ints, sets: Ints, found: Sparse) -> tuple[Ints, Places, Places]:
    """Find the entries of `found` whose column is in the row's own set, chosen[sets]: entries, their rows, places in the set."""
    known = np.unique(chosen)
    rank = np.full(found.shape[1] + 1, -1, dtype=np.int32)
    rank[known] = np.arange(len(known))
    table = np.full((len(chosen), len(known)), -1, dtype=np.int32)
    np.put_along_axis(table, rank[chosen], np.arange(chosen.shape[1], dtype=np.int32)[None], axis=1)
    ranks = rank[found.indices]
    entries = np.flatnonzero(ranks >= 0)
    rows = np.repeat(np.arange(found.shape[0], dtype=np.int32), np.diff(found.indptr))[entries]
    places = table[sets[rows], ranks[entries]]
    there = places >= 0
    return entries[there], rows[there], places[there]


def _largest(matrix: Sparse, worth: Floats, keep: int) -> Sparse:
    """Keep, of each row, the `keep` entries that are worth most, the first of equals; never one that is worth nothing."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -worth, rows))
    rank = np.arange(len(order)) - matrix.indptr[rows]
    chosen = np.sort(order[(rank < keep) & (worth[order] > 0)])
    return sp.csr_matrix((matrix.data[chosen], (rows[chosen], matrix.indices[chosen])), shape=matrix.shape)


def _gram(left: Sparse, right: Sparse) -> Floats:
    """Multiply out, a block of rows at a time: float32, dense."""
    gram = np.empty((left.shape[0], right.shape[1]), dtype=np.float32)
    for start in range(0, len(gram), WIDTH):
        (left[start : start + WIDTH] @ right).toarray(out=gram[start : start + WIDTH])
    return gram


def _product(left: Sparse, right: Floats) -> Floats:
    """Multiply sparse by dense by the faster way."""
    return left @ right if left.nnz < DENSITY * left.shape[0] * left.shape[1] else left.toarray() @ right


def _inverse(inputs: Sparse, l2: float) -> Floats:
    """Invert ZᵀZ + λI by Cholesky in place: float32 (items, items)."""
    inverse = _gram(inputs.T.tocsr(), inputs)
    inverse[np.diag_indices_from(inverse)] += l2
    from scipy.linalg import get_lapack_funcs  # late: who only scores solves nothing

    factor, invert = get_lapack_funcs(("potrf", "potri"), (inverse,))
    lower, failed = factor(inverse.T, lower=1, clean=0, overwrite_a=1)  # the transpose is in LAPACK's order: no copy
    _, undone = invert(lower, lower=1, overwrite_c=1)
    _mirror(inverse)
    _check(failed == 0 and undone == 0 and _exactness(inverse, inputs, l2) < TOLERANCE, l2)
    return inverse


def _mirror(square: Floats) -> None:
    """Copy the upper triangle to the lower one."""
    for start in range(0, len(square), WIDTH):
        stop = start + WIDTH
        corner = square[start:stop, start:stop]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        square[stop:, start:stop] = square[start:stop, stop:].T


def _exactness(inverse: Floats, inputs: Sparse, l2: float) -> float:
    """How far (ZᵀZ + λI) P x is from a random x, relatively."""
    asked = np.random.default_rng(0).standard_normal(len(inverse))
    found = (inverse @ asked.astype(np.float32)).astype(np.float64)
    return float(np.linalg.norm(inputs.T @ (inputs @ found) + l2 * found - asked) / np.linalg.norm(asked))


def _solve(squares: Floats, wanted: Floats, l2: float) -> Floats:
    """Solve (squares + λI) b = wanted, row by row: float32, shaped as wanted. Squares are overwritten."""
    diagonal = np.arange(squares.shape[1])
    squares[:, diagonal, diagonal] += l2
    factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(squares))
    _check(not failed.any(), l2)
    return torch.cholesky_solve(torch.from_numpy(wanted)[..., None], factor)[..., 0].numpy()


def _check(sound: bool, l2: float) -> None:
    if not sound:
        raise ConfigError(
            f"l2: {l2:g} is too small for these histories in single precision: the items' equations can't be solved; raise it"
        )
