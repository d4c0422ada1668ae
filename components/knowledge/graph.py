"""The knowledge graph, built from the catalogue's own columns by declaration and from external triples through links."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field, PositiveFloat, PositiveInt

from components.data.histories import Ints
from components.knowledge.external import External, join
from components.schema import node

FACTS = {"head": pl.String(), "relation": pl.String(), "kind": pl.String(), "name": pl.String()}


@node
class Column:
    """One column of the catalogue as edges: item –relation→ entity of this kind.

    `column` is `categories` or the name of an attribute. `decade` makes 1994 the entity 1990s, `bin` cuts numbers into
    steps of `step`; values that are no number are counted and left out.
    """

    column: str
    relation: str
    kind: str
    transform: Literal["decade", "bin"] | None = None
    step: PositiveFloat = 10.0


@node
class Graph:
    """What the knowledge graph is made of; interactions never are.

    Of external triples only those within `hops` of an item are kept, the nearest `most` of them.
    """

    columns: list[Column]
    hops: PositiveInt = 2
    most: PositiveInt = Field(200_000, description="external triples at most")

    def build(self, items: pl.DataFrame, triples: pl.DataFrame | None, links: pl.DataFrame | None) -> "Knowledge":
        """Build the graph of a catalogue (tables as in `components.schema`; item k is the k-th of the sorted ids).

        Names are compared in Unicode's composed form (NFC) without outer space; self-loops and duplicates are dropped.
        """
        catalogue = items.sort("item_id")
        parts = [_facts(catalogue, column) for column in self.columns]
        declared = pl.concat([pl.DataFrame(schema=FACTS), *parts])
        readable = declared.filter(pl.col("name").is_not_null())
        own = readable.select("relation", head_kind=pl.lit("item"), head="head", tail_kind="kind", tail="name", hop=pl.lit(0, pl.Int64))
        external = join(catalogue["item_id"], triples, links, self.hops, self.most)
        nodes = _nodes(catalogue, own, external)
        edges, dropped = _edges(nodes, pl.concat([own, external.facts.select(own.columns)]))
        absent = [column.column for column, part in zip(self.columns, parts, strict=True) if part.is_empty()]
        report = dropped | external.report | {"absent_columns": absent, "unreadable_values": len(declared) - len(readable)}
        return Knowledge(nodes, edges, report | _counts(nodes, edges))


@dataclass(frozen=True)
class Knowledge:
    """A knowledge graph.

    Attributes:
        nodes: node, kind, name, item_id; items first in the order of their sorted ids, then entities by (kind, name).
        edges: edge_id, head, relation, tail (head and tail are nodes), sorted by (head, relation, tail).
        report: what was found and what was left out, counted.
    """

    nodes: pl.DataFrame
    edges: pl.DataFrame
    report: dict[str, Any]

    @property
    def items(self) -> int:
        """Number of items: the nodes from 0 to items - 1."""
        return int((self.nodes["kind"] == "item").sum())

    def pairs(self) -> tuple[Ints, Ints]:
        """Items and the entities that they touch by an edge of either direction, once each: two int64 (pairs,)."""
        ends = [self.edges.select(item=a, entity=b) for a, b in (("head", "tail"), ("tail", "head"))]
        both = pl.concat(ends).filter((pl.col("item") < self.items) & (pl.col("entity") >= self.items)).unique().sort("item", "entity")
        return both["item"].to_numpy(), both["entity"].to_numpy()


def _facts(items: pl.DataFrame, column: Column) -> pl.DataFrame:
    """Facts of one column; an unreadable value leaves a null name."""
    if column.column == "categories":
        values = items.select("item_id", name="categories").explode("name")
    else:
        pairs = items.select("item_id", "attributes").explode("attributes").unnest("attributes")
        values = pairs.filter(pl.col("name") == column.column).select("item_id", name="value")
    named = values.with_columns(pl.col("name").str.normalize("NFC").str.strip_chars()).filter(pl.col("name") != "")
    return named.select(head="item_id", relation=pl.lit(column.relation), kind=pl.lit(column.kind), name=_transform(column))


def _transform(column: Column) -> pl.Expr:
    name = pl.col("name")
    number = name.cast(pl.Float64, strict=False)
    number = pl.when(number.is_finite() & (number.abs() < 1e15)).then(number)
    if column.transform == "decade":
        return pl.format("{}s", (number / 10).floor().cast(pl.Int64) * 10)
    if column.transform == "bin":
        low = (number / column.step).floor() * column.step
        return pl.format("{} to {}", low, low + column.step)
    return name


def _nodes(items: pl.DataFrame, own: pl.DataFrame, external: External) -> pl.DataFrame:
    """All nodes; an item's name is its title, or its id where it has none."""
    first = items.select(kind=pl.lit("item"), name=pl.coalesce("title", "item_id"), item_id="item_id")
    facts = pl.concat([own, external.facts.select(own.columns)])
    ends = [facts.select(kind=f"{end}_kind", name=end) for end in ("head", "tail")]
    entities = pl.concat(ends).filter(pl.col("kind") != "item").unique().sort("kind", "name")
    rest = entities.with_columns(item_id=pl.lit(None, pl.String()))
    return pl.concat([first, rest]).with_row_index("node").with_columns(pl.col("node").cast(pl.Int64))


def _edges(nodes: pl.DataFrame, facts: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Replace names by nodes; returns the edges and the counts of what was dropped."""
    places = nodes.select("node", "kind", name=pl.coalesce("item_id", "name"))
    found = facts
    for end in ("head", "tail"):
        renamed = places.rename({"node": f"{end}_node", "kind": f"{end}_kind", "name": end})
        found = found.join(renamed, on=[f"{end}_kind", end], how="left", maintain_order="left")
    edges = found.select("relation", head="head_node", tail="tail_node")
    proper = edges.filter(pl.col("head") != pl.col("tail"))
    unique = proper.unique().sort("head", "relation", "tail").select("head", "relation", "tail")
    numbered = unique.with_row_index("edge_id").with_columns(pl.col("edge_id").cast(pl.Int64))
    return numbered, {"self_loops": len(edges) - len(proper), "duplicates": len(proper) - len(unique)}


def _counts(nodes: pl.DataFrame, edges: pl.DataFrame) -> dict[str, Any]:
    items = int((nodes["kind"] == "item").sum())
    touched = np.unique(np.concatenate([edges["head"].to_numpy(), edges["tail"].to_numpy()]))
    return {
        "nodes": _table(nodes["kind"]),
        "edges": _table(edges["relation"]),
        "items_with_edges": int((touched < items).sum()),
        "items_without_edges": items - int((touched < items).sum()),
    }


def _table(values: pl.Series) -> dict[str, int]:
    counts = values.alias("value").value_counts().sort("value")
    return dict(zip(counts["value"].to_list(), counts["count"].to_list(), strict=True))
