"""Writers that are killed while they write, and what the event log has of what they were told it has.

`python -m benchmarks.serving_kill [ROUNDS] [OUT]`: by kill -9, with four writers, in SQLite and, where its programs are, in PostgreSQL.
"""

import asyncio
import json
import os
import random
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

ROOT = Path(__file__).parents[1]
WRITERS, BATCH = 4, 3


@dataclass
class Outcome:
    """What was acknowledged, what of it is gone, and what is there only in part or more than once."""

    acknowledged: int = 0
    lost: int = 0
    torn: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.acknowledged + other.acknowledged, self.lost + other.lost, self.torn + other.torn)


async def write(url: str, name: str) -> None:
    """Tell of batch after batch from four tasks at once, and say the number of each once it is acknowledged."""
    from serving.feedback import Feedback
    from serving.messages import Event
    from serving.store import Store

    feedback = Feedback(Store.open(url))
    await feedback.start()

    async def client(number: int) -> None:
        for turn in range(10**6):
            batch = f"{name}-{number}-{turn}"
            events = [Event(user_id=name, item_id=f"i{place}", event="click", key=f"{batch}.{place}") for place in range(BATCH)]
            assert await feedback.add(events) == BATCH
            os.write(1, f"{batch}\n".encode())

    await asyncio.gather(*map(client, range(4)))


def killed(url: str, run: int, after: int, end: Callable[[Sequence[subprocess.Popen[bytes]]], None] | None = None) -> Outcome:
    """Start the writers, kill them all once they have said `after` batches, and look into the log.

    Args:
        end: kills more than the writers, or other things first.
    """
    writers = [_writer(url, f"run{run}-{number}") for number in range(WRITERS)]
    said, open_ = [bytearray() for _ in writers], selectors.DefaultSelector()
    for number, writer in enumerate(writers):
        assert writer.stdout
        open_.register(writer.stdout, selectors.EVENT_READ, number)
    deadline = time.monotonic() + 60
    while sum(part.count(b"\n") for part in said) < after:
        assert time.monotonic() < deadline, "the writers write nothing"
        assert all(writer.poll() is None for writer in writers), "a writer ended"
        for key, _ in open_.select(1):
            said[key.data] += os.read(key.fd, 1 << 16)
    (end or _kill)(writers)
    for number, writer in enumerate(writers):
        assert writer.stdout
        said[number] += writer.stdout.read()
        writer.wait()
        writer.stdout.close()
    return look(url, f"run{run}-", {line.decode() for part in said for line in bytes(part).split(b"\n")[:-1]})


def look(url: str, prefix: str, acknowledged: set[str]) -> Outcome:
    """Compare the log with what was acknowledged."""
    from serving.store import Store
    from serving.tables import EVENTS

    store = Store.open(url)
    store.prepare()
    keys = [str(row[0]) for row in store.read(sa.select(EVENTS.c.key).where(EVENTS.c.user_id.startswith(prefix)))]
    store.close()
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(key.rpartition(".")[0], []).append(key)
    torn = sum(1 for there in found.values() if len(there) != BATCH or len(set(there)) != BATCH)
    return Outcome(len(acknowledged), len(acknowledged - found.keys()), torn)


def rounds(url: str, count: int, seed: int = 7) -> Outcome:
    """Kill again and again, each time after another number of batches."""
    draw, total = random.Random(seed), Outcome()
    for run in range(count):
        total = total + killed(url, run, draw.randrange(1, 400))
    return total


def _writer(url: str, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks.serving_kill", "write", url, name], cwd=ROOT, stdout=subprocess.PIPE)


def _kill(writers: Sequence[subprocess.Popen[bytes]]) -> None:
    for writer in writers:
        writer.kill()


def main(count: str = "50", out: str = "benchmarks/serving_kill.json") -> None:
    from components import artifacts
    from tests.serving.databases import binaries, postgresql

    record: dict[str, object] = {"rounds": int(count), "writers": WRITERS}
    with tempfile.TemporaryDirectory(prefix="zhijian-", dir=ROOT / ".state") as name:
        record["sqlite"] = asdict(rounds(f"sqlite:///{name}/feedback.sqlite", int(count)))
    if programs := binaries():
        with postgresql(programs) as cluster:
            record["postgresql"] = asdict(rounds(cluster.url, int(count)))
    artifacts.write_json(Path(out), record)
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        asyncio.run(write(*sys.argv[2:]))
    else:
        main(*sys.argv[1:])
