"""Stage bundle: assemble, in one sealed folder, everything that a recommendation needs."""

import shutil
from pathlib import Path

import polars as pl

from components import artifacts
from components.data.histories import load
from components.stage import run


def main(*, tables: Path, split: Path, pretrain: Path, align: Path, train: Path, out: Path) -> None:
    """Write the bundle, its manifest last."""
    dataset = load(tables, split)
    known = dataset.known()
    about = artifacts.read_json(train / "train.json")
    with artifacts.folder(out) as aside:
        _copy(train, aside, "*.safetensors", "ranker.json")
        _copy(pretrain, aside, "behaviour.*")
        _copy(align, aside, "nodes.parquet", "edges.parquet")
        _copy(tables, aside, "items.parquet")
        artifacts.write_table(aside / "users.parquet", pl.DataFrame({"user_id": dataset.users}))
        artifacts.write_tensors(aside / "histories.safetensors", {"items": known.items, "times": known.times, "offsets": known.offsets})
        vectors = {
            "vectors": artifacts.read_tensors(align / "items.safetensors")["vectors"],
            "content": artifacts.read_tensors(pretrain / "items.safetensors")["content"],
        }
        artifacts.write_tensors(aside / "vectors.safetensors", vectors)
        artifacts.seal(aside, about)


def _copy(source: Path, target: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in sorted(source.glob(pattern)):
            shutil.copyfile(path, target / path.name)


if __name__ == "__main__":
    run(main)
