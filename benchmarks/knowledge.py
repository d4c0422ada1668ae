"""What the knowledge graph is worth, whether what it says is true, and how fast it is said.

    python benchmarks/knowledge.py gain movietweetings --protocol P1 --work FOLDER
    python benchmarks/knowledge.py gain ml-latest-small --protocol P3 --work FOLDER --seed 29
    python benchmarks/knowledge.py lastfm
    python benchmarks/knowledge.py proofs movietweetings --work FOLDER
    python benchmarks/knowledge.py speed

Writes `benchmarks/records/knowledge-….json`; `benchmarks/table.py` shows them in docs/knowledge.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import knowledge_gain
import knowledge_lastfm
import knowledge_proofs
import knowledge_speed
import knowledge_worlds
import numpy as np
import torch
from measure import ROOT, commit, record, uncommitted
from ranking_split import FOLDS, SETS, Case

from components.ranking.attention import AttentionRanker

SEEDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["gain", "lastfm", "proofs", "speed"])
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--protocol", choices=["P1", "P2", "P3"], default="P1")
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--seed", type=int, default=17, help="of the split of P3, and the first of the seeds")
    parser.add_argument("--transformer", action="store_true", help="leave the transformers in, on both sides")
    parser.add_argument("--override", action="append", default=[])
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    if unknown := set(asked.sets) - set(SETS):
        parser.error(f"no set {', '.join(sorted(unknown))}")
    torch.set_num_threads(asked.threads)
    asked.work = asked.work.resolve()
    if asked.what == "speed":
        _write("speed", asked, knowledge_speed.run())
    elif asked.what == "lastfm":
        _write("gain-lastfm", asked, knowledge_lastfm.run(asked.seed, asked.seeds))
    for name in asked.sets:
        whole = "-transformer" if asked.transformer else ""
        if asked.what == "gain":
            _write(f"gain-{name}-{asked.protocol}{whole}", asked, _gain(name, asked))
        else:
            case = _case(name, 0, asked)
            _write(f"proofs-{name}", asked, knowledge_proofs.run(case, asked.work))


def _gain(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    runs: dict[str, dict[str, list[list[Any]]]] = {}
    about, weights = [], []
    for fold in range(FOLDS if asked.protocol == "P3" else 1):
        setting, ranker = knowledge_worlds.of(_case(name, fold, asked), asked.work)
        parts = {key: part for key, part in ranker.parts.items() if asked.transformer or not isinstance(part, AttentionRanker)}
        ranker, kept = replace(ranker, parts=parts, refit=False), {}
        about.append(setting.about)
        for number in range(asked.seeds):
            for side, found, learned in knowledge_gain.sides(setting, ranker, ("knowledge",), asked.seed + number, kept):
                weights.append({"fold": fold, "seed": asked.seed + number, "side": side} | learned)
                for question, columns in found.items():
                    by = runs.setdefault(question, {}).setdefault(side, [[] for _ in range(asked.seeds)])
                    by[number].append(columns)
                shown = {
                    question: {key: round(float(value.mean()), 4) for key, value in columns.items()} for question, columns in found.items()
                }
                print(name, asked.protocol, f"fold {fold}, seed {asked.seed + number}, {side}:", shown, flush=True)
    questions = {}
    for question, both in runs.items():
        joined = {side: [_joined(folds) for folds in by] for side, by in both.items()}
        questions[question] = knowledge_gain.summed(joined, asked.seed)
    return {"data": about, "questions": questions, "weights": weights, "parts": list(parts), "protocol": asked.protocol}


def _joined(folds: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: np.concatenate([fold[key] for fold in folds]) for key in folds[0]}


def _case(name: str, fold: int, asked: argparse.Namespace) -> Case:
    folder = asked.work / f"{name}-{asked.protocol}" / (f"fold{fold}" if asked.protocol == "P3" else "")
    return Case(name, asked.protocol, fold, folder, asked.seed, asked.threads, tuple(asked.override))


def _write(name: str, asked: argparse.Namespace, value: dict[str, Any]) -> None:
    given = {"seed": asked.seed, "seeds": asked.seeds, "threads": asked.threads, "overrides": asked.override, "uncommitted": uncommitted()}
    record(f"knowledge-{name}", commit(ROOT), given | value)


if __name__ == "__main__":
    main()
