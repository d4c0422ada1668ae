"""The measured part of docs/operations.md, made of the records of operations.py and production.py."""

import json
from collections.abc import Iterator
from typing import Any

import operations_gate as gate
from measure import RECORDS, ROOT
from operations import LIMITS

START, END = "<!-- measured: made by `python benchmarks/table.py` -->", "<!-- end of measured -->"
PAGE = ROOT / "docs" / "operations.md"
PLOT = "production-movietweetings"
Row = dict[str, Any]
Line = tuple[str, str, str, bool]  # what, must, reached, whether it does


def main() -> None:
    """Write the lines of what there is a record of, and say what there is none of."""
    before, rest = PAGE.read_text().split(START)
    names = ("operations", PLOT)
    parts = [render(name) if (RECORDS / f"{name}.json").exists() else f"There is no record of `{name}` yet." for name in names]
    PAGE.write_text("\n\n".join([before + START, *parts, END + rest.split(END)[1]]))


def render(name: str) -> str:
    """A record's table, and where and of what commit it was made."""
    record = json.loads((RECORDS / f"{name}.json").read_text())
    lines = list(_small(record) if name == "operations" else _replayed(record["summary"]))
    title = "On a made-up world" if name == "operations" else "Day by day, of the embedded data"
    table = [f"| {title} | must | measured | reached |", "| --- | --- | --- | --- |"]
    table += [f"| {what} | {must} | {found} | {'yes' if good else '**no**'} |" for what, must, found, good in lines]
    plot = [] if name == "operations" else ["", f"![Hits a list by day, with retraining and without]({name}.svg)"]
    machine = record["machine"]
    return "\n".join([*table, "", f"({machine['processor']}, {machine['cores']} cores; commit {record['commit']}.)", *plot])


def _small(record: Row) -> Iterator[Line]:
    said = record["summary"]
    if rows := record.get("switches"):
        yield _seconds("`zhijian rollback`", said, "rollback_s")
        yield _seconds("a service answers from the new champion, after promotion or rollback", said, "promote_to_served_s")
        again = sum(len(part) for part in rows.values())
        yield (
            f"answers after {again} switches, to the last digit",
            "as before",
            "equal" if said["same_answers"] else "not",
            said["same_answers"],
        )
    if rows := record.get("ticks"):
        yield _seconds(f"how late {len(rows['late_s'])} scheduled runs began", said, "tick_late_s")
        yield f"a tick's run killed in `{rows['killed_in']}`, the next", "heals it", *_held(said["killed_tick_healed"], "does", "does not")
    if rows := record.get("kills"):
        stages = ", ".join(dict.fromkeys(row["stage"] for row in rows["kills"]))
        yield (
            f"{len(rows['kills'])} retrainings killed ({stages}): champion, lock, event log",
            "sound",
            *_held(said["kills_sound"], "sound", "not"),
        )
        yield "the next run ends in the hashes of an undisturbed one", "each", *_held(said["kills_healed"], "each", "not each")
    if rows := record.get("gate"):
        alarms = said["false_alarms"]
        yield f"{len(rows['clean'])} clean reruns refused", f"≤ {LIMITS['false_alarms']}", str(alarms), alarms <= LIMITS["false_alarms"]
        yield from (_planted(name, row) for name, row in rows["planted"].items())
    if rows := record.get("drift"):
        yield "drift: the same people go on", "not seen", *_held(not said["drift_false_alarm"], "not seen", "seen")
        fired = ", ".join(one["name"].removeprefix("drift: ") for one in rows["strangers"] if one["fired"])
        yield "drift: strangers of one taste", "seen", fired or "not", said["drift_caught"]


def _seconds(what: str, said: Row, name: str) -> Line:
    return what, f"≤ {LIMITS[name]:g} s", f"{said[name]:.1f} s at most", said[name] <= LIMITS[name]


def _held(good: bool, yes: str, no: str) -> tuple[str, bool]:
    return (yes if good else no), good


def _planted(name: str, row: Row) -> Line:
    found = gate.caught(name, row)
    by = ", ".join(row["refused_by"]) or f"{row['quarantined']} rows put aside"
    return name, "caught", by, found


def _replayed(said: Row) -> Iterator[Line]:
    clean, refused, kills = said["clean_nights"], said["clean_nights_refused"], said["kills"]
    yield f"{clean} clean nights refused", "≤ 1 in 20", str(refused), refused <= max(clean // 20, 1)
    for name, found in said["planted"].items():
        yield f"planted: {name}", "caught", *_held(found, "caught", "not")
    sound = not kills["wrong"]
    yield f"{kills['count']} nights killed: champion, records, lock", "sound", *_held(sound, "sound", ", ".join(kills["wrong"]))
    healed = said["healed_by_the_next_run"]
    yield "healed by the next run", str(kills["count"]), str(healed), healed == kills["count"]
    most, hits = said["promote_to_served_s"]["most"], said["online_hit_rate"]
    yield "promoted to served", "≤ 10 s", f"{most:.1f} s at most", most <= 10
    yield "lists with a hit, without retraining", f"< {hits['with']:.2%}", f"{hits['without']:.2%}", hits["without"] < hits["with"]


if __name__ == "__main__":
    main()
