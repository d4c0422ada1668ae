"""Stage ingest: one reader turns files of any supported format into canonical tables."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from components import artifacts
from components.data.sources.raw import Read
from components.progress import say
from components.stage import run


@runtime_checkable
class Source(Protocol):
    """A reader of one format."""

    def read(self) -> Read:
        """Read everything; raises DataError that names file, column and row."""
        ...


def main(*, source: Source, out: Path) -> None:
    """Write each table, `rejects.parquet` (unreadable cells) and `ingest.json` (files and rows of each table)."""
    found = source.read()
    with artifacts.folder(out) as aside:
        for name, table in found.tables.items():
            artifacts.write_table(aside / f"{name}.parquet", table)
        artifacts.write_table(aside / "rejects.parquet", found.rejects)
        about = {name: {"rows": found.rows[name], "files": found.files[name]} for name in found.tables}
        artifacts.write_json(aside / "ingest.json", {"tables": about})
    say("ingest: " + ", ".join(f"{found.rows[name]} {name}" for name in found.tables))


if __name__ == "__main__":
    run(main)
