"""The two clones of operations.py: what is laid into them, what runs in them, how it is struck, and what is left."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from measure import ROOT
from operations_world import CUTS, made
from production_platform import Platform, Service

sys.path.insert(0, str(ROOT))  # before this folder, whose serving.py is another one
from serving.store import Store
from tests import world

BASE = (
    *world.SMALL, "query.composer.count=200", "threads=1", "dataset.root=raw", "dataset.time=s", "promotion=volume",
    "evaluate.talks=10", "evaluate.sample=50", "~evaluate.baselines.ease", "~evaluate.baselines.sequential",
    "schedule.watch.age=null", "schedule.watch.volume=null", "schedule.watch.least=200",
)  # fmt: skip
PAUSE = 0.1  # seconds between two events that a service is told of


@dataclass
class Ground:
    """A clone in which the pipeline runs, and by day what undisturbed runs ended in: DVC's hashes, and the bundle."""

    platform: Platform
    day: int = 0
    ended: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])

    @classmethod
    def of(cls, project: Path, log: Path) -> "Ground":
        """A ground in a clone, with settings of its own and an event log that was begun."""
        platform = Platform(project, base=BASE, log=log.with_suffix(f".{project.parent.name[-4:]}.log"))
        platform.mend()
        (project / ".state").mkdir(exist_ok=True)
        store = Store.open(f"sqlite:///{project}/.state/feedback.sqlite")
        store.prepare()
        store.close()
        if (ROOT / ".state/cache").is_dir():  # vectors of texts, by the texts' hash
            shutil.copytree(ROOT / ".state/cache", project / ".state/cache")
        return cls(platform)

    @property
    def pointer(self) -> dict[str, Any]:
        return self.platform.pointer

    @property
    def seconds(self) -> float:
        """Of the undisturbed run."""
        return self.ended[self.day]["seconds"]

    def begin(self, day: int) -> None:
        """Make the first champion, of the world of a day, undisturbed."""
        self.lay(day)
        if (status := self.platform.retrain()) != 0:
            raise SystemExit(f"the first champion was not made: status {status}; see {self.platform.log}")
        self.ended[day] = {"hashes": self.hashes(), "bundle": self.pointer["bundle"], "seconds": self.platform.seconds}

    def lay(self, day: int) -> None:
        self.day = day
        made().until(day).write(self.platform.project / "raw")

    def change(self) -> None:
        """Lay the world of the other day, and take away what would spare a run its work."""
        for name in (".dvc/cache/runs", ".state/checkpoints"):
            shutil.rmtree(self.platform.project / name, ignore_errors=True)
        self.lay(self.other)

    @property
    def other(self) -> int:
        """The other day."""
        return next(day for day in CUTS if day != self.day)

    def use(self, day: int) -> None:
        """Have the last run and the champion be of the world of a day."""
        self.lay(day)
        if self.platform.retrain() != 0 or self.pointer["bundle"] != self.ended[day]["bundle"]:
            raise SystemExit(f"the champion of day {day} was not made again; see {self.platform.log}")

    def hashes(self) -> dict[str, Any]:
        """What every stage wrote, by DVC's lock."""
        stages = yaml.safe_load((self.platform.project / "dvc.lock").read_text())["stages"]
        return {name: [[out["path"], out["md5"]] for out in stage["outs"]] for name, stage in stages.items()}

    def as_undisturbed(self) -> bool:
        return self.hashes() == self.ended[self.day]["hashes"] and self.pointer["bundle"] == self.ended[self.day]["bundle"]

    def under_way(self) -> str:
        """The stage whose lines were the last."""
        marks = [line.partition(" │ ")[0] for line in self.platform.log.read_text(errors="replace").splitlines() if " │ " in line]
        return marks[-1].strip() if marks else ""

    def wrong(self, acknowledged: Sequence[str] = ()) -> list[str]:
        """What is not as it should be: champion, records, lock, event log."""
        with sqlite3.connect(self.platform.project / ".state/feedback.sqlite") as log:
            [[whole]] = log.execute("pragma integrity_check")
            kept = {key for (key,) in log.execute("select key from events")}
        lost = set(acknowledged) - kept
        return self.platform.sound() + [f"event log: {whole}"] * (whole != "ok") + [f"{len(lost)} events lost"] * bool(lost)


def beside(call: Callable[..., Any], both: Sequence[Ground], *arguments: Sequence[Any]) -> list[Any]:
    """Call for both grounds at once."""
    with ThreadPoolExecutor(len(both)) as pool:
        return list(pool.map(call, both, *arguments))


@contextmanager
def prefect(both: Sequence[Ground]) -> Generator[None]:
    """One Prefect server for both."""
    with both[0].platform.prefect():
        for ground in both:
            ground.platform.api = both[0].platform.api
        yield


@contextmanager
def served(ground: Ground) -> Generator[Service]:
    """The Bento of the ground, served until the block ends."""
    service = Service(ground.platform)
    service.begin()
    try:
        yield service
    finally:
        service.kill()
        service.client.close()


@contextmanager
def told(service: Service) -> Generator[list[str]]:
    """Tell a service of impressions, which change no training, while the block runs; the keys of those that it acknowledged."""
    acknowledged, done = list[str](), threading.Event()

    def tell() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=60) as client:
            while not done.wait(PAUSE):
                key = f"{service.port}-{time.monotonic_ns()}"
                event = {"user_id": "u000", "item_id": "i000", "event": "impression", "key": key}
                if client.post("/feedback", json={"events": [event]}).raise_for_status().json()["stored"]:
                    acknowledged.append(key)

    with ThreadPoolExecutor(1) as pool:
        telling = pool.submit(tell)
        try:
            yield acknowledged
        finally:
            done.set()
            telling.result()


def engine(process: "subprocess.Popen[bytes]") -> psutil.Process:
    """The process of the flow's run, below a schedule."""
    return next(child for child in psutil.Process(process.pid).children(recursive=True) if "prefect.engine" in child.cmdline())
