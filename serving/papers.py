"""What lies beside a bundle and tells of it: its figures, the gate's verdict, what was wrong with the data, and who was champion."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from components import artifacts
from components.errors import ZhijianError
from components.schema import Message

if TYPE_CHECKING:
    from serving.options import Options

CARRIED = Path(__file__).parents[1] / "papers"  # what the Bento has of them
PAPERS = ("metrics", "gate", "validation")
SHOWN = 100  # switches, the latest


class Switch(Message):
    """A promotion or a rollback."""

    number: int
    since: AwareDatetime
    how: str
    bundle: str
    previous: str | None
    folder: str = Field(exclude=True)


class Papers(Message):
    """What is written down of the bundle in force; null where nothing about this very bundle was found."""

    bundle: str
    metrics: dict[str, Any] | None = Field(description="metrics.json: models, slices, calibration")
    gate: dict[str, Any] | None = Field(description="gate.json: each criterion with value, bound, verdict and reason")
    validation: dict[str, Any] | None = Field(description="validation.json: rows and checks of each table")
    curves: dict[str, list[dict[str, float]]] = Field(description="loss and validation score of each epoch, by part")
    champions: list[Switch] = Field(description="promotions and rollbacks, the latest first")
    docs: bool = Field(description="whether /data-docs/index.html is there")


def gather(bundle: str, curves: dict[str, Any], options: "Options") -> Papers:
    """Find what is written of a bundle: a paper that names another bundle does not count."""
    return Papers(
        bundle=bundle,
        **dict.fromkeys(PAPERS) | next(_beside(bundle, options), {}),
        curves=curves,
        champions=_history(options.champion.parent / "history"),
        docs=docs(options),
    )


def docs(options: "Options") -> bool:
    """Whether Data Docs are there to be read: they show rows of the data, and a browser's link brings no key along."""
    return options.keys is None and (options.docs / "index.html").is_file()


def _beside(bundle: str, options: "Options") -> Iterator[dict[str, Any]]:
    """Papers of the champion, of the Bento, or of the pipeline's last run."""
    champion, run = options.champion.parent / bundle, options.reports
    for folder, data in ((champion, champion), (CARRIED, CARRIED), (run, run.parent / "artifacts" / "validate")):
        papers = {name: _read(folder / f"{name}.json") for name in ("metrics", "gate")}
        mine = {name: paper for name, paper in papers.items() if paper and paper.get("bundle") == bundle}
        if mine:
            yield mine | {"validation": _read(data / "validation.json")}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        said = artifacts.read_json(path)
    except ZhijianError:
        return None
    return said if isinstance(said, dict) else None


def _history(folder: Path) -> list[Switch]:
    """The records of the store; one that is torn is left out."""
    found = list[Switch]()
    for path in sorted(folder.glob("*.json"), reverse=True)[:SHOWN]:
        try:
            found.append(TypeAdapter(Switch).validate_python(_read(path)))
        except ValidationError:
            continue
    return found
