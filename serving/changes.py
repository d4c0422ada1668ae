"""Items that are added, changed or hidden while serving: what a request may say of them, and what that makes of the catalogue."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import polars as pl
from pydantic import AwareDatetime, BeforeValidator, Field

from components.errors import RequestError
from components.schema import ITEMS, Message, table
from serving.messages import STRICT, Word, written

if TYPE_CHECKING:
    from components.recommend.catalogue import Catalogue

Patch = dict[str, Any]  # what was said of an item in all changes together, as JSON
HELD = 1000  # items that differ from the bundle at most, until a retraining takes them in
Title = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
Prose = Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")]
Created = Annotated[AwareDatetime, BeforeValidator(written), Field(strict=False, description="since when it is, with a time zone")]
Names = Annotated[list[Word], Field(max_length=100)]


class Change(Message):
    """What is new of an item; what is not given stays as it was. A new item needs a title."""

    model_config = STRICT

    item_id: Word
    title: Title | None = None
    text: Prose | None = None
    categories: Names | None = Field(default=None, description="all of them")
    attributes: Annotated[dict[Word, Names], Field(max_length=32)] | None = Field(default=None, description="all of them, by name")
    created_at: Created | None = None
    hidden: bool | None = Field(default=None, description="true: show it to nobody, and answer as if it were not there")
    key: Word | None = Field(default=None, description="a change with a key is made once, however often it is sent")

    def patch(self) -> Patch:
        """What it says, without whom and the key."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"item_id", "key"})


class ItemsRequest(Message):
    """Adds, changes and hides items."""

    model_config = STRICT

    items: Annotated[list[Change], Field(min_length=1, max_length=50)]


class Outcome(Message):
    """What became of a change; `unchanged`: all was so already, or its key was known."""

    item_id: str
    outcome: Literal["added", "changed", "unchanged"]


class ItemsChanged(Message):
    """What became of each change, in their order; it is kept for good, and in force."""

    bundle: str
    items: list[Outcome]


def merged(catalogue: "Catalogue", state: Mapping[str, Patch], change: Change, field: str) -> Patch:
    """What is said of an item once a change is made; raises RequestError that names the field where there would be no title."""
    patch = dict(state.get(change.item_id, {})) | change.patch()
    if change.item_id not in catalogue.index and "title" not in patch:
        raise RequestError(f"{field}.title", f"there is no item {change.item_id!r}; a new one needs a title")
    return patch


def rows(catalogue: "Catalogue", state: Mapping[str, Patch]) -> pl.DataFrame:
    """The items of which more is said than whether they are hidden, as `components.schema.ITEMS`, over what the catalogue says."""
    told = {item: patch for item, patch in state.items() if patch.keys() - {"hidden"}}
    return table(pl.DataFrame([_row(catalogue, item, patch) for item, patch in told.items()], ITEMS), ITEMS)


def hidden(state: Mapping[str, Patch]) -> frozenset[str]:
    """The items that are hidden."""
    return frozenset(item for item, patch in state.items() if patch.get("hidden"))


def said(patch: Patch) -> Patch:
    """A patch as columns of the catalogue; what is not given is absent."""
    found = {name: value for name, value in patch.items() if name != "hidden"}
    if "attributes" in found:
        found["attributes"] = [{"name": name, "value": value} for name, values in found["attributes"].items() for value in values]
    if "created_at" in found:
        found["created_at"] = datetime.fromisoformat(found["created_at"])
    return found


def _row(catalogue: "Catalogue", item: str, patch: Patch) -> dict[str, Any]:
    place = catalogue.index.get(item)
    empty = {"categories": [], "attributes": []}
    before = empty if place is None else catalogue.table.row(place, named=True)
    return dict.fromkeys(ITEMS) | before | said(patch) | {"item_id": item}
