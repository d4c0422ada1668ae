"""Stage validate: what is expected of the tables; bad rows are quarantined with a reason, a bad table stops the run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from components import artifacts
from components.data.expectations import Checked, Suite, check
from components.data.sources.raw import REJECTS
from components.errors import ConfigError, DataError
from components.progress import say
from components.schema import TABLES
from components.stage import run

DOCS = Path("reports/data_docs")  # outside the pipeline's outputs: the pages carry the time of the run
ORDER = ("items", "users", "interactions", "links", "triples")  # what others refer to comes first


@dataclass(frozen=True)
class Clean:
    """The rows of a table that are left, what was put aside, and the counts."""

    table: pl.DataFrame
    bad: pl.DataFrame
    report: dict[str, Any]


def main(*, suites: dict[str, Suite], tables: Path, out: Path) -> None:
    """Write the clean tables, `quarantine.parquet` and `validation.json`; Data Docs go to reports/data_docs.

    Raises:
        DataError: a table is bad; it is named with its file, the worst column and the count. Nothing is written then
            but the Data Docs.
    """
    about = artifacts.read_json(tables / "ingest.json")["tables"]
    rejects = artifacts.read_table(tables / "rejects.parquet")
    clean: dict[str, Clean] = {}
    for name in (name for name in ORDER if name in about):
        if name not in suites:
            raise ConfigError(f"expectation.{name}: no suite for this table; add one to conf/expectation/, if only with an empty list")
        known = {key: value.table for key, value in clean.items()}
        frame = derive(name, artifacts.read_table(tables / f"{name}.parquet"), known)
        checked = check(name, frame, suites[name]) if len(frame) else Checked(pl.DataFrame(schema=REJECTS), [], "")
        artifacts.write_text(DOCS / f"{name}.html", checked.page)
        clean[name] = separate(name, frame, pl.concat([rejects.filter(pl.col("table") == name), checked.bad]), about[name]["rows"])
        judge(name, clean[name], suites[name], about[name]["files"])
        clean[name].report["checks"] = checked.checks
    artifacts.write_text(DOCS / "index.html", _index(clean))
    _write(clean, out)


def derive(name: str, frame: pl.DataFrame, known: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Add the columns that suites ask about beside the canonical ones.

    `year` of the timestamp; `known_item`, whether the item is in the catalogue; `first`, whether no earlier row is the
    same: the same id in items and users, the same event in interactions, the same fact in triples and links.
    """
    same = {"items": ["item_id"], "users": ["user_id"], "interactions": ["user_id", "item_id", "timestamp", "event"]}
    keys = same.get(name, [column for column in TABLES[name] if column != "row"])
    first = frame.select(pl.struct(keys).is_first_distinct()).to_series()
    derived: dict[str, Any] = {"first": first}
    if "timestamp" in frame.columns:
        dated = frame["timestamp"].is_not_null()
        derived |= {"year": frame["timestamp"].dt.year(), "first": first | ~dated}
    if name in {"interactions", "links"}:
        derived["known_item"] = frame["item_id"].is_in(known["items"]["item_id"].to_list()) | frame["item_id"].is_null()
    return frame.with_columns(**derived)


def separate(name: str, frame: pl.DataFrame, bad: pl.DataFrame, rows: int) -> Clean:
    """Put bad rows aside: rows in = rows kept + rows quarantined."""
    kept = frame.filter(~pl.col("row").is_in(bad["row"].unique().to_list())).select(TABLES[name].keys())
    if name == "items":
        kept = kept.sort("item_id")
    quarantined = bad["row"].n_unique()
    if rows != len(kept) + quarantined:
        raise DataError(f"{name}: {rows} rows came in, but {len(kept)} are kept and {quarantined} quarantined; please report this")
    return Clean(kept, bad.sort("row", "column", "reason"), {"rows": rows, "kept": len(kept), "quarantined": quarantined})


def judge(name: str, clean: Clean, suite: Suite, files: list[str]) -> None:
    """Refuse a table with too many bad rows or too few good ones; raises DataError."""
    rows, kept, quarantined = (clean.report[key] for key in ("rows", "kept", "quarantined"))
    where = f"{name} ({', '.join(files)})"
    if rows and quarantined > suite.tolerated * rows:
        worst = clean.bad.group_by("column", "reason").len().sort("len", "column", "reason", descending=[True, False, False]).row(0)
        said = f"{quarantined} of {rows} rows are bad, more than {suite.tolerated:.0%}; the worst: column {worst[0]!r}, {worst[1]}, {worst[2]} rows"
        raise DataError(f"{where}: {said}; see reports/data_docs/{name}.html")
    if kept < suite.at_least:
        raise DataError(f"{where}: {kept} good rows, at least {suite.at_least} are needed")


def _write(clean: dict[str, Clean], out: Path) -> None:
    report = {name: table.report for name, table in clean.items()}
    with artifacts.folder(out) as aside:
        for name, table in clean.items():
            artifacts.write_table(aside / f"{name}.parquet", table.table)
        artifacts.write_table(aside / "quarantine.parquet", pl.concat([table.bad for table in clean.values()]))
        artifacts.write_json(aside / "validation.json", report)
    say("validate: " + ", ".join(f"{row['kept']} of {row['rows']} {name} kept" for name, row in report.items()))


def _index(clean: dict[str, Clean]) -> str:
    rows = "".join(
        f"<tr><td><a href='{name}.html'>{name}</a></td><td>{table.report['rows']}</td><td>{table.report['kept']}</td>"
        f"<td>{table.report['quarantined']}</td></tr>"
        for name, table in clean.items()
    )
    head = "<tr><th>table</th><th>rows in</th><th>kept</th><th>quarantined</th></tr>"
    return f"<!doctype html><meta charset='utf-8'><title>Data Docs</title><h1>Data Docs</h1><table border='1'>{head}{rows}</table>\n"


if __name__ == "__main__":
    run(main)
