import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation import beyond
from tests.evaluation.conftest import lists

LISTS = lists([[0, 1, 2], [0, 1], []], 3)
COUNTS = np.array([6, 2, 0, 0])


def test_coverage_counts_what_anyone_is_shown():
    assert beyond.coverage(LISTS, 4) == 0.75


def test_gini_is_0_for_even_and_near_1_for_one_item():
    assert beyond.gini(lists([[0, 1], [2, 3]], 2), 4) == 0.0
    assert beyond.gini(lists([[0], [0]], 1), 100) == pytest.approx(0.99)
    assert beyond.gini(lists([[]], 2), 4) == 0.0


def test_novelty_is_the_mean_self_information():
    shares = np.array([7, 3, 1, 7, 3]) / 12
    assert beyond.novelty(LISTS, COUNTS) == pytest.approx(-np.log2(shares).mean())


def test_popularity_is_the_mean_count():
    assert beyond.popularity(LISTS, COUNTS) == (6 + 2 + 0 + 6 + 2) / 5


@given(st.integers(0, 1000), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_diversity_equals_the_mean_over_pairs(seed, block):
    draw = np.random.default_rng(seed)
    content = draw.normal(size=(9, 4))
    content[0] = 0
    rows = [draw.permutation(9)[: draw.integers(0, 6)].tolist() for _ in range(5)]
    unit = content / np.maximum(np.linalg.norm(content, axis=1, keepdims=True), 1e-300)
    each = [1 - np.mean([unit[a] @ unit[b] for a in row for b in row if a != b]) for row in rows if len(row) > 1]
    expected = np.mean(each) if each else 0.0
    assert beyond.diversity(lists(rows, 6), content, block) == pytest.approx(expected, abs=1e-12)


def test_serendipity_counts_wanted_and_unexpected():
    relevant, expected = np.array([[True, True], [False, False]]), np.array([[True, False], [False, True]])
    assert beyond.serendipity(relevant, expected) == 0.25


def test_exposure_runs_from_nothing_to_everything_by_popularity():
    assert beyond.exposure(LISTS, COUNTS, points=4) == [0.0, 0.4, 0.8, 1.0, 1.0]


def test_calibrated_scores_have_a_small_error_and_overconfident_ones_a_large_one():
    draw = np.random.default_rng(0)
    scores = draw.uniform(0, 0.5, 80000)
    came = draw.uniform(size=80000) < scores
    assert beyond.reliability(scores, came)["ECE"] < 0.01
    assert beyond.reliability(scores + 0.4, came)["ECE"] == pytest.approx(0.4, abs=0.01)


def test_reliability_by_hand():
    found = beyond.reliability(np.array([0.9, 0.1, 0.2, 0.8]), np.array([True, False, False, False]), bins=2)
    assert found["bins"] == [
        {"score": pytest.approx(0.15), "wanted": 0.0, "pairs": 2},
        {"score": pytest.approx(0.85), "wanted": 0.5, "pairs": 2},
    ]
    assert found["ECE"] == pytest.approx(0.5 * 0.15 + 0.5 * 0.35)


def test_equal_width_bins_by_hand():
    found = beyond.reliability(np.array([0.9, 0.1, 0.2, 0.8, 1.0]), np.array([True, False, False, False, True]), bins=2)
    assert found["ECE_width"] == pytest.approx(2 / 5 * 0.15 + 3 / 5 * abs(2.7 / 3 - 2 / 3))


def test_small_scores_deceive_equal_width_bins():
    scores = np.repeat([0.01, 0.03], 500)
    came = np.arange(1000) % 50 == 0  # 2 % of both halves
    found = beyond.reliability(scores, came)
    assert found["ECE_width"] == pytest.approx(0.0)
    assert found["ECE"] > 0.005
    assert len(found["bins"]) == 15


def test_nothing_recommended_is_0_throughout():
    none = lists([[], []], 3)
    assert beyond.novelty(none, COUNTS) == beyond.popularity(none, COUNTS) == beyond.diversity(none, np.eye(4)) == 0.0
    assert beyond.reliability(np.empty(0), np.empty(0, dtype=bool)) == {"ECE": 0.0, "ECE_width": 0.0, "bins": []}
