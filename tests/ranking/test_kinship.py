from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from components.data.histories import Histories
from components.knowledge.graph import Knowledge
from components.ranking.kinship import Kinship
from components.ranking.linear import ItemLinear
from components.ranking.parts import World
from components.ranking.popularity import Popularity

ITEMS, NEW = 42, np.array([40, 41])  # even items are of one kind, odd ones of the other; nobody chose the last two


def histories():
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.arange(user % 2, 40, 2))[:8] for user in range(60)]
    items = np.concatenate(rows)
    return Histories(items, np.arange(len(items)), np.arange(0, len(items) + 1, 8))


def graph():
    names = [f"i{k:02}" for k in range(ITEMS)]
    nodes = pl.DataFrame({"node": range(ITEMS + 2), "kind": ["item"] * ITEMS + ["genre"] * 2, "name": [*names, "a", "b"]})
    edges = pl.DataFrame(
        {"edge_id": range(ITEMS), "head": range(ITEMS), "relation": ["has"] * ITEMS, "tail": [ITEMS + k % 2 for k in range(ITEMS)]}
    )
    return Knowledge(nodes.with_columns(item_id=pl.lit(None, pl.String)), edges, {})


@pytest.fixture
def world():
    rng = np.random.default_rng(1)
    content = rng.standard_normal((ITEMS, 8)).astype(np.float32)
    return World(histories(), np.full(60, -1), content, content, graph())


@pytest.mark.parametrize("by", ["graph", "content"])
def test_new_items_go_to_those_who_chose_their_kin(world, by):
    if by == "content":
        content = world.content + np.where(np.arange(ITEMS) % 2, 3.0, -3.0)[:, None].astype(np.float32)
        world = replace(world, graph=None, content=content)
    plain, _ = ItemLinear(l2=1.0).fit(world, 0)
    scorer = Kinship(l2=1.0, weights={"content": float(by == "content")}).fit(world).extend(plain)
    scores = scorer.score(world.histories)
    assert not plain.score(world.histories)[:, NEW].any()
    even = scores[:, 40] > scores[:, 41]
    assert np.array_equal(even, np.arange(60) % 2 == 0)


def test_items_that_were_chosen_are_scored_as_before(world):
    plain, _ = ItemLinear(l2=1.0).fit(world, 0)
    scorer = Kinship().fit(world).extend(plain)
    assert np.array_equal(scorer.score(world.histories)[:, :40], plain.score(world.histories)[:, :40])
    assert sp.issparse(scorer.weights)


def test_its_weights_are_those_of_kernel_ridge_regression(world):
    kin = Kinship(l2=2.0, bias=0.5, weights={"content": 0.0}).fit(world)
    same = np.equal.outer(kin.anchors % 2, kin.anchors % 2).astype(float) + 0.5
    asked = np.equal.outer(kin.anchors % 2, NEW % 2).astype(float) + 0.5
    assert kin.weights == pytest.approx(np.linalg.solve(same + 2.0 * np.eye(40), asked), abs=1e-5)


def test_nothing_new_or_nothing_known_needs_no_kin(world):
    everyone = Histories(np.arange(ITEMS), np.arange(ITEMS), np.array([0, ITEMS]))
    assert Kinship().fit(replace(world, histories=everyone)) is None
    nobody = Histories(np.arange(0), np.arange(0), np.array([0, 0]))
    assert Kinship().fit(replace(world, histories=nobody)) is None


def test_a_scorer_without_a_matrix_stays_as_it_is(world):
    scorer, _ = Popularity().fit(world, 0)
    assert Kinship().fit(world).extend(scorer) is scorer


def test_items_without_any_feature_get_what_all_have_in_common(world):
    blank = replace(world, content=np.where(np.arange(ITEMS)[:, None] == 41, 0.0, world.content).astype(np.float32), graph=None)
    kin = Kinship().fit(blank)
    assert np.isfinite(kin.weights).all()
    assert kin.weights[:, 1].std() < kin.weights[:, 0].std()
