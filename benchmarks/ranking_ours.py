"""Ours on a case: the pipeline's own stages, each in a process of its own, measured; then the rankings of what they made."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from measure import ROOT, Measured, measure
from ranking_split import Case

from components import artifacts

BEFORE = {"pretrain": "semantic.pretrain", "align": "knowledge.align"}  # what is learned before the ranker, once for all fits
FITS = {"train-only": "false", "refit": "true"}


@dataclass(frozen=True)
class Fit:
    """What one fit of the ranker took and where its rankings are."""

    folder: Path
    about: dict[str, Any]


def before(case: Case) -> dict[str, dict[str, Any]]:
    """Run the stages before the ranker where their settings, code or split changed; what each took when it was run."""
    sections, taken = case.sections(), {}
    for name, module in BEFORE.items():
        mark = case.folder / f"{name}.json"
        key = _key(name, sections[name], case)
        if not mark.exists() or artifacts.read_json(mark)["key"] != key:
            print(f"{case.name} {case.protocol}: {name}", flush=True)
            artifacts.write_json(mark, {"key": key} | _taken(case.stage(module, sections)))
        taken[name] = {what: value for what, value in artifacts.read_json(mark).items() if what != "key"}
    return taken


def fit(case: Case, name: str) -> Fit:
    """Train and bundle the ranker as configured, with or without refit, and rank with it and with each of its parts."""
    own = f"artifacts/{name}"
    moved = [f"ranker.refit={FITS[name]}", f"train.out={own}/train", f"bundle.train={own}/train", f"bundle.out={own}/bundle"]
    sections = case.sections(*moved)
    print(f"{case.name} {case.protocol}: ours, {name}", flush=True)
    trained = case.stage("ranking.train", sections)
    case.stage("delivery.bundle", sections)
    folder = case.folder / own / "lists"
    lists = ROOT / "benchmarks" / "ranking_lists.py"
    done = measure("python", str(lists), f"{own}/bundle", str(folder), cwd=case.folder, code=ROOT, threads=case.threads)
    if done.status:
        raise SystemExit(done.output[-3000:])
    rates = artifacts.read_json(folder / "rates.json")
    return Fit(folder, {"train": _taken(trained), "ranked": _taken(done), "rates": rates, "ranker": sections["train"]["ranker"]})


def _taken(done: Measured) -> dict[str, Any]:
    return {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds, "peak_mb": done.peak_mb}


def _key(name: str, section: dict[str, Any], case: Case) -> str:
    """A stage's settings, the code that dvc.yaml says it depends on, and the split."""
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][name]["deps"]
    code = [ROOT / path for path in declared if path.startswith("components/")]
    said = [json.dumps(section, sort_keys=True), artifacts.fingerprint(*code), case.digest()]
    return hashlib.sha256("".join(said).encode()).hexdigest()
