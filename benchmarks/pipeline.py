"""The main job in a fresh clone: seconds, memory, figures beside the baselines, and what an unchanged run takes.

    python benchmarks/pipeline.py                 # the embedded data, then ml-100k and ml-latest-small where they are
    python benchmarks/pipeline.py movietweetings  # one of them
"""

import json
import sys
from typing import Any

from measure import available, clone, measure, record

SETS = {
    "movietweetings": [],
    "ml-100k": ["dataset=recbole", "dataset.root={root}"],
    "ml-latest-small": ["dataset=movielens", "dataset.root={root}", "dataset.knowledge=knowledge.tsv.gz"],
}
SHOWN = ("NDCG@10", "HR@10", "MRR@10")


def main(names: list[str]) -> None:
    for name in names or SETS:
        root = available(name)
        if SETS[name] and root is None:
            print(f"{name}: not here, left out")
            continue
        overrides = [override.format(root=root) for override in SETS[name]]
        rows = {"refit": _run(overrides, again=True), "train_only": _run([*overrides, "train.ranker.refit=false"], again=False)}
        record(f"pipeline-{name}", {"data": name, "protocol": "P1 leave-last-out, full ranking, seen items removed", "overrides": overrides, **rows})


def _run(overrides: list[str], *, again: bool) -> dict[str, Any]:
    with clone() as project:
        first = measure("zhijian", "retrain", *overrides, cwd=project)
        print(first.output[-2500:])
        if first.status not in {0, 3}:
            raise SystemExit(f"the run failed with status {first.status}")
        row: dict[str, Any] = {"seconds": first.seconds, "peak_mb": first.peak_mb, "status": first.status}
        if again:
            row["unchanged_dvc_repro_seconds"] = measure("dvc", "repro", cwd=project).seconds
            row["unchanged_zhijian_retrain_seconds"] = measure("zhijian", "retrain", cwd=project).seconds
        metrics = json.loads((project / "reports" / "metrics.json").read_text())
        row |= {key: metrics[key] for key in ("fitted_on", "data", "paired", "k", "resamples")}
        row["models"] = {model: {metric: values[metric] for metric in SHOWN} for model, values in metrics["models"].items()}
        return row


if __name__ == "__main__":
    main(sys.argv[1:])
