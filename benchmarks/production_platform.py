"""The platform of the simulated production: a clone, its command line, a Prefect server, and services over sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from components import artifacts

BIN = Path(sys.executable).parent
READY = 600.0  # seconds that something may take to answer on a machine with other work


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Platform:
    """A project's folder, and what runs in it.

    Attributes:
        api: the Prefect server; base: overrides in force on a good night.
    """

    project: Path
    api: str = ""
    base: tuple[str, ...] = ()
    seconds: float = 60.0  # of the last whole night
    log: Path = field(default=Path("platform.log"))

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DVC_", "BENTOML_", "ZHIJIAN_"))}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        names = {f"GIT_{who}_{what}": "production@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        own = {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(self.project), "DVC_NO_ANALYTICS": "1", "COLUMNS": "200"}
        return kept | threads | names | own | ({"PREFECT_API_URL": self.api} if self.api else {})

    def start(self, *command: str, **extra: str) -> "subprocess.Popen[bytes]":
        """Start a command in the project, its words in the log."""
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=self.project, env=self.environment | extra, stdout=log, stderr=log, start_new_session=True)

    def run(self, *command: str, **extra: str) -> int:
        """Run a command to its end; its status."""
        return self.start(*command, **extra).wait()

    @contextmanager
    def prefect(self) -> Generator["subprocess.Popen[bytes]"]:
        """A Prefect server until the block ends."""
        port = free()
        home = {"PREFECT_HOME": str(self.project / ".state/prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        process = self.start(*command, **home)
        self.api = f"http://127.0.0.1:{port}/api"
        try:
            answers(f"{self.api}/health", process)
            yield process
        finally:
            end(process)

    def retrain(self, *overrides: str) -> int:
        """One night: 0 promoted, 3 refused, else failed. Overrides stand in addition to those of a good night."""
        began = time.monotonic()
        status = self.run("zhijian", "retrain", "--promote", *((*self.base, *overrides) if overrides or not self.pointer else ()))
        self.seconds = time.monotonic() - began
        return status

    def mend(self) -> None:
        """Put the overrides of a good night in force again, as somebody would who found out what was wrong."""
        (self.project / "conf/overrides.yaml").write_text(yaml.safe_dump(list(self.base)))

    @property
    def pointer(self) -> dict[str, Any]:
        path = self.project / "champions/champion.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def refused(self) -> list[str]:
        """The criteria that did not pass, of the gate and of the promotion, where they are of the same bundle."""
        found: list[str] = []
        bundle = artifacts.read_json(self.project / "reports/metrics.json")["bundle"]
        for name in ("gate", "promotion"):
            path = self.project / f"reports/{name}.json"
            said: dict[str, Any] = artifacts.read_json(path) if path.exists() else {"bundle": None}
            found += [row["name"] for row in said["criteria"] if not row["passed"]] if said["bundle"] == bundle else []
        return found

    def sound(self) -> list[str]:
        """What is not as it should be: the champion, the records, DVC's lock."""
        wrong: list[str] = []
        pointer = self.pointer
        try:
            if artifacts.verify(self.project / "champions" / pointer["folder"])["id"] != pointer["bundle"]:
                wrong.append("champion")
            records = [artifacts.read_json(path) for path in sorted((self.project / "champions/history").glob("*.json"))]
            if records[pointer["number"] - 1]["bundle"] != pointer["bundle"]:
                wrong.append("history")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            wrong.append(f"champion: {error}")
        try:
            yaml.safe_load((self.project / "dvc.lock").read_text())["stages"]
        except Exception as error:  # noqa: BLE001
            wrong.append(f"lock: {error}")
        return wrong

    def inhabitants(self) -> list[str]:
        """Commands of the pipeline that still run in the project."""
        found = [process.info for process in psutil.process_iter(["cwd", "cmdline", "status"]) if process.info["cwd"] == str(self.project)]
        lines = [" ".join(info["cmdline"] or []) for info in found if info["status"] != psutil.STATUS_ZOMBIE]
        return [line for line in lines if " dvc " in line or "components." in line]


@dataclass
class Service:
    """A served bundle, and who asks it."""

    platform: Platform
    arguments: Sequence[str] = ()
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    def begin(self) -> float:
        """Serve; the seconds until it was ready."""
        self.port, began = free(), time.monotonic()
        self.process = self.platform.start("zhijian", "serve", "--port", str(self.port), *self.arguments)
        self.client.close()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        answers(f"http://127.0.0.1:{self.port}/readyz", self.process)
        return time.monotonic() - began

    def ask(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return self.client.post(path, json=body).raise_for_status()

    def served(self) -> dict[str, Any]:
        return self.client.get("/models").raise_for_status().json()["served"]

    def kill(self) -> None:
        """End it and its workers, which have groups of their own, without a word."""
        assert self.process
        strike(self.process, whole=True)


@contextmanager
def watching(service: Service) -> Generator[list[float]]:
    """Seconds from the pointer's rename to the service's taking over, for each switch while the block runs."""
    took: list[float] = []
    done = threading.Event()
    path = service.platform.project / "champions/champion.json"

    def look() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=30) as client:
            known = client.get("/models").json()["served"]["number"]
            while not done.wait(0.05):
                try:
                    number = client.get("/models").json()["served"]["number"]
                except (httpx.HTTPError, ValueError):
                    continue
                if number != known:
                    took.append(time.time() - path.stat().st_mtime)
                    known = number

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield took
        time.sleep(1)  # what was promoted last is still being loaded
        until(lambda: service.served()["number"] == service.platform.pointer["number"], 60)
    finally:
        time.sleep(0.2)
        done.set()
        thread.join()


def strike(process: "subprocess.Popen[bytes]", *, whole: bool) -> None:
    """Kill a command, hard: its process group, or all that it ever started at once, as a machine that loses its power."""
    struck = psutil.Process(process.pid).children(recursive=True) if whole and process.poll() is None else []
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in struck:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()


def answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a URL answers with 200."""

    def there() -> bool:
        if process.poll() is not None:
            raise SystemExit(f"{url}: the server ended with status {process.returncode}; see the log")
        try:
            return httpx.get(url, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    until(there, READY)


def until(true: Any, seconds: float) -> None:
    """Wait for a condition."""
    limit = time.monotonic() + seconds
    while not true():
        if time.monotonic() > limit:
            raise SystemExit(f"waited {seconds:g} s in vain")
        time.sleep(0.1)


def end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
