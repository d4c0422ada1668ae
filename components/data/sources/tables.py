"""Canonical tables as files: CSV, CSV.gz or Parquet."""

import difflib
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from components.data.sources.raw import Raw, Read, among, attributes, find, gathered, read, split, typed
from components.errors import DataError
from components.progress import say
from components.schema import TABLES, node, table

ENDINGS = (".csv", ".csv.gz", ".parquet")
NEEDED = {
    "interactions": ["user_id", "item_id"],
    "items": ["item_id"],
    "users": ["user_id"],
    "triples": ["head", "relation", "tail"],
    "links": ["item_id", "entity"],
}


@node
class Tables:
    """`interactions` and, where there are, `items`, `users`, `triples` and `links` under `root`.

    Every column of items and users that is not canonical becomes an attribute. `lists` names the columns with several
    values, split at `separator`; categories always are. `time` is how times are written: iso, or numbers in s, ms, us.
    Where there are no timestamps, `order` may name a column of numbers that orders each user's rows; `row` then counts the
    rows so ordered. Without it they are taken as they stand.
    """

    root: Path
    separator: str = Field("|", min_length=1)
    lists: list[str] = Field(default_factory=list[str])
    time: Literal["iso", "s", "ms", "us"] = "iso"
    order: str | None = None

    def read(self) -> Read:
        """Read all tables that are there; raises DataError when interactions are not, or a column is missing."""
        rejects: list[pl.DataFrame] = []
        raws = {"interactions": self._raw("interactions", find(self.root, *(f"interactions{ending}" for ending in ENDINGS)))}
        for name in list(TABLES)[1:]:
            path = among(self.root, *(f"{name}{ending}" for ending in ENDINGS))
            if path is not None:
                raws[name] = self._raw(name, path)
        self._check_lists(raws)
        tables = {name: typed(raw, name, {"timestamp": self.time, "created_at": self.time}, rejects) for name, raw in raws.items()}
        rows = {name: len(raw.frame) for name, raw in raws.items()}
        files = {name: [raw.path.name] for name, raw in raws.items()}
        return Read(bare(tables, rows, files), gathered(rejects), rows, files)

    def _raw(self, name: str, path: Path) -> Raw:
        raw = read(path).need(*NEEDED[name])
        _misspelt(raw, name)
        if name == "interactions":
            return self._ordered(raw)
        if name not in {"items", "users"}:
            _unused(raw, name)
            return raw
        frame, schema = raw.frame, TABLES[name]
        lists = dict.fromkeys(self.lists, self.separator)
        own = {
            column: column
            for column in frame.columns
            if column not in schema or (column == "attributes" and frame[column].dtype == pl.String)
        }
        for column in own:
            if isinstance(frame.schema[column], pl.Struct | pl.Array) or frame.schema[column] == pl.List(pl.Struct):
                raise DataError(f"{path}: column {column!r} is {frame.schema[column]}; an attribute is a value or a list of values")
        if "categories" in frame.columns and frame["categories"].dtype == pl.String:
            frame = frame.with_columns(split("categories", self.separator))
        if "attributes" not in frame.columns or frame["attributes"].dtype == pl.String:
            frame = frame.with_columns(attributes(raw.frame, own, lists))
        return Raw(path, frame)

    def _check_lists(self, raws: dict[str, Raw]) -> None:
        """Every column named in `lists` is in items or in users."""
        there = [raws[name] for name in ("items", "users") if name in raws]
        for column in self.lists:
            if not any(column in raw.frame.columns for raw in there):
                (there[0] if there else raws["interactions"]).need(column)

    def _ordered(self, raw: Raw) -> Raw:
        _unused(raw, "interactions", *([self.order] if self.order else []))
        if self.order is None:
            return raw
        place = raw.need(self.order).frame[self.order].cast(pl.Float64, strict=False)
        if place.is_null().any():
            row = int(raw.frame.filter(place.is_null())["row"][0])
            raise DataError(f"{raw.path}: column {self.order!r}, row {row}: not a number, so the order is not known")
        ordered = raw.frame.with_columns(place).sort("user_id", self.order, maintain_order=True)
        return Raw(raw.path, ordered.with_columns(row=pl.int_range(1, len(ordered) + 1, dtype=pl.Int64)).drop(self.order))


def bare(tables: dict[str, pl.DataFrame], rows: dict[str, int], files: dict[str, list[str]]) -> dict[str, pl.DataFrame]:
    """Where there is no items table, make one of the ids that occur in the interactions."""
    if "items" in tables:
        return tables
    ids = tables["interactions"]["item_id"].drop_nulls().unique().sort()
    rows["items"], files["items"] = len(ids), files["interactions"]
    items = pl.DataFrame({"row": pl.int_range(1, len(ids) + 1, eager=True), "item_id": ids})
    return tables | {"items": table(items, TABLES["items"])}


def _misspelt(raw: Raw, name: str) -> None:
    """Refuse a column that is nearly a canonical one which is not there: read as something else it would be lost."""
    found = [column for column in raw.frame.columns if column != "row"]
    absent = [column for column in TABLES[name] if column not in {*found, "row"}]
    for column in found:
        near = difflib.get_close_matches(column, absent, 1, 0.85) if column not in TABLES[name] else []
        if near:
            raise DataError(f"{raw.path}: column {column!r} is not one of {name}; did you mean {near[0]!r}? Rename it")


def _unused(raw: Raw, name: str, *used: str) -> None:
    left = [column for column in raw.frame.columns if column not in {*TABLES[name], *used}]
    if left:
        say(f"{raw.path}: columns not read: {', '.join(left)}")
