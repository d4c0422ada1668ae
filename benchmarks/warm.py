"""Retraining with 1 % new feedback: from the champion's weights against from scratch, in one fresh clone.

    nice -n 15 python benchmarks/warm.py [OVERRIDE …]

The champion is made of the embedded ratings without the last 1 % in time; these come by the event log. Then `zhijian retrain --warm` and
`zhijian retrain` run, each from the same state, and their stages are timed by the lines that they write. NDCG@10 is of the same test.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
from measure import ROOT, clone, commit, record

sys.path.insert(0, str(ROOT))  # before this folder, whose serving.py is another one
from serving.store import Row, Store

SHARE = 0.01
TRAINED = ("pretrain", "align", "train", "converse")  # the stages that train; of these pretrain and train begin warm
STATUSES = {0, 3}


def main(overrides: list[str]) -> None:
    with clone() as project:
        old, new = parted(pl.read_csv(ROOT / "data/movietweetings/ratings.csv.gz"))
        source(project / "raw", old)
        rows: dict[str, Any] = {"champion": run(project, "--promote", "dataset.root=raw", *overrides)}
        if not (project / "champions/champion.json").exists():
            raise SystemExit("the champion was not made: the gate refused it")
        tell(project, new)
        rows["warm"] = run(project, "--warm")
        rows["scratch"] = run(project)
        found = compared(rows)
        record("warm-movietweetings", commit(project), {"overrides": overrides, "new_events": len(new), **rows, "compared": found})
        print(json.dumps(found, indent=2))


def parted(ratings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Ratings until the last 1 % in time, and those."""
    ordered = ratings.sort("timestamp", "user_id", "item_id")
    cut = int(len(ordered) * (1 - SHARE))
    return ordered[:cut], ordered[cut:]


def source(folder: Path, ratings: pl.DataFrame) -> None:
    folder.mkdir()
    ratings.write_csv(folder / "ratings.csv")
    for name in ("movies", "extracts"):
        (folder / f"{name}.csv.gz").write_bytes((ROOT / f"data/movietweetings/{name}.csv.gz").read_bytes())


def tell(project: Path, ratings: pl.DataFrame) -> None:
    """Put ratings into the event log, as the service does."""
    store = Store.open(f"sqlite:///{project}/.state/feedback.sqlite")
    store.prepare()
    rated = ratings.select("user_id", "item_id", pl.col("rating").cast(pl.Float64), "timestamp").iter_rows()
    store.add(Row(user, f"k{n}", item, "rating", when * 10**6, 1, value=value) for n, (user, item, value, when) in enumerate(rated))
    store.close()


def run(project: Path, *arguments: str) -> dict[str, Any]:
    """Retrain; seconds of each stage that ran and of the whole, and NDCG@10 with its interval."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DVC_", "ZHIJIAN_"))}
    settings = kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(project)}
    command = ["zhijian", "retrain", *arguments]
    began, started = time.perf_counter(), list[tuple[str, float]]()
    with subprocess.Popen(command, cwd=project, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            name, mark, _ = line.partition(" │ ")
            if mark and (not started or started[-1][0] != name):
                started.append((name, time.perf_counter()))
    ended = time.perf_counter()
    if process.returncode not in STATUSES:
        raise SystemExit(f"{' '.join(command)}: status {process.returncode}")
    ends = [*(at for _, at in started[1:]), ended]
    stages = {name: round(end - at, 1) for (name, at), end in zip(started, ends, strict=True)}
    metrics = json.loads((project / "reports/metrics.json").read_text())["models"]["hybrid"]["NDCG@10"]
    return {"seconds": round(ended - began, 1), "stages": stages, "NDCG@10": metrics, "status": process.returncode}


def compared(rows: dict[str, Any]) -> dict[str, Any]:
    """How many times as fast, stage by stage, for all that train and in all; and what became of NDCG@10."""
    warm, cold = rows["warm"], rows["scratch"]
    times = {name: round(cold["stages"][name] / warm["stages"][name], 2) for name in TRAINED}
    sums = [sum(side["stages"][name] for name in TRAINED) for side in (cold, warm)]
    ratio = warm["NDCG@10"]["mean"] / cold["NDCG@10"]["mean"]
    return {"times_as_fast": times | {"training": round(sums[0] / sums[1], 2), "all": round(cold["seconds"] / warm["seconds"], 2)}} | {
        "NDCG@10 warm over scratch": round(ratio, 4)
    }


if __name__ == "__main__":
    main(sys.argv[1:])
