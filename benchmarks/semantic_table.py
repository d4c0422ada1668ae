"""The measured part of docs/semantic.md, made of the records of semantic.py."""

import json
from typing import Any

from measure import RECORDS, ROOT

START, END = "<!-- measured: made by `python benchmarks/semantic_table.py` -->", "<!-- end of measured -->"
PAGE = ROOT / "docs" / "semantic.md"
MUST = {"ml-latest-small": 0.31, "ml-100k": 0.43}
AHEAD = 1.15  # of the better peer, where no figure is set
PEERS = ("linear autoencoder", "content kNN")


def main() -> None:
    before, rest = PAGE.read_text().split(START)
    _, after = rest.split(END)
    lines = ["| data | folds | content | model | NDCG@10 among cold | must | reached |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for path in sorted(RECORDS.glob("semantic-cold-*.json")):
        lines += _cold(path.stem.removeprefix("semantic-cold-"), json.loads(path.read_text()))
    PAGE.write_text(before + START + "\n\n" + "\n".join([*lines, "", *_seconds()]) + "\n" + END + after)


def _cold(name: str, record: dict[str, Any]) -> list[str]:
    found = record["among cold"]["figures"]
    must = MUST.get(name) or AHEAD * max((found[peer]["NDCG@10"]["mean"] for peer in PEERS if peer in found), default=float("nan"))
    content = "text and entities" if record["text"] else "entities alone"
    rows = []
    for model, row in found.items():
        value = row["NDCG@10"]
        judged = ["", ""] if model != "ours" else [f"≥ {must:.3f}", "yes" if value["mean"] >= must else "**no**"]
        shown = "{mean:.4f} [{low:.4f}, {high:.4f}]".format(**value)
        about = [name, f"{record['folds_done']} of 3", content, model, shown, *judged]
        rows.append(f"| {' | '.join(about)} |")
    return rows


def _seconds() -> list[str]:
    lines = []
    for path in sorted(RECORDS.glob("semantic-seconds-*.json")):
        record = json.loads(path.read_text())
        first, again = (record["pretrain"][what] for what in ("first", "texts cached"))
        took = f"{first['seconds']} s, {again['seconds']} s with texts cached ({first['cpu_seconds']} and {again['cpu_seconds']} s of CPU"
        about = f"Stage pretrain on {record['data']['name']}, {record['threads']} threads"
        lines.append(f"{about}: {took}; load of the machine {record['load'][0]}).")
    return lines


if __name__ == "__main__":
    main()
