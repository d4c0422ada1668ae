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

BEFORE = {"pretrain": "semantic.pretrain", "align": "knowledge.align", "converse": "dialogue.converse"}  # once for all fits
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
    """Train and bundle the ranker as configured, with or without refit, and rank with it and with each of its parts.

    What was done with the same settings and code on the same split is kept, with what it took then.
    """
    own = f"artifacts/{name}"
    moved = [f"ranker.refit={FITS[name]}", f"train.out={own}/train", f"bundle.train={own}/train", f"bundle.out={own}/bundle"]
    sections = case.sections(*moved)
    folder, mark = case.folder / own / "lists", case.folder / f"{name}.json"
    earlier = "".join(artifacts.read_json(case.folder / f"{stage}.json")["key"] for stage in BEFORE)
    key = "".join([_key("train", sections["train"], case), _key("bundle", sections["bundle"], case), earlier])
    if not mark.exists() or artifacts.read_json(mark)["key"] != key:
        print(f"{case.name} {case.protocol}: ours, {name}", flush=True)
        artifacts.write_json(mark, {"key": key} | _fit(case, own, folder, sections))
    about = {what: value for what, value in artifacts.read_json(mark).items() if what != "key"}
    return Fit(folder, about | {"rates": artifacts.read_json(folder / "rates.json"), "ranker": sections["train"]["ranker"]})


def _fit(case: Case, own: str, folder: Path, sections: dict[str, Any]) -> dict[str, Any]:
    trained = case.stage("ranking.train", sections)
    case.stage("delivery.bundle", sections)
    lists = ROOT / "benchmarks" / "ranking_lists.py"
    done = measure("python", str(lists), f"{own}/bundle", str(folder), cwd=case.folder, code=ROOT, threads=case.threads)
    if done.status:
        raise SystemExit(done.output[-3000:])
    return {"train": _taken(trained), "ranked": _taken(done)}


def _taken(done: Measured) -> dict[str, Any]:
    return {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds, "peak_mb": done.peak_mb}


def _key(name: str, section: dict[str, Any], case: Case) -> str:
    """A stage's settings, the code that dvc.yaml says it depends on, and the split."""
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][name]["deps"]
    code = [ROOT / path for path in declared if path.startswith("components/")]
    said = [json.dumps(section, sort_keys=True), artifacts.fingerprint(*code), case.digest()]
    return hashlib.sha256("".join(said).encode()).hexdigest()
