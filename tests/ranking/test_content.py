"""Content similarity: it scores items that nobody has chosen."""

import numpy as np

from components.data.histories import Histories
from components.ranking.content import ContentLinear
from components.ranking.parts import World


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
