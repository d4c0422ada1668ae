import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from flows import server as servers
from flows import settings

PASSED = {"passed": True, "bundle": "b1", "criteria": [{"name": "floor", "value": 0.15, "bound": 0.13, "passed": True, "reason": "above"}]}
REFUSED = {
    "passed": False,
    "bundle": "b1",
    "criteria": [{"name": "floor", "value": 0.1, "bound": 0.13, "passed": False, "reason": "too low"}],
}
METRICS = {"models": {"hybrid": {"NDCG@10": {"mean": 0.15, "low": 0.14, "high": 0.16}, "HR@10": {"mean": 0.3, "low": 0.2, "high": 0.4}}}}
PYTHON = sys.executable
COMMAND = str(Path(PYTHON).with_name("zhijian"))
STAGES = {  # in no order: the graph gives it
    "package": {"cmd": "sh package.sh", "deps": ["reports/gate.json", "package.sh"], "outs": ["artifacts/package"]},
    "gate": {"cmd": "cp verdict.json reports/gate.json", "deps": ["second.txt", "verdict.json"], "outs": ["reports/gate.json"]},
    "second": {"cmd": "sh second.sh", "deps": ["first.txt", "second.sh"], "outs": ["second.txt"]},
    "first": {"cmd": "cp in.txt first.txt", "deps": ["in.txt"], "outs": ["first.txt"]},
}
PACKAGE = """mkdir -p artifacts/package
if grep -q '"passed": true, "bundle"' reports/gate.json; then mkdir artifacts/package/bento; fi
"""


@dataclass(frozen=True)
class Project:
    """A small DVC repository whose stages are shell commands, and the command line run in it."""

    root: Path
    api: str | None = None

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def declare(self, stages: dict) -> None:
        self.write("dvc.yaml", yaml.safe_dump({"stages": stages}, sort_keys=False))

    def judge(self, *, passed: bool) -> None:
        self.write("verdict.json", json.dumps(PASSED if passed else REFUSED))

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_") and name not in settings.FOLDERS}
        return kept | ({"PREFECT_API_URL": self.api} if self.api else {})

    @contextmanager
    def start(self, *arguments: str, **extra: str) -> Iterator["subprocess.Popen[str]"]:
        with (self.root / "log").open("w") as log:
            environment = self.environment() | extra
            running = subprocess.Popen(
                [COMMAND, *arguments], cwd=self.root, env=environment, stdout=log, stderr=log, start_new_session=True
            )
            try:
                yield running
            finally:
                running.kill()
                running.wait()

    def run(self, *arguments: str, folder: str = ".", **extra: str) -> "subprocess.CompletedProcess[str]":
        command = [COMMAND, *arguments]
        where = self.root / folder
        return subprocess.run(command, check=False, cwd=where, env=self.environment() | extra, capture_output=True, text=True, timeout=400)


@contextmanager
def prefect(home: Path) -> Iterator[str]:
    """A real Prefect server whose files are below `home`, until the block ends; gives its address."""
    (home / settings.STATE).mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for name, value in settings.PLAIN.items():
            patch.setenv(name, value)
        patch.setenv("PREFECT_HOME", str(home / settings.STATE / settings.FOLDERS["PREFECT_HOME"]))
        patch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "1")
        process, address = servers.start()
    yield address
    process.stdin.close()
    process.wait()


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of git and DVC in which a Prefect server has made its tables, which takes it longer than all else."""
    root = tmp_path_factory.mktemp("blank")
    with prefect(root):
        pass
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run([PYTHON, "-m", "dvc", "init", "-q"], cwd=root, check=True, env=environment)
    return root


@pytest.fixture
def project(blank: Path, tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    shutil.copytree(blank, made.root)
    made.declare(STAGES)
    made.write("conf/config.yaml", "seed: 1\n")
    made.write("in.txt", "one\n")
    made.write("second.sh", "echo second works\ncp first.txt second.txt\n")
    made.write("package.sh", PACKAGE)
    made.write("reports/metrics.json", json.dumps(METRICS))
    made.judge(passed=True)
    return made


@pytest.fixture
def inside(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project as this process's own: its folder and its environment."""
    monkeypatch.chdir(project.root)
    for name in [*settings.PLAIN, *settings.FOLDERS, "PATH"]:
        monkeypatch.setenv(name, os.environ.get(name, ""))
        if name != "PATH":
            monkeypatch.delenv(name)
    settings.settle(project.root)
    return project


@pytest.fixture(scope="module")  # its loops take a third of a core, also while nobody asks it
def server(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Prefect server that schedules every second."""
    with prefect(shutil.copytree(blank, tmp_path_factory.mktemp("server") / "home")) as address:
        yield address


@pytest.fixture
def served(project: Project, server: str) -> Project:
    forget(server)
    return Project(project.root, server)


def forget(api: str) -> None:
    """Delete what other tests left on the server: deployments, and runs, those that are due too."""
    for what in ("deployments", "flow_runs"):
        for found in httpx.post(f"{api}/{what}/filter", json={}, timeout=120).raise_for_status().json():
            httpx.delete(f"{api}/{what}/{found['id']}", timeout=120)  # a run goes with its deployment


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait for a condition, or fail."""

    def wait(true: Callable[[], object], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def alive() -> Callable[[Path], bool]:
    """Whether the process whose id a stage wrote into a file is running."""

    def running(file: Path) -> bool:
        try:
            return psutil.Process(int(file.read_text())).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return running


@pytest.fixture(scope="session")
def inhabitants() -> Callable[[Path], list[psutil.Process]]:
    """The processes that work in a folder."""

    def working(folder: Path) -> list[psutil.Process]:
        found = [process for process in psutil.process_iter(["cwd", "status"]) if process.info["cwd"] == str(folder)]
        return [process for process in found if process.info["status"] != psutil.STATUS_ZOMBIE]

    return working
