import numpy as np
import polars as pl
import pytest

from components.evaluation.drift import Bounds, drifts, embeddings, psi, scores

BOUNDS = Bounds(psi=0.2, ks=0.15, least=500)
GENRES = [[("Horror", "Comedy", "Drama")[n % 3]] for n in range(99)]
ITEMS = pl.DataFrame({"item_id": [f"i{n:03d}" for n in range(100)], "categories": [*GENRES, None]})


def events(draw: np.random.Generator, size: int = 2000, *, first: int = 0, users: int = 400) -> pl.DataFrame:
    """Events whose items are the more popular the lower their number; `first` turns the order."""
    chances = 1 / (1 + np.arange(100))
    items = (draw.choice(100, size, p=chances / chances.sum()) + first) % 100
    return pl.DataFrame({"user_id": [f"u{n}" for n in draw.integers(users, size=size)], "item_id": [f"i{n:03d}" for n in items]})


def found(before: pl.DataFrame, now: pl.DataFrame) -> dict[str, bool]:
    return {one.name: one.drifted for one in drifts(ITEMS, before, now, BOUNDS)}


def test_population_stability_index_by_hand():
    assert psi(np.array([10, 30]), np.array([10, 30])) == 0
    p, q = np.array([10.5, 30.5]) / 41, np.array([30.5, 10.5]) / 41
    assert psi(np.array([10, 30]), np.array([30, 10])) == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert np.isfinite(psi(np.array([0, 5]), np.array([5, 0])))


def test_nothing_drifts_where_nothing_changed_in_twenty_draws():
    for seed in range(20):
        draw = np.random.default_rng(seed)
        assert not any(found(events(draw), events(draw)).values()), seed


def test_few_users_differ_by_chance_and_that_is_no_drift():
    for seed in range(20):
        draw = np.random.default_rng(seed)
        assert not found(events(draw, 500, users=60), events(draw, 500, users=60))["events per user"], seed


def test_what_changed_is_named():
    draw = np.random.default_rng(1)
    before = events(draw)
    horror = events(draw).filter(pl.col("item_id").str.slice(1).cast(pl.Int64) % 3 == 0)
    assert found(before, horror)["category of the items"]
    turned = found(before, events(draw, first=50))
    assert (turned["popularity of the items"], turned["events per user"]) == (True, False)
    assert found(before, events(draw, users=40))["events per user"]


def test_items_that_nobody_knew_are_a_group_of_their_own():
    draw = np.random.default_rng(2)
    before, now = events(draw), events(draw).with_columns(item_id=pl.concat_str([pl.lit("new "), "item_id"]))
    by_name = {one.name: one for one in drifts(ITEMS, before, now, BOUNDS)}
    assert by_name["popularity of the items"].reason == "(unknown item) went from 0.0% to 100.0%"
    assert by_name["category of the items"].drifted


def test_of_too_few_events_nothing_is_said():
    draw = np.random.default_rng(3)
    assert drifts(ITEMS, events(draw), events(draw, 499), BOUNDS) == []
    assert scores(np.ones(499), np.ones(2000), BOUNDS) == []


def test_scores_by_kolmogorov_and_smirnov():
    draw = np.random.default_rng(4)
    same, lower = draw.beta(2, 50, 2000), draw.beta(2, 80, 2000)
    assert [one.drifted for one in scores(same, draw.beta(2, 50, 2000), BOUNDS)] == [False]
    [drifted] = scores(same, lower, BOUNDS)
    assert drifted.drifted
    assert "the median went from" in drifted.reason


def test_embeddings_drift_along_the_axis_that_changed_and_not_in_twenty_draws_of_the_same():
    vectors = np.random.default_rng(5).normal(size=(100, 16)) * np.linspace(3, 1, 16)
    chances = 1 / (1 + np.arange(100))

    def drawn(seed: int, weights: np.ndarray) -> np.ndarray:
        return np.random.default_rng(seed).choice(100, 1000, p=weights / weights.sum())

    for seed in range(20):
        [same] = embeddings(vectors, drawn(seed, chances), drawn(100 + seed, chances), BOUNDS)
        assert not same.drifted, seed
    [moved] = embeddings(vectors, drawn(0, chances), drawn(1, chances * (vectors[:, 0] > 0)), BOUNDS)
    assert moved.drifted
    assert moved.reason.startswith("along the axis of 5 that moved most the median went from ")
    assert embeddings(vectors, drawn(0, chances)[:499], drawn(1, chances), BOUNDS) == []
