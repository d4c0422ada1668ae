"""What operating promises, measured on a made-up world: clones, a Prefect server, and served Bentos that follow their champions.

    python benchmarks/operations.py [kills] [switches] [ticks] [gate] [drift]     # all of them where none is named

Two clones retrain side by side, each on one core, on the world of day 52 and on that of day 55: each is the other's undisturbed run.
`kills` kills retrainings at random moments, by turns the flow's process group and all that it started at once, and looks at what is left,
and at what the next run makes of it; a service is told of events all the while. `switches` takes the champion back and forth by the
command line, and looks when the service answers from it, and whether as before. `ticks` times scheduled runs, and kills one.
`gate` judges clean reruns and planted faults (operations_gate.py). `drift` tells the service of more of the same, then of strangers.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import operations_gate as gates
from measure import clone, commit, record
from operations_ground import Ground, beside, engine, prefect, served, told
from operations_world import CUTS, made, strangers
from production import triggers
from production_platform import Service, end, strike, until, watching

TURNS, TICKS, INTERVAL, KILLS, CLEAN, SEED = 4, 4, 30, 10, 20, 17
LIMITS = {"rollback_s": 5.0, "promote_to_served_s": 10.0, "tick_late_s": 10.0, "false_alarms": CLEAN // 20}
WATCHED = ("name", "value", "bound", "fired", "reason")
Row = dict[str, Any]


def switches(both: Sequence[Ground]) -> Row:
    """Take the champion back and forth: seconds of the command, from pointer to service, of both; and whether answers are as before."""
    ground, rows = both[1], list[Row]()
    ground.use(ground.other)
    with served(ground) as service:
        kept = {ground.pointer["bundle"]: answers(service)}
        for verb in ("rollback", "promote") * TURNS:
            began = time.monotonic()
            with watching(service) as took:
                status = ground.platform.run("zhijian", verb)
                command = time.monotonic() - began
            now, bundle = answers(service), ground.pointer["bundle"]
            if status or not took:
                raise SystemExit(f"`zhijian {verb}` ended with {status}, and {len(took)} switches were seen; see {ground.platform.log}")
            row = {"verb": verb, "command_s": command, "to_served_s": took[0]}
            rows.append(row | {"same_answers": kept.setdefault(bundle, now) == now})
    return {
        verb: [{key: row[key] for key in row if key != "verb"} for row in rows if row["verb"] == verb] for verb in ("rollback", "promote")
    }


def answers(service: Service) -> list[Any]:
    """What a few people are answered, to the last digit of the score."""
    asked = [{"user_id": f"u{user:03d}", "k": 10, "at": "2020-12-01T00:00:00Z"} for user in range(0, 200, 10)]
    found = [service.ask("/recommend", body).json()["items"] for body in asked]
    return [[(item["item_id"], item["score"]) for item in items] for items in found]


def ticks(both: Sequence[Ground]) -> Row:
    """Let the schedule tick where nothing changed; then change the data, kill a run half way, and see what the next makes of it."""
    ground = both[1]
    ground.use(CUTS[0])
    process = ground.platform.start("zhijian", "schedule", "--interval", str(INTERVAL), "--server-port", "0")
    try:
        until(lambda: len(runs(ground, "Completed")) >= TICKS, 1800)
        late = [run["estimated_start_time_delta"] for run in runs(ground, "Completed")]
        until(lambda: not runs(ground, "Running"), 600)
        ground.change()
        known = {run["id"] for run in runs(ground)}
        until(lambda: any(run["id"] not in known for run in runs(ground, "Running")), 600)
        time.sleep(ground.seconds / 2)
        stage = ground.under_way()
        engine(process).kill()
        until(lambda: not ground.platform.inhabitants(), 60)
        wrong = ground.wrong()
        until(lambda: any(run["id"] not in known for run in runs(ground, "Completed")), 1800)
    finally:
        end(process)
    found = {"late_s": sorted(late), "interval_s": INTERVAL, "killed_in": stage, "wrong": wrong, "healed": ground.as_undisturbed()}
    return found | {"states": [run["state_name"] for run in runs(ground)]}


def runs(ground: Ground, state: str = "") -> list[Row]:
    """Runs of the deployment, the earliest first."""
    body = {"flows": {"name": {"any_": ["pipeline"]}}, "sort": "EXPECTED_START_TIME_ASC"}
    found = httpx.post(f"{ground.platform.api}/flow_runs/filter", json=body, timeout=30).raise_for_status().json()
    mine = [run for run in found if run["deployment_id"] and run["state_name"] not in {"Scheduled", "Late", "Pending"}]
    return [run for run in mine if state in ("", run["state_name"])]


def kills(both: Sequence[Ground]) -> Row:
    """Kill retrainings, each at a random moment of its tenth of an undisturbed run."""
    draw = np.random.default_rng(SEED)
    moments = [(number + part) / KILLS for number, part in enumerate(draw.random(KILLS))]
    halves = [draw.permutation(moments[side::2]).tolist() for side in range(2)]
    return {"kills": [row for part in beside(killing, both, halves) for row in part]}


def killing(ground: Ground, shares: Sequence[float]) -> list[Row]:
    """Kill a retraining at each of these shares of its time, while a service answers and is told of events."""
    with served(ground) as service, told(service) as acknowledged:
        return [killed(ground, share, service, acknowledged, whole=bool(turn % 2)) for turn, share in enumerate(shares)]


def killed(ground: Ground, share: float, service: Service, acknowledged: list[str], *, whole: bool) -> Row:
    """Retrain on the other day's world, strike, look at what is left, and run again."""
    ground.change()
    process = ground.platform.start("zhijian", "retrain", "--promote")
    with suppress(subprocess.TimeoutExpired):
        process.wait(share * ground.seconds)
    if process.poll() is not None:  # it was faster than the undisturbed run
        return killed(ground, 0.8 * share, service, acknowledged, whole=whole)
    row: Row = {"after_s": share * ground.seconds, "all_at_once": whole, "stage": ground.under_way()}
    strike(process, whole=whole)
    until(lambda: not ground.platform.inhabitants(), 60)
    row |= {"wrong": ground.wrong(acknowledged[:]), "still_serves": bool(answers(service)[0])}
    row |= {"status_after": ground.platform.retrain(), "as_undisturbed": ground.as_undisturbed()}
    return row | {"wrong_after": ground.wrong(acknowledged[:]), "events": len(acknowledged)}


