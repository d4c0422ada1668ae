"""What can rank items nobody has chosen yet: their text, at random, and an oracle that knows the held-out counts.

`python content.py --split FOLDER --items FILE --content FILE --out FOLDER --setting '{"peer": NAME}'` ranks all items, and those
of the split's `candidates.parquet` among themselves (`train-only-among.parquet`). Nothing here has a validation to choose on: what
is learned is the closed form of `content linear`, a linear autoencoder whose weights go through the text's vectors,
X ≈ X F (FᵀF + λI)⁻¹ Fᵀ with the centred vectors F.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from peer import DEPTH, Split, read, timed
from safetensors.numpy import load_file

SEED, RIDGE = 17, 10.0
Scores = np.ndarray


def main() -> None:
    """Write both rankings and `peer.json`."""
    parser = argparse.ArgumentParser()
    for name in ("--split", "--items", "--out", "--content"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--setting", type=json.loads, required=True)
    asked = parser.parse_args()
    split = read(asked.split, asked.items)
    asked.out.mkdir(parents=True, exist_ok=True)
    candidates = np.searchsorted(split.items, pd.read_parquet(asked.split / "candidates.parquet")["item_id"].astype(str))
    users = np.sort(split.test["user"].unique())
    scores, spent = timed(lambda: score(asked.setting["peer"], split, users, load_file(asked.content)["content"].astype(np.float64)))
    scores[split.matrix(split.known)[users].nonzero()] = -np.inf
    _write(asked.out / "train-only.parquet", split, users, scores, np.arange(len(split.items)))
    _write(asked.out / "train-only-among.parquet", split, users, scores, candidates)
    about = {"tried": [], "versions": {}, "train-only": {"setting": asked.setting, **spent}}
    (asked.out / "peer.json").write_text(json.dumps(about, indent=2) + "\n")


def score(name: str, split: Split, users: np.ndarray, content: Scores) -> Scores:
    """Score every item for the users: float64 (users, items)."""
    rows = split.matrix(split.known)[users].astype(np.float64)
    if name == "random":
        return np.random.default_rng(SEED).random(rows.shape)
    if name == "oracle":
        return np.tile(np.bincount(split.test["item"], minlength=len(split.items)).astype(np.float64), (len(users), 1))
    if name == "content mean":
        return np.asarray(rows @ content) @ content.T
    centred = content - content.mean(0)
    if name == "content centred":
        centred /= np.linalg.norm(centred, axis=1, keepdims=True) + 1e-12
        return np.asarray(rows @ centred) @ centred.T
    inner = centred.T @ centred + RIDGE * np.eye(centred.shape[1])
    return np.asarray(rows @ centred) @ np.linalg.solve(inner, centred.T)


def _write(path: Path, split: Split, users: np.ndarray, scores: Scores, chosen: np.ndarray) -> None:
    own = scores[:, chosen]
    order = np.argsort(-own, axis=1, kind="stable")[:, :DEPTH]
    there = np.isfinite(np.take_along_axis(own, order, axis=1))
    rank = np.broadcast_to(np.arange(1, order.shape[1] + 1), order.shape)[there]
    table = {"user": np.repeat(split.users[users], there.sum(1)), "item": split.items[chosen][order[there]], "rank": rank}
    pd.DataFrame(table).to_parquet(path, index=False)


if __name__ == "__main__":
    main()
