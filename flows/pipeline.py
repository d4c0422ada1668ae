"""The retraining flow: every stage of DVC's graph as a Prefect task, in order; call `flows.settings.settle` before importing this."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from components.errors import ZhijianError
from flows import report, stages
from flows.stages import BusyError, StageError

LIMIT = 3600.0  # seconds that one stage may take
PACKAGE = Path("artifacts/package/bento")


@dataclass(frozen=True)
class Outcome:
    """What a run of the pipeline came to: the gate's verdict, whether a Bento was built, and what became of each stage.

    `stages` maps a stage to Ran or Cached, in order; `seconds` is the wall time of the run.
    """

    passed: bool
    packaged: bool
    stages: dict[str, str]
    seconds: float


@task
def stage(name: str, limit: float) -> State[Any]:
    """Reproduce one stage; its lines go to the run's log and to stderr as they come."""
    tell = _teller(name)
    try:
        done = stages.reproduce(name, limit, tell)
    except StageError as error:
        return Failed(name="Busy" if isinstance(error, BusyError) else "StageFailed", message=str(error))
    return Completed(name=done, message="unchanged" if done == "Cached" else None, data=done)


@flow(name="pipeline")
def pipeline(limit: float = LIMIT) -> Outcome | State[Any]:
    """Reproduce what changed, stage by stage, and leave metrics, verdict and stages as artifacts of the run.

    Args:
        limit: seconds that each stage may take before it is ended with everything it started.

    A stage that fails ends the run in StageFailed with the stage's own message; those after it do not run.
    """
    start = time.monotonic()
    try:
        with stages.alone():
            done, failure = _stages(limit)
            if failure is not None:
                return Failed(name=failure.name, message=failure.message)
            return _outcome(done, time.monotonic() - start)
    except ZhijianError as error:
        return Failed(name="Busy" if isinstance(error, BusyError) else "Failed", message=str(error))


def serve(cron: str | None, interval: float | None, limit: float) -> None:
    """Serve the flow until interrupted, one run at a time, by a cron line (UTC) or every `interval` seconds."""
    entry = EntrypointType.MODULE_PATH
    try:
        pipeline.serve("retrain", interval, cron, parameters={"limit": limit}, paused=False, limit=1, entrypoint_type=entry)
    except ValidationError as error:
        raise SystemExit("; ".join(f"--{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())) from None


def _stages(limit: float) -> tuple[dict[str, str], State[Any] | None]:
    """Run the stages; `configure` runs before the graph is read, since dvc.yaml takes values from the file that it writes."""
    stages.prepare(limit, _teller(stages.FIRST))
    done: dict[str, str] = {}
    failure = _run(stages.FIRST, limit, done) if stages.FIRST in stages.declared() else None
    waiting = [] if failure else [name for name in stages.order() if name not in done]
    progress = cast("UUID", create_progress_artifact(progress=0.0, key="progress", description="stages done"))
    while waiting and failure is None:
        failure = _run(waiting.pop(0), limit, done)
        update_progress_artifact(progress, progress=100.0 * len(done) / (len(done) + len(waiting)))
    rows = [{"stage": name, "state": state} for name, state in done.items()]
    create_table_artifact(rows + [{"stage": name, "state": "not run"} for name in waiting], key="stages")
    return done, failure


def _run(name: str, limit: float, done: dict[str, str]) -> State[Any] | None:
    state = cast("State[Any]", stage.with_options(name=name, task_run_name=name)(name, limit, return_state=True))
    done[name] = state.name or state.type.value
    return None if state.is_completed() else state


def _outcome(done: dict[str, str], seconds: float) -> Outcome:
    metrics, verdict = report.metrics(), report.verdict()
    create_table_artifact(metrics, key="metrics", description="mean and interval by model")
    create_table_artifact(verdict.rows, key="gate", description="passed" if verdict.passed else "refused")
    return Outcome(verdict.passed, verdict.passed and PACKAGE.is_dir(), done, round(seconds, 1))


def _teller(name: str) -> Callable[[str], None]:
    log = get_run_logger()

    def tell(line: str) -> None:
        log.info(line)
        print(f"{name} │ {line}", file=sys.stderr, flush=True)

    return tell
