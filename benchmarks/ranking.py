"""Ours beside peers on the very same split, judged by an independent judge.

    python benchmarks/ranking.py amazon-beauty --work FOLDER --peers PYTHON     # protocol P1
    python benchmarks/ranking.py movietweetings --protocol P2 --work FOLDER --peers PYTHON

PYTHON is that of an environment with `benchmarks/peers/requirements.txt`; without `--peers` only ours is run. The work folder
keeps splits and the peers' rankings. Writes `benchmarks/records/ranking-SET-PROTOCOL.json`; `benchmarks/table.py` shows it.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import ranking_ours
import ranking_peers
from measure import ROOT, commit, record, uncommitted
from ranking_judge import RESAMPLES, Columns, Question, columns, questions, summarise
from ranking_split import FOLDS, PROTOCOLS, SETS, Case, prepare

from components import artifacts

Row = dict[str, Any]  # model, fitted, what it took, and the folder and name of its rankings


def main() -> None:
    asked = _arguments()
    for name in asked.sets:
        folds = range(FOLDS if asked.protocol == "P3" else 1)
        cases = [_case(name, fold, asked) for fold in folds]
        about = [prepare(case, asked.work) for case in cases]
        rows = [_rows(case, asked) for case in cases]
        measured = _judged(cases, rows, asked.judge)
        how = {"protocol": asked.protocol, "about": PROTOCOLS[asked.protocol], "data": about, "folds": len(folds), "blind": asked.blind}
        given = {"seed": asked.seed, "threads": asked.threads, "resamples": RESAMPLES, "overrides": asked.override}
        title = f"ranking-{name}-{asked.protocol}" + ("-blind" if asked.blind else "")
        record(title, commit(ROOT), how | given | {"uncommitted": uncommitted()} | measured)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=list(SETS))
    parser.add_argument("--protocol", choices=list(PROTOCOLS), default="P1")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--blind", action="store_true", help="without times: only the order of the events is known")
    parser.add_argument("--only", action="append", help="of the peers, only these")
    parser.add_argument("--fits", nargs="+", choices=list(ranking_ours.FITS), default=list(ranking_ours.FITS))
    parser.add_argument("--judge", type=Path, default=ROOT.parent / "shared" / "judge" / "judge.py")
    parser.add_argument("--override", action="append", default=[], help="of the project's configuration, as ranker.pool=50")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    asked.work = asked.work.resolve()
    if not asked.judge.exists():
        parser.error(f"no judge at {asked.judge}: give --judge FILE")
    return asked


def _case(name: str, fold: int, asked: argparse.Namespace) -> Case:
    folder = (
        asked.work / (f"{name}-{asked.protocol}" + ("-blind" if asked.blind else "")) / (f"fold{fold}" if asked.protocol == "P3" else "")
    )
    return Case(name, asked.protocol, fold, folder, asked.seed, asked.threads, tuple(asked.override), asked.blind)


def _rows(case: Case, asked: argparse.Namespace) -> list[Row]:
    """Run ours, then the peers; one row for each ranking."""
    before = ranking_ours.before(case)
    rows: list[Row] = []
    for fitted in asked.fits:
        fit = ranking_ours.fit(case, fitted)
        whole = {"before": before, **{key: fit.about[key] for key in ("train", "ranked", "rates", "ranker")}}
        rows.append({"model": "hybrid", "fitted": fitted, "took": whole, "lists": fit.folder, "name": "hybrid"})
        parts = sorted(fit.about["ranker"]["parts"])
        rows += [{"model": f"part: {part}", "fitted": fitted, "took": {}, "lists": fit.folder, "name": part} for part in parts]
    for name, folder in ranking_peers.run(case, asked.peers, asked.work / "peers", asked.only) if asked.peers else []:
        about = artifacts.read_json(folder / "peer.json")
        for fitted in (key for key in ("train-only", "refit") if key in about):
            took = {"process": artifacts.read_json(folder / "measured.json"), "versions": about["versions"], **about[fitted]}
            rows.append({"model": name, "fitted": fitted, "took": took, "lists": folder, "name": fitted})
    return rows


def _judged(cases: list[Case], rows: list[list[Row]], judge: Path) -> dict[str, Any]:
    """Judge every ranking on every question; the users of all folds together."""
    shown: list[Row] = [{key: row[key] for key in ("model", "fitted", "took")} for row in rows[0]]
    for question in questions(cases[0]):
        found = [_question(case, own, question.name, judge) for case, own in zip(cases, rows, strict=True)]
        joined = {key: _joined([fold[key][0] for fold in found]) for key in found[0]}
        ours = {key: f"hybrid, {key.rsplit(', ', 1)[1]}" for key in joined if not key.startswith("hybrid, ")}
        ours = {key: own for key, own in ours.items() if own in joined}
        alone, ahead = summarise(joined, ours, cases[0].seed)
        for row in shown:
            key = f"{row['model']}, {row['fitted']}"
            row.setdefault("figures", {})[question.name] = alone[key] | {"judge": found[0][key][1]}
            row.setdefault("ahead", {})[question.name] = ahead.get(key)
    return {"rows": shown}


def _question(case: Case, rows: list[Row], name: str, judge: Path) -> dict[str, tuple[Columns, dict[str, Any]]]:
    question: Question = next(question for question in questions(case) if question.name == name)
    return {
        f"{row['model']}, {row['fitted']}": columns(case, question, row["lists"] / f"{row['name']}{question.suffix}.parquet", judge)
        for row in rows
    }


def _joined(folds: list[Columns]) -> Columns:
    return {name: np.concatenate([fold[name] for fold in folds]) for name in folds[0]}


if __name__ == "__main__":
    main()
