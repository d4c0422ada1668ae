"""Paths of up to three edges between two items, enumerated in bulk: item, core, item."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from components.data.histories import Ints
from components.knowledge.graph import Knowledge

Sparse = Any  # scipy.sparse.csr_array, whose stubs don't know its operators


@dataclass(frozen=True)
class Sides:
    """The items at one end of the channels, as compressed rows.

    Attributes:
        table: CSR float64 (items, channels), 1 for each edge by which an item steps into a channel.
        edges: int64, the id of that edge, in the order of `table.data`; -1 where the channel itself is the edge.
    """

    table: Sparse
    edges: Ints

    def rows(self, items: Ints) -> tuple[Ints, Ints, Ints]:
        """Steps of some items: place in `items`, channel, edge id."""
        start = self.table.indptr[items].astype(np.int64)
        lengths = self.table.indptr[items + 1] - start
        places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - start, lengths)
        return np.repeat(np.arange(len(items)), lengths), self.table.indices[places].astype(np.int64), self.edges[places]


@dataclass(frozen=True)
class Channels:
    """All paths, each through one channel: a step of an item into the channel, and a step out to another item.

    What a channel stands for is the core of its paths: one edge between two items (paths of one edge), a node that both
    items touch (two edges), or an edge between a node that one item touches and a node that the other touches (three).
    Nodes are entities or items of the catalogue, never users; a path meets no item twice.

    Attributes:
        left, right: the steps of items of the history, and of candidates.
        kind: int64 (channels,), index of the path type in `types`.
        middle: int64 (channels,), the id of the edge that is the core, -1 where the core is a node.
        nodes: int64 (channels, 2), the nodes of the core, -1 for none.
        touched: int64 (nodes of the graph,), how often items touch each node.
        types: each type's relations along the path.
        report: what was enumerated and what was left out, counted.
    """

    left: Sides
    right: Sides
    kind: Ints
    middle: Ints
    nodes: Ints
    touched: Ints
    types: list[tuple[str, ...]]
    report: dict[str, int]

    @classmethod
    def build(cls, graph: Knowledge, limits: "Limits", types: list[tuple[str, ...]] | None = None) -> "Channels":
        """Enumerate the paths of a graph: of the most frequent types, or of those given."""
        steps = _steps(graph)
        cores, hubs = _cores(graph, steps, limits)
        numbered = cores.sort("type", "middle", "first", "last", "enter", "leave").with_row_index("channel")
        sides = _enter(numbered, steps, "enter", "first", "last"), _enter(numbered, steps, "leave", "last", "first")
        names, left_out = (["\n".join(name) for name in types], 0) if types is not None else _frequent(numbered, sides, limits.types)
        kept = numbered.filter(pl.col("type").is_in(names))
        left, right = (_rows(side, kept["channel"], graph.items) for side in sides)
        places = {name: place for place, name in enumerate(names)}
        return cls(
            left,
            right,
            kind=np.array([places[name] for name in kept["type"]], dtype=np.int64),
            middle=kept["middle"].to_numpy().copy(),
            nodes=np.ascontiguousarray(kept.select("first", "last").to_numpy()),
            touched=np.bincount(steps["node"].to_numpy(), minlength=len(graph.nodes)).astype(np.int64),
            types=[tuple(name.split("\n")) for name in names],
            report={"channels": len(kept), "types": len(names), "types_left_out": left_out, "hubs": hubs},
        )


@dataclass(frozen=True)
class Limits:
    """What is enumerated.

    Attributes:
        hops: edges of a path at most, 1 to 3.
        hub: a node that more items touch by one relation is no end of a three-edge core.
        types: path types at most, those with the most paths.
    """

    hops: int
    hub: int
    types: int


CORES = {
    "type": pl.String(),  # the relations, a line each
    "middle": pl.Int64(),
    "first": pl.Int64(),
    "last": pl.Int64(),
    "enter": pl.String(),
    "leave": pl.String(),
}


def _steps(graph: Knowledge) -> pl.DataFrame:
    """Every edge that an item touches, from the item's side: item, relation, node, edge."""
    ends = [graph.edges.select("relation", item=a, node=b, edge="edge_id") for a, b in (("head", "tail"), ("tail", "head"))]
    return pl.concat(ends).filter(pl.col("item") < graph.items).sort("item", "edge")


