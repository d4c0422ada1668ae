"""Load a served Bento, and a BentoML endpoint that does nothing, in one run: `python benchmarks/serving.py [BENTO]`.

Closed loop: 16 clients, each asking anew when answered, for SECONDS (from the environment, 15). Open loop: 100 requests a second for
STEADY (60) seconds, whatever the answers do; a latency counts from the moment the request was due. All on the machine that serves, with
one worker, once for users of the bundle and once for histories of 50 items; reasons, attention and paths are always on. The Bento's
bundle is widened to 4,000 items (serving_wide.py), then to 100,000, of which 50 histories a second are asked. Overload: three times the
requests a second of the closed loop. Feedback: 16 clients with an event each, then 4 with 100 each, every event new. Swaps: champions take
turns ten times while eight clients ask, and each answer is held against what its bundle answers in peace.
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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import serving_swap
import serving_wide
from measure import ROOT, commit, record

from components import artifacts

SECONDS = float(os.environ.get("SECONDS", "15"))
STEADY = float(os.environ.get("STEADY", "60"))
CLIENTS, RATE, HISTORY = 16, 100, 50
ITEMS, MANY, SLOW = 4_000, 100_000, 50  # items of the catalogue, of the large one, and requests a second to that
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
def served(target: str, folder: Path, **environment: str) -> Iterator[tuple[int, psutil.Process, float]]:
    """Serve until the block ends; gives the port, the worker's process and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = os.environ | {"BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "True", "ZHIJIAN_FEEDBACK": ""} | environment
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    start = time.monotonic()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=settings, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        while asyncio.run(status(port)) != 200:
            if process.poll() is not None or time.monotonic() - start > 240:
                raise SystemExit(f"{target}: was not ready within 240 seconds")
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
            return await ask(reader, writer, b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return 0


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send one request over a connection that stays open; a client this plain leaves the processor to the server."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1])


def requests(bodies: Iterable[object], path: str = "/recommend") -> list[bytes]:
    head = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    written = [json.dumps(body).encode() for body in bodies]
    return [head % (path.encode(), len(body)) + body for body in written]


def histories(items: list[str], count: int = 500) -> list[bytes]:
    draw = np.random.default_rng(1)
    length = min(HISTORY, len(items) // 2)
    return requests({"history": draw.choice(items, length, replace=False).tolist()} for _ in range(count))


def events(size: int, count: int, seed: int) -> list[bytes]:
    """Requests of so many events each, no two of them the same event."""
    event = {"item_id": "i", "event": "click"}
    told = ([event | {"user_id": f"u{(turn + n) % 997}", "key": f"{seed}-{turn}-{n}"} for n in range(size)] for turn in range(count))
    return requests(({"events": some} for some in told), "/feedback")


async def closed(port: int, asked: list[bytes], clients: int = CLIENTS, *, once: bool = False) -> dict[str, Any]:
    """Ask in a closed loop, the same again and again, or each `once` if there is enough."""
    codes, latencies, end = Counter[int](), list[float](), time.monotonic() + SECONDS

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while (start := time.monotonic()) < end and not (once and turn >= len(asked)):
            codes[await ask(reader, writer, asked[turn % len(asked)])] += 1
            latencies.append(time.monotonic() - start)
            turn += clients

    start = time.monotonic()
    await asyncio.gather(*map(client, range(clients)))
    return summary(codes, latencies, time.monotonic() - start)


async def opened(port: int, asked: list[bytes], rate: float = RATE, seconds: float = STEADY) -> dict[str, Any]:
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

    await asyncio.gather(*map(once, range(int(rate * seconds))))
    return summary(codes, latencies, max(seconds, time.monotonic() - start))


def summary(codes: Counter[int], latencies: list[float], seconds: float) -> dict[str, Any]:
    p50, p99 = (1000 * float(value) for value in np.percentile(latencies, [50, 99]))
    good = codes[200] / seconds
    return {
        "good_per_second": round(good, 1),
        "codes": {str(code): count for code, count in sorted(codes.items())},
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
    }


def measure(target: str, folder: Path, asked: dict[str, list[bytes]], **environment: str) -> dict[str, Any]:
    """Ask one server for users and for histories, in a closed and an open loop, and then three times too much."""
    with served(target, folder, **environment) as (port, worker, ready):
        found: dict[str, Any] = {"ready_s": round(ready, 2)}
        for name, some in asked.items():
            before = sum(worker.cpu_times()[:2])
            loop = asyncio.run(closed(port, some))
            spent = 1000 * (sum(worker.cpu_times()[:2]) - before) / sum(loop["codes"].values())
            found[name] = {"closed": loop | {"cpu_ms": round(spent, 2)}, "open": asyncio.run(opened(port, some))}
        last = found[name]["closed"]["good_per_second"]
        found["overload"] = asyncio.run(opened(port, asked[name], 3 * last, SECONDS)) | {"of": name}
        return found | {"worker_mb": round(worker.memory_info().rss / 2**20)}


def feedback(target: str, folder: Path) -> dict[str, Any]:
    """Tell of events one at a time and a hundred at a time."""
    with served(target, folder) as (port, _, _):
        enough = int(SECONDS * 3000)
        single = asyncio.run(closed(port, events(1, enough, 1), once=True))
        batched = asyncio.run(closed(port, events(100, enough // 20, 2), 4, once=True))
    for size, found in ((1, single), (100, batched)):
        found["events_per_second"] = round(found["good_per_second"] * size, 1)
    return {"single": single, "batched": batched}


def ratios(ours: dict[str, Any], nothing: dict[str, Any]) -> dict[str, Any]:
    """Requests per second, 99th percentile and processor time per request as multiples of those of the endpoint that does nothing."""
    compared = {}
    for name in ("users", "histories"):
        ours_, theirs = ours[name]["closed"], nothing["users"]["closed"]
        compared[name] = {key: round(ours_[key] / theirs[key], 3) for key in ("good_per_second", "p99_ms", "cpu_ms")}
    peak = ours[ours["overload"]["of"]]["closed"]["good_per_second"]
    return compared | {"overload": round(ours["overload"]["good_per_second"] / peak, 3)}


def large(target: str, folder: Path, asked: list[bytes], bundle: Path) -> dict[str, Any]:
    """Ask a server of a large catalogue."""
    with served(target, folder, ZHIJIAN_BUNDLE=str(bundle)) as (port, worker, ready):
        asyncio.run(opened(port, asked, SLOW, 2))
        found = asyncio.run(opened(port, asked, SLOW))
        return found | {"ready_s": round(ready, 2), "worker_mb": round(worker.memory_info().rss / 2**20)}


def first(target: str, folder: Path, user: str, item: str) -> dict[str, float]:
    """Milliseconds that the first request of each kind takes."""
    asks = {
        "/recommend": {"user_id": user},
        "/similar": {"item_id": item, "to": "users", "by": "behaviour"},
        "/search": {"query": "a comedy"},
        "/explain": {"user_id": user, "item_id": item},
        "/chat": {"utterance": "a comedy from the 90s"},
    }
    with served(target, folder) as (port, _, _):
        took = {}
        for path, body in asks.items():
            start = time.monotonic()
            asyncio.run(alone(port, requests([body], path)[0]))
            took[path] = round(1000 * (time.monotonic() - start), 1)
    return took


async def alone(port: int, request: bytes) -> int:
    return await ask(*await asyncio.open_connection("127.0.0.1", port), request)


def reached(found: dict[str, Any]) -> dict[str, bool]:
    """What is promised, and whether it was kept in this run."""
    ours, ratio, open_ = found["zhijian"], found["ratios"]["histories"], found["zhijian"]["histories"]["open"]
    swaps, told = found["swaps"], found["feedback"]
    return {
        "0.4 of the requests a second of nothing": ratio["good_per_second"] >= 0.4,
        "p99 at most 3 times that of nothing": ratio["p99_ms"] <= 3,
        "100 a second: no error, p99 at most 50 ms": set(open_["codes"]) == {"200"} and open_["p99_ms"] <= 50,
        "100,000 items at 50 a second: p99 at most 100 ms": set(found["large"]["codes"]) == {"200"} and found["large"]["p99_ms"] <= 100,
        "three times too much: 200 or 503 alone": set(ours["overload"]["codes"]) <= {"200", "503"},
        "three times too much: 0.8 of the peak": found["ratios"]["overload"] >= 0.8,
        "1,000 events a second batched, 200 single": told["batched"]["events_per_second"] >= 1000
        and told["single"]["events_per_second"] >= 200,
        "ready in 8 s": ours["ready_s"] <= 8,
        "a worker in 1 GB": ours["worker_mb"] <= 1024,
        "10 swaps, none above 1 s, none failed or mixed": swaps["noticed_and_taken_s"]["most"] <= 1
        and not swaps["failed"]
        and not swaps["mixed"],
    }


def main(bento: str = "artifacts/package/bento") -> None:
    path = Path(bento).resolve()
    users = artifacts.read_table(path / "src/bundle/users.parquet")["user_id"].to_list()
    items = artifacts.read_table(path / "src/bundle/items.parquet")["item_id"].to_list()
    asked = {"users": requests({"user_id": user} for user in users)}
    with tempfile.TemporaryDirectory(prefix="zhijian-") as name:
        folder = Path(name)
        (folder / "nothing.py").write_text(NOTHING)
        nothing = measure("nothing:Nothing", folder, {"users": asked["users"]})
        wide = folder / "wide"
        serving_wide.widen(path / "src/bundle", wide, ITEMS)
        asked["histories"] = histories(artifacts.read_table(wide / "items.parquet")["item_id"].to_list())
        ours = measure(str(path), folder, asked, ZHIJIAN_BUNDLE=str(wide))
        found: dict[str, Any] = {
            "nothing": nothing,
            "zhijian": ours,
            "ratios": ratios(ours, nothing),
            "feedback": feedback(str(path), folder),
        }
        found["first_ms"] = first(str(path), folder, users[0], items[0])
        names = serving_swap.champions(path / "src/bundle", folder / "champions")
        with served(str(path), folder) as (port, _, _):
            found["swaps"] = asyncio.run(serving_swap.swapped(port, folder / "champions", names, users[:50]))
        serving_wide.widen(path / "src/bundle", wide, MANY)
        many = histories(artifacts.read_table(wide / "items.parquet")["item_id"].to_list())
        found["large"] = large(str(path), folder, many, wide)
    found["reached"] = reached(found)
    found["about"] = {
        "bundle": artifacts.verify(path / "src/bundle")["id"],
        "users": len(users),
        "items": len(items),
        "seconds": SECONDS,
        "load": os.getloadavg()[0],
    }
    record("serving", commit(ROOT), found)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
