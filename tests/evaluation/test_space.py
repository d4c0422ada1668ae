import numpy as np
import polars as pl
import pytest

from components.evaluation.assess import assess
from components.evaluation.compare import Plan
from components.evaluation.report import render
from components.evaluation.space import REST, Space

ABOUT = {"semantic": {"items": {"with_text": 29}, "image": {"refused": {"<b>truncated</b>": 2}}, "curve": [1]}}


@pytest.fixture
def items(categories):
    return categories.with_columns(title=pl.format("<i>{}</i>", pl.col("item_id")))


@pytest.fixture
def views():
    """After: the two camps are the two ends of one axis, but for item 29, of which nothing is known."""
    rng = np.random.default_rng(0)
    after = 0.1 * rng.normal(size=(30, 6))
    after[:, 0] += np.where(np.arange(30) < 15, 1.0, -1.0)
    after[29] = 0.0
    return {"content": rng.normal(size=(30, 6)), "vectors": after}


def test_neighbours_change_from_anyones_to_the_camps_own(views, items, dataset):
    space = Space.of(views, items, dataset)
    for row in space.report()["neighbours"]:
        camp = int(row["item"][4:6]) < 15
        assert all((int(title[4:6]) < 15) == camp for title in row["vectors"])
        assert row["item"] not in row["vectors"]
        assert len(row["content"]) == 5
    assert space.neighbours("vectors", 29) == []


def test_alignment_and_uniformity_are_those_of_wang_and_isola(views, items, dataset):
    space = Space.of(views, items, dataset)
    unit = views["content"] / np.linalg.norm(views["content"], axis=1, keepdims=True)
    left, right = space.pairs.T
    assert space.alignment("content") == pytest.approx(np.square(unit[left] - unit[right]).sum(1).mean())
    apart = [np.exp(-2 * np.square(unit[i] - unit[j]).sum()) for i in range(30) for j in range(i)]
    assert space.uniformity("content") == pytest.approx(np.log(np.mean(apart)))
    assert space.alignment("vectors") < space.alignment("content") / 4


def test_pairs_are_what_was_had_last_and_wanted_next(views, items, dataset):
    pairs = Space.of(views, items, dataset).pairs
    known = dataset.known()
    users = [user for user in range(80) if known.lengths[user] and dataset.test.lengths[user]]
    assert pairs.tolist() == [[known.items[known.offsets[user + 1] - 1], dataset.test.items[dataset.test.offsets[user]]] for user in users]


def test_the_map_parts_the_camps_and_is_the_same_each_time(views, items, dataset):
    points, groups = Space.of(views, items, dataset).map("vectors")
    assert len(points) == 29
    sides = {group: np.sign(points[[own == group for own in groups], 0]) for group in ("even", "odd")}
    assert {len(set(side)) for side in sides.values()} == {1}
    assert sides["even"][0] != sides["odd"][0]
    again, _ = Space.of(views, items, dataset).map("vectors")
    assert np.array_equal(points, again)


def test_rare_categories_share_a_colour(views, items, dataset):
    many = items.with_columns(categories=pl.Series([[f"c{place % 15:02}"] for place in range(30)]))
    _, groups = Space.of(views, many, dataset).map("content")
    assert len(set(groups)) == 8
    assert groups.count(REST) == 16


def test_nothing_known_of_any_item_is_said_as_such(views, items, dataset):
    space = Space.of({"content": np.zeros((30, 3))}, items, dataset)
    assert space.report()["views"] == {"content": {"alignment": None, "uniformity": None}}
    assert space.map("content")[0].shape == (0, 2)


def test_the_report_shows_it_and_escapes_titles_and_reasons(views, items, dataset, bundle, categories, baselines):
    metrics = assess(bundle, dataset, categories, baselines, Plan(k=5, depth=10, resamples=10, seed=1))[1]
    space = Space.of(views, items, dataset)
    page = render(metrics, ABOUT, space=space)
    assert page.count("Map of the items") >= 2
    assert "items: with text" in page
    assert "&lt;b&gt;truncated" in page
    assert "<i>i0" not in page
    assert "&lt;i&gt;i0" in page
    assert page == render(metrics, ABOUT, space=space)
    assert "The space of the items" not in render(metrics, {})
