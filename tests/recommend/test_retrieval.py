"""The best k, and the search by inner product: order, ties, seen items, prefixes, and the indexes against exact search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from components import artifacts
from components.data.histories import Histories
from components.errors import DataError
from components.recommend import retrieval
from components.recommend.retrieval import HNSW, IVF, Exact, Faiss, Retrieval, recall, restore, top

KINDS = [IVF(lists=16, probes=8), HNSW(links=16, build_breadth=80, breadth=80)]


def vectors(items: int = 2000, width: int = 16, seed: int = 5) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(items, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def histories(rows: list[list[int]]) -> Histories:
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    return Histories(items, np.arange(len(items)), np.cumsum([0, *map(len, rows)]))


def naive(scores: np.ndarray, k: int, seen: list[list[int]]) -> list[list[int]]:
    found = []
    for row, closed in zip(scores, seen, strict=True):
        order = sorted((item for item in range(len(row)) if item not in closed), key=lambda item, row=row: (-row[item], item))[:k]
        found.append(order + [-1] * (min(k, len(row)) - len(order)))
    return found


@given(st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=1, max_size=5), st.integers(0, 9))
def test_equal_scores_go_by_index(rows: list[list[int]], k: int) -> None:
    scores = np.array(rows, dtype=float)
    expected = [sorted(range(7), key=lambda item, row=row: (-row[item], item))[:k] for row in rows]
    assert top(scores, k).tolist() == expected


def test_what_is_closed_comes_last() -> None:
    assert top(np.array([[-np.inf, 1.0, -np.inf, 2.0]]), 3).tolist() == [[3, 1, 0]]


@given(
    arrays.arrays(np.float32, (9, 2), elements=st.integers(-2, 2)),
    arrays.arrays(np.float32, (4, 2), elements=st.integers(-2, 2)),
    st.lists(st.lists(st.integers(0, 8), unique=True, max_size=9), min_size=4, max_size=4),
    st.integers(0, 12),
)
def test_exact_search_is_what_it_says(items: np.ndarray, queries: np.ndarray, seen: list[list[int]], k: int) -> None:
    places, scores = Exact(items).search(queries, k, histories(seen))
    assert places.tolist() == naive(queries @ items.T, k, seen)
    assert np.array_equal(np.isneginf(scores), places < 0)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    items, queries = vectors(300), vectors(50, seed=6)
    seen = histories([[item, 299 - item] for item in range(50)])
    whole = Exact(items).search(queries, 10, seen)
    monkeypatch.setattr(retrieval, "CELLS", 700)
    assert np.array_equal(Exact(items).search(queries, 10, seen)[0], whole[0])


@pytest.mark.parametrize("k", [0, 1, 5])
def test_one_item_and_no_query(k: int) -> None:
    one = Exact(vectors(1))
    assert one.search(vectors(3), k)[0].tolist() == [[0][:k]] * 3
    assert one.search(vectors(3), 1, histories([[0], [], [0]]))[0].tolist() == [[-1], [0], [-1]]
    assert one.search(vectors(0), k)[0].shape == (0, min(k, 1))
    assert Exact(vectors(0)).search(vectors(2), k)[0].shape == (2, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_finds_most_and_is_the_same_bytes_again(kind: IVF | HNSW) -> None:
    items, queries = vectors(), vectors(200, seed=6)
    index = Retrieval(size=100, kind=kind).build(items, 17)
    assert isinstance(index, Faiss)
    assert recall(index, Exact(items), queries, 10) >= 0.9
    again = Retrieval(size=100, kind=kind).build(items, 17)
    assert isinstance(again, Faiss)
    assert np.array_equal(index.tensors()["index"], again.tensors()["index"])


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_comes_back_from_its_bytes(kind: IVF | HNSW, tmp_path) -> None:
    items, queries = vectors(), vectors(20, seed=6)
    index = Retrieval(size=0, kind=kind).build(items, 17)
    assert isinstance(index, Faiss)
    artifacts.write_tensors(tmp_path / "index.safetensors", index.tensors())
    back = restore(artifacts.read_tensors(tmp_path / "index.safetensors"), items)
    for found, expected in zip(back.search(queries, 10), index.search(queries, 10), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_leaves_out_what_is_seen_and_gives_all_that_was_asked(kind: IVF | HNSW) -> None:
    items, queries = vectors(), vectors(5, seed=6)
    order = np.argsort(-(queries @ items.T), axis=1)
    seen = histories([order[0, :0].tolist(), order[1, :10].tolist(), order[2, :300].tolist(), order[3, :1995].tolist(), order[4].tolist()])
    found, scores = Retrieval(size=0, kind=kind).build(items, 17).search(queries, 10, seen)
    for user in range(5):
        own = seen.items[seen.offsets[user] : seen.offsets[user + 1]]
        assert not np.isin(found[user], own).any()
    assert (found >= 0).sum(1).tolist() == [10, 10, 10, 5, 0]
    assert (np.diff(np.where(np.isneginf(scores), -9, scores), axis=1) <= 0).all()


def test_a_cell_with_too_few_items_is_made_up_for_exactly() -> None:
    items, queries = vectors(), vectors(20, seed=6)
    narrow = Retrieval(size=0, kind=IVF(lists=50, probes=1)).build(items, 17)
    found = narrow.search(queries, 400)[0]
    assert np.array_equal(found, Exact(items).search(queries, 400)[0])
    assert recall(narrow, Exact(items), queries, 5) < 1


def test_a_small_catalogue_is_searched_exactly() -> None:
    assert isinstance(Retrieval(size=2000, kind=IVF()).build(vectors(2000), 17), Exact)
    assert isinstance(Retrieval(size=1999, kind=IVF()).build(vectors(2000), 17), Faiss)


def test_nan_is_refused_by_name() -> None:
    items = vectors(5)
    items[3, 1] = np.nan
    with pytest.raises(DataError, match="the vector of item 3 holds NaN"):
        Retrieval(kind=HNSW()).build(items, 17)
    with pytest.raises(DataError, match="a query holds NaN"):
        Exact(vectors(5)).search(items, 2)
    with pytest.raises(DataError, match="16 wide"):
        Exact(vectors(5)).search(vectors(5, 8), 2)
