import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.histories import NOW, Histories
from components.ranking.packed import PAD, pack, recent, windows


def histories(lengths, at=None):
    """User i's event k is item 100 i + k at time 1000 i + 10 k."""
    users = np.repeat(np.arange(len(lengths)), lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    place = np.arange(offsets[-1]) - offsets[users]
    who = np.arange(len(lengths))
    return Histories(100 * users + place, 1000 * users + 10 * place, offsets, who, *([] if at is None else [np.array(at)]))


@given(st.lists(st.integers(1, 9), max_size=60))
def test_packed_windows_do_not_overlap_and_waste_less_than_a_row_a_size(lengths):
    sizes = np.array(lengths, dtype=np.int64)
    row, column = pack(sizes, 9)
    taken = [(r, c + i) for r, c, size in zip(row, column, sizes, strict=True) for i in range(size)]
    assert len(set(taken)) == len(taken) == sizes.sum()
    assert (column + sizes <= 9).all()
    assert row.max(initial=-1) + 1 <= sizes.sum() / 9 + 9


def test_every_event_but_a_historys_first_is_a_target_once():
    source = histories([1, 2, 7, 12, 0, 3])
    rows = windows(source, 5)
    there = rows.targets != PAD
    first = source.items[source.offsets[:-1][source.lengths > 0]]
    assert sorted(rows.targets[there].tolist()) == sorted(set(source.items) - set(first))
    assert (rows.targets[there] == rows.items[there] + 1).all()
    assert (rows.asked[there] == rows.times[there] + 10).all()
    assert ((rows.items != PAD) == there).all()
    assert ((rows.owner > 0) == there).all()


def test_a_window_lies_in_one_piece_in_one_row():
    rows = windows(histories([4, 4, 4, 12, 2, 2, 2]), 6)
    for owner in range(1, int(rows.owner.max()) + 1):
        row, column = np.nonzero((rows.owner == owner).numpy())
        assert len(set(row)) == 1
        assert (np.diff(column) == 1).all()
        assert len(set(rows.items[row, column].numpy() // 100)) == 1


def test_the_last_events_lie_right_aligned_and_are_asked_when_the_user_asks():
    rows = recent(histories([3, 0, 6], at=[77, 88, 99]), 4)
    assert rows.items.tolist() == [[PAD, 0, 1, 2], [PAD] * 4, [202, 203, 204, 205]]
    assert rows.asked.tolist() == [[0, 10, 20, 77], [0] * 4, [2030, 2040, 2050, 99]]
    assert rows.targets[:, -1].tolist() == [PAD] * 3


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_is_no_row(lengths):
    assert len(windows(histories(lengths), 5)) == 0
    assert recent(histories(lengths), 5).items.shape == (len(lengths), 1)


def test_who_asks_now_asks_after_everything():
    assert recent(histories([2]), 5).asked[0, -1] == NOW
