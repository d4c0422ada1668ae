"""One line of JSON for each request and for each thing worth saying; people appear only as keyed hashes."""

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import sys
import time
import uuid
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import metrics, traces

LOG = logging.getLogger("zhijian.request")
REQUEST = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET = {"/livez", "/readyz", "/healthz", "/metrics"}  # asked every second; said only when they fail
SECRET = (os.environ.get("ZHIJIAN_LOG_SECRET") or secrets.token_hex()).encode()  # without one, hashes can be compared within a run
_FACTS: ContextVar[dict[str, Any] | None] = ContextVar("facts", default=None)


class Lines(logging.Formatter):
    """Records as single lines of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give a record as one line."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= getattr(record, "facts", {})
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=True, default=str)


def settle() -> None:
    """Have everything that this process says said in lines of JSON on its standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.root.handlers = [handler]
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and logger.handlers and name.split(".")[0] in ("bentoml", "uvicorn", "circus"):
            logger.handlers, logger.propagate = [], True
    logging.getLogger("zhijian").setLevel(logging.INFO)


def hashed(user: str) -> str:
    """A keyed hash of a user's id: equal for equal users, and no way back."""
    return hmac.new(SECRET, user.encode(), hashlib.sha256).hexdigest()[:16]


def note(name: str, value: object) -> None:
    """Add a fact to the line of the request that is being answered."""
    facts = _FACTS.get()
    if facts is not None:
        facts[name] = value


def identity() -> str:
    """The id of the request that is being answered."""
    facts = _FACTS.get()
    return facts["request"] if facts else uuid.uuid4().hex


class Journal:
    """ASGI middleware: each request gets an id, a line in the log and a place in the metrics.

    Args:
        paths: those that are counted by name; all others are counted together, so that nobody can fill the memory with made-up paths.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self.app, self.paths = app, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request = _identity(headers.get("x-request-id", ""))
        facts: dict[str, Any] = {"request": request}
        token, start, status = _FACTS.set(facts), time.perf_counter(), 500

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_headers(facts)]
            await send(message)

        try:
            with traces.span(f"{scope['method']} {self._named(scope)}", headers) as opened:
                await self.app(scope, receive, tell)
                if opened:
                    opened.set_attributes({"http.response.status_code": status, "request": request})
        finally:
            _FACTS.reset(token)
            self._write(scope, status, time.perf_counter() - start, facts)

    def _named(self, scope: Scope) -> str:
        return scope["path"] if scope["path"] in self.paths else "other"

    def _write(self, scope: Scope, status: int, seconds: float, facts: dict[str, Any]) -> None:
        path = self._named(scope)
        metrics.answered(path, status, seconds)
        if path in QUIET and status < 400:
            return
        said = {"method": scope["method"][:16], "path": path, "status": status, "ms": round(seconds * 1000, 2)}
        LOG.info("%s", "answered", extra={"facts": said | facts})


def _headers(facts: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """What every answer says of itself: its id and, where a bundle answers, which one, and the user's arm."""
    told = ((b"x-request-id", "request"), (b"x-bundle", "bundle"), (b"x-arm", "arm"))
    return [(name, str(facts[fact]).encode()) for name, fact in told if fact in facts]


def _identity(said: str) -> str:
    return said if REQUEST.fullmatch(said) else uuid.uuid4().hex
