"""The measured part of docs/knowledge.md, made of the records of knowledge.py."""

import json
from typing import Any

from measure import RECORDS, ROOT

START, END = "<!-- measured: made by `python benchmarks/knowledge_table.py` -->", "<!-- end of measured -->"
SHOWN = {"P1": "NDCG@10", "P3": "NDCG@10"}  # the figure of each protocol; recall at 20 for all others
PAGE = ROOT / "docs" / "knowledge.md"
MOST = 5.0  # a gain over next to nothing is no figure


def main() -> None:
    text = PAGE.read_text()
    before, rest = text.split(START)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{START}\n\n{render()}\n{END}{after}")


def render() -> str:
    """The tables, one for what knowledge is worth, one for the proofs, and what was timed."""
    records = {path.stem: json.loads(path.read_text()) for path in sorted(RECORDS.glob("knowledge-*.json"))}
    gains = [line for name, record in records.items() if name.startswith("knowledge-gain-") for line in _gain(record)]
    proofs = [_proof(record) for name, record in records.items() if name.startswith("knowledge-proofs-")]
    parts = [
        _table(["data", "protocol", "users", "seeds", "figure", "side", "without", "with", "gain"], gains),
        _table(["data", "paths", "valid", "no leak", "coverage@10", "fall, top path", "fall, random path", "ahead"], proofs),
    ]
    if "knowledge-speed" in records:
        parts.append(_speed(records["knowledge-speed"]))
    return "\n".join(part for part in parts if part)


def _gain(record: dict[str, Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    figure = SHOWN.get(record["protocol"], "Recall@20")
    for question, found in record["questions"].items():
        sides = found["figures"][figure]
        for side, value in sides.items():
            if side != "without":
                gain = value["gain"]
                text = f"{gain['share']:+.1%} [{gain['low']:+.1%}, {gain['high']:+.1%}]"
                shown = "–" if gain["share"] >= MOST else f"**{text}**" if gain["low"] > 0 else text
                protocol = record["protocol"] if question == "all" else f"{record['protocol']}, {question}"
                about = [record["data"][0]["name"], protocol, f"{found['users']:,}", str(record["seeds"]), figure]
                what = ", ".join(part for part in [side, "with the transformer" if "attention" in record.get("parts", []) else ""] if part)
                rows.append([*about, what, f"{sides['without']['mean']:.4f}", f"{value['mean']:.4f}", shown])
    return rows


def _proof(record: dict[str, Any]) -> list[str]:
    deletion = record["deletion"]
    shares = [record["validity"], record["no_leak"], record["coverage"]]
    return [record["data"][0]["name"], f"{record['paths']:,}", *(f"{share:.4g}" for share in shares), *_falls(deletion)]


def _falls(deletion: dict[str, Any]) -> list[str]:
    ahead = deletion["ahead"]["score"]
    return [
        *(f"{deletion['falls'][name]['mean']:.4f}" for name in ("top", "random")),
        f"{ahead['difference']:.4f} [{ahead['low']:.4f}, {ahead['high']:.4f}]",
    ]


def _speed(record: dict[str, Any]) -> str:
    build, reason = record["build"], record["reason"]
    taken = reason["milliseconds"]
    lines = [
        f"One thread of {record['machine']['processor']}: {record['sizes']['triples']:,} triples become a graph in",
        f"{build['graph_seconds']} s and {build['report']['channels']:,} channels in {build['channels_seconds']} s,",
        f"peak {build['process_peak_mb']} MB. Reasoning over 500 candidates for a history of 200: {taken['pairs']['p50']} ms",
        f"(95 %: {taken['pairs']['p95']}); the paths to ten items: {taken['paths']['p50']} ms.",
    ]
    return " ".join(lines) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n" if rows else ""


if __name__ == "__main__":
    main()
