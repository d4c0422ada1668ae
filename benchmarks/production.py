"""Simulated production: movietweetings day by day through the served API, retrained every night by the real flow, with faults planted.

    nice -n 15 python benchmarks/production.py [--nights 28] [--share 2] [--start 2013-08-01] [--parts nights ticks rollback]

Of the people every SHARE-th takes part. The platform begins with the ratings until START and a service; on each day the people who really
rated films come, ask `/recommend`, look down the list (production_world.py), and tell `/feedback` what they were shown and what they rated.
At night `zhijian retrain --promote` runs. A second service answers the same people by the first bundle, with the same event log: what it
reaches is what there would be without retraining. The configuration is small (`SMALL`), so that a night takes about a minute on two idle
cores: no transformer and no reasoner, one epoch for what is trained by gradient, no slow baselines. The record is written after each night.
"""

import argparse
import json
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from measure import ROOT, clone, commit, record
from production_platform import Platform, Service, end, until, watching
from production_plot import plot
from production_world import K, Visit, World, days, faulty, source, telltale

SMALL = (
    "dataset.root=raw", "threads=1", "~ranker.parts.attention", "~ranker.parts.knowledge", "ranker.most=800",
    "behaviour.plan.epochs=1", "behaviour.probe=200", "knowledge.embedding.plan.epochs=1", "knowledge.alignment.plan.epochs=2",
    "query.plan.epochs=1", "query.composer.count=50", "evaluate.resamples=200", "evaluate.sample=200",
    "~evaluate.baselines.ease", "~evaluate.baselines.sequential",
)  # fmt: skip
WATCH = (
    "schedule.cron='0 3 1 1 *'", "schedule.watch.age=null", "schedule.watch.volume=null", "schedule.watch.least=150",
    "schedule.watch.quiet=0.001", "schedule.watch.budget=100", "schedule.watch.every=5",
)  # fmt: skip
PLANTED = {  # by night, from 1
    5: "data fault",
    9: "bad model",
    12: "worse model",
    15: "leak",
    18: "drift",
    20: "outage of the service",
    22: "outage of Prefect",
}
BROKEN = ("~ranker.parts.sequential", "~ranker.parts.item", "~ranker.parts.trend", "~ranker.parts.popularity")
WORSE = ("~ranker.parts.trend", "~ranker.parts.popularity")
REFUSED = ("bad model", "worse model", "leak")  # nights on which a bundle must be refused
KILLS, CROWD = 10, 150
SAMPLE = 10  # histories whose answers are compared after a rollback


