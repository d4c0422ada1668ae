"""The catalogue of a bundle: ids, titles, and which items have which attribute."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from components.data.histories import Ints
from components.errors import RequestError
from components.knowledge.names import spelled
from components.schema import Filters, Item
from components.semantic.text import clean

Mask = np.ndarray[Any, np.dtype[np.bool_]]
LETTERS = 10_000  # of a text that are shown


@dataclass(frozen=True)
class Catalogue:
    """The items table, in index order.

    Attributes:
        hidden: ids of items that are shown to nobody, as if there were none of that id, but that histories may hold.
    """

    table: pl.DataFrame
    hidden: frozenset[str] = frozenset()

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
    def shown(self) -> Mask:
        """Which items are not hidden: bool (items,); not to be written to."""
        mask = np.ones(len(self.ids), dtype=bool)
        mask[[self.index[item] for item in self.hidden if item in self.index]] = False
        return mask

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

    def place(self, item: str) -> int:
        """An item's index; raises RequestError where there is no such item, or it is hidden."""
        if item not in self.index or item in self.hidden:
            raise RequestError("item_id", f"no item {item!r} in the catalogue")
        return self.index[item]

    def show(self, item: str) -> Item:
        """Give an item's row as plain text; raises RequestError where there is no such item."""
        row = self.table.row(self.place(item), named=True)
        attributes: dict[str, list[str]] = {}
        for pair in row["attributes"] or []:
            if pair["name"] and pair["value"]:
                attributes.setdefault(plain(pair["name"]), []).append(plain(pair["value"]))
        return Item(
            item_id=item,
            title=plain(row["title"] or "") or item,
            text=plain(row["text"] or "") or None,
            categories=[plain(category) for category in row["categories"] or [] if category],
            attributes=attributes,
            created_at=row["created_at"],
        )

    def allowed(self, filters: Filters, where: str = "filters.include") -> Mask:
        """Which items meet the filters: bool (items,); raises RequestError for an attribute or item that there is not.

        Args:
            where: how the caller calls `filters.include`; errors name it so.
        """
        mask = self.shown.copy()
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


def plain(text: str, letters: int = LETTERS) -> str:
    """Make a text from outside one line of valid Unicode without tags, invisible or control characters, cut to `letters`."""
    return pl.select(spelled(pl.lit(clean(text, letters)))).item()
