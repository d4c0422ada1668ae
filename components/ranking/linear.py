"""Linear models in closed form: item-item, and sequential."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import scipy.sparse as sp
from pydantic import Field, PositiveFloat, PositiveInt

from components.data.histories import Histories, Ints
from components.knowledge.channels import spans
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.ranking.ridge import Ridge, Sparse, cuts, prune
from components.schema import node

__all__ = ["ItemLinear", "LinearScorer", "SequentialLinear", "aged", "decayed", "prune", "summed"]

ENTRIES = 2**20  # of a sparse table that are added up at a time
PIECE = 200  # items of a history that are paired with one another where the Gram matrix is sparse


@dataclass(frozen=True)
class LinearScorer:
    """Scores are the history, decayed with age, times an item-item matrix.

    Attributes:
        weights: sparse float32 (items, items); row: an item of the history, column: the item that it speaks for.
        decay, power, fade: how an event's weight falls, as in `decayed`.
    """

    weights: Sparse
    decay: float
    power: float = float("inf")
    fade: float = float("inf")

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        return summed(self.weights, histories, aged(histories, self.decay, self.power, self.fade))

    def grow(self, world: World, told: Ints) -> "LinearScorer":
        """Of a new item nobody's choices are known, so nothing speaks for it."""
        return replace(self, weights=resized(self.weights, world.items, world.items))

    def tensors(self) -> Arrays:
        """The matrix in compressed rows."""
        matrix = self.weights
        return {"data": matrix.data, "indices": matrix.indices.astype(np.int32), "indptr": matrix.indptr.astype(np.int64)}


@node
class ItemLinear:
    """EASE: each item predicted from the others, ridge-regularised (Steck, Embarrassingly Shallow Autoencoders, WWW 2019).

    `keep` is how many weights of a row are kept, the largest ones; `decay`, `power` and `fade` weigh the history when scoring,
    as in `decayed`. `dense` is the largest catalogue that is solved exactly; in a larger one each item is predicted from
    `neighbours` others alone.
    """

    l2: PositiveFloat = 300.0
    decay: PositiveFloat = float("inf")
    power: PositiveFloat = float("inf")
    fade: PositiveFloat = float("inf")
    keep: PositiveInt = 200
    dense: PositiveInt = 20_000
    neighbours: PositiveInt = 300

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Solve B = I - P / diag(P), P = (XᵀX + λI)⁻¹.

        Raises:
            ConfigError: `l2` is too small for the data.
        """
        whole = _whole(world.histories, world.items, world.items <= self.dense)
        ridge = Ridge(self.l2, self.keep, self.dense, self.neighbours)
        return LinearScorer(ridge.solve(whole, whole), self.decay, self.power, self.fade), []

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Solve again."""
        return self.fit(world, 0)[0]

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        return LinearScorer(_matrix(tensors, world.items), self.decay, self.power, self.fade)


@node
class SequentialLinear:
    """Past windows predict what comes next, blended with whole sessions (after SLIST, Choi et al., WWW 2021).

    The past S of an event holds the `window` events before it with weights exp(-(age - 1) / past); its target T holds
    itself and the next `ahead - 1` events with weights exp(-distance / future). `session` is the share of the item-item
    term on whole histories X. Minimised in closed form, as in ItemLinear up to `dense` items, beyond by `neighbours`:

        (1 - session) ‖T - S B‖² + session ‖X - X B‖² + λ ‖B‖²   with diag(B) = 0
    """

    l2: PositiveFloat = 150.0
    session: Annotated[float, Field(ge=0, le=1)] = 0.3
    past: PositiveFloat = 3.0
    future: PositiveFloat = 3.0
    window: PositiveInt = 20
    ahead: PositiveInt = 10
    decay: PositiveFloat = 3.0
    power: PositiveFloat = float("inf")
    fade: PositiveFloat = float("inf")
    keep: PositiveInt = 200
    dense: PositiveInt = 20_000
    neighbours: PositiveInt = 300

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Solve for B; raises ConfigError where `l2` is too small for the data."""
        histories, items = world.histories, world.items
        before = _windows(histories, items, self.window, self.past, ahead=False)
        after = _windows(histories, items, self.ahead, self.future, ahead=True)
        whole = _whole(histories, items, items <= self.dense)
        shares = (1 - self.session) ** 0.5, self.session**0.5
        inputs, targets = (sp.vstack([windows * shares[0], whole * shares[1]], format="csr") for windows in (before, after))
        ridge = Ridge(self.l2, self.keep, self.dense, self.neighbours)
        return LinearScorer(ridge.solve(inputs, targets), self.decay, self.power, self.fade), []

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Solve again."""
        return self.fit(world, 0)[0]

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        return LinearScorer(_matrix(tensors, world.items), self.decay, self.power, self.fade)


