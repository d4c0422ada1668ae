"""What makes a whole table bad: too many bad rows, too few good ones, another volume than the last time, old news."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from components.data.expectations import Suite


@dataclass(frozen=True)
class Clean:
    """The rows of a table that are left, and what was put aside.

    Attributes:
        files: the files that the table came from.
        table: the rows kept.
        bad: why the others are not: one record per row and reason.
        report: rows (that came in), kept, quarantined, rejected (of those: unreadable at ingest) and the checks.
    """

    files: list[str]
    table: pl.DataFrame
    bad: pl.DataFrame
    report: dict[str, Any]

    @property
    def volume(self) -> dict[str, Any]:
        """What the next run compares its volume with."""
        return {"files": self.files, "rows": self.report["rows"]}


def refusal(name: str, clean: Clean, suite: Suite, last: dict[str, Any], now: datetime) -> str | None:
    """Say why a table is refused; None when it is good.

    Args:
        last: `Clean.volume` of the last good run; empty when there was none.
        now: the time that `Suite.fresh_days` counts back from.
    """
    found = [_share(name, clean, suite), _least(name, clean, suite), _volume(name, clean, suite, last), _fresh(name, clean, suite, now)]
    return next((said for said in found if said), None)


def _share(name: str, clean: Clean, suite: Suite) -> str | None:
    rows, quarantined = clean.report["rows"], clean.report["quarantined"]
    if quarantined <= suite.tolerated * rows:
        return None
    groups = clean.bad.group_by("column", "reason").agg(pl.len().alias("failed"))
    column, reason, failed = groups.sort("failed", "column", "reason", descending=[True, False, False]).row(0)
    worst = f"the worst: column {column!r}, {reason}, {failed} rows ({failed / rows:.1%})"
    allowed = f"more than expectation.{name}.tolerated = {suite.tolerated:g}"
    return f"{quarantined} of {rows} rows are bad ({quarantined / rows:.1%}), {allowed}; {worst}"


def _least(name: str, clean: Clean, suite: Suite) -> str | None:
    kept = clean.report["kept"]
    return None if kept >= suite.at_least else f"{kept} good rows, fewer than expectation.{name}.at_least = {suite.at_least}"


def _volume(name: str, clean: Clean, suite: Suite, last: dict[str, Any]) -> str | None:
    if suite.volume is None or not last.get("rows") or last["files"] != clean.files:
        return None
    rows, before = clean.report["rows"], last["rows"]
    change = abs(rows - before) / before
    if change <= suite.volume:
        return None
    return f"{rows} rows, {before} in the last run: a change of {change:.1%}, more than expectation.{name}.volume = {suite.volume:g}"


def _fresh(name: str, clean: Clean, suite: Suite, now: datetime) -> str | None:
    if suite.fresh_days is None:
        return None
    asked = f"expectation.{name}.fresh_days = {suite.fresh_days:g}"
    newest: Any = clean.table["timestamp"].max() if "timestamp" in clean.table.columns else None
    if newest is None:
        return f"column 'timestamp': no time to judge {asked} by"
    if now - newest <= timedelta(days=suite.fresh_days):
        return None
    return f"column 'timestamp': the newest is of {newest:%Y-%m-%d %H:%M}, older than {asked}"
