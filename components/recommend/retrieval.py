"""The best k of many scores, and the items whose inner product with a query is highest: exact, or by an index."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import InstanceOf, NonNegativeInt, PositiveInt
from torch import Tensor

from components.data.histories import Histories, Ints
from components.errors import DataError
from components.ranking.parts import Arrays, Floats
from components.schema import node

CELLS = 1 << 23  # scores held at a time: 32 MiB; fewer would pay more for starting threads than the cache gives back


def top(scores: Floats, k: int) -> Ints:
    """Indices of each row's k highest scores, best first, equal ones by index: int64 (rows, min(k, columns))."""
    k = min(k, scores.shape[1])
    if not k or not len(scores):
        return np.empty((len(scores), k), dtype=np.int64)
    return _best(torch.from_numpy(np.ascontiguousarray(scores)), k)[0]


class Index(Protocol):
    """Finds items by inner product."""

    def search(self, queries: Floats, k: int, seen: Histories | None = None) -> tuple[Ints, Floats]:
        """Find the k items with the highest q · v of each query, best first, equal ones by index.

        Args:
            queries: float32 (queries, d).
            seen: events of the same users; their items are left out.

        Returns:
            Items, int64, and scores, float32, both (queries, min(k, items)); where there are no more items -1 and -inf.

        Raises:
            DataError: the queries are not as wide as the vectors.
        """
        ...


