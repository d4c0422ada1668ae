import numpy as np
import pytest
import torch

from components.data.histories import Histories
from components.semantic.contrast import WINDOW, Companions, info_nce


def histories(rows):
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    return Histories(items, np.zeros(len(items), dtype=np.int64), offsets)


def test_companions_are_chosen_by_the_same_user_nearby():
    far = list(range(3, 3 + WINDOW + 2))
    companions = Companions.of(histories([[0, 1], [2], far, [0, 2]]), 20)
    drawn = {item: set(companions.draw(torch.full((500,), item)).tolist()) for item in range(12)}
    assert drawn[0] == {1, 2}
    assert drawn[1] == {0}
    assert drawn[far[0]] == set(far[1 : 1 + WINDOW])
    assert drawn[11] == {11}


@pytest.mark.parametrize("rows", [[[]], [[], [3]]])
def test_nobody_chose_anything_together(rows):
    assert Companions.of(histories(rows), 5).draw(torch.arange(5)).tolist() == list(range(5))


def test_what_is_together_attracts_and_the_rest_repels():
    left = torch.eye(3)
    assert info_nce(left, left, 0.1) < info_nce(left, left.roll(1, 0), 0.1)
    same = torch.ones(3, 3, dtype=torch.bool)
    assert info_nce(left, left.roll(1, 0), 0.1, same) == pytest.approx(0)
    assert info_nce(left[:0], left[:0], 0.1) == 0
