"""Stage validate: what is expected of the tables; bad rows are quarantined with a reason, a bad table stops the run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from components import artifacts
from components.data import pages
from components.data.bounds import Clean, refusal
from components.data.expectations import Checked, Suite, check
from components.data.sources.raw import REJECTS
from components.errors import ConfigError, DataError
from components.progress import say
from components.schema import TABLES
from components.stage import STATE, run

VOLUMES = STATE / "volumes.json"  # rows by table in the last good run; not an output, which a run would remove before it starts
ORDER = ("items", "users", "interactions", "triples", "links")  # what others refer to comes first
SAME = {"items": ["item_id"], "users": ["user_id"], "interactions": ["user_id", "item_id", "timestamp", "event"]}
BLANK = {"event"}  # may be null in a row that repeats another


def main(*, suites: dict[str, Suite], tables: Path, out: Path) -> None:
    """Write the clean tables, `quarantine.parquet` and `validation.json`; Data Docs go to reports/data_docs.

    Raises:
        DataError: a table is bad; it is named with its files, the worst column, count and share. Nothing is written then
            but the Data Docs.
        ConfigError: a table without a suite, or an expectation that there is not.
    """
    about = artifacts.read_json(tables / "ingest.json")["tables"]
    _complete(about, suites)
    rejects = artifacts.read_table(tables / "rejects.parquet")
    last = artifacts.read_json(VOLUMES) if VOLUMES.exists() and any(suite.volume for suite in suites.values()) else {}
    clean, docs, refused = dict[str, Clean](), dict[str, str](), None
    for name in sorted(about, key=ORDER.index):
        frame = derive(name, artifacts.read_table(tables / f"{name}.parquet"), {key: value.table for key, value in clean.items()})
        checked = check(name, frame, suites[name])
        clean[name] = separate(name, frame, checked, rejects.filter(pl.col("table") == name), about[name])
        docs |= {name: checked.page} if checked.page else {}
        refused = checked.refusal or refusal(name, clean[name], suites[name], last.get(name, {}), datetime.now(UTC))
        if refused:
            refused = f"{name} ({', '.join(clean[name].files)}): {refused}"
            break
    pages.write(clean, docs, refused)
    if refused:
        raise DataError(f"{refused}; see {pages.INDEX}")
    _write(clean, out)
    artifacts.write_json(VOLUMES, {name: table.volume for name, table in clean.items()})


def derive(name: str, frame: pl.DataFrame, known: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Add the columns that suites ask about beside the canonical ones.

    `known_item`: whether the item is in the catalogue, cleaned before. `dated`: whether there is a time, or no row has one:
    a row without one among others would count as the oldest. `first`: whether no earlier row is the same: the same
    id in items and users, the same event at the same time in interactions, the same fact in triples and links; true where
    a part is missing. `finite`: whether the weight is a number, NaN and infinity being none. All are true for null.
    """
    keys = SAME.get(name, [column for column in TABLES[name] if column != "row"])
    whole = pl.all_horizontal(pl.col(key).is_not_null() for key in keys if key not in BLANK)
    derived = {"first": pl.struct(keys).is_first_distinct() | ~whole}
    if name in {"interactions", "links"}:
        items = known["items"]["item_id"] if "items" in known else pl.Series(dtype=pl.String)
        derived["known_item"] = pl.col("item_id").is_in(items.implode()).fill_null(True)
    if name == "interactions":
        derived["dated"] = pl.col("timestamp").is_not_null() | pl.col("timestamp").is_null().all()
    if "weight" in frame.columns:
        derived["finite"] = pl.col("weight").is_finite().fill_null(True)
    return frame.with_columns(**derived)


def separate(name: str, frame: pl.DataFrame, checked: Checked, rejects: pl.DataFrame, about: dict[str, Any]) -> Clean:
    """Put bad rows aside; raises DataError unless rows in = rows kept + rows quarantined."""
    bad = pl.concat([rejects.unique(maintain_order=True), checked.bad]).sort("row", maintain_order=True)  # within a row: the suite's order
    kept = frame.filter(~pl.col("row").is_in(bad["row"].implode())).select(TABLES[name].keys())
    quarantined = bad["row"].n_unique()
    if about["rows"] != len(kept) + quarantined:
        counts = f"{about['rows']} rows came in, but {len(kept)} are kept and {quarantined} quarantined"
        raise DataError(f"{name} ({', '.join(about['files'])}): {counts}; a row number stands twice, or a row is lost: run ingest again")
    report = {"rows": about["rows"], "kept": len(kept), "quarantined": quarantined, "rejected": rejects["row"].n_unique()}
    ordered = kept.sort("item_id") if name == "items" else kept.sort("row")
    return Clean(about["files"], ordered, bad, report | {"checks": checked.checks})


def _complete(about: dict[str, Any], suites: dict[str, Suite]) -> None:
    """Every table has a suite, every required one is there."""
    for name, suite in suites.items():
        if name not in TABLES:
            raise ConfigError(f"expectation.{name}: no such table; there are: {', '.join(TABLES)}")
        if suite.required and name not in about:
            raise DataError(f"{name}: the source has no such table, but expectation.{name}.required is true; it has: {', '.join(about)}")
    for name in about:
        if name not in suites:
            raise ConfigError(f"expectation.{name}: no suite for this table; add one to conf/expectation/, if only with an empty list")


def _write(clean: dict[str, Clean], out: Path) -> None:
    report = {name: table.report for name, table in clean.items()}
    quarantine = pl.concat([pl.DataFrame(schema=REJECTS), *(clean[name].bad for name in sorted(clean))])
    with artifacts.folder(out) as aside:
        for name, table in clean.items():
            artifacts.write_table(aside / f"{name}.parquet", table.table)
        artifacts.write_table(aside / "quarantine.parquet", quarantine)
        artifacts.write_json(aside / "validation.json", report)
    say("validate: " + ", ".join(f"{row['kept']} of {row['rows']} {name} kept" for name, row in report.items()))


if __name__ == "__main__":
    run(main)