def decayed(histories: Histories, items: int, decay: float, power: float = float("inf"), fade: float = float("inf")) -> Sparse:
    """The weights of `aged`: sparse float64 (users, items), repeats summed."""
    weights = aged(histories, decay, power, fade)
    return sp.csr_matrix((weights, (histories.users, histories.items)), shape=(len(histories), items))


def aged(histories: Histories, decay: float, power: float = float("inf"), fade: float = float("inf")) -> Floats:
    """Weigh each event by exp(-later events / decay) · exp(-days before the last / fade): float64 (events,).

    With a finite `power` the first factor has a long tail: (1 + later events / (power · decay)) ^ -power, which tends to the
    exponential as the power grows. An infinite `decay` weighs all places alike, an infinite `fade` all times.
    """
    last = np.repeat(histories.offsets[1:], histories.lengths) - 1
    later = (last - np.arange(len(last))) / decay
    weights = np.exp(-later) if np.isinf(power) else (1 + later / power) ** -power
    if np.isinf(fade):
        return weights
    days = np.maximum(histories.times[last] - histories.times, 0) / 86_400
    return weights * np.exp(-days / fade)


def summed(table: Sparse, histories: Histories, weights: Floats) -> Floats:
    """Add up, for each user, the rows of a CSR table at the history's items, each times its weight: float64 (users, columns).

    The sums run along the history, whoever else is there; scipy's product would check and copy more than it computes.
    """
    columns = table.shape[1]
    found = np.empty((len(histories), columns))
    work = np.concatenate([[0], np.cumsum(table.indptr[histories.items + 1] - table.indptr[histories.items])])[histories.offsets]
    for users in cuts(np.diff(work), ENTRIES):
        first, last = histories.offsets[users[0]], histories.offsets[users[-1] + 1]
        event, place = spans(table, histories.items[first:last])
        cells = np.repeat(np.arange(len(users)) * columns, np.diff(work)[users]) + table.indices[place]
        spoken = weights[first:last][event] * table.data[place]
        found[users] = np.bincount(cells, spoken, len(users) * columns).reshape(-1, columns)
    return found


def resized(matrix: Sparse, rows: int, columns: int) -> Sparse:
    """The same matrix with empty rows and columns at its ends; its values are shared."""
    pointers = np.concatenate([matrix.indptr, np.full(rows - matrix.shape[0], matrix.indptr[-1], dtype=matrix.indptr.dtype)])
    return sp.csr_matrix((matrix.data, matrix.indices, pointers), shape=(rows, columns))


def _whole(histories: Histories, items: int, entire: bool) -> Sparse:
    """Which items a history has, entire or cut after each PIECE different ones: sparse float32 (histories or pieces, items) of 1."""
    users = histories.users
    places = np.sort(np.unique(users * items + histories.items, return_index=True)[1])
    owners = users[places]
    age = np.arange(len(places)) - np.searchsorted(owners, owners)
    rows = owners if entire else np.cumsum(age % PIECE == 0) - 1
    shape = (int(rows.max(initial=-1)) + 1, items)
    return sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, histories.items[places])), shape=shape)


def _windows(histories: Histories, items: int, width: int, decay: float, *, ahead: bool) -> Sparse:
    """Weigh, for each event with one before it, the events around it: sparse float32 (events, items)."""
    width = min(width, int(histories.lengths.max(initial=1)))
    distance = np.arange(width, dtype=np.int32)
    place = np.arange(len(histories.items), dtype=np.int32)[:, None]
    start, end = (np.repeat(edge, histories.lengths)[:, None] for edge in (histories.offsets[:-1], histories.offsets[1:]))
    other = place + (distance if ahead else -1 - distance)
    there = (place > start) & (other >= start) & (other < end)
    weights = np.broadcast_to(np.exp(-distance / decay).astype(np.float32), there.shape)[there]
    pointers = np.concatenate([[0], np.cumsum(there.sum(1))])
    windows = sp.csr_matrix((weights, histories.items[other[there]], pointers), shape=(len(place), items))
    windows.sum_duplicates()
    return windows


def _matrix(tensors: Arrays, items: int) -> Sparse:
    return sp.csr_matrix((tensors["data"], tensors["indices"], tensors["indptr"]), shape=(items, items))
