"""Where a training goes on from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Start:
    """Weights of an earlier training.

    Attributes:
        tensors: by the names of the module's parameters; what has another shape, or is not there, begins as ever.
        rows: of tensors that have a row for each item or user: int64, the row there of each of ours, -1 where it is new.
    """

    tensors: Mapping[str, np.ndarray[Any, Any]]
    rows: Mapping[str, np.ndarray[Any, np.dtype[np.int64]]] = field(default_factory=dict[str, Any])
