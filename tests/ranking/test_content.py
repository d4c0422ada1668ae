"""Content similarity: it scores items that nobody has chosen."""

import numpy as np

from components.data.histories import Histories
from components.ranking.content import ContentLinear, ContentScorer
from components.ranking.linear import decayed
from components.ranking.parts import Sparing, World


def world(empty: int = 0) -> World:
    """40 items on two topics, ten of them never chosen; each user keeps to a topic."""
    draw = np.random.default_rng(0)
    topic = np.arange(40) % 2
    content = np.stack([topic, 1 - topic, np.ones(40)], 1) + draw.normal(0, 0.1, (40, 3))
    content[:empty] = 0
    items = np.concatenate([draw.choice(np.flatnonzero(topic[:30] == user % 2), 6, replace=False) for user in range(50)])
    histories = Histories(items, np.arange(300), np.arange(0, 301, 6), np.arange(50))
    return World(histories, np.full(50, -1), content.astype(np.float32), content.astype(np.float32))


def test_cold_items_of_the_users_topic_come_first() -> None:
    where = world()
    scores = ContentLinear().fit(where, 0)[0].score(where.histories)[:, 30:]
    liked = (np.arange(30, 40) % 2)[None] == (np.arange(50) % 2)[:, None]
    assert scores[liked].min() > scores[~liked].max()


def test_an_item_without_content_scores_nothing() -> None:
    where = world(empty=5)
    scores = ContentLinear().fit(where, 0)[0].score(where.histories)
    assert np.isfinite(scores).all()
    assert (scores[:, :5] == 0).all()


def test_no_content_at_all_is_finite() -> None:
    where = world(empty=40)
    assert (ContentLinear().fit(where, 0)[0].score(where.histories) == 0).all()


def test_restored_it_scores_the_same() -> None:
    where = world()
    scorer, _ = ContentLinear().fit(where, 0)
    again = ContentLinear().restore(scorer.tensors(), where)
    np.testing.assert_array_equal(again.score(where.histories), scorer.score(where.histories))


def test_scores_are_the_same_of_candidates_only_and_in_company() -> None:
    draw = np.random.default_rng(1)
    content = draw.normal(0, 1, (200, 384)).astype(np.float32)
    items, lengths = draw.integers(0, 200, 400), draw.multinomial(400, np.full(12, 1 / 12))
    asked = Histories(items, np.arange(400), np.concatenate([[0], np.cumsum(lengths)]))
    scorer = ContentLinear(decay=5.0).fit(World(asked, np.full(12, -1), content, content), 0)[0]
    assert isinstance(scorer, Sparing)
    scores, candidates = scorer.score(asked), draw.integers(0, 200, (12, 7))
    np.testing.assert_array_equal(scorer.some(asked, candidates), np.take_along_axis(scores, candidates, axis=1))
    for user in range(12):
        alone = scorer.score(asked.pick(np.array([user])))[0]
        np.testing.assert_array_equal(alone.astype(np.float32), scores[user].astype(np.float32))
    for known in (None, 150):
        centre, deviation = scorer.moments(asked, known)
        np.testing.assert_allclose(centre[:, 0], scores[:, :known].mean(1), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(deviation[:, 0], scores[:, :known].std(1), rtol=1e-9)


def test_whole_numbers_cost_next_to_nothing_in_precision() -> None:
    where = world()
    scorer = ContentLinear().fit(where, 0)[0]
    assert isinstance(scorer, ContentScorer)
    tensors, past = scorer.tensors(), decayed(where.histories, 40, scorer.decay)
    exact = past @ tensors["features"].astype(np.float64) @ tensors["metric"].astype(np.float64) @ tensors["features"].T
    np.testing.assert_allclose(scorer.score(where.histories), exact, atol=1e-3 * np.abs(exact).max())
