"""Peers on a case's split, each in a process of its own; what was done once with the same setting on the same split is kept."""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from measure import ROOT, measure
from ranking_split import Case

from components import artifacts

SCRIPTS = ROOT / "benchmarks" / "peers"
Setting = dict[str, Any]

POPULARITY = [{"days": days} for days in (7, 30, 90, 365, None)]
NEIGHBOURS = [{"similarity": name, "neighbours": count} for name in ("cosine", "tfidf", "bm25") for count in (20, 50, 100, 200)]
EASE = [{"regularization": l2} for l2 in (100, 300, 1000)]
ALS = [
    {"factors": factors, "regularization": l2, "alpha": alpha, "iterations": 15}
    for factors, l2 in ((64, 10.0), (128, 10.0), (128, 50.0))
    for alpha in (1, 10)
]
BPR = [
    {"factors": factors, "regularization": l2, "learning_rate": 0.01, "iterations": rounds}
    for factors in (64,)
    for l2 in (0.01, 0.1)
    for rounds in (50, 100, 200)
]

# Settings known good for each kind of data; early stopping on validation; `cap` in processor seconds, one thread.
DENSE = {"n_factors": 64, "n_blocks": 2, "n_heads": 2, "dropout_rate": 0.2, "lr": 0.001, "epochs": 300, "patience": 10, "cap": 240}
FEW = DENSE | {"session_max_len": 100, "batch_size": 32}  # hundreds of users with long histories
MANY = DENSE | {"session_max_len": 50, "batch_size": 64, "dropout_rate": 0.3}
SPARSE = DENSE | {"session_max_len": 20, "batch_size": 128, "dropout_rate": 0.5, "cap": 300}  # 95 % of the histories are shorter
SHAPES = {"ml-100k": FEW, "ml-latest-small": FEW, "movietweetings": MANY, "amazon-beauty": SPARSE, "amazon-toys": SPARSE}
LOSSES = {"SASRec": {"loss": "softmax"}, "eSASRec": {"n_negatives": 256}}


def settings(case: Case) -> dict[str, tuple[str, Setting]]:
    """The script and the setting of each peer that can be asked under the case's protocol."""
    if case.protocol == "P3":
        return {name: ("content", {"peer": name}) for name in ("random", "content mean", "content centred", "content linear", "oracle")}
    found: dict[str, tuple[str, Setting]] = {
        "popularity": ("popularity", {"grid": POPULARITY}),
        "item-kNN": ("implicit_models", {"grid": NEIGHBOURS}),
        "EASE": ("rectools_ease", {"grid": EASE}),
        "iALS": ("implicit_models", {"grid": ALS}),
        "BPR": ("implicit_models", {"grid": BPR}),
    }
    for name, loss in LOSSES.items():
        found[name] = ("rectools_transformers", {"grid": [{"model": name} | SHAPES[case.name] | loss], "refit": False})
    return {name: (script, {"peer": name} | setting) for name, (script, setting) in found.items()}


def run(case: Case, python: Path, cache: Path, names: list[str] | None = None) -> Iterator[tuple[str, Path]]:
    """Run the peers that are not in the cache yet; yields each one's name and its folder there.

    A folder holds the rankings, `peer.json` and `measured.json` (seconds and peak memory when it was run).
    """
    for name, (script, setting) in settings(case).items():
        if names and name not in names:
            continue
        folder = cache / f"{name.replace(' ', '-')}-{_key(case, script, setting)}"
        if not (folder / "measured.json").exists():
            print(f"{case.name} {case.protocol}: {name}", flush=True)
            _run(case, python, script, setting, folder)
        yield name, folder


def _run(case: Case, python: Path, script: str, setting: Setting, folder: Path) -> None:
    own = case.folder / "artifacts"
    given = ["--split", own / "split", "--items", own / "validate" / "items.parquet", "--out", folder, "--setting", json.dumps(setting)]
    if script == "content":  # needs the project's text vectors, and no more than the project's own environment
        python = Path(sys.executable)
        given += ["--content", own / "pretrain" / "items.safetensors"]
    done = measure(str(python), str(SCRIPTS / f"{script}.py"), *map(str, given), cwd=SCRIPTS, threads=1)
    if done.status:
        raise SystemExit(f"{case.name}: {setting['peer']} ended with status {done.status}\n{done.output[-3000:]}")
    taken = {name: value for name, value in asdict(done).items() if name in {"seconds", "cpu_seconds", "peak_mb"}}
    artifacts.write_text(folder / "log.txt", done.output)
    artifacts.write_json(folder / "measured.json", taken)


def _key(case: Case, script: str, setting: Setting) -> str:
    return hashlib.sha256(json.dumps([case.digest(), script, setting], sort_keys=True).encode()).hexdigest()[:12]