def drift(both: Sequence[Ground]) -> Row:
    """Tell the service of what the same people did next, then of strangers of one taste; what the monitor saw each time."""
    ground, found = both[1], Row()
    ground.use(CUTS[1])
    with served(ground) as service:
        for name, events in (("more of the same", made().after(CUTS[1])), ("strangers", strangers(100))):
            for part in events.iter_slices(100):
                service.ask("/feedback", {"events": part.to_dicts()})
            assert ground.platform.run("zhijian", "monitor") == 0, f"see {ground.platform.log}"
            found[name] = [{key: one[key] for key in WATCHED} for one in triggers(ground.platform.api)]
            assert found[name], "nothing was looked at"
    return found


def gate(both: Sequence[Ground]) -> Row:
    """Clean reruns, of which none is to be refused, and planted faults."""
    for ground in both:
        ground.use(CUTS[1])
    clean = [f"clean{', others' * (number % 4 > 1)}, seed {SEED + 1 + number}" for number in range(CLEAN)]
    cases = [*gates.PLANTED, *clean]
    rows = beside(gates.run, both, [cases[side::2] for side in range(2)])
    by_name = {row.pop("case"): row for part in rows for row in part}
    return {"clean": {name: by_name[name] for name in clean}, "planted": {name: by_name[name] for name in gates.PLANTED}}


PARTS: dict[str, Callable[[Sequence[Ground]], Row]] = {part.__name__: part for part in (kills, switches, ticks, gate, drift)}


def summary(found: Row) -> Row:
    """The figures beside what they must reach."""
    said: Row = {}
    if "switches" in found:
        rows = found["switches"]
        said["rollback_s"] = max(row["command_s"] for row in rows["rollback"])
        said["promote_to_served_s"] = max(row["to_served_s"] for verb in rows for row in rows[verb])
        said["same_answers"] = all(row["same_answers"] for verb in rows for row in rows[verb])
    if "ticks" in found:
        said["tick_late_s"] = max(found["ticks"]["late_s"])
        said["killed_tick_healed"] = found["ticks"]["healed"] and not found["ticks"]["wrong"]
    if "kills" in found:
        rows = found["kills"]["kills"]
        said["kills_sound"] = all(not row["wrong"] and not row["wrong_after"] and row["still_serves"] for row in rows)
        said["kills_healed"] = all(row["as_undisturbed"] and row["status_after"] == 0 for row in rows)
    if "drift" in found:
        fired = {name: any(one["fired"] for one in rows) for name, rows in found["drift"].items()}
        said |= {"drift_caught": fired["strangers"], "drift_false_alarm": fired["more of the same"]}
    if "gate" in found:
        said["false_alarms"] = sum(bool(row["refused_by"]) for row in found["gate"]["clean"].values())
        said["planted_caught"] = {name: gates.caught(name, row) for name, row in found["gate"]["planted"].items()}
    return said


def reached(said: Row) -> dict[str, bool]:
    """Which promises are kept."""
    kept = {name: said[name] <= limit for name, limit in LIMITS.items() if name in said}
    flags = {name: value for name, value in said.items() if isinstance(value, bool)}
    flags |= {name: not value for name, value in flags.items() if name.endswith("false_alarm")}
    return kept | flags | ({"planted_caught": all(said["planted_caught"].values())} if "planted_caught" in said else {})


def main() -> None:
    asked = _arguments()
    with ExitStack() as stack:
        both = [Ground.of(stack.enter_context(clone()), asked.log.resolve()) for _ in CUTS]
        stack.enter_context(prefect(both))
        beside(Ground.begin, both, CUTS)
        both[0].ended, both[1].ended = ({**both[0].ended, **both[1].ended} for _ in both)
        began, found = time.monotonic(), Row()
        for name in asked.parts or PARTS:
            start = time.monotonic()
            found[name] = PARTS[name](both)
            print(name, f"{time.monotonic() - start:.0f} s", json.dumps(summary({name: found[name]})), flush=True)
        said = summary(found)
        value = {"seed": SEED, "summary": said, "reached": reached(said), "seconds": time.monotonic() - began} | found
        record(asked.name, commit(both[0].platform.project), json.loads(json.dumps(value), parse_float=lambda text: round(float(text), 4)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all where none is named")
    parser.add_argument("--name", default="operations", help="of the record")
    parser.add_argument("--log", type=Path, default=Path("operations.log"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
