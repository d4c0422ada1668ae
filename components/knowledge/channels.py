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
class Channels:
    """All paths, each through one channel: a step of an item into the channel, and a step out to another item.

    What a channel stands for is the core of its paths: one edge between two items (paths of one edge), a node that both
    items touch (two edges), or an edge between a node that one item touches and a node that the other touches (three).
    Nodes are entities or items of the catalogue, never users; a path meets no item twice.

    Channels are many, and items enter them by few doors: a door is a node with the relation by which it is touched, or
    an item itself. So `steps @ enter` counts each item's steps into each channel and `steps @ leave` those out of it,
    without either being held; an item's own door takes back, with -1, the step by which its path would meet it twice.

    Attributes:
        steps: CSR float64 (items, doors), 1 for each edge by which an item comes to a door; door i below `items` is item i's own.
        edges: int64, the id of that edge, in the order of `steps.data`; -1 at an item's own door.
        enter, leave: CSR float64 (doors, channels).
        kind: int64 (channels,), index of the path type in `types`.
        middle: int64 (channels,), the id of the edge that is the core, -1 where the core is a node.
        nodes: int64 (channels, 2), the nodes of the core, -1 for none.
        touched: int64 (nodes of the graph,), how often items touch each node.
        types: each type's relations along the path.
        report: what was enumerated and what was left out, counted.
    """

    steps: Sparse
    edges: Ints
    enter: Sparse
    leave: Sparse
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
        touched = steps.group_by("node", "relation").agg(items=pl.len(), item=pl.col("item").first()).sort("node", "relation")
        small = touched.filter(pl.col("items") <= limits.hub).select("node", "items", step="relation")
        if types is None:
            names, left_out = _frequent(_sizes(graph, steps, touched, small)[: limits.hops], limits.types)
        else:
            names, left_out = ["\n".join(name) for name in types], 0
        cores = _cores(graph, steps, touched, small, names)
        doors = _doors(cores, graph.items)
        table, edges = _table(doors, steps, graph.items)
        enter, leave = (_side(cores, doors, steps, ends, graph.items) for ends in (("enter", "first", "last"), ("leave", "last", "first")))
        places = {name: place for place, name in enumerate(names)}
        return cls(
            table,
            edges,
            enter,
            leave,
            kind=np.array([places[name] for name in cores["type"]], dtype=np.int64),
            middle=cores["middle"].to_numpy().copy(),
            nodes=np.ascontiguousarray(cores.select("first", "last").to_numpy()),
            touched=np.bincount(steps["node"].to_numpy(), minlength=len(graph.nodes)).astype(np.int64),
            types=[tuple(name.split("\n")) for name in names],
            report={"channels": len(cores), "types": len(names), "types_left_out": left_out, "hubs": len(touched) - len(small)},
        )

    def into(self, items: Ints) -> tuple[Ints, Ints, Ints]:
        """Steps of some items into channels: place in `items`, channel, edge id (-1 where the channel itself is the edge)."""
        return self._taken(items, self.enter, self.nodes[:, 1])

    def out(self, items: Ints) -> tuple[Ints, Ints, Ints]:
        """Steps out of channels to some items, as in `into`."""
        return self._taken(items, self.leave, self.nodes[:, 0])

    def _taken(self, items: Ints, side: Sparse, far: Ints) -> tuple[Ints, Ints, Ints]:
        place, step = spans(self.steps, items)
        which, found = spans(side, self.steps.indices[step].astype(np.int64))
        place, channel, edge = place[which], side.indices[found].astype(np.int64), self.edges[step][which]
        twice = (self.middle[channel] >= 0) & (far[channel] == items[place])
        proper = (side.data[found] > 0) & ~twice
        return place[proper], channel[proper], edge[proper]


def spans(table: Sparse, rows: Ints) -> tuple[Ints, Ints]:
    """The stored values of some rows of a CSR matrix: place in `rows`, and place in `table.data`."""
    start = table.indptr[rows].astype(np.int64)
    lengths = table.indptr[rows + 1] - start
    places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - start, lengths)
    return np.repeat(np.arange(len(rows)), lengths), places


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


