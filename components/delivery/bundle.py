"""Stage bundle: assemble, in one sealed folder, everything that a recommendation needs."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components import artifacts, nodes
from components.data.histories import load
from components.dialogue.policy import Dialogue
from components.generation.messages import Provider
from components.knowledge.graph import Graph
from components.ranking.parts import Floats
from components.recommend.catalogue import Catalogue
from components.recommend.growth import learn
from components.recommend.policy import Policy
from components.recommend.retrieval import Exact, Faiss, Retrieval, directions, recall
from components.semantic.text import OWN
from components.stage import run

ASKED = 1000  # items whose neighbours the index is measured by


def main(
    *,
    policy: Policy,
    dialogue: Dialogue,
    provider: Provider,
    retrieval: Retrieval,
    graph: Graph,
    tables: Path,
    split: Path,
    pretrain: Path,
    align: Path,
    train: Path,
    converse: Path,
    out: Path,
    seed: int,
) -> None:
    """Write the bundle, its manifest last; raises ConfigError for a rule that does not fit the catalogue."""
    dataset = load(tables, split)
    known = dataset.known()
    about = _about(pretrain, align, train)
    with artifacts.folder(out) as aside:
        _copy(train, aside, "*.safetensors", "ranker.json")
        _copy(align, aside, "nodes.parquet", "edges.parquet")
        _copy(converse, aside, "query.safetensors", "query.json")
        _copy(tables, aside, "items.parquet")
        _copy(pretrain, aside, "profile.*")
        if (pretrain / OWN).is_dir():
            shutil.copytree(pretrain / OWN, aside / OWN)
        artifacts.write_table(aside / "users.parquet", pl.DataFrame({"user_id": dataset.users}))
        artifacts.write_tensors(aside / "histories.safetensors", {"items": known.items, "times": known.times, "offsets": known.offsets})
        content = artifacts.read_tensors(pretrain / "items.safetensors")
        vectors = {name: content[name] for name in ("content", "widths")}
        vectors["vectors"] = artifacts.read_tensors(align / "items.safetensors")["vectors"]
        artifacts.write_tensors(aside / "vectors.safetensors", vectors)
        policy.settle(Catalogue(artifacts.read_table(tables / "items.parquet")), vectors["content"])
        for name, chosen in {"policy": policy, "dialogue": dialogue, "provider": provider, "graph": graph}.items():
            artifacts.write_json(aside / f"{name}.json", nodes.plain(chosen))
        mapped, measured = learn(vectors["content"], vectors["vectors"])
        artifacts.write_tensors(aside / "growth.safetensors", {"map": mapped})
        artifacts.seal(aside, about | measured | _index(retrieval, directions(vectors["vectors"]), aside, seed))


def _about(pretrain: Path, align: Path, train: Path) -> dict[str, Any]:
    """What stage train says, with what pretraining counted and the curves of the stages before it, where they have any."""
    about, before, joined = (artifacts.read_json(folder / f"{folder.name}.json") for folder in (train, pretrain, align))
    parts = {"pretraining": before, **{name: joined[name] for name in ("entities", "items", "users")}}
    curves = {name: part["curve"] for name, part in parts.items() if "curve" in part} | before["curves"]
    counted = {name: value for name, value in before.items() if name not in ("curve", "curves")}
    return about | {"curves": curves | about["curves"], "semantic": counted}


def _index(retrieval: Retrieval, unit: Floats, aside: Path, seed: int) -> dict[str, float]:
    """Write the index, where the catalogue is large enough for one; what share of the exact neighbours it finds."""
    index = retrieval.build(unit, seed)
    if not isinstance(index, Faiss):
        return {}
    artifacts.write_tensors(aside / "index.safetensors", index.tensors())
    asked = unit[np.random.default_rng(seed).choice(len(unit), min(len(unit), ASKED), replace=False)]
    return {"index_recall": recall(index, Exact(unit.astype(np.float32)), asked, 10)}


def _copy(source: Path, target: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in sorted(source.glob(pattern)):
            shutil.copyfile(path, target / path.name)


if __name__ == "__main__":
    run(main)
