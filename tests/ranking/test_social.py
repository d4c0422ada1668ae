"""The part that reads ties between people."""

from dataclasses import replace

import numpy as np
import pytest

from components.data.histories import Histories
from components.errors import DataError
from components.knowledge.graph import Graph
from components.ranking.linear import ItemLinear
from components.ranking.parts import World
from components.ranking.social import SocialLinear
from components.schema import ITEMS, table

ITEM_COUNT = 20


def histories(rows, who=None):
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    return Histories(
        items, np.zeros(len(items), dtype=np.int64), np.cumsum([0, *map(len, rows)]), np.arange(len(rows)) if who is None else who
    )


def world(rows, ties):
    graph = Graph(columns=[]).build(table({"item_id": [f"{i:02}" for i in range(ITEM_COUNT)]}, ITEMS), None, None)
    nothing = np.zeros((ITEM_COUNT, 1), dtype=np.float32)
    ties = np.array(ties, dtype=np.int64).reshape(-1, 2)
    return World(histories(rows), np.full(len(rows), -1), nothing, nothing, graph=replace(graph, ties=ties))


def clubs():
    """Twelve people in two clubs; a club chooses from its own ten items, and one member of each has chosen nothing."""
    draw = np.random.default_rng(0)
    rows = [[] if user % 6 == 0 else (draw.permutation(10)[:6] + 10 * (user // 6)).tolist() for user in range(12)]
    return rows, [(a, b) for a in range(12) for b in range(a) if a // 6 == b // 6]


def test_who_has_chosen_nothing_gets_what_friends_chose():
    rows, ties = clubs()
    scorer, _ = SocialLinear(l2=1.0).fit(world(rows, ties), 0)
    scores = scorer.score(histories(rows))
    assert scores[0, :10].min() > scores[0, 10:].max()
    assert scores[6, 10:].min() > scores[6, :10].max()


def test_a_stranger_has_only_his_history():
    rows, ties = clubs()
    scorer, _ = SocialLinear(l2=1.0).fit(world(rows, ties), 0)
    scores = scorer.score(histories([[], [3]], who=np.array([-1, -1])))
    assert not scores[0].any()
    assert scores[1].any()


def test_with_weak_ties_it_is_the_item_linear_model():
    rows, ties = clubs()
    here = world(rows, ties)
    social, _ = SocialLinear(l2=2.0, tie=1e-4, lend=0.0).fit(here, 0)
    plain, _ = ItemLinear(l2=2.0).fit(here, 0)
    np.testing.assert_allclose(social.score(here.histories), plain.score(here.histories), atol=1e-4)


def test_ties_count_once_both_ways_and_never_to_oneself():
    rows, ties = clubs()
    one, _ = SocialLinear(l2=1.0).fit(world(rows, ties), 0)
    two, _ = SocialLinear(l2=1.0).fit(world(rows, [*ties, *[(b, a) for a, b in ties], (3, 3)]), 0)
    assert (one.score(histories(rows)) == two.score(histories(rows))).all()


def test_restored_scores_are_the_same_bits():
    rows, ties = clubs()
    here = world(rows, ties)
    scorer, _ = SocialLinear().fit(here, 0)
    again = SocialLinear().restore(scorer.tensors(), here)
    assert (again.score(here.histories) == scorer.score(here.histories)).all()


def test_without_ties_it_is_refused():
    rows, _ = clubs()
    with pytest.raises(DataError, match="no tie"):
        SocialLinear().fit(world(rows, []), 0)
