"""The measured part of docs/semantic.md, made of the records of semantic.py, semantic_pixels.py and semantic_speed.py."""

import json
from collections.abc import Callable
from typing import Any

from measure import RECORDS, ROOT

START, END = "<!-- measured: made by `python benchmarks/semantic_table.py` -->", "<!-- end of measured -->"
PAGE = ROOT / "docs" / "semantic.md"
MUST = {"ml-latest-small": 0.31, "ml-100k": 0.43}
AHEAD = 1.15  # of the better peer, where no figure is set
PEERS = ("linear autoencoder", "content kNN")
COLD = "data, folds, content, model, NDCG@10 among cold, must, reached"
GAIN = "data, users asked, pretraining, seeds, NDCG@10, ahead of random vectors, verdict"
PIXELS = "drawn, items, users, NDCG@10 without, with, must, reached"


def main() -> None:
    before, rest = PAGE.read_text().split(START)
    _, after = rest.split(END)
    parts = [_table(COLD, "cold", _cold), _table(GAIN, "gain", _gain), _table(PIXELS, "pixels", _pixels), *_seconds(), *_speed()]
    PAGE.write_text(before + START + "\n\n" + "\n\n".join(filter(None, parts)) + "\n" + END + after)


def _records(what: str) -> dict[str, dict[str, Any]]:
    """Records by what stands behind `what` in their names."""
    paths = sorted(RECORDS.glob(f"semantic-{what}-*.json"))
    return {path.stem.removeprefix(f"semantic-{what}-"): json.loads(path.read_text()) for path in paths}


def _table(columns: str, what: str, rows: Callable[[str, dict[str, Any]], list[str]]) -> str:
    """A table of all records of a kind; empty where there are none."""
    found = [row for name, record in _records(what).items() for row in rows(name, record)]
    names = columns.split(", ")
    return "\n".join([_row(*names), _row(*["---"] * len(names)), *found]) if found else ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cold(name: str, record: dict[str, Any]) -> list[str]:
    found = record["among cold"]["figures"]
    must = MUST.get(name) or AHEAD * max((found[peer]["NDCG@10"]["mean"] for peer in PEERS if peer in found), default=float("nan"))
    content = "text and entities" if record["text"] else "entities alone"
    rows = []
    for model, row in found.items():
        value = row["NDCG@10"]
        judged = ["", ""] if model != "ours" else [f"≥ {must:.3f}", "yes" if value["mean"] >= must else "**no**"]
        shown = "{mean:.4f} [{low:.4f}, {high:.4f}]".format(**value)
        rows.append(_row(name, f"{record['folds_done']} of 3", content, model, shown, *judged))
    return rows


def _gain(name: str, record: dict[str, Any]) -> list[str]:
    rows, seeds = [], str(len(record["seeds"]))
    for asked, found in record["questions"].items():
        for side, row in found["figures"]["NDCG@10"].items():
            told = ["", ""]
            if "ahead" in row:
                ahead = row["ahead"]
                sure = "gain" if ahead["low"] > 0 else "loss" if ahead["high"] < 0 else "none shown"
                told = ["{difference:+.4f} [{low:+.4f}, {high:+.4f}]".format(**ahead), sure]
            rows.append(_row(name, f"{asked} ({found['users']})", side, seeds, f"{row['mean']:.4f}", *told))
    return rows


def _pixels(name: str, record: dict[str, Any]) -> list[str]:
    values = [record[side]["metrics"]["models"]["hybrid"]["NDCG@10"]["mean"] for side in ("without", "with")]
    judged = "yes" if values[1] >= 2 * values[0] else "**no**"
    return [_row(name, str(record["items"]), str(record["users"]), *(f"{value:.4f}" for value in values), "≥ 2 ×", judged)]


def _seconds() -> list[str]:
    lines = []
    for record in _records("seconds").values():
        first, again = (record["pretrain"][what] for what in ("first", "texts cached"))
        took = f"{first['seconds']} s, {again['seconds']} s with texts cached ({first['cpu_seconds']} and {again['cpu_seconds']} s of CPU"
        about = f"Stage pretrain on {record['data']['name']}, {record['threads']} threads"
        lines.append(f"{about}: {took}; load of the machine {record['load'][0]}).")
    return lines


def _speed() -> list[str]:
    lines, found = [], _records("speed")
    if "rate" in found:
        texts, ratio = (found["rate"][name] for name in ("texts", "ratio"))
        lines.append(f"Encoding {texts} texts with MiniLM: {ratio:.2f} × the rate of a plain loop sorted by length (must be ≥ 0.9).")
    if "memory" in found:
        grown, many = found["memory"], found["memory"]["runs"][-1]
        beyond = f"{many['peak_mb'] - many['before_mb']:.0f} MB, of which the vectors are {many['vectors_mb']:.0f} MB"
        more = f"a further text takes {grown['bytes_per_text']:.0f} bytes, its vector {grown['bytes_per_vector']}"
        lines.append(f"Memory of {many['texts']:,} texts beyond the texts themselves: {beyond}; {more}.")
    return lines


if __name__ == "__main__":
    main()
