"""What the event log tells the next training, laid where `ingest` reads it and tracked by DVC."""

import subprocess
import sys
from pathlib import Path

from components.errors import DataError
from components.stage import PARAMS, read
from flows import stages
from flows.settings import STATE
from flows.stages import Tell

NAME = "feedback"
COMMAND = (sys.executable, "-m", "serving.learning")  # another process, since flows know nothing of the service

SEEN = Path(STATE) / "watch"  # what the triggers look at


def peek() -> Path | None:
    """Take interactions and exposures out of the log, to look at and not to train on: their folder, None where no log was begun.

    Raises:
        DataError: the log can't be read.
    """
    ended = subprocess.run([*COMMAND, str(SEEN), "interactions", "exposures"], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise DataError((ended.stderr.strip() or "the event log can't be read").splitlines()[-1])
    return SEEN if "exposures" in ended.stdout else None


def wanted() -> list[str]:
    """Its name, to be run before `ingest`; nothing where params.yaml names no folder for it."""
    return [NAME] if PARAMS.exists() and read("ingest").get(NAME) else []


def export(limit: float, tell: Tell) -> str:
    """Take the tables out of the log in place of those before; return Ran, or Cached where they are the same.

    Where no log was ever begun, nothing changes.

    Raises:
        StageError: the log can't be read, or it took longer than `limit` seconds.
        BusyError: another DVC process did not let go in time.
    """
    out = Path(read("ingest")[NAME])
    pointer = out.with_suffix(".dvc")
    before = pointer.read_bytes() if pointer.exists() else b""
    stages.patiently(NAME, [*COMMAND, str(out)], limit, tell)
    if not out.exists():
        return "Cached"
    stages.patiently(NAME, [sys.executable, "-m", "dvc", "add", "--quiet", str(out)], limit, tell)
    return "Cached" if pointer.read_bytes() == before else "Ran"
