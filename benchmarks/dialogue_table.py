"""The measured part of docs/dialogue.md, made of the records of dialogue.py, dialogue_simulators.py and explanation.py."""

import json
from collections.abc import Iterator
from typing import Any

from measure import RECORDS, ROOT

START, END = "<!-- measured: made by `python benchmarks/dialogue_table.py` -->", "<!-- end of measured -->"
PAGE = ROOT / "docs" / "dialogue.md"
OURS, ASKING, SILENT, CLEARED = "dialogue", "maximum entropy", "always recommend", "dialogue, state cleared each turn"
Line = tuple[str, str, str, bool | None]  # what, must, reached, whether it does


def main() -> None:
    before, rest = PAGE.read_text().split(START)
    _, after = rest.split(END)
    lines = ["| what | must | measured | reached |", "| --- | --- | --- | --- |"]
    marks = {True: "yes", False: "**no**", None: ""}
    lines += [f"| {what} | {must} | {found} | {marks[good]} |" for what, must, found, good in _lines()]
    PAGE.write_text(before + START + "\n\n" + "\n".join(lines) + "\n\n" + END + after)


def _lines() -> Iterator[Line]:
    for corpus, row in _record("dialogue-replay")["corpora"].items():
        yield from _replayed(corpus, row["new items"]["models"])
    for path in sorted(RECORDS.glob("dialogue-D2-*.json")):
        yield from _sought(path.stem.removeprefix("dialogue-D2-"), json.loads(path.read_text()))
    yield from _obeyed(_record("dialogue-D3-movietweetings"))
    yield from _tasted(_record("dialogue-D4-movietweetings"))
    yield from _worded(_record("explanation-movietweetings"))


def _replayed(corpus: str, models: dict[str, Any]) -> Iterator[Line]:
    own = models["ranker and dialogue"]["Recall@10"]
    for name, least in (("copy the context, then popularity", 2.0), ("MiniLM retrieval, last three turns", 1.5)):
        over = models[name]["ours over, Recall@10"]
        yield f"D1 {corpus}, Recall@10 of new items, over: {name}", f"≥ {least} ×", f"{over:.2f} ×", over >= least
    least = {"redial": 0.15}.get(corpus)
    yield f"D1 {corpus}, Recall@10 of new items", f"≥ {least}" if least else "", _interval(own), own["mean"] >= least if least else None


def _sought(name: str, record: dict[str, Any]) -> Iterator[Line]:
    about = f"D2 {name}, {record['users']} users, k = 10"
    rows = record["k=10"]
    own = rows[OURS]
    yield f"{about}: SR@5", "", _interval(own["SR@5"]), None
    for rival, least in ((ASKING, 1.2), (SILENT, 1.5)):
        over = rows[rival]["ours over"]["SR@5"]
        yield f"{about}: SR@5 over {rival} ({rows[rival]['SR@5']['mean']:.3f})", f"≥ {least} ×", f"{over:.2f} ×", over >= least
    for metric in ("SR@3", "SR@5", "turns@5", "hDCG@5"):
        less = rows[ASKING]["ours less"][metric]
        good = less["high"] < 0 if metric.startswith("turns") else less["low"] > 0
        yield f"{about}: {metric} less {ASKING}", "", _interval(less), good
    less = rows[CLEARED]["ours less"]["SR@5"]
    yield f"{about}: SR@5 less state cleared", "> 0", _interval(less), less["low"] > 0
    for share in ("10%", "20%"):
        loss = 1 - rows[f"{OURS}, noise {share}"]["SR@5"]["mean"] / own["SR@5"]["mean"]
        theirs = 1 - rows[f"{ASKING}, noise {share}"]["SR@5"]["mean"] / rows[ASKING]["SR@5"]["mean"]
        must = "≤ 10 %" if share == "10%" else ""
        yield f"{about}: SR@5 lost by {share} noise ({ASKING}: {theirs:.1%})", must, f"{loss:.1%}", loss <= 0.1 if must else None
    yield f"{about}: titles leaked", "0", str(record["leaks"]), record["leaks"] == 0
    slow = rows["turn seconds"]["p95"]
    yield f"{about}: a turn, p95", "≤ 60 ms", f"{1000 * slow:.0f} ms", slow <= 0.06


def _obeyed(record: dict[str, Any]) -> Iterator[Line]:
    obeyed = record["obeyed"]
    broken, kept = obeyed["violation rate"], min(obeyed["negation retention"].values())
    yield f"D3, {obeyed['counts']['turns']:,} turns: items that break a condition", "0", f"{broken:g}", broken == 0
    yield "D3: negations kept", "1", f"{kept:g}", kept == 1
    for name, row in record["state accuracy"].items():
        if name.endswith("held"):
            yield f"D3: state accuracy, {name}-out templates", "≥ .95", f"{row['accuracy']:.3f}", row["accuracy"] >= 0.95
    words = record["lifted"]["words"]["right"]
    yield "D3: refused, lifted and asked for in English words", "≥ .95", f"{words:.3f}", words >= 0.95


def _tasted(record: dict[str, Any]) -> Iterator[Line]:
    for name in (OURS, ASKING, SILENT):
        yield f"D4: preference coverage in ten turns, {name}", "", _interval(record["systems"][name]["coverage@10"]), None


def _worded(record: dict[str, Any]) -> Iterator[Line]:
    rows = {name: row for name, row in record["text"].items() if isinstance(row, dict) and "claim_precision" in row}
    precision, against = min(row["claim_precision"] for row in rows.values()), sum(row["contradictions"] for row in rows.values())
    unique = min(row["USR"] for row in rows.values())
    known = min(row["specificity"]["mean"] for row in rows.values() if "specificity" in row)
    yield "Reasons and copy: claims that the facts hold up", "1", f"{precision:g}", precision == 1
    yield "Reasons and copy: contradictions", "0", str(against), against == 0
    yield "Reasons and copy: unique sentences (USR), least", "≥ .8", f"{unique:.3f}", unique >= 0.8
    yield "Reasons: the right user of 20 is picked, least", "≥ .15", f"{known:.3f}", known >= 0.15
    ahead = record["attention"]["hybrid"]["attention_less_random"]
    yield "Deletion by attention less at random", "> 0", _interval(ahead), ahead["low"] > 0


def _record(name: str) -> dict[str, Any]:
    return json.loads((RECORDS / f"{name}.json").read_text())


def _interval(value: dict[str, float]) -> str:
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


if __name__ == "__main__":
    main()
