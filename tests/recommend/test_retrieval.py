"""The best k: order, ties, prefixes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.recommend.retrieval import top


@given(st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=1, max_size=5), st.integers(0, 9))
def test_equal_scores_go_by_index(rows: list[list[int]], k: int) -> None:
    scores = np.array(rows, dtype=float)
    expected = [sorted(range(7), key=lambda item, row=row: (-row[item], item))[:k] for row in rows]
    assert top(scores, k).tolist() == expected


def test_what_is_closed_comes_last() -> None:
    assert top(np.array([[-np.inf, 1.0, -np.inf, 2.0]]), 3).tolist() == [[3, 1, 0]]
