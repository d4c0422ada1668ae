"""Tables, messages and configuration nodes that cross a border."""

from datetime import datetime
from typing import Any, Literal, TypeVar, dataclass_transform

import polars as pl
import pydantic
from pydantic import BaseModel, ConfigDict, Field

Schema = dict[str, pl.DataType]
T = TypeVar("T")
By = Literal["content", "behaviour", "both"]  # what two things are compared by

_MAP = pl.List(pl.Struct({"name": pl.String(), "value": pl.String()}))
_TIME = pl.Datetime("us", "UTC")

INTERACTIONS: Schema = {
    "row": pl.Int64(),  # the row's number in its source: names it in errors, orders equal timestamps
    "user_id": pl.String(),
    "item_id": pl.String(),
    "timestamp": _TIME,  # null throughout where a source has no times: then `row` is the order
    "event": pl.String(),
    "weight": pl.Float64(),
    "split": pl.String(),  # train / valid / test, or null; only the `provided` split reads it
}
ITEMS: Schema = {
    "row": pl.Int64(),
    "item_id": pl.String(),
    "title": pl.String(),
    "text": pl.String(),
    "categories": pl.List(pl.String()),
    "attributes": _MAP,  # (name, value) pairs; a name may repeat: two directors are two pairs
    "image": pl.String(),
    "video": pl.String(),
    "created_at": _TIME,
}
USERS: Schema = {"row": pl.Int64(), "user_id": pl.String(), "text": pl.String(), "attributes": _MAP}
TRIPLES: Schema = {"row": pl.Int64(), "head": pl.String(), "relation": pl.String(), "tail": pl.String()}
LINKS: Schema = {"row": pl.Int64(), "item_id": pl.String(), "entity": pl.String()}
TABLES: dict[str, Schema] = {
    "interactions": INTERACTIONS,
    "items": ITEMS,
    "users": USERS,
    "triples": TRIPLES,
    "links": LINKS,
}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def node(cls: type[T]) -> type[T]:
    """Make a class a configuration node: its fields are the keys its yaml may have, typed; others are refused by name."""
    settings = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=settings)(cls)  # pyright: ignore[reportReturnType]


class Message(BaseModel):
    """A frozen message of the public interface; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Filters(Message):
    """What a recommended item must be: every given condition holds.

    `include` and `exclude` map an attribute's name (or `category`) to accepted (refused) values.
    """

    include: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])
    exclude: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])
    items: list[str] | None = Field(default=None, description="only these item ids may be recommended")
    seen: bool = Field(default=False, description="whether items of the history may be recommended again")


class Attention(Message):
    """One item of the history and the share α of the attention that it got."""

    item_id: str
    title: str
    weight: float


class Edge(Message):
    """One edge of the knowledge graph, as people read it."""

    edge_id: int
    head: str
    relation: str
    tail: str


class Path(Message):
    """A chain of edges from an item of the history to the recommended one, and its weight."""

    source: str
    edges: list[Edge]
    weight: float


class Recommendation(Message):
    """One recommended item with the evidence for it."""

    rank: int
    item_id: str
    title: str
    score: float = Field(description="probability that this is the user's next item, among all items not yet seen")
    parts: dict[str, float] = Field(description="what each part of the hybrid adds to the score that ranks")
    reason: str
    attention: list[Attention]
    paths: list[Path]
    rules: list[str] = Field(
        default_factory=list,
        description="names of the business rules that raised, lowered or placed the item, or let it stand in for another",
    )


class Answer(Message):
    """Recommendations for one user, best first, and where they come from."""

    bundle: str
    source: str = Field(description="hybrid; where nothing is known of what the user had, profile, dialogue or popularity")
    user_id: str | None
    unknown: list[str] = Field(description="ids of the request that the bundle does not know")
    items: list[Recommendation]


class Neighbour(Message):
    """An item that is like what was asked for, and how like: 1 at most."""

    rank: int
    item_id: str
    title: str
    score: float


class Peer(Message):
    """A user who is like what was asked for, and how like: 1 at most."""

    rank: int
    user_id: str
    score: float


class Item(Message):
    """What the catalogue says of an item, as plain text."""

    item_id: str
    title: str
    text: str | None
    categories: list[str]
    attributes: dict[str, list[str]]
    created_at: datetime | None


class Explanation(Message):
    """Why an item gets the score it gets from this history."""

    bundle: str
    item: Recommendation
    unknown: list[str]


def table(rows: dict[str, Any] | pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Shape rows as a canonical table: columns in order, typed; columns not given are null."""
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