def _cores(graph: Knowledge, steps: pl.DataFrame, touched: pl.DataFrame, small: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The cores of the paths of some types, sorted, with the relations by which items enter and leave."""
    none, no = pl.lit(None, pl.String()), pl.lit(-1)
    one = _between(steps, graph.items).select(type="relation", middle="edge", first=no, last=no, enter=none, leave=none)
    two = _two(touched).select(type="type", middle=no, first="node", last="node", enter="relation", leave="relation_out")
    found = [part.filter(pl.col("type").is_in(names)) for part in (one, two)] + [_three(small, graph.edges, names)]
    shaped = [part.select(pl.col(name).cast(dtype) for name, dtype in CORES.items()) for part in found]
    return pl.concat(shaped).sort("type", "middle", "first", "last", "enter", "leave").with_row_index("channel")


def _between(steps: pl.DataFrame, items: int) -> pl.DataFrame:
    return steps.filter(pl.col("node") < items).unique("edge", maintain_order=True)


def _two(touched: pl.DataFrame) -> pl.DataFrame:
    pairs = touched.join(touched, on="node", suffix="_out")
    lonely = (pl.col("items") == 1) & (pl.col("items_out") == 1) & (pl.col("item") == pl.col("item_out"))
    return pairs.filter(~lonely).with_columns(type=pl.concat_str("relation", "relation_out", separator="\n"))


def _three(small: pl.DataFrame, edges: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    parts = [tuple(name.split("\n")) for name in names]
    wanted = pl.DataFrame(
        [(*part, name) for part, name in zip(parts, names, strict=True) if len(part) == 3],
        schema=dict.fromkeys(("step", "relation", "step_out", "type"), pl.String),
        orient="row",
    )
    ways = [edges.select(middle="edge_id", relation="relation", first=a, last=b) for a, b in (("head", "tail"), ("tail", "head"))]
    begun = pl.concat(ways).join(small, left_on="first", right_on="node").join(wanted, on=["step", "relation"])
    cores = begun.join(small, left_on=["last", "step_out"], right_on=["node", "step"])
    return cores.select("type", "middle", "first", "last", enter="step", leave="step_out")


def _sizes(graph: Knowledge, steps: pl.DataFrame, touched: pl.DataFrame, small: pl.DataFrame) -> list[pl.DataFrame]:
    """How many paths each type has, from an item to itself too: for paths of one, two and three edges, type and paths."""
    ones = _between(steps, graph.items).group_by(type="relation").agg(paths=pl.len() * 4)
    twos = _two(touched).group_by("type").agg(paths=(pl.col("items").cast(pl.Int64) * pl.col("items_out")).sum())
    return [part.select("type", pl.col("paths").cast(pl.Float64)) for part in (ones, twos, _threes(graph, steps, small))]


def _threes(graph: Knowledge, steps: pl.DataFrame, small: pl.DataFrame) -> pl.DataFrame:
    """Counted edge by edge of the middle, with products of sparse matrices: (edges, relations into its one end) and the other."""
    relations = graph.edges["relation"].unique().sort()
    code = {name: place for place, name in enumerate(relations)}
    heads, tails = (_near(graph, steps, small, code, ends) for ends in (("head", "tail"), ("tail", "head")))
    of = np.array([code[name] for name in graph.edges["relation"]], dtype=np.int64)
    found: list[pl.DataFrame] = [pl.DataFrame(schema={"type": pl.String, "paths": pl.Float64})]
    for place, name in enumerate(relations):
        own = np.flatnonzero(of == place)
        both = (heads[own].T @ tails[own]).tocsr()
        paths = (both + both.T).tocoo()
        ends = {"step": relations[paths.row], "relation": pl.repeat(name, paths.nnz, eager=True), "step_out": relations[paths.col]}
        found.append(
            pl.DataFrame(ends).select(type=pl.concat_str("step", "relation", "step_out", separator="\n"), paths=pl.Series(paths.data))
        )
    return pl.concat(found)


def _near(graph: Knowledge, steps: pl.DataFrame, small: pl.DataFrame, code: dict[str, int], ends: tuple[str, str]) -> Sparse:
    """How many items but the other end touch the first of the two ends of each edge, by relation: CSR (edges, relations)."""
    shape = (len(graph.nodes), len(code))
    by = small["step"].replace_strict(code, return_dtype=pl.Int64).to_numpy()
    counts = sparse.csr_array((small["items"].to_numpy().astype(np.float64), (small["node"].to_numpy(), by)), shape=shape)
    ways = graph.edges.select(way="edge_id", node=ends[0], item=ends[1]).with_columns(way=pl.int_range(pl.len()))
    again = ways.join(steps, on=["node", "item"]).join(small, left_on=["node", "relation"], right_on=["node", "step"], how="semi")
    where = again["way"].to_numpy(), again["relation"].replace_strict(code, return_dtype=pl.Int64).to_numpy()
    back = sparse.csr_array((np.ones(len(again)), where), shape=(len(ways), len(code)))
    return (counts[graph.edges[ends[0]].to_numpy()] - back).tocsr()


def _doors(cores: pl.DataFrame, items: int) -> pl.DataFrame:
    """The doors that are used, numbered after the items' own: node, relation, door."""
    used = pl.concat([cores.select(node=node, relation=step) for node, step in (("first", "enter"), ("last", "leave"))])
    return used.drop_nulls().unique().sort("node", "relation").with_row_index("door", offset=items)


def _table(doors: pl.DataFrame, steps: pl.DataFrame, items: int) -> tuple[Sparse, Ints]:
    """Steps of items to doors, and their edges."""
    own = pl.DataFrame({"item": np.arange(items), "door": np.arange(items), "edge": np.full(items, -1)})
    taken = steps.join(doors, on=["node", "relation"]).select("item", pl.col("door").cast(pl.Int64), "edge")
    ordered = pl.concat([own, taken]).sort("item", "door", "edge")
    pointers = np.concatenate([[0], np.cumsum(np.bincount(ordered["item"].to_numpy(), minlength=items))])
    shape = (items, items + len(doors))
    return sparse.csr_array((np.ones(len(ordered)), ordered["door"].to_numpy().copy(), pointers), shape=shape), ordered["edge"].to_numpy()


def _side(cores: pl.DataFrame, doors: pl.DataFrame, steps: pl.DataFrame, ends: tuple[str, str, str], items: int) -> Sparse:
    """Doors by channels; `ends` are the columns of the relation at this end, of the node here and of the node at the other end."""
    step, here, other = ends
    single = cores.filter(pl.col(step).is_null()).join(steps, left_on="middle", right_on="edge")
    wide = cores.select("channel", "middle", node=here, relation=step, item=other).filter(pl.col("relation").is_not_null())
    by = wide.join(doors, on=["node", "relation"])
    again = steps.group_by("node", "relation", "item").agg(value=-pl.len().cast(pl.Float64))
    back = wide.filter(pl.col("middle") >= 0).join(again, on=["node", "relation", "item"])
    found = [
        single.select(door="item", channel="channel", value=pl.lit(1.0)),
        by.select(pl.col("door").cast(pl.Int64), "channel", value=pl.lit(1.0)),
        back.select(door="item", channel="channel", value="value"),
    ]
    rows = pl.concat(found).sort("door", "channel")
    shape = (items + len(doors), len(cores))
    return sparse.csr_array((rows["value"].to_numpy(), (rows["door"].to_numpy(), rows["channel"].to_numpy())), shape=shape)


def _frequent(sizes: list[pl.DataFrame], most: int) -> tuple[list[str], int]:
    """The `most` types with the most paths, sorted by name, and how many types are left out."""
    summed = pl.concat(sizes).group_by("type").agg(pl.col("paths").sum())
    found = summed.filter(pl.col("paths") > 0).sort("paths", "type", descending=[True, False])
    return sorted(found["type"].head(most)), max(0, len(found) - most)
