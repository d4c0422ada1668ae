"""Text vectors kept by content: an unchanged text is never encoded twice."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from components import artifacts
from components.errors import DataError
from components.progress import say

Floats = np.ndarray[Any, np.dtype[np.float32]]
PART = 4096  # texts per file: what a killed run loses at most


def cached(texts: list[str], encode: Callable[[list[str]], Floats], folder: Path) -> Floats:
    """Encode texts, taking from `folder` what it holds and adding to it what it lacks.

    Every part is written whole or not at all and named after its texts, so that a killed run or two runs at once leave
    only whole parts. A damaged part is told, removed and encoded anew.

    Args:
        encode: maps texts to float32 (texts, width); a text's vector must not depend on the texts beside it.
        folder: of one encoder alone; its name carries the encoder's fingerprint.

    Returns:
        float32 (texts, width), in the order of `texts`.
    """
    keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    known = _read(folder)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    todo = list(missing.items())
    for start in range(0, len(todo), PART):
        part = todo[start : start + PART]
        vectors = encode([text for _, text in part])
        _write(folder, [key for key, _ in part], vectors)
        known.update(zip((key for key, _ in part), vectors, strict=True))
    return np.stack([known[key] for key in keys]) if keys else encode([])


def _read(folder: Path) -> dict[bytes, Floats]:
    known: dict[bytes, Floats] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            tensors = artifacts.read_tensors(path)
            vectors = tensors["vectors"]
            keys = [row.tobytes() for row in tensors["keys"]]
            if len(vectors) != len(keys) or path.stem != _name(keys):
                raise DataError(f"{path}: its keys and vectors do not fit together")
        except (DataError, KeyError) as error:
            say(f"text cache: {error}; encoding its texts anew")
            path.unlink(missing_ok=True)
            continue
        known.update(zip(keys, vectors, strict=True))
    return known


def _write(folder: Path, keys: list[bytes], vectors: Floats) -> None:
    rows = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1)
    artifacts.write_tensors(folder / f"{_name(keys)}.safetensors", {"keys": rows, "vectors": vectors})


def _name(keys: list[bytes]) -> str:
    return hashlib.sha256(b"".join(keys)).hexdigest()[:32]
