import importlib.util
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.metrics import NAMES, distinct, listed, measure, member, repeated
from components.evaluation.significance import resample
from tests.evaluation.conftest import ROOT, histories, lists

JUDGE = ROOT.parent / "shared" / "judge" / "judge.py"
ITEMS = 12


@st.composite
def worlds(draw):
    """Lists without repeats, some short or empty, and at least one wanted item for each user."""
    users = draw(st.integers(1, 6))
    order = st.permutations(range(ITEMS))
    rows = [draw(order)[: draw(st.integers(0, ITEMS))] for _ in range(users)]
    wanted = [draw(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=8)) for _ in range(users)]
    return rows, wanted, draw(st.integers(1, ITEMS + 2))


def brute(row, wanted, k):
    """Every metric from its words, for one user."""
    row, wanted = row[:k], set(wanted)
    hits = [item in wanted for item in row]
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits, 1) if hit)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))
    precisions = [sum(hits[:rank]) / rank for rank, hit in enumerate(hits, 1) if hit]
    return {
        "NDCG": gain / ideal,
        "HR": float(any(hits)),
        "Recall": sum(hits) / len(wanted),
        "Precision": sum(hits) / k,
        "MRR": 1 / (hits.index(True) + 1) if any(hits) else 0.0,
        "MAP": sum(precisions) / min(k, len(wanted)),
    }


@given(worlds())
@settings(max_examples=200, deadline=None)
def test_equal_to_brute_force(world):
    rows, wanted, k = world
    truth = distinct(histories(wanted))
    found = measure(member(lists(rows, ITEMS), truth), truth.lengths, k)
    assert tuple(found) == NAMES
    for user, (row, want) in enumerate(zip(rows, wanted, strict=True)):
        for name, value in brute(row, want, k).items():
            assert found[name][user] == pytest.approx(value, abs=1e-12)


def judge():
    spec = importlib.util.spec_from_file_location("judge", JUDGE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.judge


@pytest.mark.skipif(not JUDGE.exists(), reason="the judge is not beside the repository")
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_judge(seed):
    draw = np.random.default_rng(seed)
    rows = [draw.permutation(60)[: draw.integers(0, 31)].tolist() for _ in range(90)]
    wanted = [draw.integers(0, 60, draw.integers(1, 7)).tolist() for _ in range(90)]
    pairs = [(f"u{user}", f"i{item}", rank) for user, row in enumerate(rows) for rank, item in enumerate(row, 1)]
    asked = [(f"u{user}", f"i{item}") for user, row in enumerate(wanted) for item in row]
    catalogue = [f"i{item}" for item in range(60)]
    said = judge()(
        pd.DataFrame(pairs, columns=["user", "item", "rank"]),
        pd.DataFrame(asked, columns=["user", "item"]),
        catalogue=catalogue,
        ks=(5, 10, 20),
        bootstrap=200,
        seed=seed,
    )
    assert said["valid"]
    truth = distinct(histories(wanted))
    relevant = member(lists(rows, 30), truth)
    for k in (5, 10, 20):
        for name, values in measure(relevant, truth.lengths, k).items():
            assert values.mean() == pytest.approx(said[f"{name}@{k}"], abs=1e-12)
    means = resample(measure(relevant, truth.lengths, 10)["NDCG"][:, None], 200, seed)
    assert np.percentile(means, [2.5, 97.5]) == pytest.approx(said["ci95"]["NDCG@10"], abs=1e-12)


def test_distinct_keeps_each_item_once():
    found = distinct(histories([[3, 1, 3], [], [2, 2]]))
    assert found.items.tolist() == [1, 3, 2]
    assert found.offsets.tolist() == [0, 2, 2, 3]


def test_an_item_of_another_user_is_no_hit():
    assert member(lists([[0, 1], [1]], 2), histories([[1], [0]])).tolist() == [[False, True], [False, False]]


def test_an_empty_place_is_no_hit():
    assert not member(lists([[0], []], 2), histories([[2], [2]])).any()


def test_listed_is_the_lists_without_their_empty_places():
    found = listed(lists([[4, 2], [], [1]], 3))
    assert found.items.tolist() == [4, 2, 1]
    assert found.lengths.tolist() == [2, 0, 1]


def test_repeated_sees_items_but_not_empty_places():
    assert not repeated(lists([[1, 2], [2]], 4))
    assert repeated(lists([[1, 2, 1]], 4))
