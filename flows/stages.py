"""DVC's stages: their order, and one of them reproduced in a process group of its own."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import yaml
from filelock import FileLock, Timeout
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from components.errors import ConfigError, ZhijianError
from flows import leash
from flows.settings import PIPELINE, STATE

FIRST = "configure"
TAIL = 200  # lines of a stage's output kept for its error message
SHOWN = 12  # lines of it that a message may have
BUSY = 60.0  # seconds to wait for another DVC process
UNCHANGED = ("didn't change, skipping", "is cached - skipping run")
LOCKED = ("is busy, it is being blocked by", "Unable to acquire lock")
PASSING = (  # marks of what may be otherwise in a minute
    "exited with -9",
    "exited with 137",
    "Temporary failure in name resolution",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Read timed out",
    "Too Many Requests",
    "Service Unavailable",
    "database is locked",
    "the feedback store can't be used",
)
TRIES = 3  # of a stage that failed by what may pass
CHATTER = (
    "To track the changes",
    "\tgit add",
    "To enable auto staging",
    "\tdvc config",
    "Use `dvc push`",
    "Data and pipelines",
    "Updating lock",
)
SOON = wait_random_exponential(multiplier=0.5, max=5)
Tell = Callable[[str], None]


class StageError(ZhijianError):
    """A stage failed; the text is the stage's own last word."""


class PassingError(StageError):
    """A stage failed by something that may pass: a network, or a signal from outside."""


class BusyError(StageError):
    """Another process works on this project."""


