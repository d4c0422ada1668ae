import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.baselines import Baseline, ItemKnn, popular, recommend
from components.ranking.popularity import Popularity
from tests.evaluation.conftest import histories, world


class Fixed:
    """Scores given in advance."""

    def __init__(self, scores):
        self.scores = np.array(scores, dtype=np.float64)

    def score(self, histories):
        return self.scores[histories.who]

    def tensors(self):
        return {}


def test_every_baseline_fits_the_protocol(baselines):
    assert all(isinstance(baseline, Baseline) for baseline in baselines.values())


def test_personal_baselines_find_the_camp_of_a_user(baselines, dataset):
    known = dataset.known().pick(np.arange(79))
    for name in ("item_knn", "ease", "sequential"):
        scorer, _ = baselines[name].fit(world(dataset.train, 30), 0)
        best = recommend(scorer, known, np.zeros(30), 3)
        own = (best >= 15) == (np.arange(79) % 2 == 1)[:, None]
        assert own.mean() > 0.95, name


def test_popularity_tells_everyone_what_is_recent():
    scorer, _ = Popularity(half_life=1 / 86400).fit(world(histories([[1, 1, 1, 1, 0], [2]]), 3), 0)
    assert recommend(scorer, histories([[], [2]]), np.array([0, 0, 1]), 2).tolist() == [[2, 0], [0, 1]]


def test_knn_similarity_by_hand():
    scorer, _ = ItemKnn(neighbours=2, shrinkage=1.0, block=2).fit(world(histories([[0, 1], [0, 1, 2], [0], [3]]), 4), 0)
    similar = 2 / (np.sqrt(3 * 2) + 1)
    other = 1 / (np.sqrt(3 * 1) + 1)
    assert scorer.score(histories([[0]]))[0] == pytest.approx([0.0, similar, other, 0.0])


def test_knn_keeps_the_nearest_only():
    scorer, _ = ItemKnn(neighbours=1, shrinkage=0.0).fit(world(histories([[0, 1], [0, 1, 2], [0], [3]]), 4), 0)
    assert scorer.score(histories([[0]]))[0, 1] > 0
    assert scorer.score(histories([[0]]))[0, 2] == 0.0, "the nearest of 2 is 1, not 0"


def test_knn_does_not_depend_on_the_block(dataset):
    one, many = (ItemKnn(neighbours=5, block=block).fit(world(dataset.train, 30), 0)[0].score(dataset.train) for block in (64, 4))
    assert np.array_equal(one, many)


def test_seen_items_are_left_out_and_lists_end_where_nothing_is_left():
    scorer = Fixed([[4, 3, 2, 1], [1, 2, 3, 4]])
    assert recommend(scorer, histories([[0], [0, 1, 3]]), np.zeros(4), 6).tolist() == [[1, 2, 3, -1, -1, -1], [2, -1, -1, -1, -1, -1]]


def test_the_cold_user_gets_what_is_popular_where_the_scorer_says_nothing():
    assert recommend(Fixed([[2, 2, 2]]), histories([[]]), np.array([1, 5, 3]), 2).tolist() == [[1, 2]]
    assert recommend(Fixed([[9, 0, 0]]), histories([[]]), np.array([1, 5, 3]), 2).tolist() == [[0, 1]]


@given(st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=1, max_size=9), st.integers(1, 8), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_equal_scores_stand_by_index_in_any_block(scores, depth, block):
    known = histories([[0]] * len(scores))
    expected = [sorted(range(1, 7), key=lambda item, row=row: (-row[item], item))[:depth] for row in scores]
    found = recommend(Fixed(scores), known, np.zeros(7), depth, block)
    assert [[item for item in row if item >= 0] for row in found.tolist()] == expected


def test_a_scorer_keeps_its_scores():
    scorer = Fixed([[1.0, 2.0]])
    recommend(scorer, histories([[1]]), np.zeros(2), 1)
    assert np.isfinite(scorer.scores).all()


@given(st.integers(0, 10_000), st.integers(1, 14), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_popular_is_recommending_by_counts(seed, depth, block):
    draw = np.random.default_rng(seed)
    counts = draw.integers(0, 4, 12)
    known = histories([draw.permutation(12)[: draw.integers(0, 13)].tolist() for _ in range(7)])
    expected = recommend(Fixed(np.tile(counts, (7, 1))), known, counts, depth)
    assert np.array_equal(popular(counts, known, depth, block), expected)
