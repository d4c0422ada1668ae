"""What a champion learned, laid where trainings can go on from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from components import artifacts
from components.data.histories import Ints
from components.progress import say
from components.start import Start

NEW = 0.05  # share of the items that may be new; with more, trainings begin from nothing
Axis = Literal["items", "users"]


@dataclass(frozen=True)
class Warm:
    """An earlier champion's weights.

    Attributes:
        place: the folder that they lie in.
        rows: for items and users, int64, the row there of each of ours, -1 where it is new.
    """

    place: Path
    rows: Mapping[Axis, Ints]

    @classmethod
    def read(cls, place: Path | None, items: Sequence[str], users: Sequence[str]) -> "Warm | None":
        """Find what there is; None where there is nothing, or the catalogue has changed too much. Raises DataError for a torn file."""
        if place is None or not place.is_dir():
            return None
        rows: dict[Axis, Ints] = {
            "items": _rows(place / "items.parquet", "item_id", items),
            "users": _rows(place / "users.parquet", "user_id", users),
        }
        new = float((rows["items"] < 0).mean())
        if new > NEW:
            say(f"{new:.1%} of the items are new, so that training begins from nothing")
            return None
        return cls(place, rows)

    def start(self, name: str, tables: Mapping[str, Axis]) -> Start | None:
        """The weights of one training, None where they were not kept.

        Args:
            tables: tensors with a row for each item or user.
        """
        path = self.place / f"{name}.safetensors"
        if not path.exists():
            return None
        return Start(artifacts.read_tensors(path), {tensor: self.rows[axis] for tensor, axis in tables.items()})


def _rows(path: Path, column: str, ids: Sequence[str]) -> Ints:
    """The row of each id among a table's ids in their order, which is that of the weights."""
    there, own = artifacts.read_table(path)[column].sort(), pl.Series(ids, dtype=pl.String)
    return own.replace_strict(there, pl.int_range(len(there), eager=True), default=-1, return_dtype=pl.Int64).to_numpy()