@contextmanager
def alone() -> Generator[None]:
    """Hold this project for one retraining; raises BusyError when another one runs. A holder may enter it again."""
    lock = FileLock(Path(STATE).resolve() / "retrain.lock", timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError("busy: another retraining of this project is running; run again when it is done") from None
    try:
        yield
    finally:
        lock.release()


def order() -> list[str]:
    """Read the names of the stages of ./dvc.yaml from DVC's graph, each after those it depends on.

    Raises:
        ConfigError: dvc.yaml is wrong, or a parameter that it takes from params.yaml is missing.
    """
    import networkx as nx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            graph = repo.index.graph
    except DvcException as error:
        raise ConfigError(_chain(error)) from None
    own = graph.subgraph(stage for stage in graph if stage.path_in_repo == PIPELINE)
    named = nx.relabel_nodes(own.reverse(), {stage: stage.name for stage in own})
    place = {name: i for i, name in enumerate(declared())}
    return list(nx.lexicographical_topological_sort(named, key=lambda name: (place.get(name.split("@")[0], len(place)), name)))


def unchanged() -> frozenset[str]:
    """Ask DVC, once for all, which stages neither changed nor depend on one that did; none where it is busy or can't say."""
    import networkx as nx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            changed, graph = set(repo.status()), repo.index.graph
    except DvcException:
        return frozenset()  # DVC says why when the first stage is run
    stale = {stage for stage in graph if stage.addressing in changed}
    stale |= {user for stage in stale for user in nx.ancestors(graph, stage)}
    return frozenset(stage.name for stage in graph if stage.path_in_repo == PIPELINE and stage not in stale)


def declared() -> dict[str, dict[str, object]]:
    """Read the stages of ./dvc.yaml as written, before DVC fills in parameters."""
    try:
        found = yaml.safe_load(Path(PIPELINE).read_text(encoding="utf-8"))
        return dict(found["stages"])
    except (OSError, TypeError, KeyError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{PIPELINE}: no readable stages ({error})") from None


def reproduce(name: str, limit: float, tell: Tell, busy: float = BUSY, pause: float = 5.0) -> str:
    """Run `dvc repro --single-item` for one stage, as `patiently` does, and return Ran or Cached."""
    lines = patiently(name, [sys.executable, "-m", "dvc", "repro", "--single-item", name], limit, tell, busy, pause)
    return "Cached" if any(mark in line for line in lines for mark in UNCHANGED) else "Ran"


def patiently(name: str, command: list[str], limit: float, tell: Tell, busy: float = BUSY, pause: float = 5.0) -> deque[str]:
    """Run a command, again where what failed may pass, and return the last lines that it wrote.

    Args:
        limit: seconds until the stage is ended, with everything it started.
        tell: gets each line of output as it comes.
        busy: seconds to keep trying while another DVC process holds what the stage needs.
        pause: seconds before the second of `TRIES` where what failed may pass; four times as long before the third.

    Raises:
        StageError: the stage failed or ran past its limit.
        BusyError: another DVC process did not let go in time.
    """

    def enough(state: RetryCallState) -> bool:
        waiting = isinstance(_failure(state), BusyError)
        return (state.seconds_since_start or 0) >= busy if waiting else state.attempt_number >= TRIES

    def wait(state: RetryCallState) -> float:
        return SOON(state) if isinstance(_failure(state), BusyError) else pause * 4 ** (state.attempt_number - 1)

    def say(state: RetryCallState) -> None:
        tell(f"{_failure(state)}; again in {state.upcoming_sleep:.1f} s")

    again = retry_if_exception_type((BusyError, PassingError))
    for attempt in Retrying(retry=again, stop=enough, wait=wait, before_sleep=say, reraise=True):
        with attempt:
            return _run(name, command, limit, tell)
    raise AssertionError("unreachable: the last attempt raises")


def prepare(limit: float, tell: Tell) -> None:
    """Run the first stage's own command where dvc.yaml can't be read without the params.yaml that it writes."""
    if FIRST not in declared():
        return
    try:
        order()
    except ConfigError:
        _run(FIRST, ["sh", "-c", str(declared()[FIRST]["cmd"])], limit, tell)


def _run(name: str, command: list[str], limit: float, tell: Tell) -> deque[str]:
    lines: deque[str] = deque(maxlen=TAIL)
    with leashed(limit, command) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() and not line.startswith(CHATTER):
                lines.append(line.rstrip())
                tell(lines[-1])
        code = process.wait()
    if code == leash.EXPIRED:
        raise StageError(f"{name}: ended after its time limit of {limit:g} s; allow more with `zhijian retrain --timeout SECONDS`")
    if code and any(mark in line for line in lines for mark in LOCKED):
        raise BusyError(f"{name}: busy: another DVC process works on this project; run again when it is done")
    if code:
        passing = any(mark in line for line in lines for mark in PASSING)
        raise (PassingError if passing else StageError)(last_words(name, list(lines), code))
    return lines


@contextmanager
def leashed(limit: float, command: list[str], output: int | IO[str] | None = subprocess.PIPE) -> Generator["subprocess.Popen[str]"]:
    """Hold a command on a leash; when the block ends, by whatever way, nothing of its process group is left."""
    process = launch(limit, command, output)
    try:
        yield process
    finally:
        for stream in filter(None, (process.stdin, process.stdout)):
            stream.close()
        process.wait()


def launch(limit: float, command: list[str], output: int | IO[str] | None = subprocess.PIPE, **environment: str) -> "subprocess.Popen[str]":
    """Start a command on a leash, its standard input; it ends when that is closed, or with this process."""
    signal.siginterrupt(signal.SIGINT, True)  # polars' handler restarts a read, which would then sleep through Ctrl-C
    return subprocess.Popen(
        [sys.executable, "-I", leash.__file__, str(limit), *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
        encoding="utf-8",
        errors="replace",
    )


def last_words(name: str, lines: list[str], code: int) -> str:
    """Find a stage's own error in the end of its output: its last line `NAME: …` and what follows, else its last line.

    DVC's own complaint counts where it is not just that the command failed.
    """
    dvc = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    start = max((i for i, line in enumerate(lines) if line.startswith("> ")), default=-1)
    said = [line for line in lines[start + 1 :] if line.strip() and not line.startswith("ERROR: ")]
    marks = [i for i, line in enumerate(said) if line.startswith(f"{name}: ")]
    if dvc and "failed to run: " not in dvc[-1]:
        return f"{name}: {dvc[-1]}"
    if dvc and dvc[-1].endswith(("exited with -9", "exited with 137")):
        return f"{name}: killed from outside (signal 9); if nobody did, the machine ran out of memory"
    if marks and not any(line.startswith("Traceback ") for line in said[marks[-1] :]):
        return "\n".join(said[marks[-1] :][:SHOWN])
    return f"{name}: {said[-1].strip()}" if said else f"{name}: failed with exit status {code} and no word"


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _chain(error: BaseException) -> str:
    """Join an error's text with its causes', where they add something."""
    text, cause = str(error), error.__cause__
    while cause is not None:
        text, cause = (text if str(cause) in text else f"{text}: {cause}"), cause.__cause__
    return text
