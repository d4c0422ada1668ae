"""Paths through the graph that explain: from an item of the history over a shared entity to the recommended item."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from components.data.histories import Ints

Path = tuple[int, list[int], float]


@dataclass(frozen=True)
class Paths:
    """Edges by item, for paths of two hops.

    Attributes:
        edges: scipy CSR (items, edges + 1), one stored value per edge of an item to an entity: the entity's column holds
            nothing but its place; `edges.indices` are edge ids, `edges.data` entities.
        weight: float64 (nodes,), log(1 + items / degree) / log(1 + items): 1 for an entity of one item, less the more
            items share it.
    """

    edges: Any
    weight: Any

    @classmethod
    def build(cls, nodes: pl.DataFrame, edges: pl.DataFrame) -> "Paths":
        """Index a graph (`nodes`, `edges` as in `components.knowledge.graph.Knowledge`)."""
        items = int((nodes["kind"] == "item").sum())
        ends = [edges.select("edge_id", item=a, entity=b) for a, b in (("head", "tail"), ("tail", "head"))]
        both = pl.concat(ends).filter((pl.col("item") < items) & (pl.col("entity") >= items)).sort("item", "edge_id")
        item, entity, edge = (both[name].to_numpy() for name in ("item", "entity", "edge_id"))
        table = sparse.csr_array((entity, (item, edge)), shape=(items, len(edges) + 1))
        degree = np.bincount(entity, minlength=len(nodes)) if len(entity) else np.zeros(len(nodes), dtype=np.int64)
        return cls(table, np.log1p(items / np.maximum(degree, 1)) / np.log1p(max(items, 1)))

    def between(self, history: Ints, candidates: Ints, most: int) -> list[list[Path]]:
        """Find for each candidate the `most` heaviest paths from the history.

        Returns:
            per candidate: (source item, [edge id, edge id], weight), by weight downwards, then by edge ids.
        """
        source, out, left = self._edges(np.unique(history))
        place, into, right = self._edges(candidates)
        order = np.argsort(left, kind="stable")
        low, high = np.searchsorted(left[order], right, "left"), np.searchsorted(left[order], right, "right")
        sizes = high - low
        second = np.repeat(np.arange(len(right)), sizes)
        first = order[np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes - low, sizes)]
        origin = np.unique(history)[source[first]]
        proper = origin != candidates[place[second]]
        first, second, origin = first[proper], second[proper], origin[proper]
        weights = self.weight[right[second]]
        ranked = np.lexsort((into[second], out[first], -weights, place[second]))
        starts = np.searchsorted(place[second][ranked], np.arange(len(candidates) + 1))
        found = [ranked[start : min(end, start + most)] for start, end in pairwise(starts)]
        return [[(int(origin[i]), [int(out[first[i]]), int(into[second[i]])], float(weights[i])) for i in part] for part in found]

    def _edges(self, items: Ints) -> tuple[Ints, Ints, Ints]:
        """Edges of items: place in `items`, edge id, entity."""
        start, end = self.edges.indptr[items], self.edges.indptr[items + 1]
        lengths = (end - start).astype(np.int64)
        places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - start, lengths)
        return np.repeat(np.arange(len(items)), lengths), self.edges.indices[places].astype(np.int64), self.edges.data[places]
