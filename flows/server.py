"""The Prefect server that a run reports to: the one that is given, else one of its own, which lives as long as this process.

Prefect would start a temporary server itself, but as a child in the same process group: Ctrl-C then ends the server before
the run can report to it, and a killed run leaves the server behind.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from components.errors import ConfigError
from flows import doctor
from flows.plan import Plan
from flows.settings import STATE
from flows.stages import launch, leashed

READY = 300.0  # seconds that a server may take to answer, on a machine with much else to do
SERVE = "import sys; from flows.plan import Plan; from flows.pipeline import serve; serve(Plan.model_validate_json(sys.argv[1]))"
QUIET = "ignore:coroutine 'Runner.astop' was never awaited:RuntimeWarning"  # Prefect's own, on SIGTERM
_running: list["subprocess.Popen[str]"] = []  # held, since a leash that nobody holds is let go


def use(port: int = 0) -> str:
    """Return PREFECT_API_URL, set to a server started for this process where it was not; call it before Prefect is imported.

    Args:
        port: where to start the server; 0 takes a free port.

    Raises:
        ConfigError: the port is taken, or the server ends or does not answer; its log says why.
    """
    if given := os.environ.get("PREFECT_API_URL"):
        return given
    process, url = start(port)
    _running.append(process)
    os.environ["PREFECT_API_URL"] = url
    return url


def schedule(plan: Plan) -> None:
    """Serve the flow as the plan says, until this process ends; the run under way ends with it.

    Prefect's runner forgets its run when it gets SIGTERM or is killed, so it works on a leash.

    Raises:
        ConfigError: Prefect refused the schedule, or its runner ended; what it said is on stderr.
    """
    with leashed(float("inf"), [sys.executable, "-W", QUIET, "-c", SERVE, plan.model_dump_json()], None) as process:
        code = process.wait()
    raise ConfigError(f"the schedule ended with status {code}; the reason is above")


def start(port: int = 0) -> tuple["subprocess.Popen[str]", str]:
    """Start a Prefect server on this machine and wait until it answers; it ends when its process' standard input is closed."""
    if port and doctor.serving(port).state != "ok":
        raise ConfigError(f"--server-port {port}: in use; choose another, or set PREFECT_API_URL to the server that you have")
    port = port or _free()
    log, url = Path(STATE) / "prefect-server.log", f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w", encoding="utf-8") as output:
        process = launch(float("inf"), command, output, PREFECT_SERVER_UI_API_URL=url)  # its page would look for port 4200
    until = time.monotonic() + READY
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > until:
            process.communicate()
            raise ConfigError(f"the Prefect server did not start; see {log}")
        time.sleep(0.1)
    return process, url


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
