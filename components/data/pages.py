"""Data Docs: Great Expectations' page of each table, and a first page that leads to them."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from components import artifacts
from components.data.bounds import Clean

DOCS = Path("reports/data_docs")  # outside the pipeline's outputs: the pages carry the time of the run
INDEX = DOCS / "index.html"
EXAMPLES = 5  # bad rows shown for each reason
STYLE = (
    "body{font:15px sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}"
    "td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left}"
)


def write(clean: Mapping[str, Clean], pages: Mapping[str, str], refused: str | None) -> None:
    """Write the pages anew; the first one says why the run stopped, if it did."""
    with artifacts.folder(DOCS) as aside:
        for name, page in pages.items():
            artifacts.write_text(aside / f"{name}.html", page)
        artifacts.write_text(aside / INDEX.name, index(clean, pages, refused))


def index(clean: Mapping[str, Clean], pages: Mapping[str, str], refused: str | None) -> str:
    """The first page: for each table its counts, its checks, and examples of its bad rows."""
    stopped = f"<p><strong>The run stopped.</strong> {escape(refused)}</p>" if refused else ""
    tables = "".join(_section(name, table, name in pages) for name, table in clean.items())
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Data Docs</title><style>{STYLE}</style>"
    return f"{head}<h1>Data Docs</h1>{stopped}{tables}</html>\n"


def _section(name: str, clean: Clean, page: bool) -> str:
    report = clean.report
    title = f"<a href='{name}.html'>{name}</a>" if page else name
    counts = f"{report['rows']} rows came in, {report['kept']} kept, {report['quarantined']} quarantined ({report['rejected']} unreadable)"
    checks = _grid(["check", "column", "on_fail", "failed"], [list(row.values()) for row in report["checks"]])
    bad = _grid(["column", "reason", "rows", "for example"], _reasons(clean)) if len(clean.bad) else ""
    return f"<h2>{title}</h2><p>{escape(', '.join(clean.files))}: {counts}.</p>{checks}{bad}"


def _reasons(clean: Clean) -> list[list[Any]]:
    found = list[list[Any]]()
    for (column, reason), rows in clean.bad.group_by("column", "reason", maintain_order=True):
        some = "; ".join(f"row {row}: {str(value)[:80]}" for row, value in rows.head(EXAMPLES).select("row", "value").iter_rows())
        found.append([column, reason, len(rows), some])
    return sorted(found, key=lambda row: (-row[2], row[0], row[1]))


def _grid(head: list[str], rows: list[list[Any]]) -> str:
    lines = ["".join(f"<th>{cell}</th>" for cell in head), *("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
