"""Load a served Bento, and a BentoML endpoint that does nothing, in one run: `python benchmarks/serving.py [BENTO] [OUT]`.

Closed loop: 16 clients, each asking anew when answered. Open loop: 100 requests a second, whatever the answers do; a latency counts from
the moment the request was due. Both run for SECONDS on the machine that serves, with one worker.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from components import artifacts

SECONDS, CLIENTS, RATE = 15.0, 16, 100
NOTHING = """
import bentoml
from pydantic import BaseModel

class Asked(BaseModel):
    user_id: str

@bentoml.service
class Nothing:
    @bentoml.api(route="/recommend")
    async def recommend(self, request: Asked, /) -> dict[str, str]:
        return {"user_id": request.user_id}
"""


@contextmanager
def served(target: str, folder: Path) -> Iterator[tuple[int, psutil.Process, float]]:
    """Serve until the block ends; gives the port, the worker's process and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = os.environ | {"BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    start = time.monotonic()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=settings, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        while asyncio.run(status(port)) != 200:
            if process.poll() is not None or time.monotonic() - start > 90:
                raise SystemExit(f"{target}: was not ready within 90 seconds")
            time.sleep(0.05)
        ready = time.monotonic() - start
        yield port, psutil.Process(process.pid).children()[0], ready
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


async def status(port: int) -> int:
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            return await ask(reader, writer, b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return 0


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send one request over a connection that stays open; a client this plain leaves the processor to the server."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1])


def requests(users: list[str]) -> list[bytes]:
    bodies = [json.dumps({"user_id": user}).encode() for user in users]
    head = b"POST /recommend HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return [head % len(body) + body for body in bodies]


async def closed(port: int, asked: list[bytes], clients: int = CLIENTS) -> dict[str, object]:
    codes, latencies, end = Counter[int](), list[float](), time.monotonic() + SECONDS

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while (start := time.monotonic()) < end:
            codes[await ask(reader, writer, asked[turn % len(asked)])] += 1
            latencies.append(time.monotonic() - start)
            turn += clients

    await asyncio.gather(*map(client, range(clients)))
    return summary(codes, latencies)


async def opened(port: int, asked: list[bytes], rate: int = RATE) -> dict[str, object]:
    codes, latencies, idle = Counter[int](), list[float](), list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
    start = time.monotonic()

    async def once(number: int) -> None:
        due = start + number / rate
        await asyncio.sleep(due - time.monotonic())
        while idle and idle[-1][0].at_eof():  # the server closes what idles for five seconds
            idle.pop()[1].close()
        connection = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        codes[await ask(*connection, asked[number % len(asked)])] += 1
        latencies.append(time.monotonic() - due)
        idle.append(connection)

    await asyncio.gather(*map(once, range(int(rate * SECONDS))))
    return summary(codes, latencies)


def summary(codes: Counter[int], latencies: list[float]) -> dict[str, object]:
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    good = codes[200] / SECONDS
    return {
        "good_per_second": round(good, 1),
        "codes": {str(code): count for code, count in sorted(codes.items())},
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
    }


def measure(target: str, folder: Path, users: list[str]) -> dict[str, object]:
    asked = requests(users)
    with served(target, folder) as (port, worker, ready):
        found = {"ready_s": round(ready, 2), "closed": asyncio.run(closed(port, asked)), "open": asyncio.run(opened(port, asked))}
        return found | {"overload": asyncio.run(closed(port, asked, 128)), "worker_mb": round(worker.memory_info().rss / 2**20)}


def main(bento: str = "artifacts/package/bento", out: str = "benchmarks/serving.json") -> None:
    path = Path(bento).resolve()
    users = artifacts.read_table(path / "src/bundle/users.parquet")["user_id"].to_list()
    items = artifacts.read_table(path / "src/bundle/items.parquet").height
    with tempfile.TemporaryDirectory(prefix="zhijian-") as name:
        (Path(name) / "nothing.py").write_text(NOTHING)
        targets = {"nothing": "nothing:Nothing", "zhijian": str(path)}
        record: dict[str, object] = {target: measure(served_as, Path(name), users) for target, served_as in targets.items()}
    record["about"] = {
        "bundle": artifacts.verify(path / "src/bundle")["id"],
        "users": len(users),
        "items": items,
        "seconds": SECONDS,
        "load": os.getloadavg()[0],
    }
    artifacts.write_json(Path(out), record)
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
