"""Similarity of items and users with one another: in one space an item is a direction, a user the sum of what was chosen."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
import scipy.sparse as sp

from components.data.histories import Histories, Ints
from components.errors import RequestError
from components.ranking.parts import Floats
from components.schema import By

BLOCK = 256  # users whose sums are held at a time
Sparse = Any  # scipy's csr_array, whose stubs don't know its operators


@dataclass(frozen=True)
class Space:
    """Cosines in one space.

    Attributes:
        features: float64 (items, d), dense or CSR, directions of the items: of length 1, or 0 where nothing is known.
        chosen: CSR float64 (users, items), 1 for each item of a user's history.
    """

    features: Any
    chosen: Sparse

    def direction(self, items: Ints) -> Floats:
        """Give the direction of the sum of some items, each counted once: float64 (d,), 0 where nothing is known of them."""
        total = np.asarray(self.features[np.unique(items)].sum(0)).ravel()
        length = np.linalg.norm(total)
        return total / length if length > 1e-12 else np.zeros_like(total)

    def items(self, direction: Floats) -> Floats:
        """Cosine of each item with a direction: float64 (items,)."""
        return self.features @ direction

    def users(self, direction: Floats) -> Floats:
        """Cosine of each user with a direction: float64 (users,)."""
        return (self.chosen @ self.items(direction)) / np.where(self._lengths > 1e-12, self._lengths, np.inf)

    @cached_property
    def _lengths(self) -> Floats:
        """Lengths of the users' sums: float64 (users,)."""
        found = np.zeros(self.chosen.shape[0])
        for start in range(0, len(found), BLOCK):
            sums = self.chosen[start : start + BLOCK] @ self.features
            if sp.issparse(sums):  # `power` would sort them first
                own = np.repeat(np.arange(sums.shape[0]), np.diff(sums.indptr))
                squares = np.bincount(own, np.square(sums.data), sums.shape[0])
            else:
                squares = np.square(sums).sum(1)
            found[start : start + BLOCK] = np.sqrt(squares)
        return found


@dataclass(frozen=True)
class Similarity:
    """The three spaces that items and users are compared in.

    By content: the vectors of what the catalogue says. By behaviour alone: an item is who chose it, so that the cosine of two
    items is that of their choosers (item-kNN; Sarwar et al., WWW 2001). By both: the vectors v_j that pretraining made of texts
    and behaviour and aligned with the knowledge graph.

    Attributes:
        unit, joint: float64 (items, d), directions of the content vectors, and of the v_j.
        histories: what each user chose.
    """

    unit: Floats
    joint: Floats
    histories: Histories

    def space(self, by: str) -> Space:
        """Choose a space; raises RequestError for a name that is none."""
        if by not in get_args(By):
            raise RequestError("by", f"is one of {', '.join(get_args(By))}, got {by!r}")
        return {"content": self._content, "behaviour": self._behaviour, "both": self._both}[by]

    @cached_property
    def _chosen(self) -> Sparse:
        shape = (len(self.histories), len(self.unit))
        chosen = sp.csr_array((np.ones(len(self.histories.items)), (self.histories.users, self.histories.items)), shape=shape)
        chosen.data[:] = 1.0
        return chosen

    @cached_property
    def _content(self) -> Space:
        return Space(self.unit, self._chosen)

    @cached_property
    def _both(self) -> Space:
        return Space(self.joint, self._chosen)

    @cached_property
    def _behaviour(self) -> Space:
        return self.histories.once(Space, f"chosen of {len(self.unit)}", self._choosers)

    def _choosers(self) -> Space:
        counts = np.asarray(self._chosen.sum(0)).ravel()
        return Space((sp.diags_array(1 / np.sqrt(np.maximum(counts, 1))) @ self._chosen.T).tocsr(), self._chosen)
