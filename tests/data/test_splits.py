"""Splits: every interaction in one part, in the order of time, and planted leaks found."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from components import artifacts
from components.data import histories, split
from components.data.splits import LeaveLast, Provided, Split, Splitter, Time, divide
from components.errors import ConfigError, DataError
from components.schema import INTERACTIONS, table

EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(0, 20)), min_size=40, max_size=90)


def interactions(events: list[tuple[int, int, int]], parts: list[str] | None = None, *, dated: bool = True) -> pl.DataFrame:
    frame = pl.DataFrame({"user_id": [f"u{u}" for u, _, _ in events], "item_id": [f"i{i}" for _, i, _ in events]})
    times = pl.Series([t * 1_000_000 for _, _, t in events]).cast(pl.Datetime("us", "UTC"))
    extra = {"timestamp": times} if dated else {}
    return table(
        frame.with_columns(row=pl.int_range(1, pl.len() + 1), split=pl.Series(parts or [None] * len(events)), **extra), INTERACTIONS
    )


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.sampled_from([LeaveLast(), Time(test=0.2, valid=0.2)]))
def test_parts_are_a_partition_of_first_occurrences(events: list[tuple[int, int, int]], splitter: Splitter) -> None:
    frame = interactions(events)
    assume(frame["user_id"].n_unique() > 2 and frame["timestamp"].n_unique() > 7 and len(frame.unique(["user_id", "item_id"])) >= 30)
    found, report = divide(frame, splitter)
    together = pl.concat(found.parts().values())
    assert together.select("user_id", "item_id").is_unique().all()
    assert set(together.select("user_id", "item_id").rows()) == set(frame.select("user_id", "item_id").rows())
    assert report["repeats"] == len(frame) - len(together)
    assert not any(report["leaks"].values())


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_leave_last_takes_the_last_two_of_each_user(events: list[tuple[int, int, int]]) -> None:
    seen: dict[int, dict[int, tuple[int, int]]] = {}
    for row, (user, item, time) in sorted(enumerate(events), key=lambda pair: (pair[1][2], pair[0])):
        seen.setdefault(user, {}).setdefault(item, (time, row))
    expected = {f"u{user}": [f"i{item}" for item in items] for user, items in seen.items() if len(items) >= 3}
    if not expected:
        return
    found, _ = divide(interactions(events), LeaveLast())
    for name, place in (("test", -1), ("valid", -2)):
        assert dict(found.parts()[name].select("user_id", "item_id").rows()) == {user: items[place] for user, items in expected.items()}


def test_equal_times_keep_the_order_of_the_file() -> None:
    found, _ = divide(interactions([(0, i, 5) for i in (3, 1, 2, 0)]), LeaveLast())
    assert [part["item_id"].to_list() for part in found.parts().values()] == [["i3", "i1"], ["i2"], ["i0"]]


def test_without_times_the_row_is_the_order() -> None:
    found, report = divide(interactions([(0, i, 0) for i in (3, 1, 2, 0)], dated=False), LeaveLast())
    assert found.test["item_id"].to_list() == ["i0"]
    assert report["parts"]["test"]["from"] is None


def test_time_split_needs_times() -> None:
    with pytest.raises(DataError, match="needs a timestamp in every row"):
        divide(interactions([(0, i, 0) for i in range(5)], dated=False), Time())


def test_time_split_must_leave_something_to_learn_from() -> None:
    with pytest.raises(ConfigError, match=r"test 0\.6 and valid 0\.5"):
        divide(interactions([(u, u, u) for u in range(20)]), Time(test=0.6, valid=0.5))


def test_a_pair_in_two_parts_is_a_leak() -> None:
    class Twice:
        def assign(self, interactions: pl.DataFrame) -> pl.DataFrame:
            return pl.concat([interactions.with_columns(split=pl.lit(name)) for name in ("train", "test")])

        def leaks(self, split: Split) -> dict[str, list[str]]:
            return {}

    with pytest.raises(DataError, match=r"leaks the future: 2 pairs in two parts \(u0, u1\)"):
        divide(interactions([(0, 0, 1), (1, 1, 2)]), Twice())


def test_time_split_sends_the_time_of_the_cut_to_the_later_part() -> None:
    found, _ = divide(interactions([(u, u, t) for u, t in enumerate([0, 1, 2, 3, 4, 5, 6, 6, 6, 6])]), Time(test=0.1, valid=0.2))
    assert found.test["timestamp"].n_unique() == 1
    assert len(found.test) == 4


def test_provided_split_is_taken_and_its_leaks_are_found() -> None:
    events = [(0, 0, 1), (0, 1, 2), (0, 2, 3)]
    found, _ = divide(interactions(events, ["train", "valid", "test"]), Provided())
    assert [len(part) for part in found.parts().values()] == [1, 1, 1]
    with pytest.raises(DataError, match=r"1 users with train after test \(u0\)"):
        divide(interactions(events, ["test", "valid", "train"]), Provided())


def test_provided_split_names_the_row_that_has_none() -> None:
    with pytest.raises(DataError, match=r"column 'split', row 2: 'dev'.*1 such rows"):
        divide(interactions([(0, 0, 1), (0, 1, 2), (0, 2, 3)], ["train", "dev", "test"]), Provided())


@pytest.mark.parametrize("splitter", [LeaveLast(), Time(), Provided()], ids=["leave_last", "time", "provided"])
def test_a_planted_leak_is_counted(splitter: Splitter) -> None:
    early, late = interactions([(0, 0, 1)]), interactions([(0, 1, 9)])
    empty = early.clear()
    assert any(splitter.leaks(Split(late, early, empty)).values())
    assert any(splitter.leaks(Split(empty, late, early)).values())
    assert not any(splitter.leaks(Split(early, late, empty)).values())


def test_stage_writes_what_histories_read(tmp_path: Path) -> None:
    frame = interactions([(user, (user + step) % 9, step) for user in range(4) for step in range(5)])
    artifacts.write_table(tmp_path / "tables" / "interactions.parquet", frame)
    artifacts.write_table(tmp_path / "tables" / "items.parquet", pl.DataFrame({"item_id": [f"i{i}" for i in range(9)]}))
    split.main(splitter=LeaveLast(), tables=tmp_path / "tables", out=tmp_path / "split")
    data = histories.load(tmp_path / "tables", tmp_path / "split")
    assert data.users == ["u0", "u1", "u2", "u3"]
    assert data.train.pick(data.train.who[1:2]).items.tolist() == [1, 2, 3]
    assert data.known().lengths.tolist() == [4, 4, 4, 4]
    assert data.test.items.tolist() == [4, 5, 6, 7]
    assert data.known().padded(2, -1).tolist() == [[2, 3], [3, 4], [4, 5], [5, 6]]
