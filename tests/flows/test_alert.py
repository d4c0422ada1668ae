import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

SAVE = "import sys; from prefect.blocks.webhook import Webhook; Webhook(url=sys.argv[1]).save(sys.argv[2], overwrite=True)"
RUN = """
from pathlib import Path
from flows import settings
settings.settle(Path.cwd())
from flows.pipeline import pipeline
import sys
pipeline(60, True, sys.argv[1], return_state=True)
"""


@pytest.fixture
def listener() -> Iterator[tuple[str, list[dict]]]:
    """A server on this machine that keeps what is posted to it."""
    heard: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    thread.join()
    server.server_close()


def save(served, url: str, name: str) -> None:
    command = [sys.executable, "-c", SAVE, url, name]
    subprocess.run(command, env=served.environment() | {"PREFECT_HOME": str(served.root / "home")}, check=True, capture_output=True)


def scheduled(served, block: str) -> str:
    """Run the flow as a schedule would, and give what it said."""
    environment = served.environment() | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR"}
    command = [sys.executable, "-c", RUN, block]
    ended = subprocess.run(command, cwd=served.root, env=environment, capture_output=True, text=True, check=True)
    return ended.stdout + ended.stderr


def test_a_refused_and_a_failed_run_are_told_and_the_champion_stays(served, listener):
    url, heard = listener
    save(served, url, "ops")
    served.write("champions/champion.json", "untouched")
    served.judge(passed=False)
    scheduled(served, "webhook/ops")
    assert heard == [{"subject": "Zhijian", "text": "refused by the gate: too low; the champion stays"}]
    served.write("second.sh", "echo 'second: column time is missing' >&2\nexit 2\n")
    said = scheduled(served, "webhook/ops")
    assert len(heard) == 2
    assert heard[1]["text"].endswith("StageFailed: second: column time is missing; the champion stays")
    assert heard[1]["text"] in said
    assert (served.root / "champions/champion.json").read_text() == "untouched"


def test_an_alert_that_can_not_be_sent_is_logged_and_no_more(served, listener):
    url, heard = listener
    save(served, f"{url}/broken", "broken")
    tell = "from flows.alert import alert; alert('one', 'webhook/broken'); alert('two', 'webhook/none'); alert('three', None)"
    environment = served.environment() | {"PREFECT_HOME": str(served.root / "home")}
    ended = subprocess.run([sys.executable, "-c", tell], env=environment, capture_output=True, text=True, check=True)
    said = ended.stdout + ended.stderr
    for words in ("one", "through webhook/broken: ", "500", "two", "through webhook/none: ", "three"):
        assert words in said
    assert heard == [{"subject": "Zhijian", "text": "one"}]