@dataclass
class Simulation:
    """The state of the simulated production, and what is known of it so far."""

    world: World
    platform: Platform
    live: Service
    frozen: Service
    start: date
    seed: int
    nights: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    online: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    kept: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    def day(self, when: date, visits: list[Visit], *, killed: bool = False) -> dict[str, Any]:
        """Let everyone of a day come; where `killed`, the service is killed half way and started anew."""
        row: dict[str, Any] = {"day": when.isoformat(), "visits": len(visits), "with": 0, "without": 0, "unanswered": 0, "told": 0}
        for number, visit in enumerate(visits):
            if killed and number == len(visits) // 2:
                self.live.kill()
                row |= self._away(visits[number : number + 5])
            body = {"user_id": visit.user, "k": K, "at": visit_time(visit)}
            said = self.live.ask("/recommend", body)
            answer = said.json()
            items = [item["item_id"] for item in answer["items"]]
            taken = visit.taken(items, self.seed)
            row["with"] += taken is not None
            other = [item["item_id"] for item in self.frozen.ask("/recommend", body).json()["items"]]
            row["without"] += visit.taken(other, self.seed) is not None
            events = visit.events(items, said.headers["x-request-id"], answer["bundle"], taken)
            row["told"] += self.live.ask("/feedback", {"events": events}).json()["stored"]
        return row

    def _away(self, visits: list[Visit]) -> dict[str, Any]:
        """What people meet while the service is gone, and how long until it is back, by the event log none the poorer."""
        met = 0
        for visit in visits:
            try:
                self.live.ask("/recommend", {"user_id": visit.user, "k": K})
            except httpx.HTTPError:
                met += 1
        return {"unanswered": met, "back_after_s": round(self.live.begin(), 1)}

    def sample(self) -> list[Any]:
        """Answers to a few histories, whoever asks."""
        items = self.world.films["item_id"].to_list()
        histories = [items[place :: len(items) // 5][:5] for place in range(0, 97 * SAMPLE, 97)]
        moment = f"{self.start.isoformat()}T00:00:00Z"
        answers = [self.live.ask("/recommend", {"history": history, "k": K, "at": moment}).json()["items"] for history in histories]
        return [[(item["item_id"], item["score"]) for item in items] for items in answers]


def visit_time(visit: Visit) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(visit.at, UTC).isoformat()


def night(sim: Simulation, number: int, when: date, *, kill: bool, draw: np.random.Generator) -> dict[str, Any]:
    """One night: plant what is planted, kill what is to be killed, retrain, and say what came of it."""
    platform, planted = sim.platform, PLANTED.get(number, "")
    row: dict[str, Any] = {"night": number, "day": when.isoformat(), "planted": planted}
    if planted == "drift":
        return row | drifted(sim)
    overrides = plant(sim, planted, when, row)
    if kill:
        row["killed"] = killed(sim, draw)
    with watching(sim.live) as took:
        if planted == "outage of Prefect":
            row["while_away"] = {
                "status": platform.run("zhijian", "retrain", "--promote", PREFECT_API_URL="http://127.0.0.1:9/api"),
                "wrong": platform.sound(),
            }
        before = platform.pointer["bundle"]
        row["status"] = platform.retrain(*overrides)
    row |= {"seconds": round(platform.seconds), "promote_to_served_s": [round(value, 2) for value in took]}
    row |= {"refused_by": platform.refused() if row["status"] == 3 else [], "changed": platform.pointer["bundle"] != before}
    validation = json.loads((platform.project / "artifacts/validate/validation.json").read_text())
    row["quarantined"] = {name: table["quarantined"] for name, table in validation.items()}
    if planted:
        platform.mend()
        source(sim.world, sim.start, platform.project / "raw", ROOT / "data/movietweetings")
    return row


def plant(sim: Simulation, planted: str, when: date, row: dict[str, Any]) -> tuple[str, ...]:
    """Put a fault in its place; the overrides that it needs."""
    folder, films = sim.platform.project / "raw", ROOT / "data/movietweetings"
    if planted == "data fault":
        ratings, row["faulty_rows"] = faulty(sim.world.before(sim.start), 0.05, sim.seed)
        source(sim.world, sim.start, folder, films, {"ratings": ratings})
    if planted == "leak":
        source(sim.world, sim.start, folder, films, {"movies": telltale(sim.world, when)})
    return {"bad model": BROKEN, "worse model": WORSE}.get(planted, ())


def killed(sim: Simulation, draw: np.random.Generator) -> dict[str, Any]:
    """Kill the night's flow, hard, at a random moment, and look at what it leaves."""
    after = float(draw.uniform(0, sim.platform.seconds))
    process = sim.platform.start("zhijian", "retrain", "--promote")
    with suppress(Exception):
        process.wait(after)
    ended = process.poll() is not None
    process.kill()
    process.wait()
    until(lambda: not sim.platform.inhabitants(), 60)
    return {"after_s": round(after, 1), "had_ended": ended, "wrong": sim.platform.sound(), "served": sim.live.served()["number"]}


def drifted(sim: Simulation) -> dict[str, Any]:
    """The schedule's own watch sees the drift and starts the retraining, by an event."""
    platform = sim.platform
    before, began = platform.pointer["number"], time.monotonic()
    with watching(sim.live) as took:
        process = platform.start("zhijian", "schedule", "--server-port", "0")
        try:
            until(lambda: by_event(platform.api), 1800)
        finally:
            end(process)
    found = by_event(platform.api)
    return {"status": 0 if found == "Completed" else 1, "state": found, "seconds": round(time.monotonic() - began), "refused_by": []} | {
        "changed": platform.pointer["number"] != before,
        "promote_to_served_s": [round(value, 2) for value in took],
        "asked": triggers(platform.api),
    }


def by_event(api: str) -> str:
    """The end state of the run that an automation started; nothing where there is none yet."""
    found = httpx.post(f"{api}/flow_runs/filter", json={"flows": {"name": {"any_": ["pipeline"]}}}, timeout=30).json()
    states = [run["state_name"] for run in found if run["deployment_id"] and (run["created_by"] or {}).get("type") == "AUTOMATION"]
    return next((state for state in states if state in {"Completed", "Failed", "Busy", "Crashed"}), "")


def triggers(api: str) -> list[dict[str, Any]]:
    """What the last look of the watch saw."""
    body = {"artifacts": {"key": {"any_": ["triggers"]}}, "sort": "CREATED_DESC", "limit": 1}
    found = httpx.post(f"{api}/artifacts/filter", json=body, timeout=30).json()
    return json.loads(found[0]["data"]) if found else []


def looked(sim: Simulation) -> list[dict[str, Any]]:
    """Look at the triggers once, as the schedule would every hour."""
    sim.platform.run("zhijian", "monitor")
    return [{key: one[key] for key in ("name", "value", "bound", "fired")} for one in triggers(sim.platform.api)]


def nights(sim: Simulation, count: int, name: str) -> None:
    """Live through the days and nights; what has come of them is written after each."""
    draw = np.random.default_rng(sim.seed)
    clean = [number for number in range(2, count + 1) if number not in PLANTED]
    kills = set(draw.permutation(clean)[:KILLS].tolist())
    for number, when in enumerate(days(sim.start, count), 1):
        planted = PLANTED.get(number, "")
        visits = list(sim.world.visits(when))
        crowd = list(sim.world.crowd(when, CROWD, sim.seed)) if planted == "drift" else []
        sim.online.append(sim.day(when, visits, killed=planted == "outage of the service"))
        if planted == "drift":
            sim.day(when, crowd)  # strangers: not counted
        watched = [] if planted == "drift" else looked(sim)
        sim.nights.append(night(sim, number, when, kill=number in kills, draw=draw) | {"watch": watched})
        sim.kept[sim.platform.pointer["bundle"]] = sim.sample()
        print(sim.online[-1], sim.nights[-1], flush=True)
        write(sim, name, {})


def ticks(sim: Simulation, count: int = 3, interval: int = 90) -> dict[str, Any]:
    """How late a scheduled run starts, where nothing else runs in the schedule."""
    process = sim.platform.start("zhijian", "schedule", "--interval", str(interval), "--server-port", "0")
    body = {"flows": {"name": {"any_": ["pipeline"]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}

    def started() -> list[dict[str, Any]]:
        found = httpx.post(f"{sim.platform.api}/flow_runs/filter", json=body, timeout=30).json()
        return [run for run in found if run["auto_scheduled"]]

    try:
        until(lambda: len(started()) >= count, 1800)
    finally:
        end(process)
    late = [run["estimated_start_time_delta"] for run in started()]
    return {"ticks": len(late), "late_s": [round(value, 2) for value in sorted(late)], "interval_s": interval}


def rollback(sim: Simulation) -> dict[str, Any]:
    """Roll back by the command, and hold what is served then against what that champion answered before."""
    previous, began = sim.platform.pointer["previous"], time.monotonic()
    with watching(sim.live) as took:
        status = sim.platform.run("zhijian", "rollback")
        seconds = time.monotonic() - began
    same = sim.sample() == sim.kept.get(previous)
    return {"status": status, "command_s": round(seconds, 2), "to_served_s": [round(value, 2) for value in took], "same_answers": same}


def summary(sim: Simulation) -> dict[str, Any]:
    """The figures of the whole."""
    done = sim.nights
    clean = [row for row in done if row["planted"] not in REFUSED]
    kills = [row["killed"] for row in done if "killed" in row]
    served = [value for row in done for value in row["promote_to_served_s"]]
    hits = {kind: sum(row[kind] for row in sim.online) / max(sum(row["visits"] for row in sim.online), 1) for kind in ("with", "without")}
    quiet = [one for row in done for one in row["watch"]]
    return {
        "clean_nights": len(clean),
        "clean_nights_refused": sum(row["status"] != 0 for row in clean),
        "planted": {row["planted"]: caught(row) for row in done if row["planted"]},
        "kills": {"count": len(kills), "wrong": [wrong for kill in kills for wrong in kill["wrong"]]},
        "healed_by_the_next_run": sum("killed" in row and row["status"] == 0 for row in done),
        "promote_to_served_s": {"most": max(served, default=None), "median": float(np.median(served)) if served else None},
        "night_seconds": {"median": float(np.median([row["seconds"] for row in done])) if done else None},
        "online_hit_rate": {kind: round(value, 4) for kind, value in hits.items()},
        "watch": {"looks": sum(bool(row["watch"]) for row in done), "fired": count(quiet)},
    }


def count(seen: list[dict[str, Any]]) -> dict[str, int]:
    names = sorted({one["name"] for one in seen})
    return {name: sum(one["fired"] for one in seen if one["name"] == name) for name in names}


def caught(row: dict[str, Any]) -> bool:
    """Whether what was planted on a night had the end that it must have."""
    planted, passed = row["planted"], row["status"] == 0
    if planted == "data fault":
        return passed and row["quarantined"]["interactions"] >= row["faulty_rows"]
    if planted == "drift":
        return passed and any(one["fired"] and one["name"].startswith("drift") for one in row["asked"])
    if planted == "outage of Prefect":
        return passed and row["while_away"]["status"] != 0 and not row["while_away"]["wrong"]
    return passed if planted not in REFUSED else row["status"] == 3 and not row["changed"]


def write(sim: Simulation, name: str, parts: dict[str, Any]) -> None:
    about = {"seed": sim.seed, "start": sim.start.isoformat(), "overrides": list(sim.platform.base), "planned": PLANTED}
    value = about | {"summary": summary(sim), "nights": sim.nights, "online": sim.online} | parts
    record(name, commit(sim.platform.project), json.loads(json.dumps(value)))
    plot(sim.online, sim.nights, ROOT / "docs" / f"{name}.svg")


def main() -> None:
    asked = _arguments()
    world = World.read(ROOT / "data/movietweetings", asked.share)
    with clone() as project:
        platform = Platform(project, base=(*SMALL, *WATCH), log=asked.log.resolve())
        source(world, asked.start, project / "raw", ROOT / "data/movietweetings")
        with platform.prefect():
            if (status := platform.retrain(*platform.base)) != 0:
                raise SystemExit(f"the first champion was not made: status {status}; see {asked.log}")
            shutil.copytree(project / "champions" / platform.pointer["folder"], project / ".state/first")
            live, frozen = Service(platform), Service(platform, ("--bundle", str(project / ".state/first")))
            live.begin()
            frozen.begin()
            try:
                sim = Simulation(world, platform, live, frozen, asked.start, asked.seed)
                nights(sim, asked.nights, asked.name)
                parts: dict[str, Any] = {}
                for part, call in (("rollback", rollback), ("ticks", ticks)):
                    parts[part] = call(sim)
                    write(sim, asked.name, parts)
            finally:
                live.kill()
                frozen.kill()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=28)
    parser.add_argument("--share", type=int, default=2, help="every so many-th of the people takes part")
    parser.add_argument("--start", type=date.fromisoformat, default=date(2013, 8, 1))
    parser.add_argument("--name", default="production-movietweetings")
    parser.add_argument("--log", type=Path, default=Path("production.log"))
    parser.add_argument("--seed", type=int, default=17)
    return parser.parse_args()


if __name__ == "__main__":
    main()
