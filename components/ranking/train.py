"""Stage train: fit the ranker's parts on train, join them on validation."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from components import artifacts, nodes
from components.data.histories import Histories, load
from components.data.warm import Warm
from components.knowledge.graph import Knowledge
from components.ranking.hybrid import Hybrid
from components.ranking.parts import World
from components.stage import run


def main(
    *,
    ranker: Hybrid,
    tables: Path,
    split: Path,
    pretrain: Path,
    align: Path,
    out: Path,
    seed: int,
    checkpoint: Path,
    warm: Path | None = None,
) -> None:
    """Write each part's tensors, the hybrid's, and `train.json` (curves, weights, what it was fitted on)."""
    dataset = load(tables, split)
    world = replace(read(dataset.train, pretrain, align, checkpoint), warm=Warm.read(warm, dataset.items, dataset.users))
    scorer, about = ranker.fit(world, dataset.valid, seed)
    with artifacts.folder(out) as aside:
        for name, part in [*scorer.parts.items(), ("hybrid", scorer)]:
            artifacts.write_tensors(aside / f"{name}.safetensors", part.tensors())
        artifacts.write_json(aside / "ranker.json", nodes.plain(ranker))
        artifacts.write_json(aside / "train.json", about | {"fitted_on": "train+valid" if ranker.refit else "train"})


def read(train: Histories, pretrain: Path, align: Path, checkpoint: Path | None = None) -> World:
    """What the parts are fitted on: training events, the items' vectors and the knowledge graph."""
    nodes_, edges = (artifacts.read_table(align / f"{name}.parquet") for name in ("nodes", "edges"))
    return World(
        histories=train,
        target=np.full(len(train), -1),
        vectors=artifacts.read_tensors(align / "items.safetensors")["vectors"],
        content=artifacts.read_tensors(pretrain / "items.safetensors")["content"],
        graph=Knowledge(nodes_, edges, {}, artifacts.read_tensors(align / "ties.safetensors")["ties"]),
        checkpoint=checkpoint,
    )


if __name__ == "__main__":
    run(main)
