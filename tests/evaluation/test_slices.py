import numpy as np
import pytest

from components.evaluation.slices import score, slices
from components.evaluation.task import Task
from tests.evaluation.conftest import histories, lists


def task(known, truth, counts, categories=None) -> Task:
    masks = {name: np.isin(np.arange(len(counts)), items) for name, items in (categories or {}).items()}
    return Task(histories(known), histories(truth), np.array(counts), np.eye(len(counts)), masks)


def by_name(asked: Task, rows: list[list[int]], k: int = 2) -> dict[tuple[str, str], dict]:
    found = [score(part, asked, lists(rows, k), k) for part in slices(asked)]
    return {(row["slice"], row["value"]): row for row in found}


def test_users_fall_into_slices_by_the_length_of_their_history():
    known = [[], [0], [0, 1, 2, 3, 4], [0] * 6, [0] * 20, [0] * 21]
    found = by_name(task(known, [[5]] * 6, [1] * 6), [[5]] * 6)
    users = {key: row["users"] for key, row in found.items()}
    assert users[("user", "cold")] == 1
    assert users[("user", "warm")] == 5
    assert (users[("history", "1-5")], users[("history", "6-20")], users[("history", ">20")]) == (2, 2, 1)


def test_items_fall_into_head_tail_and_cold():
    counts = [9, 8, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    found = by_name(task([[4]] * 3, [[0], [2], [10]], counts), [[0], [3, 2], []])
    assert found[("item", "head")] == {"slice": "item", "value": "head", "users": 1, "NDCG@2": 1.0, "HR@2": 1.0}
    assert found[("item", "tail")]["NDCG@2"] == pytest.approx(1 / np.log2(3))
    assert found[("item", "cold")]["HR@2"] == 0.0


def test_a_slice_of_items_measures_only_its_own():
    found = by_name(task([[4]], [[0, 1]], [9, 0, 1, 1, 1, 1]), [[0, 2]])
    assert found[("item", "head")]["NDCG@2"] == 1.0
    assert found[("item", "cold")]["NDCG@2"] == 0.0


def test_a_slice_without_users_is_printed_with_no_value():
    found = by_name(task([[1]], [[0]], [2, 1]), [[0]])
    assert found[("user", "cold")] == {"slice": "user", "value": "cold", "users": 0, "NDCG@2": None, "HR@2": None}


def test_a_category_needs_30_test_users():
    def categories(users):
        asked = task([[1]] * users, [[0]] * users, [2, 1], {"b": [0], "a": [0, 1], "none": [1]})
        return [key[1] for key in by_name(asked, [[0]] * users) if key[0] == "category"]

    assert categories(30) == ["a", "b"]
    assert categories(29) == []
