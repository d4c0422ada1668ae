"""The knowledge graph, built from the catalogue's own columns by declaration and from external triples through links."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from components.data.histories import Ints
from components.knowledge.external import FACTS, ITEM, Relation, Rules, join
from components.knowledge.links import SHOWN
from components.knowledge.names import compared, readable, spelled
from components.schema import node


def _expression(text: str) -> str:
    try:
        pl.Series([""]).str.contains(text)
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"no regular expression: {text!r}") from error
    return text


@node
class Column:
    """One column of the catalogue as edges: item –relation→ entity of this kind.

    `column` is `categories` or the name of an attribute; a value is split at `separator`, where there is one. `decade` makes
    1994 the entity 1990s, `bin` cuts numbers into steps of `step`; values that are no number are counted and left out. Values
    of the kind `item` are item ids.
    """

    column: str
    relation: str
    kind: str
    separator: str | None = Field(None, min_length=1)
    transform: Literal["decade", "bin"] | None = None
    step: PositiveFloat = 10.0


@node
class Graph:
    """What the knowledge graph is made of; interactions never are.

    Of external triples, `relations` says what the ends of some are; a relation in `labels` gives its head a name to be read,
    one in `people` ties two users to one another, and neither is an edge. An entity without a label whose name looks like `ids`
    (a regular expression) is read as what it is, such as: unnamed person (m.02vxxgs). An item's entity is found by links, by the exact
    name, or by the nearest one with at least `fuzzy` percent of likeness. Of the facts within `hops` of an item the nearest
    `most` are kept.
    """

    columns: list[Column]
    relations: list[Relation] = Field(default_factory=list[Relation])
    labels: list[str] = Field(default_factory=list[str])
    people: list[str] = Field(default_factory=list[str])
    ids: Annotated[str, AfterValidator(_expression)] | None = None
    fuzzy: float | None = Field(92.0, gt=50, le=100)
    hops: PositiveInt = 2
    most: PositiveInt = Field(200_000, description="external facts at most")

    def build(
        self, items: pl.DataFrame, triples: pl.DataFrame | None, links: pl.DataFrame | None, users: Sequence[str] = ()
    ) -> "Knowledge":
        """Build the graph of a catalogue (tables as in `components.schema`; item k is the k-th of the sorted ids, user k of `users`).

        Names that differ by case, blanks or the way Unicode writes them are one entity of their kind, read as most often
        spelled; self-loops and duplicates are dropped. All that is left out is counted in the report.
        """
        catalogue = items.sort("item_id")
        parts = [facts(catalogue, column) for column in self.columns]
        declared = pl.concat([pl.DataFrame(schema=FACTS), *parts])
        told = declared.filter(pl.col("tail").is_not_null())
        lost = (told["tail_kind"] == ITEM) & ~told["tail"].is_in(catalogue["item_id"].implode())
        rules = Rules(self.relations, self.labels, self.people, self.ids, self.fuzzy, self.hops, self.most)
        external = join(catalogue.select("item_id", "title"), triples, links, rules)
        every = pl.concat([told.filter(~lost), external.facts])
        nodes, twins = _nodes(catalogue, every)
        edges, dropped = _edges(nodes, every)
        ties, strangers = _ties(external.ties, users)
        found = {
            "absent_columns": [column.column for column, part in zip(self.columns, parts, strict=True) if part.is_empty()],
            "unreadable_values": len(declared) - len(told),
            "dangling_items": {"count": int(lost.sum()), "examples": told.filter(lost)["tail"].unique().sort().head(SHOWN).to_list()},
            "ties": {"kept": len(ties), "unknown_users": strangers},
            "twins": twins,
            "unnamed": len(nodes.filter(~readable(pl.col("name")))),
        }
        columns = ["node", "kind", "name", "item_id"]
        return Knowledge(nodes.select(columns), edges, external.report | found | dropped | _counts(nodes, edges), ties)


@dataclass(frozen=True)
class Knowledge:
    """A knowledge graph.

    Attributes:
        nodes: node, kind, name, item_id; items first in the order of their sorted ids, then entities by (kind, name).
        edges: edge_id, head, relation, tail (head and tail are nodes), sorted by (head, relation, tail).
        report: what was found and what was left out, counted.
        ties: int64 (ties, 2), users who are tied to one another, by their index in the dataset.
    """

    nodes: pl.DataFrame
    edges: pl.DataFrame
    report: dict[str, Any]
    ties: Ints = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))

    @property
    def items(self) -> int:
        """Number of items: the nodes from 0 to items - 1."""
        return int((self.nodes["kind"] == "item").sum())

    def pairs(self) -> tuple[Ints, Ints]:
        """Items and the entities that they touch by an edge of either direction, once each: two int64 (pairs,)."""
        ends = [self.edges.select(item=a, entity=b) for a, b in (("head", "tail"), ("tail", "head"))]
        both = pl.concat(ends).filter((pl.col("item") < self.items) & (pl.col("entity") >= self.items)).unique().sort("item", "entity")
        return both["item"].to_numpy(), both["entity"].to_numpy()


def facts(items: pl.DataFrame, column: Column) -> pl.DataFrame:
    """Facts of one column; an unreadable value leaves a null tail."""
    if column.column == "categories":
        values = items.select("item_id", value="categories").explode("value")
    else:
        pairs = items.select("item_id", "attributes").explode("attributes").unnest("attributes")
        values = pairs.filter(pl.col("name") == column.column).select("item_id", "value")
    if column.separator is not None:
        values = values.with_columns(pl.col("value").str.split(column.separator)).explode("value")
    if column.kind != ITEM:
        values = values.with_columns(spelled(pl.col("value")))
    named = values.filter(pl.col("value") != "").with_columns(value=_transform(column))
    key = pl.col("value") if column.kind == ITEM else compared(pl.col("value"))
    ends = {"head_kind": pl.lit(ITEM), "head": "item_id", "head_name": "item_id", "tail_kind": pl.lit(column.kind)}
    return named.select(relation=pl.lit(column.relation), **ends, tail=key, tail_name="value")


def _transform(column: Column) -> pl.Expr:
    value = pl.col("value")
    number = value.cast(pl.Float64, strict=False)
    number = pl.when(number.is_finite() & (number.abs() < 1e15)).then(number)
    if column.transform == "decade":
        date = value.str.extract(r"^(\d{4})-\d{2}").cast(pl.Float64, strict=False)
        return pl.format("{}s", (pl.coalesce(number, date) / 10).floor().cast(pl.Int64) * 10)
    if column.transform == "bin":
        low = (number / column.step).floor() * column.step
        return pl.format("{} to {}", _figure(low), _figure(low + column.step))
    return value


def _figure(number: pl.Expr) -> pl.Expr:
    """Write whole numbers without a point."""
    near = number.round(9)
    return pl.when(near == near.floor()).then(near.cast(pl.Int64).cast(pl.String)).otherwise(near.cast(pl.String))


def _nodes(items: pl.DataFrame, facts: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    """All nodes, with what they are compared by (`key`), and which were spelled in several ways.

    An item's name is its title, or its id where it has none; an entity's is its most frequent spelling, the first in
    Unicode's order of several.
    """
    first = items.select(kind=pl.lit(ITEM), name=pl.coalesce("title", "item_id"), item_id="item_id", key="item_id")
    ends = [facts.select(kind=f"{end}_kind", key=end, name=f"{end}_name") for end in ("head", "tail")]
    spellings = pl.concat(ends).filter(pl.col("kind") != ITEM).group_by("kind", "key", "name").len()
    ordered = spellings.sort("kind", "key", "len", "name", descending=[False, False, True, False])
    entities = ordered.group_by("kind", "key", maintain_order=True).agg(pl.col("name").first(), others=pl.col("name").slice(1))
    twins = entities.filter(pl.col("others").list.len() > 0)
    examples = [[name, *others[: SHOWN - 1]] for name, others in twins.select("name", "others").head(SHOWN).iter_rows()]
    rest = entities.sort("kind", "name", "key").select("kind", "name", pl.lit(None, pl.String()).alias("item_id"), "key")
    nodes = pl.concat([first, rest]).with_row_index("node").with_columns(pl.col("node").cast(pl.Int64))
    return nodes, {"count": len(twins), "examples": examples}


def _edges(nodes: pl.DataFrame, facts: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Replace names by nodes; returns the edges and the counts of what was dropped."""
    places = nodes.select("node", "kind", "key")
    ends: dict[str, pl.Series] = {}
    for end in ("head", "tail"):
        asked = facts.select(kind=f"{end}_kind", key=end)
        ends[end] = asked.join(places, on=["kind", "key"], how="left", maintain_order="left")["node"]
    edges = facts.select("relation").with_columns(**ends)
    proper = edges.filter(pl.col("head") != pl.col("tail"))
    unique = proper.unique().sort("head", "relation", "tail").select("head", "relation", "tail")
    numbered = unique.with_row_index("edge_id").with_columns(pl.col("edge_id").cast(pl.Int64))
    return numbered, {"self_loops": len(edges) - len(proper), "duplicates": len(proper) - len(unique)}


