import numpy as np
import pytest

from components.knowledge.alignment import Alignment
from components.training import Plan

SETTINGS = Alignment(plan=Plan(epochs=30, batch=64, rate=0.01))


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    pools = rng.normal(size=(300, 6)).astype(np.float32)
    vectors = (pools @ rng.normal(size=(6, 10)) + 0.1 * rng.normal(size=(300, 10))).astype(np.float32)
    return vectors, pools, np.arange(300) % 10 != 0


def test_withheld_vectors_find_their_entities(world):
    vectors, pools, has = world
    aligned, report = SETTINGS.fit(vectors, pools, has, seed=1, label="items")
    assert report["held"] == 27
    assert report["before"]["hits@10"] < 0.3
    assert report["after"]["hits@10"] > 0.9
    assert report["after"]["hits@1"] > 2 * report["before"]["hits@1"]
    assert (report["aligned"], report["without_entities"]) == (270, 30)
    assert aligned.dtype == np.float32
    centre = vectors.mean(0)
    lengths = np.linalg.norm(aligned - centre, axis=1) / np.linalg.norm(vectors - centre, axis=1)
    assert np.median(lengths) == pytest.approx(1, abs=0.15)


def test_vectors_without_entities_stay(world):
    vectors, pools, has = world
    aligned, _ = SETTINGS.fit(vectors, pools, has, seed=1, label="items")
    assert np.array_equal(aligned[~has], vectors[~has])
    assert not np.allclose(aligned[has], vectors[has])


def test_nothing_to_align(world):
    vectors, pools, has = world
    aligned, report = SETTINGS.fit(vectors, pools, np.zeros_like(has), seed=1, label="items")
    assert np.array_equal(aligned, vectors)
    assert report == {"aligned": 0, "without_entities": 300}


def test_equal_pools_count_half(world):
    vectors, pools, has = world
    same = np.tile(pools[:1], (300, 1))
    _, report = SETTINGS.fit(vectors, same, has, seed=1, label="items")
    assert report["after"]["hits@10"] == 0


def test_same_seed_same_bits(world):
    one, two = (SETTINGS.fit(*world, seed=3, label="items")[0] for _ in range(2))
    assert np.array_equal(one, two)
