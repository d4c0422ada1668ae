"""Stage split: train, valid and test."""

from pathlib import Path

from components import artifacts
from components.data.splits import Splitter, divide
from components.stage import run


def main(*, splitter: Splitter, tables: Path, out: Path) -> None:
    """Write the three parts and `split.json`; a split that leaks the future stops the run."""
    split, report = divide(artifacts.read_table(tables / "interactions.parquet"), splitter)
    with artifacts.folder(out) as aside:
        for name, part in split.parts().items():
            artifacts.write_table(aside / f"{name}.parquet", part)
        artifacts.write_json(aside / "split.json", report)


if __name__ == "__main__":
    run(main)
