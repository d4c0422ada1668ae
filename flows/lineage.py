"""What a bundle was made of: commit, data, settings, and what was measured and judged."""

from pathlib import Path
from typing import Any

import yaml

from components import artifacts, configure
from components.errors import DataError
from components.evaluation.criteria.verdict import MODEL
from components.stage import PARAMS
from flows import champions, report, tags, warm

LOCK = Path("dvc.lock")
PAPERS = (report.GATE, report.METRICS, report.PAGE, report.PROMOTION, report.VALIDATION, PARAMS, LOCK, warm.BEHAVIOUR)
CODE, NEITHER = ("components", "serving", "flows", "conf"), ("constraints.txt",)


def papers() -> dict[str, Path]:
    """What is kept beside a champion, by name."""
    return {path.name: path for path in PAPERS if path.exists()}


def gather(bundle: str, commit: str | None) -> dict[str, Any]:
    """Put together what the bundle of the last run was made of; None for the commit where there is no git."""
    metrics, verdict = artifacts.read_json(report.METRICS), artifacts.read_json(report.GATE)
    stages = _locked()
    return {
        "bundle": bundle,
        "commit": commit,
        "data": _data(stages),
        "outputs": {name: _hashes(found.get("outs", [])) for name, found in stages.items()},
        "overrides": configure.recorded(),
        "params": artifacts.digest(PARAMS) if PARAMS.exists() else None,
        "metrics": metrics.get("models", {}).get(MODEL, {}),
        "counts": metrics.get("data", {}),
        "gate": verdict,
    }


def read(start: str) -> dict[str, Any]:
    """Read the lineage of the champion, past or present, whose id begins so; of the last run's bundle it is put together.

    Raises:
        ConfigError: no bundle begins so, or more than one.
    """
    if (last := _last_run()) and last.startswith(start) and not (champions.STORE / last).exists():
        return gather(last, None) | {"promoted": [], "tag": ""}
    identity = champions.find(start)
    found = artifacts.read_json(champions.STORE / identity / champions.LINEAGE)
    switches = [record for record in champions.history() if record.bundle == identity]
    return found | {"tag": tags.version(identity), "promoted": [f"{record.since} {record.how}" for record in switches]}


def _last_run() -> str:
    try:
        return report.verdict().bundle
    except DataError:
        return ""


def _locked() -> dict[str, Any]:
    return dict((yaml.safe_load(LOCK.read_text(encoding="utf-8")) or {}).get("stages", {})) if LOCK.exists() else {}


def _data(stages: dict[str, Any]) -> dict[str, str]:
    """Hashes of what came from outside: what a stage reads, and no stage writes, and is no code."""
    made = {out["path"] for found in stages.values() for out in found.get("outs", [])}
    read = _hashes([dep for found in stages.values() for dep in found.get("deps", [])])
    outside = (path for path in read if path not in NEITHER and Path(path).parts[0] not in CODE)
    return {path: read[path] for path in sorted(outside) if not any(Path(path).is_relative_to(out) for out in made)}


def _hashes(entries: list[dict[str, Any]]) -> dict[str, str]:
    return {entry["path"]: entry.get("md5", entry.get("hash", "")) for entry in entries}
