"""Stage ingest: one reader turns files of any supported format into canonical tables, and what came by feedback joins them."""

from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

from pydantic import Field

from components import artifacts
from components.data.feedback import Feedback, join
from components.data.sources.raw import Read
from components.progress import say
from components.stage import run


@runtime_checkable
class Source(Protocol):
    """A reader of one format."""

    def read(self) -> Read:
        """Read everything; raises DataError that names file, column and row."""
        ...


def main(*, source: Source, feedback: Path | None, share: Annotated[float, Field(gt=0, le=1)], out: Path) -> None:
    """Write each table, `rejects.parquet` (unreadable cells) and `ingest.json` (files and rows of each table, what came by feedback).

    Where there is no folder `feedback`, none is joined; `share` is that of `components.data.feedback.join`.
    """
    found, joined = source.read(), dict[str, int]()
    if feedback and feedback.is_dir():
        found, joined = join(found, Feedback.read(feedback), share)
    with artifacts.folder(out) as aside:
        for name, table in found.tables.items():
            artifacts.write_table(aside / f"{name}.parquet", table)
        artifacts.write_table(aside / "rejects.parquet", found.rejects)
        about = {name: {"rows": found.rows[name], "files": found.files[name]} for name in found.tables}
        artifacts.write_json(aside / "ingest.json", {"tables": about, "feedback": joined})
    say("ingest: " + ", ".join(f"{found.rows[name]} {name}" for name in found.tables))
    if joined:
        say("ingest: by feedback " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in joined.items()))


if __name__ == "__main__":
    run(main)
