"""What came by feedback: joined with the source, within each user's share, without the erased."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from components import artifacts
from components.data import ingest
from components.data.feedback import Feedback, join
from components.data.sources.raw import REJECTS, Read
from components.data.sources.tables import Tables
from components.errors import DataError
from components.schema import INTERACTIONS, ITEMS, USERS, table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLACE = Path("feedback")


def events(pairs: list[tuple[str, str]], start: datetime = NOON) -> pl.DataFrame:
    """One event a minute, numbered from 1."""
    rows = [(n + 1, user, item, start + timedelta(minutes=n), "like", 2.0) for n, (user, item) in enumerate(pairs)]
    return table(pl.DataFrame(rows, ["row", "user_id", "item_id", "timestamp", "event", "weight"], orient="row"), INTERACTIONS)


def source(pairs: list[tuple[str, str]]) -> Read:
    items = sorted({item for _, item in pairs})
    users = sorted({user for user, _ in pairs})
    tables = {
        "interactions": events(pairs, NOON - timedelta(days=1)),
        "items": table({"row": range(1, len(items) + 1), "item_id": items, "title": [f"Film {item}" for item in items]}, ITEMS),
        "users": table({"row": range(1, len(users) + 1), "user_id": users}, USERS),
    }
    rows = {name: len(frame) for name, frame in tables.items()}
    return Read(tables, pl.DataFrame(schema=REJECTS), rows, {name: [f"{name}.csv"] for name in tables})


def feedback(
    done: pl.DataFrame | None = None, items: dict[str, Any] | None = None, erased: list[tuple[str, datetime]] | None = None
) -> Feedback:
    gone = pl.DataFrame(erased or [], schema={"user_id": pl.String, "at": pl.Datetime("us", "UTC")}, orient="row")
    return Feedback(PLACE, events([]) if done is None else done, table(items or {}, ITEMS), gone)


MANY = [(f"u{n % 100}", f"i{n % 7}") for n in range(1000)]


def test_feedback_is_numbered_on_and_its_file_named():
    found, counts = join(source(MANY), feedback(events([("u1", "i1"), ("new", "i2")])), 0.02)
    added = found.tables["interactions"].tail(2)
    assert added["row"].to_list() == [1001, 1002]
    assert added["weight"].to_list() == [2.0, 2.0]
    assert found.rows["interactions"] == 1002
    assert found.files["interactions"] == ["interactions.csv", "feedback/interactions.parquet"]
    assert counts == {"forgotten": 0, "left_out": 0, "interactions": 2, "items": 0}


def test_rows_are_numbered_on_from_one_that_could_not_be_read():
    given = source(MANY)
    reject = pl.DataFrame([("interactions", 1001, "timestamp", "x", "not a time")], schema=REJECTS, orient="row")
    broken = Read(given.tables, reject, given.rows | {"interactions": 1001}, given.files)
    found, _ = join(broken, feedback(events([("u1", "i1")])), 0.02)
    assert found.tables["interactions"]["row"].to_list()[-1] == 1002


def test_no_user_has_more_than_the_share_by_feedback_and_the_newest_count():
    flood = events([("bot", f"i{n}") for n in range(5000)] + [("u1", "i9")])
    found, counts = join(source(MANY), feedback(flood), 0.02)
    of = found.tables["interactions"]["user_id"].value_counts(sort=True)
    assert of.row(0) == ("bot", 20)
    assert of["count"][0] <= 0.02 * of["count"].sum() < of["count"][0] + 1
    kept = found.tables["interactions"].filter(pl.col("user_id") == "bot")["item_id"].to_list()
    assert kept == [f"i{n}" for n in range(4980, 5000)]
    assert counts["left_out"] == 4980


def test_two_who_flood_are_both_kept_within_the_share():
    flood = events([(f"bot{n % 2}", f"i{n}") for n in range(5000)])
    found, _ = join(source(MANY), feedback(flood), 0.02)
    of = found.tables["interactions"]["user_id"].value_counts(sort=True)
    assert of["count"][0] <= 0.02 * of["count"].sum()
    assert sorted(of.filter(pl.col("user_id").str.starts_with("bot"))["count"]) == [20, 20]


def test_of_the_source_nothing_is_left_out():
    lopsided = [("fan", f"i{n}") for n in range(500)] + MANY
    found, counts = join(source(lopsided), feedback(events([("fan", "i1"), ("u3", "i1")])), 0.02)
    assert found.rows["interactions"] == len(lopsided) + 1
    assert counts["left_out"] == 1


def test_among_few_users_twice_an_equal_share_is_allowed():
    few = [(f"u{n % 4}", f"i{n}") for n in range(40)]
    _, counts = join(source(few), feedback(events([("u0", f"j{n}") for n in range(100)])), 0.01)
    assert counts["interactions"] == 20, "of 60, half"


def test_the_erased_are_gone_from_the_source_too_and_may_come_back():
    given = source(MANY)
    after = events([("u1", "i3"), ("u2", "i3")], NOON + timedelta(hours=1))
    found, counts = join(given, feedback(after, erased=[("u1", NOON), ("stranger", NOON)]), 0.02)
    theirs = found.tables["interactions"].filter(pl.col("user_id") == "u1")
    assert theirs["timestamp"].to_list() == [NOON + timedelta(hours=1)]
    assert "u1" not in found.tables["users"]["user_id"]
    assert counts["forgotten"] == 10
    assert found.rows["interactions"] == len(found.tables["interactions"]) == 992
    assert found.rows["users"] == 99


def test_an_erased_user_without_times_is_gone():
    given = source(MANY)
    bare = given.tables | {"interactions": given.tables["interactions"].with_columns(timestamp=pl.lit(None, INTERACTIONS["timestamp"]))}
    found, _ = join(Read(bare, given.rejects, given.rows, given.files), feedback(events([("u5", "i1")]), erased=[("u1", NOON)]), 0.02)
    assert "u1" not in found.tables["interactions"]["user_id"]
    assert found.tables["interactions"]["timestamp"].null_count() == len(found.tables["interactions"]), "rows are the order there"
    assert found.tables["interactions"]["user_id"][-1] == "u5"


def test_items_are_changed_in_their_place_and_added_at_the_end():
    found, counts = join(source(MANY), feedback(items={"item_id": ["i3", "new"], "title": ["Other", "New"]}), 0.02)
    items = found.tables["items"]
    assert items.select("row", "item_id", "title").rows()[3] == (4, "i3", "Other")
    assert items.select("row", "item_id", "title").rows()[-1] == (8, "new", "New")
    assert found.rows["items"] == len(items) == 8
    assert counts["items"] == 2


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "interactions.csv").write_text("user_id,item_id,timestamp\nu1,a,2020-01-01\nu2,b,2020-01-02\n")
    artifacts.write_table(tmp_path / "feedback" / "interactions.parquet", events([("u3", "a")]).drop("row", "split"))
    return tmp_path


def ingested(root: Path, feedback: Path | None) -> pl.DataFrame:
    ingest.main(source=Tables(root=root), feedback=feedback, share=0.01, out=root / "out")
    return artifacts.read_table(root / "out" / "interactions.parquet")


def test_the_stage_joins_what_is_there(written):
    assert ingested(written, written / "feedback")["user_id"].to_list() == ["u1", "u2", "u3"]
    assert artifacts.read_json(written / "out" / "ingest.json")["feedback"]["interactions"] == 1
    for none in (None, written / "no such folder"):
        assert ingested(written, none)["user_id"].to_list() == ["u1", "u2"]
        assert artifacts.read_json(written / "out" / "ingest.json")["feedback"] == {}


def test_a_damaged_table_is_named(written):
    (written / "feedback" / "erased.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"erased\.parquet: not a readable Parquet file"):
        ingested(written, written / "feedback")
