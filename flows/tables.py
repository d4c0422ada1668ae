"""What the command line shows, as rich tables that read well in 80 columns and in a pipe."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from components.schema import Answer, Explanation, Neighbour, Peer
from flows import report
from flows.champions import Champion
from flows.doctor import Check
from flows.report import Row, Verdict, criterion, interval
from flows.triggers import Trigger

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "passed": "green", "refused": "red", "Ran": "green", "Cached": "cyan"}
BEST = 10  # trials of a search
SHOWN = 4  # metrics beside the first


def checks(found: Iterable[Check]) -> Table:
    """Lay out the doctor's checks."""
    rows = ([check.name, tint(check.state), escape(check.found), escape(check.advice)] for check in found)
    return grid(["check", "state", "found", "what to do"], rows)


def states(done: dict[str, str]) -> Table:
    """Lay out what became of each stage."""
    return grid(["stage", "state"], ([name, tint(state)] for name, state in done.items()))


def metrics(rows: list[Row]) -> Table:
    """Lay out models by metrics: the first metric with its interval, some others as means."""
    names = list(dict.fromkeys(key for row in rows for key in row if key != "model"))
    first = "NDCG@10" if "NDCG@10" in names else names[0] if names else ""
    columns = [first, *[name for name in names if name != first][:SHOWN]] if names else []
    lines = ([str(row["model"]), *[_short(row.get(name, "-"), name == first) for name in columns]] for row in rows)
    return grid(["model", *columns], lines)


def verdict(found: Verdict) -> Table:
    """Lay out the gate's criteria."""
    rows = ([tint(row["verdict"]), escape(row["criterion"]), row["value"], row["bound"], escape(row["reason"])] for row in found.rows)
    return grid(["verdict", "criterion", "value", "bound", "reason"], rows)


def history(records: list[Champion]) -> Table:
    """Lay out the switches of the champion."""
    rows = ([str(one.number), one.since, one.how, one.bundle, one.previous or "-"] for one in records)
    return grid(["#", "since", "how", "bundle", "in place of"], rows)


def experiment(found: Row) -> Table:
    """Lay out what an experiment's policies earned, by each way of estimating it."""
    rows = report.experiment(found)
    return grid(list(rows[0]) if rows else ["policy"], (list(row.values()) for row in rows))


def lineage(found: Row) -> Iterable[Table]:
    """Lay out what a bundle was made of."""
    counts = ", ".join(f"{name} {count}" for name, count in found["counts"].items())
    facts = {
        "bundle": found["bundle"],
        "commit": found["commit"] or "none: no git repository",
        "tag": found["tag"] or "none",
        "switches": "\n".join(found["promoted"]) or "never promoted",
        "overrides": " ".join(found["overrides"]) or "none",
        "params.yaml": f"sha256 {found['params']}",
        "counts": counts,
    }
    data = {f"data {path}": f"md5 {md5}" for path, md5 in found["data"].items()}
    yield grid(["of", "what"], ([escape(name), escape(str(value))] for name, value in (facts | data).items()))
    yield metrics([{"model": "bundle"} | {name: interval(value) for name, value in found["metrics"].items()}])
    yield verdict(Verdict(found["gate"]["passed"], found["bundle"], [criterion(row) for row in found["gate"]["criteria"]]))


def triggers(found: list[Trigger]) -> Table:
    """Lay out what was looked at, and what of it asks for a retraining."""
    rows = (["fired" if one.fired else "-", escape(one.name), f"{one.value:.4f}", f"{one.bound:.4f}", escape(one.reason)] for one in found)
    return grid(["", "trigger", "value", "bound", "reason"], rows)


def trials(rows: list[Row], now: float) -> Table:
    """Lay out the best trials of a search, and how much each gains over the settings in force."""
    best = sorted((row for row in rows if row["value"] is not None), key=lambda row: -row["value"])[:BEST]
    lines = ([str(row["number"]), f"{row['value']:.4f}", f"{row['value'] - now:+.4f}", escape("\n".join(row["overrides"]))] for row in best)
    return grid(["#", "score", "gain", "settings"], lines)


def answer(found: Answer) -> Table:
    """Lay out recommendations with their reasons."""
    rows = ([str(i.rank), escape(i.item_id), escape(i.title), f"{i.score:.4f}", escape(i.reason)] for i in found.items)
    return grid(["#", "item", "title", "score", "reason"], rows)


def neighbours(found: Sequence[Neighbour | Peer]) -> Table:
    """Lay out items, or users, that were asked for."""
    if any(isinstance(each, Peer) for each in found):
        return grid(["#", "user", "score"], ([str(i.rank), escape(i.user_id), f"{i.score:.4f}"] for i in found if isinstance(i, Peer)))
    items = (each for each in found if isinstance(each, Neighbour))
    return grid(["#", "item", "title", "score"], ([str(i.rank), escape(i.item_id), escape(i.title), f"{i.score:.4f}"] for i in items))


def evidence(found: Explanation) -> Iterable[Table]:
    """Lay out what an item's score is made of, the attention of its history, and the paths that lead to it."""
    item = found.item
    if item.parts:
        yield grid(["part of the score", "adds"], ([escape(name), f"{value:+.3f}"] for name, value in item.parts.items()))
    if item.attention:
        rows = ([escape(seen.item_id), escape(seen.title), f"{seen.weight:.3f}"] for seen in item.attention)
        yield grid(["item", "of the history", "attention"], rows)
    if item.paths:
        steps = (("; ".join(f"{e.head} –{e.relation}→ {e.tail}" for e in path.edges), f"{path.weight:.3f}") for path in item.paths)
        yield grid(["path in the knowledge graph", "weight"], ([escape(text), weight] for text, weight in steps))


def grid(columns: list[str], rows: Iterable[list[str]]) -> Table:
    """Make a plain table; long cells fold instead of being cut."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in {"#", "state", "verdict", "score", "stage"})
    for row in rows:
        table.add_row(*row)
    return table


def tint(state: str) -> str:
    """Colour a state's word."""
    return f"[{COLOURS[state]}]{state}[/]" if state in COLOURS else state


def _short(value: str, whole: bool) -> str:
    return value if whole else value.split(" ", maxsplit=1)[0]
