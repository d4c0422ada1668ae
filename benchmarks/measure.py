"""Run a command and measure it: wall seconds, and the peak memory of all its processes together."""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "benchmarks" / "records"


@dataclass(frozen=True)
class Measured:
    """What a command took."""

    seconds: float
    peak_mb: int
    status: int
    output: str
    cpu_seconds: float


def measure(*command: str, cwd: Path, code: Path | None = None, threads: int | None = None) -> Measured:
    """Run a command to its end, sampling the resident memory of its process tree ten times a second.

    Python imports from `code`, by default from `cwd`; `threads` limits the numeric libraries.
    """
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)) if threads else {}
    environment = (
        os.environ
        | limits
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "PYTHONPATH": str(code or cwd),
        }
    )
    started, before = time.perf_counter(), _cpu()
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak: list[int] = [0]
    sampler = threading.Thread(target=_sample, args=(process.pid, peak), daemon=True)
    sampler.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    sampler.join()
    return Measured(round(seconds, 2), peak[0] // 2**20, process.returncode, output, round(_cpu() - before, 2))


@contextmanager
def clone() -> Generator[Path]:
    """Yield a fresh clone of what is committed."""
    with tempfile.TemporaryDirectory(prefix="zhijian-") as folder:
        target = Path(folder) / "zhijian"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
        yield target


def machine() -> dict[str, Any]:
    """The processor, its cores and the memory."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }


def commit(project: Path) -> str:
    """The commit of a clone."""
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=project, capture_output=True, text=True, check=True).stdout.strip()


def uncommitted() -> bool:
    """Whether what is measured here differs from the commit."""
    changed = subprocess.run(["git", "status", "--porcelain", "components", "conf"], cwd=ROOT, capture_output=True, text=True, check=True)
    return bool(changed.stdout.strip())


def record(name: str, commit: str, value: dict[str, Any]) -> None:
    """Write a record to benchmarks/records/."""
    RECORDS.mkdir(exist_ok=True)
    path = RECORDS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "commit": commit} | value, indent=2, sort_keys=True) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


def _cpu() -> float:
    """Processor seconds of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _sample(pid: int, peak: list[int]) -> None:
    while psutil.pid_exists(pid):
        try:
            root = psutil.Process(pid)
            if root.status() == psutil.STATUS_ZOMBIE:
                return
            total = sum(_resident(process) for process in [root, *root.children(recursive=True)])
        except psutil.NoSuchProcess:
            return
        peak[0] = max(peak[0], total)
        time.sleep(0.1)


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def available(folder: str) -> Path | None:
    """A folder of the development data beside the project, or None where they are not."""
    path = ROOT.parent / "shared" / "data" / folder
    return path if path.is_dir() else None
