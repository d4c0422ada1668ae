"""The retraining flow: every stage of DVC's graph as a Prefect task, in order; call `flows.settings.settle` before importing this."""

import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect import serve as together
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.events import DeploymentEventTrigger
from prefect.states import Completed, Failed
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from components.errors import ZhijianError
from flows import feedback, report, runs, stages, trying
from flows import promote as promotion
from flows import warm as weights
from flows.alert import alert as tell_people
from flows.alert import ended
from flows.monitor import EVENT, monitor
from flows.plan import Plan
from flows.promote import RefusedError, Switch
from flows.settings import BENTO
from flows.stages import BusyError, StageError

LIMIT = 3600.0  # seconds that one stage may take


@dataclass(frozen=True)
class Outcome:
    """What a run of the pipeline came to: the gate's verdict, whether a Bento was built, and what became of each stage.

    `stages` maps a stage to Ran or Cached, in order; `seconds` is the wall time of the run. Where a promotion was asked for,
    `switch` is the one that was made, or `refused` says why there was none.
    """

    passed: bool
    packaged: bool
    stages: dict[str, str]
    seconds: float
    switch: Switch | None = None
    refused: str = ""


@task
def stage(name: str, limit: float, warm: bool = False, same: bool = False) -> State[Any]:
    """Reproduce one stage unless it is the `same` as before, take in the feedback, or lay the champion's weights.

    Its lines go to the run's log and to stderr.
    """
    tell = _teller(name)
    try:
        done = _skipped(name, tell) if same else _call(name, limit, tell, warm=warm)
    except StageError as error:
        return Failed(name="Busy" if isinstance(error, BusyError) else "StageFailed", message=str(error))
    return Completed(name=done, message="unchanged" if done == "Cached" else None, data=done)


def _skipped(name: str, tell: stages.Tell) -> str:
    tell(f"Stage {name!r} didn't change, skipping")
    return "Cached"


def _call(name: str, limit: float, tell: stages.Tell, *, warm: bool) -> str:
    if name == weights.NAME:
        return weights.lay(warm, limit, tell)
    return feedback.export(limit, tell) if name == feedback.NAME else stages.reproduce(name, limit, tell)


@flow(name="pipeline", on_failure=[ended], on_crashed=[ended], on_cancellation=[ended])
def pipeline(limit: float = LIMIT, promote: bool = False, alert: str | None = None, warm: bool = False) -> Outcome | State[Any]:
    """Take in the feedback, reproduce what changed, stage by stage, and leave metrics, verdict and stages as artifacts of the run.

    Args:
        limit: seconds that each stage may take before it is ended with everything it started.
        promote: whether a bundle that passes becomes champion.
        alert: a block of Prefect, TYPE/NAME, that is told when the run fails or the bundle is refused.
        warm: whether training goes on from the champion's weights, not from scratch.

    A stage that fails ends the run in StageFailed with the stage's own message; those after it do not run.
    """
    start = time.monotonic()
    try:
        with stages.alone():
            done, failure = _stages(limit, warm=warm)
            if failure is not None:
                return Failed(name=failure.name, message=failure.message)
            outcome = _outcome(done, time.monotonic() - start)
            return _told(_noted(_promoted(outcome) if promote and outcome.packaged else outcome), alert)
    except ZhijianError as error:
        return Failed(name="Busy" if isinstance(error, BusyError) else "Failed", message=str(error))


