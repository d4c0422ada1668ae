"""Clean reruns and planted faults before the gate and the promotion; a process of its own runs all stages again and again.

python operations_gate.py CASE …      # in a checkout with a champion; a line of JSON for each
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import operations_world as worlds
import yaml
from operations_world import CUTS, World

if TYPE_CHECKING:
    from operations_ground import Ground

OVERRIDES = Path("conf/overrides.yaml")
NEEDED = ("components", "conf", "serving", "flows", "data", "champions", ".state/cache")
CHAMPION, VOLUME = "not worse than the champion", "data volume"
QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Fault:
    """Something planted: what must find it, one of these, and how it is made, by settings or in the data."""

    found_by: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    spoil: Callable[[World], World] = lambda world: world


PARTS = ("sequential", "item", "trend", "popularity", "knowledge", "attention")
PLANTED = {
    "bad model: contents alone": Fault((CHAMPION,), tuple(f"~ranker.parts.{part}" for part in PARTS)),
    "bad model: without its best parts": Fault((CHAMPION,), ("~ranker.parts.sequential", "~ranker.parts.attention")),
    "leak: texts name who chose": Fault(("no leak by text",), spoil=worlds.told_by_text),
    "leak: a column names who chose": Fault(("no leak by features", "no leak by graph"), spoil=worlds.told_by_column),
    "data: films joined to the wrong people": Fault((CHAMPION,), spoil=worlds.shuffled),
    "data: every second person missing": Fault((VOLUME,), spoil=worlds.halved),
    "data: rows that are wrong": Fault((QUARANTINE,), spoil=worlds.faulty),
}


def caught(name: str, row: dict[str, Any]) -> bool:
    """Whether the fault was found by what must find it; wrong rows are put aside, all of them and no others, and the rest passes."""
    fault = PLANTED[name]
    if fault.found_by == (QUARANTINE,):
        return row["quarantined"] == worlds.wrong(worlds.made().until(CUTS[1])) and not row["refused_by"]
    return bool(set(fault.found_by) & set(row["refused_by"]))


def run(ground: "Ground", cases: Sequence[str]) -> list[dict[str, Any]]:
    """Judge cases in a copy of a ground, beside its champion."""
    project, copy = ground.platform.project, ground.platform.project.with_name("gate")
    for name in NEEDED:
        shutil.copytree(project / name, copy / name, dirs_exist_ok=True)
    for name in ("dvc.yaml", "constraints.txt", "pyproject.toml"):
        shutil.copyfile(project / name, copy / name)
    environment = ground.platform.environment | {"PYTHONPATH": str(copy)}
    with ground.platform.log.open("ab") as log:
        command = [sys.executable, __file__, *cases]
        ended = subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def judged(case: str, base: Sequence[str]) -> dict[str, Any]:
    """Make the case's world, run the stages, and say what refused the bundle."""
    from components import configure, stage

    world, fault = worlds.made().until(CUTS[1]), PLANTED.get(case)
    seed = case.rpartition(" ")[2]
    overrides = fault.overrides if fault else (f"seed={seed}",)
    world = fault.spoil(world) if fault else worlds.others(int(seed)).until(CUTS[1]) if "others" in case else world
    world.write(Path("raw"))
    OVERRIDES.write_text(yaml.safe_dump([*base, *overrides]))
    configure.main()
    modules = list(configure.STAGES.values())
    for module in modules[: modules.index(configure.STAGES["gate"]) + 1]:
        stage.run(import_module(module).main)
    return {"refused_by": [*_refused("gate"), *_not_promoted()], **_figures()}


def _not_promoted() -> list[str]:
    from flows import promote

    try:
        promote.judge()
    except promote.RefusedError:
        return _refused("promotion")
    return []


def _refused(name: str) -> list[str]:
    return [row["name"] for row in _read(f"reports/{name}.json")["criteria"] if not row["passed"]]


def _figures() -> dict[str, Any]:
    beside = {row["name"]: row for row in _read("reports/promotion.json")["criteria"]}
    return {
        "NDCG@10": _read("reports/metrics.json")["models"]["hybrid"]["NDCG@10"]["mean"],
        "beside_champion": {key: beside[CHAMPION][key] for key in ("value", "low", "bound")},
        "times_the_loop": beside["latency"]["value"],
        "quarantined": _read("artifacts/validate/validation.json")["interactions"]["quarantined"],
    }


def _read(path: str) -> Any:
    return json.loads(Path(path).read_text())


def main(cases: list[str]) -> None:
    base = [line for line in yaml.safe_load(OVERRIDES.read_text()) if not line.startswith("promotion=")]
    for case in cases:
        print(json.dumps({"case": case} | judged(case, base)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
