"""Stage pretrain: vectors of the items' texts, and the behaviour BERT that gives u_i and v_j."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components import artifacts
from components.data import histories
from components.progress import say
from components.semantic.adapt import Adaptation, carry
from components.semantic.behaviour import Behaviour, Probe
from components.semantic.bert import PAD, BehaviourBERT
from components.semantic.text import TextEncoder, describe
from components.stage import STATE, run

BLOCK = 1024  # rows encoded at once


def main(
    *,
    encoder: TextEncoder,
    adaptation: Adaptation,
    behaviour: Behaviour,
    tables: Path,
    split: Path,
    out: Path,
    seed: int,
    checkpoint: Path,
) -> None:
    """Write content and item vectors, user vectors from the training histories, the BERT, the encoder if it was adapted, and the report."""
    data = histories.load(tables, split)
    texts = describe(artifacts.read_table(tables / "items.parquet").sort("item_id"))
    told = np.array([text != "" for text in texts], dtype=bool)
    own, adapting = adaptation.adapt(encoder, texts, data.train, STATE / "adapted", seed, checkpoint / "adapt")
    content = own.encode(texts, STATE / "cache" / "text") * told[:, None]
    say(f"text: {told.sum()} of {len(texts)} items have one")
    module, curve = behaviour.pretrain(torch.from_numpy(content), data.train, data.valid, seed, checkpoint / "behaviour")
    report: dict[str, Any] = {
        "items": {"with_text": int(told.sum()), "without_text": int((~told).sum()), "in_training": int(module.seen.sum())},
        "users": {"all": len(data.users), "in_training": int(module.known.sum())},
        "adaptation": {"mode": adaptation.mode, "curve": adapting},
        "curve": curve,
        "validation": Probe.draw(data.train, data.valid, behaviour.length, behaviour.probe).report(module),
    }
    rows = torch.from_numpy(data.train.padded(behaviour.length, PAD))
    with artifacts.folder(out) as aside:
        carry(own, encoder, aside)
        artifacts.write_tensors(aside / "items.safetensors", {"content": content, "vectors": _items(module).numpy()})
        artifacts.write_tensors(aside / "users.safetensors", {"vectors": _users(module, rows).numpy()})
        artifacts.write_tensors(aside / "behaviour.safetensors", module.tensors())
        artifacts.write_json(aside / "behaviour.json", module.about())
        artifacts.write_json(aside / "pretrain.json", report)


@torch.inference_mode()
def _items(module: BehaviourBERT) -> Tensor:
    return torch.cat([module.encode_items(part) for part in torch.arange(module.shape.items).split(BLOCK)])


@torch.inference_mode()
def _users(module: BehaviourBERT, rows: Tensor) -> Tensor:
    return torch.cat([module.encode_users(rows[part], part) for part in torch.arange(len(rows)).split(BLOCK)])


if __name__ == "__main__":
    run(main)
