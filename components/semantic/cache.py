"""Vectors kept by content: what is unchanged is never encoded twice."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components import artifacts
from components.errors import DataError
from components.progress import say

Floats = np.ndarray[Any, np.dtype[np.float32]]
PART = 4096  # rows per file: what a killed run loses at most, and what is in memory beside the result


def cached(keys: Sequence[bytes], encode: Callable[[list[int]], Floats], folder: Path | None, part: int = PART) -> Floats:
    """Encode contents that are named by their hashes, taking from `folder` what it holds and adding to it what it lacks.

    Every part is written whole or not at all and named after its contents, so that a killed run or two runs at once leave
    only whole parts. A damaged part is told, removed and encoded anew.

    Args:
        keys: hashes of one length.
        encode: maps places in `keys` to float32 (places, width), NaN in the row of what can't be encoded, which is not kept;
            a vector must not depend on the contents beside it.
        folder: of one encoder alone, since its name carries the encoder's fingerprint; nothing is kept when it is None.

    Returns:
        float32 (keys, width).
    """
    places: dict[bytes, int] = {}
    own = [places.setdefault(key, place) for place, key in enumerate(keys)]
    todo, result = set(places.values()), None
    for found, vectors in _stored(folder):
        rows = [(row, places[key]) for row, key in enumerate(found) if key in places]
        result = _filled(result, len(keys), vectors, rows)
        todo.difference_update(place for _, place in rows)
    wanted = sorted(todo)
    for start in range(0, len(wanted), part):
        some = wanted[start : start + part]
        vectors = encode(some)
        if folder is not None:
            _write(folder, [keys[place] for place in some], vectors)
        result = _filled(result, len(keys), vectors, list(enumerate(some)))
    if result is None:
        return encode([])
    return result if len(places) == len(keys) else result[own]


def _filled(result: Floats | None, size: int, vectors: Floats, rows: list[tuple[int, int]]) -> Floats:
    made = np.zeros((size, vectors.shape[1]), dtype=np.float32) if result is None else result
    if rows:
        source, target = zip(*rows, strict=True)
        made[list(target)] = vectors[list(source)]
    return made


def _stored(folder: Path | None) -> Iterator[tuple[list[bytes], Floats]]:
    for path in sorted(folder.glob("*.safetensors")) if folder is not None else ():
        try:
            tensors = artifacts.read_tensors(path)
            vectors = tensors["vectors"]
            keys = [row.tobytes() for row in tensors["keys"]]
            if len(vectors) != len(keys) or path.stem != _name(keys):
                raise DataError(f"{path}: its keys and vectors do not fit together")
        except (DataError, KeyError) as error:
            say(f"cache: {error}; encoding its contents anew")
            path.unlink(missing_ok=True)
            continue
        yield keys, vectors


def _write(folder: Path, keys: list[bytes], vectors: Floats) -> None:
    there = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    if len(there):
        kept = [keys[place] for place in there]
        rows = np.frombuffer(b"".join(kept), dtype=np.uint8).reshape(len(kept), -1)
        artifacts.write_tensors(folder / f"{_name(kept)}.safetensors", {"keys": rows, "vectors": vectors[there]})


def _name(keys: list[bytes]) -> str:
    return hashlib.sha256(b"".join(keys)).hexdigest()[:32]
