"""The stage: clean tables pass, bad rows are put aside and counted, a bad table stops and leaves nothing but Data Docs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from components import artifacts
from components.data import bounds
from components.data.expectations import Suite, check
from components.data.sources.raw import REJECTS
from components.data.validate import derive, main, separate
from components.errors import ConfigError, DataError
from components.nodes import build
from components.schema import TABLES, table

# Great Expectations imports it; nothing of ours does.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.+' is deprecated:DeprecationWarning")
ROOT = Path(__file__).parents[2]
STANDARD = yaml.safe_load((ROOT / "conf/expectation/standard.yaml").read_text())
START = datetime(2020, 1, 1, tzinfo=UTC)
Tables = dict[str, pl.DataFrame]
OUT, TAKEN = Path("clean"), Path("taken")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def world(size: int = 100) -> Tables:
    """A clean world: 20 items, 10 users, some facts and links, `size` interactions, none alike."""
    rows = range(size)
    given: dict[str, dict[str, Any]] = {
        "items": {"item_id": [f"i{k:02d}" for k in range(20)], "title": [f"Film {k}" for k in range(20)]},
        "users": {"user_id": [f"u{k}" for k in range(10)], "text": ["about"] * 10},
        "triples": {"head": ["e1", "e2", "e3"], "relation": ["of"] * 3, "tail": ["x"] * 3},
        "links": {"item_id": ["i00", "i01"], "entity": ["e1", "e2"]},
        "interactions": {
            "user_id": [f"u{k % 10}" for k in rows],
            "item_id": [f"i{k % 20:02d}" for k in rows],
            "timestamp": [START + timedelta(minutes=k) for k in rows],
            "event": ["click"] * size,
            "weight": [1.0] * size,
        },
    }
    return {name: numbered(pl.DataFrame(columns), name) for name, columns in given.items()}


def numbered(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return table(frame.with_columns(row=pl.int_range(1, 1 + pl.len())), TABLES[name])


def change(tables: Tables, name: str, column: str, row: int, value: Any) -> Tables:
    """Set one cell."""
    frame = tables[name]
    new = pl.when(pl.col("row") == row).then(pl.lit(value, frame.schema[column])).otherwise(pl.col(column)).alias(column)
    return tables | {name: frame.with_columns(new)}


def ingested(tables: Tables, rejects: pl.DataFrame | None = None) -> Path:
    """Write what ingest would have."""
    refused = pl.DataFrame(schema=REJECTS) if rejects is None else rejects
    about = {name: {"rows": _rows(name, frame, refused), "files": [f"{name}.csv"]} for name, frame in tables.items()}
    with artifacts.folder(TAKEN) as aside:
        for name, frame in tables.items():
            artifacts.write_table(aside / f"{name}.parquet", frame)
        artifacts.write_table(aside / "rejects.parquet", refused)
        artifacts.write_json(aside / "ingest.json", {"tables": about})
    return TAKEN


def _rows(name: str, frame: pl.DataFrame, rejects: pl.DataFrame) -> int:
    return len(frame) + rejects.filter(pl.col("table") == name)["row"].n_unique()


def suites(**changes: dict[str, Any]) -> dict[str, Suite]:
    return build({name: section | changes.get(name, {}) for name, section in STANDARD.items()}, "validate.suites")


def quarantine() -> pl.DataFrame:
    return pl.read_parquet(OUT / "quarantine.parquet")


def report() -> dict[str, Any]:
    return json.loads((OUT / "validation.json").read_text())


def docs() -> str:
    return Path("reports/data_docs/index.html").read_text()


def test_clean_tables_pass_untouched() -> None:
    tables = world()
    shuffled = tables | {"items": tables["items"].reverse()}
    main(suites=suites(), tables=ingested(shuffled), out=OUT)
    for name, frame in tables.items():
        assert pl.read_parquet(OUT / f"{name}.parquet").equals(frame), name
        assert report()[name]["rows"] == report()[name]["kept"] == len(frame)
        assert [row["failed"] for row in report()[name]["checks"]] == [0] * len(STANDARD[name]["expectations"])
    assert quarantine().is_empty()
    assert dict(quarantine().schema) == REJECTS


def test_the_same_input_gives_the_same_bytes() -> None:
    tables = change(change(world(), "interactions", "user_id", 5, None), "interactions", "item_id", 2, "nosuch")
    taken = ingested(tables)
    main(suites=suites(), tables=taken, out=Path("one"))
    main(suites=suites(), tables=taken, out=Path("two"))
    assert {file.name: artifacts.digest(file) for file in Path("one").iterdir()} == {
        file.name: artifacts.digest(file) for file in Path("two").iterdir()
    }


CORRUPTIONS: list[tuple[str, str, Any, str, str]] = [
    ("interactions", "user_id", None, "user_id", "no user_id"),
    ("interactions", "user_id", "", "user_id", "user_id is blank"),
    ("interactions", "user_id", " \t", "user_id", "user_id is blank"),
    ("interactions", "user_id", "u" * 257, "user_id", "user_id is longer than 256"),
    ("interactions", "user_id", " u1", "user_id", "white space around user_id"),
    ("interactions", "user_id", "u1\u3000", "user_id", "white space around user_id"),
    ("interactions", "timestamp", None, "timestamp", "no timestamp though other rows have one"),
    ("interactions", "item_id", None, "item_id", "no item_id"),
    ("interactions", "item_id", "", "item_id", "item_id is not in items"),
    ("interactions", "item_id", "nosuch", "item_id", "item_id is not in items"),
    ("interactions", "timestamp", datetime(1970, 1, 1, tzinfo=UTC), "timestamp", "timestamp is before 1970-01-02 or after 2100"),
    ("interactions", "timestamp", datetime(1869, 1, 1, tzinfo=UTC), "timestamp", "timestamp is before 1970-01-02 or after 2100"),
    ("interactions", "timestamp", datetime(9999, 1, 1, tzinfo=UTC), "timestamp", "timestamp is before 1970-01-02 or after 2100"),
    ("interactions", "weight", float("nan"), "weight", "weight is not a number"),
    ("interactions", "weight", float("inf"), "weight", "weight is not a number"),
    ("interactions", "weight", 1e30, "weight", "weight is beyond a thousand million"),
    ("items", "item_id", None, "item_id", "no item_id"),
    ("items", "item_id", "  ", "item_id", "item_id is blank"),
    ("items", "item_id", "i01 ", "item_id", "white space around item_id"),
    ("items", "item_id", "i" * 257, "item_id", "item_id is longer than 256"),
    ("items", "item_id", "i00", "item_id", "item_id stands in an earlier row"),
    ("items", "title", "t" * 10_001, "title", "title is longer than 10000"),
    ("users", "user_id", None, "user_id", "no user_id"),
    ("users", "user_id", "", "user_id", "user_id is blank"),
    ("users", "user_id", "u0", "user_id", "user_id stands in an earlier row"),
    ("triples", "head", None, "head", "no head"),
    ("triples", "relation", None, "relation", "no relation"),
    ("triples", "tail", None, "tail", "no tail"),
    ("triples", "head", "e1", "tail", "the same triple stands in an earlier row"),
    ("links", "item_id", None, "item_id", "no item_id"),
    ("links", "entity", None, "entity", "no entity"),
    ("links", "item_id", "nosuch", "item_id", "item_id is not in items"),
]


@pytest.mark.parametrize(("name", "column", "value", "blamed", "reason"), CORRUPTIONS, ids=lambda value: repr(value)[:20])
def test_a_corrupt_cell_is_found_named_and_counted(name: str, column: str, value: Any, blamed: str, reason: str) -> None:
    """Row 2 of each table is made wrong: it, and nothing else of that table, is put aside."""
    tables = {key: frame for key, frame in world().items() if key in {"items", "interactions", name}}
    if name == "items":  # nothing may refer to the item that goes
        tables["interactions"] = numbered(tables["interactions"].filter(pl.col("item_id") != "i01"), "interactions")
    tables = change(tables, name, column, 2, value)
    main(suites=suites(), tables=ingested(tables), out=OUT)
    assert (name, 2, blamed, reason) in quarantine().select("table", "row", "column", "reason").rows()
    assert set(quarantine().select("table", "row").rows()) == {(name, 2)}
    assert pl.read_parquet(OUT / f"{name}.parquet")["row"].to_list() == [row for row in tables[name]["row"] if row != 2]
    for other, counts in report().items():
        assert counts["rows"] == counts["kept"] + counts["quarantined"] == len(tables[other])
        assert counts["quarantined"] == (other == name)
    assert reason in docs()
    assert "row 2:" in docs()


@pytest.mark.parametrize("column", ["user_id", "item_id", "timestamp", "weight"])
def test_a_bad_table_stops_the_run_and_leaves_data_docs_only(column: str, tmp_path: Path) -> None:
    wrong = {"user_id": "", "item_id": "nosuch", "timestamp": datetime(2999, 1, 1, tzinfo=UTC), "weight": float("nan")}[column]
    tables = world()
    for row in range(1, 31):
        tables = change(tables, "interactions", column, row, wrong)
    ingested(change(tables, "interactions", "user_id", 99, None))
    said = (
        rf"^interactions \(interactions\.csv\): 31 of 100 rows are bad \(31\.0%\).* column '{column}', .*, 30 rows \(30\.0%\); see reports/"
    )
    with pytest.raises(DataError, match=said):
        main(suites=suites(), tables=TAKEN, out=OUT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reports", "taken"]
    assert sorted(path.name for path in Path("reports").rglob("*.html")) == sorted(
        ["index.html", "items.html", "users.html", "interactions.html"]
    )
    assert "The run stopped." in docs()
    assert "31 of 100 rows are bad" in docs()


def test_data_docs_of_an_earlier_run_do_not_stay() -> None:
    main(suites=suites(), tables=ingested(world()), out=OUT)
    assert (Path("reports/data_docs") / "users.html").is_file()
    main(suites=suites(), tables=ingested({name: frame for name, frame in world().items() if name != "users"}), out=OUT)
    assert not (Path("reports/data_docs") / "users.html").exists()
    assert not (OUT / "users.parquet").exists()


def test_data_docs_escape_what_the_data_says() -> None:
    main(suites=suites(), tables=ingested(change(world(), "interactions", "item_id", 3, "<script>alert(1)</script>")), out=OUT)
    assert "&lt;script&gt;" in docs()
    assert all("<script>alert" not in page.read_text() for page in Path("reports/data_docs").iterdir())


def test_a_broken_check_is_told_apart_from_bad_data() -> None:
    broken = {"expectations": [{"type": "expect_column_values_to_be_in_set", "column": "colour", "value_set": ["red"]}]}
    with pytest.raises(DataError, match=r"^items \(items\.csv\): check broken: expect_column_values_to_be_in_set of column 'colour'"):
        main(suites=suites(items=broken), tables=ingested(world()), out=OUT)
    assert not OUT.exists()
    assert "check broken" in docs()


def test_a_check_may_stop_the_run_at_once() -> None:
    stop = {"expectations": [STANDARD["users"]["expectations"][0] | {"on_fail": "stop"}]}
    with pytest.raises(DataError, match=r"^users \(users\.csv\): column 'user_id': no user_id, in 1 of 10 rows \(10\.0%\)"):
        main(suites=suites(users=stop), tables=ingested(change(world(), "users", "user_id", 4, None)), out=OUT)
    assert not OUT.exists()


@pytest.mark.parametrize("name", ["interactions", "items", "users", "links"])
def test_an_empty_table_does_not_pass(name: str) -> None:
    tables = world()
    with pytest.raises(DataError, match=rf"^{name} \({name}\.csv\): 0 good rows, fewer than expectation\.{name}\.at_least = 1"):
        main(suites=suites(), tables=ingested(tables | {name: tables[name].clear()}), out=OUT)


@pytest.mark.parametrize("name", ["interactions", "items"])
def test_a_required_table_is_missed(name: str) -> None:
    tables = {key: frame for key, frame in world().items() if key != name}
    with pytest.raises(DataError, match=rf"^{name}: the source has no such table"):
        main(suites=suites(), tables=ingested(tables), out=OUT)


def test_a_table_without_a_suite_and_a_suite_without_a_table() -> None:
    taken = ingested(world())
    some = suites()
    with pytest.raises(ConfigError, match=r"expectation\.users: no suite"):
        main(suites={name: suite for name, suite in some.items() if name != "users"}, tables=taken, out=OUT)
    with pytest.raises(ConfigError, match=r"expectation\.movies: no such table"):
        main(suites=some | {"movies": some["items"]}, tables=taken, out=OUT)


def rejected(*rows: tuple[str, int, str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=REJECTS, orient="row")


def test_rejects_of_ingest_are_counted_once_a_row() -> None:
    refused = rejected(
        ("interactions", 901, "timestamp", "yesterday", "not a time"),
        ("interactions", 901, "weight", "much", "not a number"),
        ("interactions", 902, "weight", "1,5", "not a number"),
        ("items", 77, "created_at", "?", "not a time"),
    )
    main(suites=suites(), tables=ingested(change(world(), "interactions", "user_id", 8, None), refused), out=OUT)
    counts = {key: report()["interactions"][key] for key in ("rows", "kept", "quarantined", "rejected")}
    assert counts == {"rows": 102, "kept": 99, "quarantined": 3, "rejected": 2}
    assert quarantine().select("table", "row", "column").rows() == [
        ("interactions", 8, "user_id"),
        ("interactions", 901, "timestamp"),
        ("interactions", 901, "weight"),
        ("interactions", 902, "weight"),
        ("items", 77, "created_at"),
    ]


def test_rejects_may_break_the_bound() -> None:
    refused = rejected(*(("interactions", 1000 + k, "timestamp", "?", "not a time") for k in range(50)))
    with pytest.raises(DataError, match=r"50 of 150 rows are bad .* column 'timestamp', not a time, 50 rows \(33\.3%\)"):
        main(suites=suites(), tables=ingested(world(), refused), out=OUT)


def test_lost_rows_are_noticed() -> None:
    taken = ingested(world())
    about = artifacts.read_json(taken / "ingest.json")
    about["tables"]["interactions"]["rows"] += 1
    artifacts.write_json(taken / "ingest.json", about)
    with pytest.raises(DataError, match=r"interactions\.csv\): 101 rows came in, but 100 are kept and 0 quarantined"):
        main(suites=suites(), tables=taken, out=OUT)


def test_of_equal_events_the_first_is_kept() -> None:
    tables = world(40)
    again = tables["interactions"].filter(pl.col("row").is_in([3, 7])).with_columns(pl.col("row") + 100)
    other = again.with_columns(pl.col("row") + 100, event=pl.lit("buy"))
    untyped = again.with_columns(pl.col("row") + 200, event=pl.lit(None, pl.String))
    twice = untyped.with_columns(pl.col("row") + 100)
    events = pl.concat([tables["interactions"], again, other, untyped, twice])
    main(suites=suites(), tables=ingested(tables | {"interactions": events}), out=OUT)
    assert quarantine()["row"].to_list() == [103, 107, 403, 407]
    assert set(quarantine()["reason"]) == {"the same event stands in an earlier row"}


def test_events_without_a_time_may_repeat() -> None:
    tables = world(40)
    frame = pl.concat([tables["interactions"]] * 2).with_columns(timestamp=pl.lit(None, pl.Datetime("us", "UTC")))
    main(suites=suites(), tables=ingested(tables | {"interactions": numbered(frame, "interactions")}), out=OUT)
    assert report()["interactions"]["kept"] == 80


def test_interactions_of_a_quarantined_item_are_unknown_too() -> None:
    tables = change(world(), "items", "title", 4, "t" * 20_000)
    main(suites=suites(), tables=ingested(tables), out=OUT)
    gone = tables["interactions"].filter(pl.col("item_id") == "i03")
    assert quarantine().filter(pl.col("table") == "interactions")["row"].to_list() == gone["row"].to_list()
    assert quarantine().filter(pl.col("table") == "interactions")["reason"].unique().to_list() == ["item_id is not in items"]


def test_volume_against_the_last_run() -> None:
    half: dict[str, dict[str, Any]] = {"interactions": {"volume": 0.5}}
    main(suites=suites(**half), tables=ingested(world(100)), out=OUT)
    with pytest.raises(DataError, match=r"40 rows, 100 in the last run: a change of 60\.0%, more than expectation"):
        main(suites=suites(**half), tables=ingested(world(40)), out=OUT)
    main(suites=suites(**half), tables=ingested(world(60)), out=OUT)
    main(suites=suites(), tables=ingested(world(10)), out=OUT)


@pytest.mark.parametrize("changed", ["other files", "first run"])
def test_volume_has_nothing_to_compare(changed: str) -> None:
    clean = separate_interactions()
    last = {"files": ["other.csv"], "rows": 1} if changed == "other files" else {}
    assert bounds.refusal("interactions", clean, Suite(expectations=[], volume=0.1), last, START) is None


def separate_interactions() -> bounds.Clean:
    frame = derive("interactions", world()["interactions"], {"items": world()["items"]})
    checked = check("interactions", frame, Suite(expectations=[]))
    return separate("interactions", frame, checked, rejected(), {"rows": 100, "files": ["interactions.csv"]})


@pytest.mark.parametrize(("age", "said"), [(timedelta(days=7), None), (timedelta(days=7, minutes=1), "older than expectation")])
def test_freshness(age: timedelta, said: str | None) -> None:
    newest = START + timedelta(minutes=99)
    found = bounds.refusal("interactions", separate_interactions(), Suite(expectations=[], fresh_days=7), {}, newest + age)
    assert (found is None) if said is None else (found is not None and said in found and "2020-01-01 01:39" in found)


def test_freshness_needs_times() -> None:
    undated = world()["interactions"].with_columns(timestamp=pl.lit(None, pl.Datetime("us", "UTC")))
    with pytest.raises(DataError, match=r"no time to judge expectation\.interactions\.fresh_days = 3 by"):
        main(suites=suites(interactions={"fresh_days": 3}), tables=ingested(world() | {"interactions": undated}), out=OUT)


@pytest.mark.parametrize("missing", ["ingest.json", "rejects.parquet", "items.parquet"])
def test_a_missing_file_is_named(missing: str) -> None:
    taken = ingested(world())
    (taken / missing).unlink()
    with pytest.raises(DataError, match=rf"taken/{missing}: no such file"):
        main(suites=suites(), tables=taken, out=OUT)


def finite(frame: pl.DataFrame) -> list[bool]:
    return derive("interactions", frame, {"items": world()["items"]})["finite"].to_list()


@pytest.mark.parametrize(("weight", "expected"), [(None, True), (0.0, True), (float("nan"), False), (float("-inf"), False)])
def test_finite_weights(weight: float | None, expected: bool) -> None:
    assert finite(world(1)["interactions"].with_columns(weight=pl.lit(weight, pl.Float64))) == [expected]


def test_parts_that_are_missing_do_not_make_rows_alike() -> None:
    frames: dict[str, Callable[[], pl.DataFrame]] = {
        "items": lambda: table({"row": [1, 2], "item_id": [None, None]}, TABLES["items"]),
        "triples": lambda: table({"row": [1, 2], "head": ["a", "a"], "relation": [None, None], "tail": ["b", "b"]}, TABLES["triples"]),
    }
    for name, frame in frames.items():
        assert derive(name, frame(), {})["first"].to_list() == [True, True]
