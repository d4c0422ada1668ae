"""The only file access of the components: whole or not at all, hashed, and no pickle."""

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import safetensors.numpy
import yaml
from safetensors import SafetensorError

from components.errors import BundleError, DataError

MANIFEST = "manifest.json"
Tensors = Mapping[str, np.ndarray[Any, Any]]


@contextmanager
def atomic(path: Path) -> Generator[Path]:
    """Yield a path to write aside; when the block ends well it is synced and renamed to `path`, else it is removed.

    The path may become a file or a folder; what stood there before is replaced, and what a killed process left is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if left == aside or not _alive(left.suffix[1:]):
            _remove(left)
    try:
        yield aside
        _sync(aside)
        if path.is_dir():
            _remove(path)
        aside.replace(path)
        _sync_entry(path.parent)
    finally:
        _remove(aside)


@contextmanager
def folder(path: Path) -> Generator[Path]:
    """`atomic` for a folder that exists from the start."""
    with atomic(path) as aside:
        aside.mkdir()
        yield aside


def write_json(path: Path, value: Any) -> None:
    """Write sorted, indented JSON; a NaN or infinity is refused with ValueError."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with atomic(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Write a Parquet file (zstd)."""
    with atomic(path) as aside:
        table.write_parquet(aside, compression="zstd", statistics=True)


def write_tables(path: Path, parts: Iterable[pl.DataFrame], about: Mapping[str, str]) -> int:
    """Write tables of one schema, one after another and each held alone, as one Parquet file with `about` in its metadata; give its rows.

    There must be one table at least, which may be empty.
    """
    from pyarrow import parquet  # late: serving reads no such file by it

    rows, waiting = 0, iter(parts)
    first = next(waiting).to_arrow()
    schema = first.schema.with_metadata(dict(about))
    with atomic(path) as aside, parquet.ParquetWriter(aside, schema, compression="zstd") as writer:
        for part in chain([first], (part.to_arrow() for part in waiting)):
            writer.write_table(part.replace_schema_metadata(schema.metadata))
            rows += part.num_rows
    return rows


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write a safetensors file."""
    with atomic(path) as aside:
        safetensors.numpy.save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, aside)
        aside.chmod(0o644)  # the library makes files for the owner alone


def read_json(path: Path) -> Any:
    """Read JSON; raises DataError that names the file when it is missing or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stage that writes it (`dvc repro`)") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from None


def read_yaml(path: Path) -> Any:
    """Read YAML, plain values only, by libyaml where there is one: PyYAML's own parser takes ten times as long.

    Raises:
        OSError: the file can't be read.
        yaml.YAMLError: it is no YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(path.read_text(encoding="utf-8"))
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def read_table(path: Path) -> pl.DataFrame:
    """Read a Parquet file; raises DataError that names the file when it is missing or damaged."""
    try:
        return pl.read_parquet(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stage that writes it (`dvc repro`)") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None


def read_tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read a safetensors file; raises DataError that names the file when it is missing or damaged."""
    try:
        return safetensors.numpy.load_file(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stage that writes it (`dvc repro`)") from None
    except SafetensorError as error:
        raise DataError(f"{path}: not a readable safetensors file ({error})") from None


def inside(root: Path, name: str) -> Path:
    """Resolve a name that came from outside to a path under `root`; raises DataError when it leads out of it."""
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise DataError(f"{name!r}: leads out of {root}; paths are relative to the dataset's root")
    return path


def digest(path: Path) -> str:
    """Hash a file's bytes (sha256, hex)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*paths: Path) -> str:
    """Hash files and folders by names and bytes (sha256, hex); compiled Python and hidden files don't count."""
    total = hashlib.sha256()
    for path in paths:
        for file in _files(path):
            total.update(f"{path.name}/{file.relative_to(path)}\0{digest(file)}\0".encode())
    return total.hexdigest()


def seal(path: Path, about: dict[str, Any]) -> str:
    """Write the manifest of a folder: `about` and the sha256 of every file; return its id, the hash of all that."""
    hashes = {str(file.relative_to(path)): digest(file) for file in _files(path) if file.name != MANIFEST}
    identity = hashlib.sha256(json.dumps([about, hashes], sort_keys=True).encode()).hexdigest()[:16]
    write_json(path / MANIFEST, {"id": identity, "about": about, "files": hashes})
    return identity


def verify(path: Path) -> dict[str, Any]:
    """Check a sealed folder against its manifest and return the manifest; raises BundleError that names what differs."""
    if not (path / MANIFEST).is_file():
        raise BundleError(f"{path}: no {MANIFEST}, so no bundle; build one with `zhijian retrain`")
    try:
        manifest = read_json(path / MANIFEST)
        about, expected = manifest["about"], manifest["files"]
        identity = hashlib.sha256(json.dumps([about, expected], sort_keys=True).encode()).hexdigest()[:16]
    except (DataError, KeyError, TypeError) as error:
        raise BundleError(f"{path / MANIFEST}: not a bundle's manifest ({error})") from None
    found = {str(file.relative_to(path)): digest(file) for file in _files(path) if file.name != MANIFEST}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong or identity != manifest.get("id"):
        raise BundleError(f"{path}: does not match its manifest: {', '.join(wrong) or MANIFEST}; rebuild it with `zhijian retrain`")
    return manifest


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inner = (file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return sorted(file for file in inner if not any(part.startswith(".") for part in file.relative_to(path).parts))


def _alive(process: str) -> bool:
    """Whether a process of this number runs; what is no number is nobody's leftover, and counts as alive."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        _sync_entry(file)


def _sync_entry(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
