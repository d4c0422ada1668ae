"""The store of champions: sealed bundles with their papers, one atomic pointer, and a record of every switch."""

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from components import artifacts
from components.errors import BundleError, ConfigError
from components.recommend.experiment import Experiment
from flows.settings import STATE
from flows.stages import BusyError

STORE = Path("champions")
POINTER = "champion.json"
RECORDS = "history"
EXPERIMENT = "experiment.yaml"
BUNDLE = "bundle"
LINEAGE = "lineage.json"
KEPT = 5  # champions one can still go back to; older folders are removed
How = Literal["promoted", "rolled back"]


@dataclass(frozen=True)
class Champion:
    """The pointer, and the record of a switch, which has the same fields.

    Attributes:
        folder: the sealed bundle's folder, relative to the store.
        since: when it became champion, ISO 8601 in UTC.
        previous: id of the bundle it took the place of.
        number: grows by one with every switch.
    """

    bundle: str
    folder: str
    since: str
    previous: str | None
    number: int
    how: How = "promoted"


@contextmanager
def switching(store: Path = STORE) -> Generator[None]:
    """Hold the store for one switch; raises BusyError when another one is under way. A holder may enter it again."""
    lock = FileLock(Path(STATE).resolve() / f"{store.resolve().name}.lock", timeout=0, is_singleton=True)
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError("busy: another promotion or rollback of this project is under way; run again when it is done") from None
    try:
        yield
    finally:
        lock.release()


def current(store: Path = STORE) -> Champion | None:
    """Read the pointer; None where no bundle was ever promoted. Raises DataError or BundleError where it is torn."""
    path = store / POINTER
    return _read(path) if path.exists() else None


def history(store: Path = STORE) -> list[Champion]:
    """Read the records of all switches, oldest first; one that the pointer never came to does not count."""
    now = current(store)
    return [_read(_record(store, number)) for number in range(1, now.number + 1)] if now else []


def line(records: list[Champion]) -> list[str]:
    """The bundles one can go back through, the present one last: a promotion adds one, a rollback takes off what it left."""
    stack: list[str] = []
    for record in records:
        if record.how == "rolled back" and record.bundle in stack:
            del stack[stack.index(record.bundle) + 1 :]
        else:
            stack.append(record.bundle)
    return stack


def lay_in(bundle: Path, papers: Mapping[str, Path], lineage: dict[str, Any], store: Path = STORE) -> str:
    """Copy a sealed bundle and what tells of it into the store, whole or not at all; return the bundle's id.

    Args:
        papers: files to keep beside it, by the name that they get.

    Raises:
        BundleError: the bundle does not match its manifest.
    """
    identity: str = artifacts.verify(bundle)["id"]
    place = store / identity
    if place.exists() and _whole(place / BUNDLE, identity):
        return identity
    with artifacts.folder(place) as aside:
        shutil.copytree(bundle, aside / BUNDLE)
        for name, paper in papers.items():
            shutil.copyfile(paper, aside / name)
        artifacts.write_json(aside / LINEAGE, lineage)
        artifacts.verify(aside / BUNDLE)
    return identity


def switch(identity: str, how: How, store: Path = STORE) -> Champion:
    """Make a bundle of the store the champion; the rename of the pointer is the moment, before it all is as it was.

    Raises:
        BundleError: the store does not have the bundle, or not as it was laid in.
    """
    if not _whole(store / identity / BUNDLE, identity):
        raise BundleError(f"{store / identity}: not the bundle that was promoted; rebuild it from its tag and promote it again")
    before = current(store)
    number, previous = (before.number + 1, before.bundle) if before else (1, None)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    champion = Champion(identity, f"{identity}/{BUNDLE}", now, previous, number, how)
    artifacts.write_json(_record(store, number), asdict(champion))
    artifacts.write_json(store / POINTER, asdict(champion))
    return champion


def prune(store: Path = STORE, kept: int = KEPT) -> list[str]:
    """Remove the folders of old champions, those of the last `kept` that one can go back to and of the last switches not.

    Nor is the challenger of an experiment that is under way.
    """
    records, tried = history(store), Experiment.read(store / EXPERIMENT)
    needed = {*line(records)[-kept:], *(record.bundle for record in records[-kept:])}
    if tried and tried.challenger:
        needed.add(Path(tried.challenger).parts[0])
    old = [identity for identity in sorted({record.bundle for record in records} - needed) if (store / identity).exists()]
    for identity in old:
        shutil.rmtree(store / identity, ignore_errors=True)
    return old


def find(start: str, store: Path = STORE) -> str:
    """Find the one bundle of the store whose id begins so; raises ConfigError that names those there are."""
    there = sorted(path.parent.name for path in store.glob(f"*/{LINEAGE}"))
    found = [identity for identity in there if identity.startswith(start)]
    if len(found) != 1:
        many = "more than one" if found else "no"
        raise ConfigError(f"{start!r}: {many} bundle of {store} begins so; there are: {', '.join(there) or 'none'}")
    return found[0]


def papers(store: Path = STORE) -> Path | None:
    """The folder of the present champion, its bundle and papers; None where there is none."""
    now = current(store)
    return store / now.bundle if now else None


def _record(store: Path, number: int) -> Path:
    return store / RECORDS / f"{number:06d}.json"


def _read(path: Path) -> Champion:
    try:
        return TypeAdapter(Champion).validate_python(artifacts.read_json(path))
    except ValidationError as error:
        raise BundleError(f"{path}: not a champion's record ({error.error_count()} wrong fields); restore it from {path.parent}") from None


def _whole(folder: Path, identity: str) -> bool:
    try:
        return artifacts.verify(folder)["id"] == identity
    except BundleError:
        return False