def _ties(ties: pl.DataFrame, users: Sequence[str]) -> tuple[Ints, int]:
    """Ties between known users, each once, the lower index first, and how many name someone unknown."""
    places = pl.DataFrame({"user": list(users)}, schema={"user": pl.String}).with_row_index("place")
    ends = [ties.select(user=end).join(places, on="user", how="left", maintain_order="left")["place"] for end in ("head", "tail")]
    both = pl.DataFrame(dict(zip(("head", "tail"), ends, strict=True)))
    known = both.drop_nulls()
    found = known.select(low=pl.min_horizontal("head", "tail"), high=pl.max_horizontal("head", "tail"))
    proper = found.filter(pl.col("low") != pl.col("high")).unique().sort("low", "high")
    return proper.to_numpy().astype(np.int64).reshape(-1, 2), len(both) - len(known)


def _counts(nodes: pl.DataFrame, edges: pl.DataFrame) -> dict[str, Any]:
    items = int((nodes["kind"] == "item").sum())
    touched = np.unique(np.concatenate([edges["head"].to_numpy(), edges["tail"].to_numpy()]))
    return {
        "nodes": _table(nodes["kind"]),
        "edges": _table(edges["relation"]),
        "largest": _largest(nodes, edges),
        "items_with_edges": int((touched < items).sum()),
        "items_without_edges": items - int((touched < items).sum()),
    }


def _table(values: pl.Series) -> dict[str, int]:
    counts = values.alias("value").value_counts().sort("value")
    return dict(zip(counts["value"].to_list(), counts["count"].to_list(), strict=True))


def _largest(nodes: pl.DataFrame, edges: pl.DataFrame) -> list[dict[str, Any]]:
    """The nodes with the most edges."""
    degree = pl.concat([edges["head"], edges["tail"]]).alias("node").value_counts(name="edges")
    most = degree.sort("edges", "node", descending=[True, False]).head(SHOWN)
    return most.join(nodes, on="node", how="left", maintain_order="left").select("kind", "name", "edges").to_dicts()
