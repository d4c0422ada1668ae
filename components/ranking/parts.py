"""What a part of the hybrid is: something fitted on histories that scores the whole catalogue for any history."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from components.data.histories import Histories, Ints
from components.semantic.bert import BehaviourBERT

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class World:
    """What a part may learn from.

    Attributes:
        histories: training events of each user.
        target: int64 (users,), each user's validation item, -1 where there is none; for early stopping alone.
        vectors: float32 (items, d), the items' vectors v_j.
        users: the behaviour model; a part that trains it on trains a copy.
        checkpoint: a folder that outlives a killed run.
    """

    histories: Histories
    target: Ints
    vectors: Floats
    users: BehaviourBERT | None
    checkpoint: Path | None = None

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