def _cores(graph: Knowledge, steps: pl.DataFrame, limits: Limits) -> tuple[pl.DataFrame, int]:
    touched = steps.group_by("node", "relation").agg(items=pl.len(), item=pl.col("item").first()).sort("node", "relation")
    small = touched.filter(pl.col("items") <= limits.hub).select("node", step="relation")
    found = [_one(steps, graph.items), _two(touched), _three(small, graph.edges)][: limits.hops]
    shaped = [part.select(pl.col(name).cast(dtype) for name, dtype in CORES.items()) for part in found]
    return pl.concat(shaped), len(touched) - len(small)


def _one(steps: pl.DataFrame, items: int) -> pl.DataFrame:
    between = steps.filter(pl.col("node") < items).unique("edge", maintain_order=True)
    none = pl.lit(None, pl.String())
    return between.select(type="relation", middle="edge", first=pl.lit(-1), last=pl.lit(-1), enter=none, leave=none)


def _two(touched: pl.DataFrame) -> pl.DataFrame:
    pairs = touched.join(touched, on="node", suffix="_out")
    lonely = (pl.col("items") == 1) & (pl.col("items_out") == 1) & (pl.col("item") == pl.col("item_out"))
    relations = pl.concat_str("relation", "relation_out", separator="\n")
    return pairs.filter(~lonely).select(
        type=relations, middle=pl.lit(-1), first="node", last="node", enter="relation", leave="relation_out"
    )


def _three(small: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    ways = [edges.select("edge_id", "relation", first=a, last=b) for a, b in (("head", "tail"), ("tail", "head"))]
    cores = pl.concat(ways).join(small, left_on="first", right_on="node").join(small, left_on="last", right_on="node", suffix="_out")
    relations = pl.concat_str("step", "relation", "step_out", separator="\n")
    return cores.select("first", "last", type=relations, middle="edge_id", enter="step", leave="step_out")


def _enter(cores: pl.DataFrame, steps: pl.DataFrame, relation: str, own: str, other: str) -> pl.DataFrame:
    """Steps of items into channels (item, channel, edge), none of an item into a core that it is itself the far end of."""
    single = cores.filter(pl.col(relation).is_null()).select("channel", edge="middle")
    ends = single.join(steps.select("item", "edge"), on="edge").select("item", "channel", edge=pl.lit(-1, pl.Int64))
    wide = cores.select("channel", "middle", own=own, other=other, step=relation)
    near = wide.join(steps, left_on=["own", "step"], right_on=["node", "relation"])
    proper = near.filter((pl.col("middle") < 0) | (pl.col("item") != pl.col("other")))
    return pl.concat([ends, proper.select("item", "channel", "edge")])


def _frequent(cores: pl.DataFrame, sides: tuple[pl.DataFrame, pl.DataFrame], most: int) -> tuple[list[str], int]:
    """The `most` types with the most paths, sorted by name, and how many types are left out."""
    counts = [side.group_by("channel").agg(pl.len().cast(pl.Int64).alias(name)) for side, name in zip(sides, ("in", "out"), strict=True)]
    sizes = cores.select("channel", "type").join(counts[0], on="channel").join(counts[1], on="channel")
    paths = sizes.group_by("type").agg(paths=(pl.col("in") * pl.col("out")).sum()).sort("paths", "type", descending=[True, False])
    return sorted(paths["type"].head(most)), max(0, len(paths) - most)


def _rows(steps: pl.DataFrame, channels: pl.Series, items: int) -> Sides:
    places = pl.DataFrame({"channel": channels, "place": np.arange(len(channels))})
    ordered = steps.join(places, on="channel").sort("item", "place", "edge")
    pointers = np.concatenate([[0], np.cumsum(np.bincount(ordered["item"].to_numpy(), minlength=items))])
    table = sparse.csr_array((np.ones(len(ordered)), ordered["place"].to_numpy().copy(), pointers), shape=(items, len(channels)))
    return Sides(table, ordered["edge"].to_numpy().copy())
