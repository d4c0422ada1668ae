"""What semantic pretraining reaches: new items among themselves (P3), what it buys on warm items (P1), hard negatives, and its seconds.

    python benchmarks/semantic.py cold ml-100k ml-latest-small --work FOLDER --judge FILE
    python benchmarks/semantic.py gain ml-latest-small amazon-beauty amazon-toys --work FOLDER --judge FILE
    python benchmarks/semantic.py hard ml-latest-small movietweetings --work FOLDER      on validation alone
    python benchmarks/semantic.py seconds movietweetings --work FOLDER

Writes `benchmarks/records/semantic-WHAT-SET.json`, a fold's figures as soon as they are there; `benchmarks/semantic_table.py` shows them.
"""

import argparse
import os
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import knowledge_worlds
import semantic_cold
import semantic_gain
import torch
from measure import ROOT, commit, record, uncommitted
from ranking_split import FOLDS, PROTOCOLS, SETS, Case, prepare

from components import nodes
from components.ranking.attention import AttentionRanker
from components.semantic.behaviour import Behaviour
from components.semantic.probe import Probe

HARD = (0.0, 0.5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(RUNS))
    parser.add_argument("sets", nargs="+", choices=list(SETS))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--judge", type=Path, default=ROOT.parent / "shared" / "judge" / "judge.py")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3, help="gain, hard: how many trainings of each side")
    parser.add_argument("--sides", nargs="+", default=list(semantic_gain.SIDES), choices=list(semantic_gain.SIDES), help="gain")
    parser.add_argument("--without-text", action="store_true", help="cold: of entities alone, no text is encoded")
    parser.add_argument("--override", action="append", default=[])
    asked = parser.parse_args()
    asked.work = asked.work.resolve()
    if asked.what in ("cold", "gain") and not asked.judge.exists():
        parser.error(f"no judge at {asked.judge}: give --judge FILE")
    torch.set_num_threads(asked.threads)
    for name in asked.sets:
        RUNS[asked.what](name, asked)


def _cold(name: str, asked: argparse.Namespace) -> None:
    folds: list[dict[str, Any]] = []
    about = []
    for fold in range(FOLDS):
        case = Case(name, "P3", fold, asked.work / f"{name}-P3" / f"fold{fold}", asked.seed, asked.threads, tuple(asked.override))
        setting, _ = knowledge_worlds.of(case, asked.work, text=not asked.without_text)
        about.append(setting.about)
        folds.append(semantic_cold.run(setting, case, asked.judge, asked.seed, asked.work))
        found = {"protocol": PROTOCOLS["P3"], "text": not asked.without_text, "data": about, "folds_done": len(folds)}
        _write(f"cold-{name}", asked, found | {"among cold": semantic_cold.joined(folds, asked.seed)})


def _gain(name: str, asked: argparse.Namespace) -> None:
    case = Case(name, "P1", 0, asked.work / f"{name}-P1", asked.seed, asked.threads, tuple(asked.override))
    setting, ranker = knowledge_worlds.of(case, asked.work)
    behaviour, head = _behaviour(case), ranker.parts["attention"]
    assert isinstance(head, AttentionRanker)
    sides = list(dict.fromkeys(["neither", *asked.sides]))
    seeds = range(asked.seed, asked.seed + asked.seeds)
    found = semantic_gain.run(semantic_gain.Trial(setting, behaviour, head.sequence), sides, seeds, case, asked.judge)
    _write(f"gain-{name}", asked, {"protocol": PROTOCOLS["P1"], "data": setting.about, "seeds": list(seeds)} | found)


def _hard(name: str, asked: argparse.Namespace) -> None:
    """What the BERT foretells on validation, by the share of negatives that are hard."""
    case = Case(name, "P1", 0, asked.work / f"{name}-P1", asked.seed, asked.threads, tuple(asked.override))
    setting, _ = knowledge_worlds.of(case, asked.work)
    behaviour, data, content = _behaviour(case), setting.dataset, torch.from_numpy(setting.world.content)
    probe = Probe.draw(data.train, data.valid, behaviour.length, behaviour.probe)
    seeds, found = range(asked.seed, asked.seed + asked.seeds), dict[str, list[dict[str, float]]]()
    for share, seed in product(HARD, seeds):
        module, _ = replace(behaviour, hard=share).pretrain(content, data.train, data.valid, seed)
        found.setdefault(str(share), []).append(probe.report(module))
        print(name, f"hard {share}, seed {seed}:", found[str(share)][-1], flush=True)
        _write(f"hard-{name}", asked, {"data": setting.about, "seeds": list(seeds), "validation": found})


def _behaviour(case: Case) -> Behaviour:
    built = nodes.build(case.sections()["pretrain"]["behaviour"], "pretrain.behaviour")
    assert isinstance(built, Behaviour)
    return built


def _seconds(name: str, asked: argparse.Namespace) -> None:
    case = Case(name, "P1", 0, asked.work / f"{name}-P1", asked.seed, asked.threads, tuple(asked.override))
    about = prepare(case, asked.work)
    done = case.stage("semantic.pretrain", case.sections())
    warm = case.stage("semantic.pretrain", case.sections())
    taken = {what: {"seconds": run.seconds, "cpu_seconds": run.cpu_seconds} for what, run in (("first", done), ("texts cached", warm))}
    _write(f"seconds-{name}", asked, {"data": about, "pretrain": taken, "load": [round(load, 1) for load in os.getloadavg()]})


def _write(name: str, asked: argparse.Namespace, value: dict[str, Any]) -> None:
    given = {"seed": asked.seed, "threads": asked.threads, "overrides": asked.override, "uncommitted": uncommitted()}
    record(f"semantic-{name}", commit(ROOT), given | value)


RUNS = {"cold": _cold, "gain": _gain, "hard": _hard, "seconds": _seconds}

if __name__ == "__main__":
    main()
