"""A knowledge graph takes in items that came after it was built, by the declaration that it was built by."""

from dataclasses import replace

import polars as pl

from components.data.histories import Ints
from components.knowledge.external import FACTS, ITEM
from components.knowledge.graph import Graph, Knowledge, facts
from components.knowledge.names import compared, spelled

ENDS = ("head", "tail")
ORDER = ("head", "relation", "tail")


def grow(graph: Knowledge, declaration: Graph, catalogue: pl.DataFrame, told: Ints, edge: int) -> Knowledge:
    """Link items by what the catalogue says of them.

    Args:
        catalogue: all items (as `components.schema.ITEMS`), in their order; those behind the graph's own are new.
        told: int64, ascending: the new items, and those of which it says something else than before.
        edge: the first id for edges that are new, or that touch one of `told`.

    Returns:
        The graph with the new items behind the old ones and new entities at its end. What columns that are declared said of an
        item in `told` gives way to what they say now; links to items that there are not are left out.
    """
    known, told_items = graph.items, catalogue[told]
    nodes = _nodes(graph.nodes, catalogue, known)
    said = pl.concat([pl.DataFrame(schema=FACTS), *(facts(told_items, column) for column in declaration.columns)])
    stated = said.filter(pl.col("tail").is_not_null())
    nodes = pl.concat([nodes, _entities(nodes, stated)])
    fresh = _placed(nodes, stated)
    rows, relations = pl.Series(told).implode(), [column.relation for column in declaration.columns]
    moved = graph.edges.with_columns(_moved(end, known, len(catalogue) - known) for end in ENDS)
    kept = moved.filter(~(pl.col("head").is_in(rows) & pl.col("relation").is_in(relations)))
    touched = pl.col("head").is_in(rows) | pl.col("tail").is_in(rows)
    anew = pl.concat([kept.filter(touched).select(*ORDER), fresh]).unique().sort(*ORDER)
    numbered = anew.select(pl.int_range(edge, edge + pl.len(), dtype=pl.Int64).alias("edge_id"), *ORDER)
    return replace(graph, nodes=nodes, edges=pl.concat([kept.filter(~touched).select("edge_id", *ORDER), numbered]))


def _moved(column: str, known: int, added: int) -> pl.Expr:
    """Nodes behind the items make room."""
    return pl.when(pl.col(column) >= known).then(pl.col(column) + added).otherwise(pl.col(column)).alias(column)


def _nodes(nodes: pl.DataFrame, catalogue: pl.DataFrame, known: int) -> pl.DataFrame:
    """The nodes of all items, by the names that they have now, and of the entities that there were."""
    items = catalogue.with_row_index("node").select(
        pl.col("node").cast(pl.Int64), kind=pl.lit(ITEM), name=pl.coalesce("title", "item_id"), item_id="item_id"
    )
    return pl.concat([items, nodes.slice(known).with_columns(_moved("node", known, len(catalogue) - known))])


def _keys(nodes: pl.DataFrame) -> pl.DataFrame:
    """By what facts name a node: node, tail_kind, tail; of entities that read alike the first."""
    key = pl.when(pl.col("kind") == ITEM).then("item_id").otherwise(compared(spelled(pl.col("name"))))
    return nodes.select("node", tail_kind="kind", tail=key).unique(["tail_kind", "tail"], keep="first", maintain_order=True)


def _entities(nodes: pl.DataFrame, stated: pl.DataFrame) -> pl.DataFrame:
    """Nodes for the entities that there were not yet."""
    absent = stated.filter(pl.col("tail_kind") != ITEM).join(_keys(nodes), on=["tail_kind", "tail"], how="anti")
    first = absent.sort("tail_kind", "tail", "tail_name").unique(["tail_kind", "tail"], keep="first", maintain_order=True)
    numbers = pl.int_range(len(nodes), len(nodes) + pl.len(), dtype=pl.Int64)
    return first.select(node=numbers, kind="tail_kind", name="tail_name", item_id=pl.lit(None, pl.String))


def _placed(nodes: pl.DataFrame, stated: pl.DataFrame) -> pl.DataFrame:
    """The facts as edges between nodes; an item is not tied to itself."""
    heads = nodes.filter(pl.col("kind") == ITEM).select("item_id", head="node")
    tails = _keys(nodes).rename({"node": "end"})
    found = stated.join(heads, left_on="head", right_on="item_id", suffix="_node").join(tails, on=["tail_kind", "tail"])
    edges = found.select("relation", head="head_node", tail="end").select(*ORDER)
    return edges.filter(pl.col("head") != pl.col("tail"))
