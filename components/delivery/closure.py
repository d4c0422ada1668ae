"""What a piece of code needs to run: the modules that it imports, and the distributions behind the others."""

import ast
import importlib.metadata
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.errors import DataError

INSTALLERS = {"pip", "setuptools", "wheel"}  # `pip freeze` leaves them out, so no constraints file pins them


@dataclass(frozen=True)
class Closure:
    """The files of the modules under one root, relative to it, and the top-level names imported from elsewhere."""

    files: list[Path]
    outside: list[str]


def closure(root: Path, seeds: Iterable[str]) -> Closure:
    """Follow the imports of `seeds`, wherever in the code they stand, as far as they stay under `root`."""
    waiting, files, outside = list(seeds), set[Path](), set[str]()
    while waiting:
        name = waiting.pop()
        if (path := _file(root, name)) is None:
            outside.add(name.split(".")[0])
        elif path not in files:
            files.add(path)
            waiting += _imported(root, root / path)
            waiting += [name.rpartition(".")[0]] if "." in name else []
    return Closure(sorted(files), sorted(outside - sys.stdlib_module_names))


def pins(names: Iterable[str], constraints: Path) -> list[str]:
    """List `distribution==version` for imported names and all that they require, as pinned in the constraints.

    Raises:
        DataError: a name is not installed, or a distribution that is needed has no pin.
    """
    installed, pinned = importlib.metadata.packages_distributions(), _pinned(constraints)
    unknown = sorted(set(names) - installed.keys())
    if unknown:
        raise DataError(
            f"imported but not installed: {', '.join(unknown)}; install them: `pip install -e '.[serve]' -c {constraints.name}`"
        )
    needed = _required({Requirement(distribution) for name in names for distribution in installed[name]}) - INSTALLERS
    missing = sorted(needed - pinned.keys())
    if missing:
        raise DataError(f"{constraints}: no pin for {', '.join(missing)}; add the installed version")
    return [pinned[name] for name in sorted(needed)]


def _file(root: Path, name: str) -> Path | None:
    path = Path(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if (root / file).is_file()), None)


def _imported(root: Path, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in inner if _file(root, name))


def _pinned(constraints: Path) -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    return {canonicalize_name(line.split("==")[0]): line for line in lines if "==" in line}


def _required(asked: set[Requirement]) -> set[str]:
    waiting, found = list(asked), set[tuple[str, frozenset[str]]]()
    while waiting:
        asking = waiting.pop()
        key = canonicalize_name(asking.name), frozenset(asking.extras)
        if key in found:
            continue
        found.add(key)
        inner = map(Requirement, importlib.metadata.requires(asking.name) or [])
        waiting += [need for need in inner if _applies(need, asking.extras)]
    return {name for name, _ in found}


def _applies(need: Requirement, extras: set[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))
