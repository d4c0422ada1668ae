"""Stage align: the knowledge graph, its entities' vectors, and items and users aligned with them."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from components import artifacts
from components.data import histories
from components.data.histories import Histories
from components.knowledge.alignment import Alignment, Bools, Floats
from components.knowledge.embedding import Embedding
from components.knowledge.graph import Graph, Knowledge
from components.progress import say
from components.stage import run


def main(
    *,
    graph: Graph,
    embedding: Embedding,
    alignment: Alignment,
    tables: Path,
    split: Path,
    pretrain: Path,
    out: Path,
    seed: int,
    checkpoint: Path,
) -> None:
    """Write nodes, edges, ties between users, entity vectors, aligned item and user vectors, and the report."""
    data = histories.load(tables, split)
    triples, links = (_optional(tables / f"{name}.parquet") for name in ("triples", "links"))
    built = graph.build(artifacts.read_table(tables / "items.parquet"), triples, links, data.users)
    say(f"graph: {len(built.nodes)} nodes, {len(built.edges)} edges")
    vectors, entities = embedding.fit(built, seed, checkpoint / "entities")
    pools, has = pool(built, vectors)
    people, active = follow(data.train, pools, has)
    items, items_report = alignment.fit(
        _vectors(pretrain / "items.safetensors"), pools, has, seed=seed, label="items", checkpoint=checkpoint / "items"
    )
    users, users_report = alignment.fit(
        _vectors(pretrain / "users.safetensors"), people, active, seed=seed, label="users", checkpoint=checkpoint / "users"
    )
    with artifacts.folder(out) as aside:
        artifacts.write_table(aside / "nodes.parquet", built.nodes)
        artifacts.write_table(aside / "edges.parquet", built.edges)
        artifacts.write_tensors(aside / "ties.safetensors", {"ties": built.ties})
        artifacts.write_tensors(aside / "entities.safetensors", {"vectors": vectors[built.items :]})
        artifacts.write_tensors(aside / "items.safetensors", {"vectors": items})
        artifacts.write_tensors(aside / "users.safetensors", {"vectors": users})
        report: dict[str, Any] = {"graph": built.report, "entities": entities, "items": items_report, "users": users_report}
        artifacts.write_json(aside / "align.json", report)


def pool(graph: Knowledge, vectors: Floats) -> tuple[Floats, Bools]:
    """Mean vector of each item's entities, float32 (items, width), and whether it has any."""
    items, entities = graph.pairs()
    return _mean(items, entities, graph.items, vectors)


def follow(train: Histories, pools: Floats, has: Bools) -> tuple[Floats, Bools]:
    """Mean pool of the items of each user's training history, float32 (users, width), and whether there is any."""
    known = has[train.items]
    return _mean(train.users[known], train.items[known], len(train), pools)


def _mean(rows: Any, columns: Any, size: int, vectors: Floats) -> tuple[Floats, Bools]:
    table = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(size, len(vectors)))
    counts = np.bincount(rows, minlength=size)
    return (table @ vectors.astype(np.float64) / np.maximum(counts, 1)[:, None]).astype(np.float32), counts > 0


def _vectors(path: Path) -> Floats:
    return artifacts.read_tensors(path)["vectors"]


def _optional(path: Path) -> pl.DataFrame | None:
    return artifacts.read_table(path) if path.exists() else None


if __name__ == "__main__":
    run(main)