def serve(plan: Plan) -> None:
    """Serve the flow until interrupted, one run at a time, as the plan says."""
    entry = EntrypointType.MODULE_PATH
    parameters = {"limit": plan.timeout, "promote": plan.promote, "alert": plan.alert, "warm": plan.warm}
    try:
        times = CronSchedule(cron=plan.cron, timezone=plan.timezone) if plan.cron else IntervalSchedule(interval=_seconds(plan))
        wanted: list[Any] = [DeploymentEventTrigger(name="retrain when wanted", expect={EVENT})] if plan.watch else []
        served: list[Any] = [
            pipeline.to_deployment("retrain", schedules=[times], triggers=wanted, parameters=parameters, entrypoint_type=entry)
        ]
        if plan.watch:
            each = IntervalSchedule(interval=timedelta(seconds=plan.watch.every))
            served.append(monitor.to_deployment("watch", schedules=[each], parameters={"watch": plan.watch}, entrypoint_type=entry))
        together(*served, limit=1)
    except ValidationError as error:
        raise SystemExit("; ".join(f"--{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())) from None


def _stages(limit: float, *, warm: bool) -> tuple[dict[str, str], State[Any] | None]:
    """Run the stages; `configure` runs before the graph is read, since dvc.yaml takes values from the file that it writes."""
    stages.prepare(limit, _teller(stages.FIRST))
    done: dict[str, str] = {}
    failure = _run(stages.FIRST, limit, done) if stages.FIRST in stages.declared() else None
    inputs = [] if failure else [*weights.wanted(warm), *feedback.wanted()]
    waiting = [] if failure else [*inputs, *(name for name in stages.order() if name not in done)]
    progress = cast("UUID", create_progress_artifact(progress=0.0, key="progress", description="stages done"))
    unchanged = functools.cache(stages.unchanged)  # asked when all inputs are there
    while waiting and failure is None:
        name = waiting.pop(0)
        failure = _run(name, limit, done, warm=warm, same=name not in inputs and name in unchanged())
        update_progress_artifact(progress, progress=100.0 * len(done) / (len(done) + len(waiting)))
    rows = [{"stage": name, "state": state} for name, state in done.items()]
    create_table_artifact(rows + [{"stage": name, "state": "not run"} for name in waiting], key="stages")
    return done, failure


def _run(name: str, limit: float, done: dict[str, str], *, warm: bool = False, same: bool = False) -> State[Any] | None:
    state = cast("State[Any]", stage.with_options(name=name, task_run_name=name)(name, limit, warm, same, return_state=True))
    done[name] = state.name or state.type.value
    return None if state.is_completed() else state


def _outcome(done: dict[str, str], seconds: float) -> Outcome:
    metrics, verdict = report.metrics(), report.verdict()
    create_table_artifact(metrics, key="metrics", description="mean and interval by model")
    create_table_artifact(verdict.rows, key="gate", description="passed" if verdict.passed else "refused")
    return Outcome(verdict.passed, verdict.passed and BENTO.is_dir(), done, round(seconds, 1))


def _seconds(plan: Plan) -> timedelta:
    return timedelta(seconds=plan.interval or 0)


def _noted(outcome: Outcome) -> Outcome:
    """Add the run to those before, judge the experiment that is under way, and write the run's page."""
    refused = [row["criterion"] for row in report.verdict().rows if row["verdict"] == "refused"]
    runs.note(outcome.passed, outcome.switch is not None, refused or [outcome.refused] * bool(outcome.refused), outcome.seconds)
    trying.follow(_teller("experiment"))
    runs.write()
    return outcome


def _told(outcome: Outcome, block: str | None) -> Outcome:
    refused = [row["reason"] for row in report.verdict().rows if row["verdict"] == "refused"]
    if not outcome.passed:
        tell_people(f"refused by the gate: {'; '.join(refused)}; the champion stays", block)
    elif outcome.refused:
        tell_people(f"{outcome.refused}; the champion stays", block)
    return outcome


def _promoted(outcome: Outcome) -> Outcome:
    try:
        switch = promotion.promote()
    except RefusedError as error:
        return replace(outcome, refused=str(error))
    finally:
        if report.PROMOTION.exists():
            create_table_artifact(report.verdict(report.PROMOTION).rows, key="promotion")
    return replace(outcome, switch=switch)


def _teller(name: str) -> Callable[[str], None]:
    log = get_run_logger()

    def tell(line: str) -> None:
        log.info(line)
        print(f"{name} │ {line}", file=sys.stderr, flush=True)

    return tell
