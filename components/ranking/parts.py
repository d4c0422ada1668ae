"""What a part of the hybrid is: something fitted on histories that scores the whole catalogue for any history."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from components.data.histories import Histories, Ints
from components.data.warm import Axis, Warm
from components.knowledge.graph import Knowledge
from components.start import Start

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class World:
    """What a part may learn from.

    Attributes:
        histories: training events of each user.
        target: int64 (users,), each user's validation item, -1 where there is none; for early stopping alone.
        vectors: float32 (items, d), the items' vectors v_j.
        content: float32 (items, w), the items' content vectors; zeros for an item without content.
        graph: the knowledge graph; its first nodes are the items.
        reasoner: the part that reasons over it, once it is fitted.
        checkpoint: a folder that outlives a killed run.
        name: the part that learns; warm: what an earlier champion's parts learned.
    """

    histories: Histories
    target: Ints
    vectors: Floats
    content: Floats
    graph: Knowledge | None = None
    reasoner: "Reasoner | None" = None
    checkpoint: Path | None = None
    name: str = ""
    warm: Warm | None = None

    def start(self, tables: Mapping[str, Axis]) -> Start | None:
        """The part's earlier weights, where there are any; `tables` of them have a row for each item or user."""
        return self.warm and self.warm.start(self.name, tables)

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        return len(self.vectors)


class Scorer(Protocol):
    """A fitted part."""

    def score(self, histories: Histories) -> Floats:
        """Score every item for every history, any scale, higher is better: float64 (users, items)."""
        ...

    def tensors(self) -> Arrays:
        """Everything that was learned, by name."""
        ...


@runtime_checkable
class Sparing(Scorer, Protocol):
    """A fitted part whose scores of some items need not those of all the others."""

    def some(self, histories: Histories, candidates: Ints) -> Floats:
        """Score candidates, int64 (users, c), to the bit as `score` does: float64 (users, c)."""
        ...

    def moments(self, histories: Histories, known: int | None) -> tuple[Floats, Floats]:
        """Mean and deviation of each user's scores of the `known` first items, or of all: float64 (users, 1) each."""
        ...


@runtime_checkable
class Growing(Scorer, Protocol):
    """A fitted part that can take in items which came after it was fitted; what it says of all others does not change."""

    def grow(self, world: World, told: Ints) -> Scorer:
        """Make the scorer of a larger catalogue.

        Args:
            world: with the vectors, contents and graph of all items; those that are new come last.
            told: int64, ascending: the items of which the catalogue says something new: all new ones, and those that were changed.
        """
        ...


@runtime_checkable
class Reranker(Protocol):
    """A fitted part that also rates candidates, at a cost that forbids it for the whole catalogue."""

    def rate(self, histories: Histories, candidates: Ints, z: Floats | None = None) -> tuple[Floats, Floats]:
        """Rate candidates, int64 (users, c), given knowledge z of each pair, float (users, c, d): log-odds, float64 (users, c),
        and the attention they rest on, float64 (users, c, 1 + n), first the user's standing taste, then the last n events."""
        ...


@runtime_checkable
class Reasoner(Protocol):
    """A fitted part that knows of a user and an item how the graph joins them."""

    def pairs(self, histories: Histories, candidates: Ints) -> Floats:
        """z_ij of each user with candidates, int64 (users, c): float32 (users, c, d)."""
        ...


@runtime_checkable
class Part(Protocol):
    """The configuration of a part."""

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Fit on a world; return the scorer and its learning curve (empty for a closed form)."""
        ...

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Take in the validation events too (`world.histories` now has them), where that is cheap."""
        ...

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer again from what `tensors` gave; of the world only vectors and users are read."""
        ...
