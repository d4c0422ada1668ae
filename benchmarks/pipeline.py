"""The main job in a fresh clone: seconds, memory, figures beside the baselines, and what an unchanged run takes.

python benchmarks/pipeline.py                 # the embedded data, then ml-100k and ml-latest-small where they are
python benchmarks/pipeline.py movietweetings  # one of them
"""

import json
import sys
from pathlib import Path
from typing import Any

from measure import available, clone, commit, measure, record

SETS = {
    "movietweetings": [],
    "ml-100k": ["dataset=recbole", "dataset.root={root}"],
    "ml-latest-small": ["dataset=movielens", "dataset.root={root}", "dataset.knowledge=knowledge.tsv.gz"],
}
PROTOCOL = "P1 leave-last-out, full ranking, seen items removed, equal timestamps in the order of the file; seed 17"
SHOWN = ("NDCG@10", "HR@10", "MRR@10")


def main(names: list[str]) -> None:
    for name in names or SETS:
        root = available(name)
        if SETS[name] and root is None:
            print(f"{name}: not here, left out")
            continue
        overrides = [override.format(root=root) for override in SETS[name]]
        with clone() as project:
            rows: dict[str, Any] = {"refit": _run(project, overrides)}
            if not overrides:  # the committed dvc.lock is of this configuration, made on the machine that committed it
                rows["hashes_as_committed"] = measure("git", "diff", "--quiet", "dvc.lock", cwd=project).status == 0
            rows["unchanged_seconds"] = {
                "dvc repro": _timed(project, "dvc", "repro"),
                "zhijian retrain": _timed(project, "zhijian", "retrain"),
            }
            measured = commit(project)
            rows["train_only"] = _run(project, [*overrides, "ranker.refit=false"])
        shown = [override.replace(str(root), name) for override in overrides]
        record(f"pipeline-{name}", measured, {"data": name, "protocol": PROTOCOL, "overrides": shown, **rows})


def _run(project: Path, overrides: list[str]) -> dict[str, Any]:
    done = measure("zhijian", "retrain", *overrides, cwd=project)
    print(done.output[-2500:])
    if done.status not in {0, 3}:
        raise SystemExit(f"the run failed with status {done.status}")
    metrics = json.loads((project / "reports" / "metrics.json").read_text())
    models = {model: {metric: values[metric] for metric in SHOWN} for model, values in metrics["models"].items()}
    kept = {key: metrics[key] for key in ("fitted_on", "data", "paired", "k", "resamples")}
    return {"seconds": done.seconds, "peak_mb": done.peak_mb, "status": done.status, "models": models} | kept


def _timed(project: Path, *command: str) -> float:
    done = measure(*command, cwd=project)
    assert "Running stage" not in done.output, done.output
    return done.seconds


if __name__ == "__main__":
    main(sys.argv[1:])
