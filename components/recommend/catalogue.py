"""The catalogue of a bundle: ids, titles, and which items have which attribute."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from components.data.histories import Ints
from components.errors import RequestError
from components.schema import Filters

Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Catalogue:
    """The items table, in index order."""

    table: pl.DataFrame

    @cached_property
    def ids(self) -> list[str]:
        """Item ids; an item's index is its place."""
        return self.table["item_id"].to_list()

    @cached_property
    def titles(self) -> list[str]:
        """Titles; an item without one is shown by its id."""
        return self.table.select(pl.coalesce("title", "item_id")).to_series().to_list()

    @cached_property
    def index(self) -> dict[str, int]:
        """Item id to index."""
        return {item: place for place, item in enumerate(self.ids)}

    @cached_property
    def facts(self) -> pl.DataFrame:
        """One row per (item, name, value); categories have the name `category`."""
        table = self.table.with_row_index("item")
        pairs = table.select("item", "attributes").explode("attributes").unnest("attributes")
        categories = table.select("item", name=pl.lit("category"), value="categories").explode("value")
        return pl.concat([pairs.select("item", "name", "value"), categories]).drop_nulls()

    def known(self, ids: list[str]) -> tuple[Ints, list[str]]:
        """Split ids into the indices of known items, in their order, and the ids that are unknown."""
        found = [self.index[item] for item in ids if item in self.index]
        return np.array(found, dtype=np.int64), [item for item in ids if item not in self.index]

    def allowed(self, filters: Filters, where: str = "filters.include") -> Mask:
        """Which items meet the filters: bool (items,); raises RequestError for an attribute or item that there is not.

        Args:
            where: how the caller calls `filters.include`; errors name it so.
        """
        mask = np.ones(len(self.ids), dtype=bool)
        for name, values in filters.include.items():
            mask &= self._with(f"{where}.{name}", name, values)
        for name, values in filters.exclude.items():
            mask &= ~self._with(f"filters.exclude.{name}", name, values)
        if filters.items is not None:
            chosen, unknown = self.known(filters.items)
            if unknown:
                raise RequestError("filters.items", f"no item {unknown[0]!r} in the catalogue")
            only = np.zeros_like(mask)
            only[chosen] = True
            mask &= only
        return mask

    def having(self, field: str, name: str) -> pl.DataFrame:
        """The facts of one attribute; raises RequestError that names the caller's field when there is no such attribute."""
        named = self.facts.filter(pl.col("name") == name)
        if named.is_empty():
            there = ", ".join(self.facts["name"].unique().sort())
            raise RequestError(field, f"no attribute {name!r}; the catalogue has: {there}")
        return named

    def _with(self, field: str, name: str, values: list[str]) -> Mask:
        mask = np.zeros(len(self.ids), dtype=bool)
        mask[self.having(field, name).filter(pl.col("value").is_in(values))["item"].to_numpy()] = True
        return mask
