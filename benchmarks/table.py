"""Make docs/results.md, docs/ranking.md and the measured part of docs/operations.md of the records."""

import json
from typing import Any

import operations_table
import ranking_table
from measure import RECORDS, ROOT

HEAD = """# Results

Made of the records in `benchmarks/records/` by `python benchmarks/table.py`; [how they were measured](../benchmarks/README.md).

Protocol P1: each user's last interaction is test, the one before it valid; all of the catalogue is ranked but what the user has seen; equal
timestamps keep the order of the file. *train-only*: fitted on train, the validation item is in the history; *refit*: the closed-form parts
and all baselines are fitted on train and validation. Users ask at the moment of their test event: *recent* and the hybrid count what others
did before it. Intervals: 95 %, bootstrap over users; Δ: paired, hybrid less sequential. Each section
is of the commit that it names. Other data sets and other libraries: [ranking.md](ranking.md).
"""
NAMES = {"refit": "refit", "train_only": "train-only"}


def main() -> None:
    paths = sorted(RECORDS.glob("pipeline-*.json"), key=lambda path: path.stem != "pipeline-movietweetings")
    parts = [HEAD, *(_set(json.loads(path.read_text())) for path in paths)]
    if (RECORDS / "ingest.json").exists():
        parts.append("## A million interactions\n\nIngested, validated and split: see `benchmarks/records/ingest.json`.\n")
    if (RECORDS / "serving.json").exists():
        parts.append(_serving(json.loads((RECORDS / "serving.json").read_text())))
    (ROOT / "docs" / "results.md").write_text("\n".join(parts))
    if list(RECORDS.glob("ranking-*.json")):
        (ROOT / "docs" / "ranking.md").write_text(ranking_table.render())
    operations_table.main()


def _set(record: dict[str, Any]) -> str:
    data = record["refit"]["data"]
    lines = [f"## {record['data']}", "", f"{data['interactions']:,} interactions, {data['users']:,} users, {data['items']:,} items.", ""]
    lines += ["| fitted | model | NDCG@10 | HR@10 | MRR@10 |", "| --- | --- | --- | --- | --- |"]
    for key, name in NAMES.items():
        ranked = sorted(record[key]["models"].items(), key=lambda pair: -pair[1]["NDCG@10"]["mean"])
        lines += [
            f"| {name} | {model} | {_mean(v['NDCG@10'])} | {v['HR@10']['mean']:.4f} | {v['MRR@10']['mean']:.4f} |" for model, v in ranked
        ]
    for key, name in NAMES.items():
        paired = record[key]["paired"]["sequential"]["NDCG@10"]
        lines += ["", f"Δ {name}: {paired['difference']:+.4f} [{paired['low']:+.4f}, {paired['high']:+.4f}]"]
    unchanged = ", ".join(f"`{command}` {seconds} s" for command, seconds in record["unchanged_seconds"].items())
    lines += [
        "",
        f"`zhijian retrain` in a fresh clone: {record['refit']['seconds']} s, peak {record['refit']['peak_mb']} MB; unchanged: {unchanged}",
    ]
    return "\n".join([*lines, _made(record), ""])


def _serving(record: dict[str, Any]) -> str:
    """Requests and latencies of a served Bento beside those of an endpoint that does nothing, and which promises they keep."""
    ours, told, swaps = record["zhijian"], record["feedback"], record["swaps"]
    loads = {
        "an endpoint that does nothing, 16 clients": record["nothing"]["users"]["closed"],
        "4,000 items, histories of 50, 16 clients": ours["histories"]["closed"],
        "the same, 100 requests a second": ours["histories"]["open"],
        "the same, three times the requests of the 16 clients": ours["overload"],
        "100,000 items, 50 requests a second": record["large"],
        "feedback, an event each, 16 clients": told["single"],
        "feedback, 100 events each, 4 clients": told["batched"],
    }
    lines = ["## Serving", "", "One worker, `/recommend` with reasons, paths and attention; the clients are on the same two cores.", ""]
    lines += ["| load | answers a second | p50, ms | p99, ms | statuses |", "| --- | --- | --- | --- | --- |"]
    for name, found in loads.items():
        codes = ", ".join(f"{code}: {count:,}" for code, count in found["codes"].items())
        lines.append(f"| {name} | {found['good_per_second']:g} | {found['p50_ms']:g} | {found['p99_ms']:g} | {codes} |")
    taken = swaps["noticed_and_taken_s"]
    lines += [
        "",
        f"{swaps['swaps']} swaps of the bundle under load, {swaps['answers']:,} answers: {swaps['failed']} failed, {swaps['mixed']} mixed.",
        f"A promotion is noticed, its bundle loaded, verified and taken in {taken['median']:g} s (at most {taken['most']:g}). Ready in",
        f"{ours['ready_s']:g} s (what does nothing: {record['nothing']['ready_s']:g} s); a worker holds {ours['worker_mb']} MB.",
        "",
    ]
    lines += [
        "| promise | kept |",
        "| --- | --- |",
        *(f"| {name} | {'yes' if kept else '**no**'} |" for name, kept in record["reached"].items()),
    ]
    return "\n".join([*lines, "", _made(record), ""])


def _made(record: dict[str, Any]) -> str:
    machine = record["machine"]
    return f"({machine['processor']}, {machine['cores']} cores; commit {record['commit']})."


def _mean(value: dict[str, float]) -> str:
    return f"{value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"


if __name__ == "__main__":
    main()
