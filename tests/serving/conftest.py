"""A real Bento of a made-up world, built by the real stages and served over a socket."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from tests.serving.databases import binaries, postgresql
from tests.world import run, stage

IN_FLIGHT = 4
FIGURES = {  # of metrics.json, what the page shows
    "k": 10,
    "data": {"test_users": 90},
    "models": {
        "hybrid": {"NDCG@10": {"mean": 0.4321, "low": 0.4, "high": 0.47}, "HR@10": {"mean": 0.8, "low": 0.7, "high": 0.9}},
        "popularity": {"NDCG@10": {"mean": 0.1, "low": 0.05, "high": 0.15}, "HR@10": {"mean": 0.2, "low": 0.1, "high": 0.3}},
    },
    "slices": [
        {"slice": "user", "value": "warm", "users": 90, "HR@10": 0.8, "NDCG@10": 0.4321},
        {"slice": "user", "value": "cold", "users": 0, "HR@10": None, "NDCG@10": None},
    ],
}
OFFLINE = """
import json, sys
from components.recommend import Recommender
known = Recommender.load(sys.argv[1])
users = [*known.users, "nobody"]
one = {user: known.recommend(user).model_dump() for user in users}
similar = {item: [near.model_dump() for near in known.similar(item)] for item in known.items}
explained = known.explain(known.items[0], users[0]).model_dump()
print(json.dumps({"one": one, "batch": known.batch(users, 10).rows(), "similar": similar, "explained": explained}))
"""


@dataclass(frozen=True)
class Server:
    """A server that is ready, and a client that speaks to it."""

    client: httpx.Client
    log: Path

    def post(self, path, **body):
        return self.client.post(path, json=body)

    def raw(self, path, content, kind="application/json"):
        return self.client.post(path, content=content, headers={"content-type": kind})


def judge(project, *, passed, bundle=None):
    judged = bundle or json.loads((project / "artifacts/bundle/manifest.json").read_text())["id"]
    criteria = [{"name": "floor", "value": 0.1, "bound": 0.2, "passed": passed, "reason": "NDCG@10 0.1 is below 0.2"}]
    (project / "reports").mkdir(exist_ok=True)
    (project / "reports/gate.json").write_text(json.dumps({"passed": passed, "bundle": judged, "criteria": criteria}))
    (project / "reports/metrics.json").write_text(json.dumps({"bundle": judged} | FIGURES))


@pytest.fixture(scope="session")
def shared_cluster():
    if not (programs := binaries()):
        pytest.skip("no PostgreSQL here: install its programs (Debian: postgresql)")
    with postgresql(programs) as ready:
        yield ready


@pytest.fixture
def cluster(shared_cluster):
    """A PostgreSQL without tables."""
    empty = sa.create_engine(shared_cluster.url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with empty.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    empty.dispose()
    return shared_cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'feedback.sqlite'}"
    return request.getfixturevalue("cluster").url


@pytest.fixture(scope="session")
def bento(project):
    judge(project, passed=True)
    stage(project, "components.delivery.package")
    return project / "artifacts/package/bento"


@pytest.fixture(scope="session")
def offline(bundle, project):
    """What the recommender says in a process of its own."""
    ended = run(project, "-c", OFFLINE, str(bundle))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="session")
def server(bento, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with serve(bento, elsewhere, ZHIJIAN_IN_FLIGHT=str(IN_FLIGHT)) as ready:
        yield ready


@pytest.fixture(scope="session")
def wild(bento, tmp_path_factory):
    """A server for tests that ask at random: they also erase users whose names they have read in its answers."""
    with serve(bento, tmp_path_factory.mktemp("wild")) as ready:
        yield ready


@contextmanager
def serve(bento: Path, folder: Path, port: int = 0, **environment: str) -> Iterator[Server]:
    """Serve a Bento from another folder until the block ends."""
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1"]
    with started(command, folder, folder / "server.log", port, **environment) as ready:
        yield ready


@contextmanager
def started(command: list[str], folder: Path, log: Path, port: int = 0, **environment: str) -> Iterator[Server]:
    """Run a command that serves, on a free port unless one is given, until the block ends."""
    port = port or free_port()
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=settings(log.parent, environment),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait(client, process, log)
            yield Server(client, log)
    finally:
        end(process)


def settings(folder, environment):
    own = {"BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    return os.environ | own | {"PYTHONDONTWRITEBYTECODE": "1"} | environment  # the Bento that is shared stays as it was built


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(client, process, log, seconds=240):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"not ready within {seconds} s\n{log.read_text()[-2000:]}")


def end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
