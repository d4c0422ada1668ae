"""What each item has, relation by relation, as sparse matrices that attention is computed on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from components.data.histories import Ints
from components.ranking.parts import Floats

Sparse = Any  # scipy's csr_matrix: its stubs lose the kind in every sum and product


@dataclass(frozen=True)
class Facets:
    """The graph's edges between items and entities.

    Attributes:
        nodes: as in nodes.parquet; the first are the items.
        relations: their names, sorted.
        has: of each relation float32 (items, nodes): how much it tells to have this entity, log(items / items that have it).
    """

    nodes: pl.DataFrame
    relations: tuple[str, ...]
    has: tuple[Sparse, ...]

    @classmethod
    def of(cls, nodes: pl.DataFrame, edges: pl.DataFrame, relations: Sequence[str] | None = None) -> "Facets":
        """Read them off a graph, of all its relations or of those given; edges count in either direction."""
        items = int((nodes["kind"] == "item").sum())
        both = pl.concat([edges.select("relation", item=a, node=b) for a, b in (("head", "tail"), ("tail", "head"))])
        own = both.filter((pl.col("item") < items) & (pl.col("node") >= items)).unique().sort("relation", "item", "node")
        names = own["relation"].unique().sort().to_list() if relations is None else list(relations)
        parts = (own.filter(pl.col("relation") == name) for name in names)
        shape = (items, len(nodes))
        return cls(nodes, tuple(names), tuple(_told(part["item"].to_numpy(), part["node"].to_numpy(), shape) for part in parts))

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        return self.has[0].shape[0] if self.has else int((self.nodes["kind"] == "item").sum())

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Nodes other than items by name, case folded."""
        found: dict[str, list[int]] = {}
        for node, name in self.nodes.slice(self.items).select("node", "name").iter_rows():
            found.setdefault(name.casefold(), []).append(node)
        return found

    @cached_property
    def there(self) -> tuple[Sparse, ...]:
        """`has`, with 1 for each edge."""
        return tuple(sparse.csr_matrix((np.ones_like(has.data), has.indices, has.indptr), has.shape) for has in self.has)

    def named(self, rows: Sequence[Sequence[str]], kinds: Sequence[Sequence[str]] | None = None) -> Sparse:
        """Entities by name, of any kind or of the kinds given beside: float32 (rows, nodes), 1 where a row names one."""
        kind = self.nodes["kind"].to_list()
        pairs = [
            (row, node)
            for row, names in enumerate(rows)
            for place, name in enumerate(names)
            for node in self.places.get(name.casefold(), [])
            if kinds is None or kind[node] == kinds[row][place]
        ]
        return marked(pairs, (len(rows), len(self.nodes)))

    def attended(self, named: Sparse) -> Floats:
        """How much of what is named each item has: float32 (relations, rows, items).

        log(1 + Σ_e named_e · told_e) over the item's entities of the relation: attention's logarithm of summed weights.
        """
        return np.stack([_log(named @ has.T) for has in self.has]) if self.has else np.zeros((0, named.shape[0], self.items), np.float32)

    def shared(self, liked: Sparse) -> Floats:
        """How much each item has in common with the liked ones: float32 (relations, rows, items).

        Of each relation as `attended`, by what the liked items have, (rows, items), an entity counting by their share that has it.
        """
        parts = [_log((liked @ there) @ has.T) for there, has in zip(self.there, self.has, strict=True)]
        return np.stack(parts) if parts else np.zeros((0, liked.shape[0], self.items), np.float32)


def marked(pairs: Sequence[tuple[int, int]], shape: tuple[int, int]) -> Sparse:
    """Mark pairs (row, column) with 1: float32, each once."""
    rows, columns = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    found = sparse.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
    found.data[:] = 1.0
    return found


def _told(items: Ints, nodes: Ints, shape: tuple[int, int]) -> Sparse:
    counts = np.bincount(nodes, minlength=shape[1])
    told = np.log(max(shape[0], 2) / counts[nodes]).astype(np.float32)
    return sparse.csr_matrix((told, (items, nodes)), shape=shape)


def _log(product: Sparse) -> Floats:
    return np.log1p(np.maximum(product.toarray(), 0.0))
