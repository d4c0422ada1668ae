"""Speed, one thread: training and recommending beside the peers, and evaluating. `python benchmarks/ranking_speed.py --help`

Each figure is of a process of its own and in seconds of the processor, so that a shared machine does not decide. Training: one epoch
of a transformer of equal width, depth, heads, length and loss (softmax over the catalogue), the difference of one epoch and three;
interactions are the targets of an epoch. Recommending: all users, k = 10, what they have seen removed, from given float32 vectors;
the limit is a blocked float32 product and top-k that remove nothing. Evaluating: lists of 50 and everything in metrics.json.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import ROOT, commit, measure, record, uncommitted
from ranking_split import PARTS, Case, prepare

SHAPE: dict[str, Any] = {"width": 64, "layers": 2, "heads": 2, "length": 50, "dropout": 0.2, "batch": 128}
WIDTH, K, DEPTH, REPEATS = 64, 10, 50, 5
TABLES = Path("artifacts/validate"), Path("artifacts/split")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help="trained on all of them; recommended and evaluated on the first")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--untrained", action="store_true", help="time no training: on a large catalogue it takes the peer an hour")
    asked = parser.parse_args()
    work = asked.work.resolve()
    cases = [Case(name, "P1", 0, work / f"{name}-P1", 17, 1) for name in asked.sets]
    about = [_vectors(case, prepare(case, work)) for case in cases]
    peer = ROOT / "benchmarks" / "peers"
    rows: list[dict[str, Any]] = []
    trained = [] if asked.untrained else cases
    for case in trained:
        ours, other = _run(case, sys.executable, Path(__file__), "train"), _run(case, asked.peers, peer / "rectools_speed.py", "")
        rows.append(_row(f"training on {case.name}, interactions/s", ours, "RecTools SASRec", other))
    first = cases[0]
    found = {name: _run(first, sys.executable, Path(__file__), name) for name in ("recommend", "limit", "evaluate")}
    asking = f"recommending on {first.name}, users/s"
    rows.append(_row(asking, found["recommend"], "implicit", _run(first, asked.peers, peer / "implicit_speed.py", "")))
    rows.append(_row(asking, found["recommend"], "bare product and top-k", found["limit"]))
    rows.append(_row(f"evaluating on {first.name}, users/s", found["evaluate"], "", 0.0))
    how = {"data": about, "shape": SHAPE, "width": WIDTH, "k": K, "depth": DEPTH, "seed": first.seed, "threads": 1}
    title = f"ranking-speed-{first.name}" if asked.untrained else "ranking-speed"
    record(title, commit(ROOT), how | {"rows": rows, "uncommitted": uncommitted()})


def _vectors(case: Case, about: dict[str, Any]) -> dict[str, Any]:
    """Write random vectors of the users and the items to the case's folder."""
    draw = np.random.default_rng(case.seed)
    users = len({user for part in PARTS for user in case.table(f"split/{part}.parquet")["user_id"]})
    for name, count in (("users", users), ("items", about["items"])):
        np.save(case.folder / f"{name}.npy", draw.standard_normal((count, WIDTH), dtype=np.float32))
    return about | {"users": users}


def _run(case: Case, python: Path | str, script: Path, what: str) -> float:
    done = measure(str(python), str(script), *([what] if what else [json.dumps(SHAPE)]), cwd=case.folder, code=ROOT, threads=1)
    if done.status:
        raise SystemExit(f"{script} {what}\n{done.output[-3000:]}")
    print(f"{script.stem} {what}: {done.output.splitlines()[-1]}", flush=True)
    return float(done.output.splitlines()[-1])


def _row(what: str, ours: float, beside: str, other: float) -> dict[str, Any]:
    return {"what": what, "ours": ours, "beside": beside, "other": other, "ratio": round(ours / other, 3) if other else None}


def fastest(work: Callable[[], Any]) -> float:
    """The least processor seconds of some runs."""
    spent: list[float] = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


def train() -> float:
    """Interactions a second of our sequence model."""
    import torch

    from components.data.histories import load
    from components.ranking.parts import World
    from components.ranking.sequence import SequenceModel
    from components.training import Plan

    torch.set_num_threads(1)
    histories = load(*TABLES).train
    content = np.load("items.npy")
    world = World(histories, np.full(len(histories), -1), content, content)
    shape = {name: value for name, value in SHAPE.items() if name != "batch"}

    def seconds(epochs: int) -> float:
        plan = Plan(epochs=epochs, batch=SHAPE["batch"], rate=0.001)
        started = time.process_time()
        SequenceModel(**shape, loss="full", plan=plan).fit(world, 17)
        return time.process_time() - started

    targets = int((histories.lengths - 1).clip(min=0).sum())
    return 2 * targets / (seconds(3) - seconds(1))


def recommend() -> float:
    """Users a second of exact retrieval."""
    from components.data.histories import load
    from components.recommend.retrieval import Exact

    known, users = load(*TABLES).known(), np.load("users.npy")
    index = Exact(np.load("items.npy"))
    return len(users) / fastest(lambda: index.search(users, K, known))


def limit() -> float:
    """Users a second of the bare product and top-k, the best of three block sizes."""
    import torch

    torch.set_num_threads(1)
    users, items = torch.from_numpy(np.load("users.npy")), torch.from_numpy(np.load("items.npy")).T.contiguous()
    blocks = (64, 256, 1024)
    return len(users) / min(fastest(lambda block=block: [torch.topk(part @ items, K) for part in users.split(block)]) for block in blocks)


def evaluate() -> float:
    """Users a second for lists of everyone and all figures about them."""
    from components.data.histories import load
    from components.evaluation import compare
    from components.evaluation.metrics import distinct
    from components.evaluation.task import Task, counted
    from components.recommend.retrieval import Exact

    dataset = load(*TABLES)
    asked = np.flatnonzero(dataset.test.lengths)
    started = time.process_time()
    known, items = dataset.known().pick(asked), np.load("items.npy")
    task = Task(known, distinct(dataset.test.pick(asked)), counted(dataset.known(), len(items)), items, {})
    lists, _ = Exact(items).search(np.load("users.npy")[asked], DEPTH, known)
    compare.evaluate(task, {"hybrid": lists}, compare.Plan(K, DEPTH, 1000, 17))
    return len(asked) / (time.process_time() - started)


if __name__ == "__main__":
    measures = {found.__name__: found for found in (train, recommend, limit, evaluate)}
    if len(sys.argv) == 2 and sys.argv[1] in measures:
        print(round(measures[sys.argv[1]](), 2))
    else:
        main()
