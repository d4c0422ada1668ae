"""A server that speaks OpenAI's chat completions, well or badly, on a real port."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], str]  # the content of a completion, from what was asked


def obliging(asked: dict[str, Any]) -> str:
    """Word the drafts a little otherwise, as a good model would."""
    points = json.loads(asked["messages"][1]["content"])["points"]
    claims = [{"text": f"you may enjoy this: {p['draft']}", "fact_ids": [fact["id"] for fact in p["facts"]]} for p in points]
    return json.dumps({"claims": claims})


@dataclass
class Stub:
    """How the server behaves, and what it was asked."""

    how: str = "good"
    answer: Answer = obliging
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    stub: Stub


class Speaking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.server.stub.how == "dead":
            self.server.stub.closing.wait(10)
        else:
            self.send(200, b'{"data": [{"id": "stub"}]}')

    def do_POST(self) -> None:
        stub = self.server.stub
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stub.asked.append(asked)
        stub.headers.append(dict(self.headers))
        answer = {"choices": [{"message": {"content": stub.answer(asked)}}], "usage": {"total_tokens": 50}}
        try:
            BEHAVIOURS.get(stub.how, failing)(self, json.dumps(answer).encode())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, head: bytes, body: bytes) -> None:
        self.wfile.write(head)
        for byte in body:
            if self.server.stub.closing.is_set():
                break
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.3)
        self.close_connection = True


def failing(server: Speaking, _: bytes) -> None:
    server.send(int(server.server.stub.how), b"{}")


def slow(server: Speaking, good: bytes) -> None:
    server.server.stub.closing.wait(0.6)
    server.send(200, good)


def huge(server: Speaking, _: bytes) -> None:
    server.send_response(200)
    server.send_header("Content-Length", str(50_000_000))
    server.end_headers()
    for _ in range(800):
        server.wfile.write(b" " * 62_500)


def cut(server: Speaking, _: bytes) -> None:
    server.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    server.close_connection = True


BEHAVIOURS: dict[str, Callable[[Speaking, bytes], None]] = {
    "good": lambda server, good: server.send(200, good),
    "slow": slow,
    "hanging": lambda server, _: server.server.stub.closing.wait(10) and None,
    "dripping": lambda server, good: server.drip(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(good), good),
    "dripping headers": lambda server, _: server.drip(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 1000),
    "empty": lambda server, _: server.send(200, b""),
    "malformed": lambda server, _: server.send(200, b"<html>{not json"),
    "deep": lambda server, _: server.send(200, b"[" * 200_000),
    "compressed": lambda server, _: server.send(200, gzip.compress(b"a" * 50_000_000, 1), Content_Encoding="gzip"),
    "redirect": lambda server, _: server.send(302, b"", Location=f"{server.server.stub.url}/elsewhere"),
    "huge": huge,
    "cut": cut,
}


@contextmanager
def serving(**settings: Any) -> Iterator[Stub]:
    server = Server(("127.0.0.1", 0), Speaking)
    stub = server.stub = Stub(**settings, url=f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
