"""A bundle with more items, to see what size costs: `python benchmarks/serving_wide.py BUNDLE OUT ITEMS`.

The catalogue is laid out again and again: a copy has the texts, entities and neighbours of its original among its like, vectors moved by a
little noise, and its share of the events. What it recommends means nothing; what it takes to compute it is that of such a catalogue.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components import artifacts

NOISE = 0.05  # of a tensor's deviation
TWINS = ("item.safetensors", "sequential.safetensors")  # items by items, in compressed rows


def widen(bundle: Path, out: Path, wanted: int) -> str:
    """Write a bundle of `wanted` items, or a few more, beside the original; gives its id."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(bundle, out)
    items = artifacts.read_table(bundle / "items.parquet")
    count, copies = items.height, -(-wanted // items.height)
    draw = np.random.default_rng(0)
    artifacts.write_table(out / "items.parquet", pl.concat([_renamed(items, copy) for copy in range(copies)]))
    nodes = artifacts.read_table(bundle / "nodes.parquet")
    _graph(bundle, out, nodes, count, copies)
    for path in sorted(bundle.glob("*.safetensors")):
        tensors = artifacts.read_tensors(path)
        if path.name in TWINS:
            told = _twins(tensors, count, copies)
        else:
            told = {name: _tiled(name, value, (count, nodes.height, copies), draw) for name, value in tensors.items()}
        artifacts.write_tensors(path=out / path.name, tensors=told)
    (out / "manifest.json").unlink()
    return artifacts.seal(out, {**artifacts.verify(bundle)["about"], "widened": copies})


def _renamed(items: pl.DataFrame, copy: int) -> pl.DataFrame:
    """Ids that sort by copy, then as before."""
    return items.with_columns(item_id=pl.format("{}-{}", pl.lit(f"{copy:04}"), "item_id"))


def _graph(bundle: Path, out: Path, nodes: pl.DataFrame, count: int, copies: int) -> None:
    """Items first, all copies of them, then the entities, which all copies share."""
    edges = artifacts.read_table(bundle / "edges.parquet")
    wide = pl.concat([_renamed(nodes.head(count), copy) for copy in range(copies)] + [nodes.slice(count)])
    artifacts.write_table(out / "nodes.parquet", wide.with_columns(node=pl.int_range(pl.len(), dtype=nodes.schema["node"])))

    def moved(end: str, copy: int) -> pl.Expr:
        node = pl.col(end)
        return pl.when(node < count).then(node + copy * count).otherwise(node + (copies - 1) * count).cast(edges.schema[end]).alias(end)

    told = pl.concat([edges.with_columns(moved("head", copy), moved("tail", copy)) for copy in range(copies)])
    told = told.unique(["head", "relation", "tail"], maintain_order=True)  # entities are joined once
    artifacts.write_table(out / "edges.parquet", told.with_columns(edge_id=pl.int_range(pl.len(), dtype=edges.schema["edge_id"])))


def _twins(matrix: dict[str, Any], count: int, copies: int) -> dict[str, Any]:
    pointers, nonzero = matrix["indptr"], len(matrix["data"])
    starts = np.concatenate([pointers[:-1] + copy * nonzero for copy in range(copies)] + [[copies * nonzero]])
    columns = np.concatenate([matrix["indices"] + copy * count for copy in range(copies)])
    return {"data": np.tile(matrix["data"], copies), "indices": columns.astype(np.int32), "indptr": starts}


def _tiled(name: str, value: Any, sizes: tuple[int, int, int], draw: np.random.Generator) -> Any:
    """Along the items or the nodes, where a tensor has as many rows; events go to a copy each; all else stays."""
    count, nodes, copies = sizes
    if name == "items":
        return value + count * draw.integers(0, copies, len(value)).astype(value.dtype)
    if value.shape[:1] == (nodes,):
        return np.concatenate([np.tile(value[:count], copies), value[count:]])
    if value.shape[:1] != (count,):
        return value
    wide = np.concatenate([value] * copies)
    if value.dtype == np.float32 and value.ndim == 2:
        wide += (NOISE * value.std() * draw.standard_normal(wide.shape)).astype(np.float32)
    return wide


if __name__ == "__main__":
    sys.stdout.write(widen(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])) + "\n")