@dataclass(frozen=True)
class Exact:
    """Blocked float32 products with all vectors, float32 (items, d)."""

    vectors: Floats

    def search(self, queries: Floats, k: int, seen: Histories | None = None) -> tuple[Ints, Floats]:
        """Search the whole catalogue; see `Index.search`."""
        asked, k = _asked(queries, self.vectors), min(k, len(self.vectors))
        places, scores = np.full((len(asked), k), -1), np.full((len(asked), k), -np.inf, dtype=np.float32)
        rows = max(1, CELLS // max(1, len(self.vectors))) if k else max(1, len(asked))
        room = torch.empty(min(rows, len(asked)), len(self.vectors))
        across = torch.from_numpy(self.vectors).T
        for start in range(0, len(asked) if k else 0, rows):
            cut = slice(start, start + rows)
            found = torch.mm(torch.from_numpy(asked[cut]), across, out=room[: len(asked[cut])])
            if seen is not None:
                _close(found, seen, start)
            places[cut], scores[cut] = _best(found, k)
        return np.where(np.isfinite(scores), places, -1), scores


@dataclass(frozen=True)
class Faiss:
    """An approximate index over `vectors`; who has seen too much for it, or gets too few items of it, is searched exactly."""

    index: Any
    vectors: Floats

    def search(self, queries: Floats, k: int, seen: Histories | None = None) -> tuple[Ints, Floats]:
        """Search by the index for so many more items as the user has seen; see `Index.search`."""
        asked, k = _asked(queries, self.vectors), min(k, len(self.vectors))
        places, scores = np.full((len(asked), k), -1), np.full((len(asked), k), -np.inf, dtype=np.float32)
        wanted = k + (seen.lengths if seen is not None else np.zeros(len(asked), dtype=np.int64))
        for size, rows in _alike(wanted, len(self.vectors)):
            places[rows], scores[rows] = self._fetch(asked[rows], k, size, seen.pick(rows) if seen is not None else None)
        if k and len(short := np.flatnonzero(places[:, -1] < 0)):
            places[short], scores[short] = Exact(self.vectors).search(asked[short], k, seen.pick(short) if seen is not None else None)
        return places, scores

    def tensors(self) -> Arrays:
        """The index as bytes, uint8."""
        import faiss

        return {"index": np.asarray(faiss.serialize_index(self.index), dtype=np.uint8)}

    def _fetch(self, asked: Floats, k: int, size: int, seen: Histories | None) -> tuple[Ints, Floats]:
        scores, places = self.index.search(asked, size)
        places = places.astype(np.int64)
        closed = places < 0
        if seen is not None:
            every = len(self.vectors)
            closed |= np.isin(np.arange(len(asked))[:, None] * every + places, seen.users * every + seen.items)
        scores = np.where(closed, -np.inf, scores).astype(np.float32)
        order = np.lexsort((places, -scores), axis=1)[:, :k]
        scores = np.take_along_axis(scores, order, axis=1)
        return np.where(np.isfinite(scores), np.take_along_axis(places, order, axis=1), -1), scores


@node
class IVF:
    """An inverted file of `lists` cells (k-means), of which a search looks into `probes` (Jégou, Douze, Schmid, PAMI 2011)."""

    lists: PositiveInt = 1024
    probes: PositiveInt = 32

    def build(self, vectors: Floats, seed: int) -> Any:
        """Make the index; a small catalogue gets fewer cells, so that 39 items or more learn each."""
        import faiss

        lists = max(1, min(self.lists, len(vectors) // 39))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = seed
        index.nprobe = min(self.probes, lists)
        index.train(vectors)
        index.add(vectors)
        return index


@node
class HNSW:
    """A graph of `links` neighbours per item, looked for among `build` candidates, walked with `breadth` (Malkov, Yashunin, PAMI 2018)."""

    links: PositiveInt = 32
    build_breadth: PositiveInt = 200
    breadth: PositiveInt = 128

    def build(self, vectors: Floats, seed: int) -> Any:
        """Make the index, on one thread: several would not make the same graph twice."""
        import faiss

        index = faiss.IndexHNSWFlat(vectors.shape[1], self.links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = self.build_breadth, self.breadth
        index.hnsw.rng = faiss.RandomGenerator(seed)  # pyright: ignore[reportAttributeAccessIssue]: missing in the stubs
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            index.add(vectors)
        finally:
            faiss.omp_set_num_threads(threads)
        return index


@node
class Retrieval:
    """How items are found by inner product: exactly up to `size` items, by the index `kind` beyond."""

    size: NonNegativeInt = 100_000
    kind: InstanceOf[IVF] | InstanceOf[HNSW]

    def build(self, vectors: Floats, seed: int) -> Exact | Faiss:
        """Make the index of a catalogue; raises DataError where a vector is not finite."""
        vectors = _finite(vectors)
        return Exact(vectors) if len(vectors) <= self.size else Faiss(self.kind.build(vectors, seed), vectors)


def restore(tensors: Arrays, vectors: Floats) -> Faiss:
    """Make an index from what its `tensors` gave and the vectors it was built of."""
    import faiss

    return Faiss(faiss.deserialize_index(tensors["index"]), _finite(vectors))


def recall(index: Index, exact: Exact, queries: Floats, k: int) -> float:
    """Share of each query's true best k that the index finds, the mean over the queries."""
    found, true = index.search(queries, k)[0], exact.search(queries, k)[0]
    size = len(exact.vectors)
    own = np.arange(len(true))[:, None] * size
    return float(np.isin(own + true, own + found).mean()) if true.size else 1.0


def directions(vectors: Floats) -> Floats:
    """Scale vectors, the last axis, to length 1 in float64; what is shorter than 1e-12 becomes 0."""
    wide = vectors.astype(np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.where(length > 1e-12, wide / np.maximum(length, 1e-12), 0.0)


def _best(scores: Tensor, k: int) -> tuple[Ints, Floats]:
    """The k highest of each row, by (-score, index); one more is looked at, to know where equal scores straddle the end."""
    values, places = torch.topk(scores, min(k + 1, scores.shape[1]))
    last = values[:, k - 1]
    tied = values[:, k] == last if values.shape[1] > k else torch.zeros(len(scores), dtype=torch.bool)
    values, places = values[:, :k], places[:, :k]
    if tied.any():
        places[tied] = _first(scores[tied], last[tied], k)
    level = tied | (values[:, 1:] == values[:, :-1]).any(1)
    if level.any():
        ordered = places[level].sort(1).values
        found, order = scores[level].gather(1, ordered).sort(dim=1, descending=True, stable=True)
        places[level], values[level] = ordered.gather(1, order), found
    return places.numpy(), values.numpy()


def _first(scores: Tensor, last: Tensor, k: int) -> Tensor:
    """What is above the k-th score, and of what equals it the first by index, as many as there is room for."""
    above, level = scores > last[:, None], scores == last[:, None]
    room = k - above.sum(1, keepdim=True)
    return (above | (level & (level.cumsum(1) <= room))).nonzero()[:, 1].view(-1, k)


def _close(scores: Tensor, seen: Histories, start: int) -> None:
    first, last = seen.offsets[start], seen.offsets[min(start + len(scores), len(seen))]
    lengths = seen.lengths[start : start + len(scores)]
    users = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths))
    scores[users, torch.from_numpy(seen.items[first:last])] = -torch.inf


def _alike(wanted: Ints, items: int) -> Iterator[tuple[int, Ints]]:
    """Rows that ask the index for about as many items, in bounded blocks; who asks for a quarter of all items is left to `Exact`."""
    sizes = 1 << np.ceil(np.log2(np.maximum(wanted, 1))).astype(np.int64)
    for size in np.unique(sizes[sizes * 4 <= items]):
        rows = np.flatnonzero(sizes == size)
        block = max(1, CELLS // int(size))
        yield from ((int(size), rows[start : start + block]) for start in range(0, len(rows), block))


def _asked(queries: Floats, vectors: Floats) -> Floats:
    if queries.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise DataError(f"retrieval: queries of shape {queries.shape} for vectors {vectors.shape[1]} wide; encode them with the same model")
    if not np.isfinite(queries).all():
        raise DataError("retrieval: a query holds NaN or infinity; train the model again")
    return np.ascontiguousarray(queries, dtype=np.float32)


def _finite(vectors: Floats) -> Floats:
    wrong = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(wrong):
        raise DataError(f"retrieval: the vector of item {wrong[0]} holds NaN or infinity ({len(wrong)} such); train the model again")
    return np.ascontiguousarray(vectors, dtype=np.float32)
