"""What stands before the service: keys, bounds on bodies, rates and requests in flight, and one form for every refusal."""

import asyncio
import ipaddress
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import metrics
from serving.keys import Key, Ring
from serving.logs import note
from serving.messages import Problem
from serving.options import count
from serving.routes import OPEN, Route

WORDS = {404: "there is no such path", 405: "this path does not take this method", 503: "the service is not ready; try again"}


@dataclass(frozen=True)
class Limits:
    """How much the service takes on: bytes of a body, seconds for it to arrive, requests at once, requests a second with one key."""

    body: int = 256 * 1024
    patience: float = 10.0
    in_flight: int = 32
    rate: float = 1000.0

    @staticmethod
    def read(environment: Mapping[str, str] = os.environ) -> "Limits":
        """Take ZHIJIAN_IN_FLIGHT and ZHIJIAN_RATE, where they are set; ValueError for what is no positive whole number."""
        in_flight, rate = (count(environment, name, 0) for name in ("ZHIJIAN_IN_FLIGHT", "ZHIJIAN_RATE"))
        return Limits(in_flight=in_flight or Limits.in_flight, rate=rate or Limits.rate)


@dataclass
class Bucket:
    """Lets through `rate` requests a second, and as many at once after a pause."""

    rate: float
    clock: Callable[[], float] = time.monotonic
    left: float = field(init=False)
    last: float = field(init=False)

    def __post_init__(self) -> None:
        self.left, self.last = max(self.rate, 1.0), self.clock()

    def take(self) -> bool:
        """Take one, if there is one."""
        now = self.clock()
        self.left = min(max(self.rate, 1.0), self.left + (now - self.last) * self.rate)
        self.last = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class RefusedError(Exception):
    """A request that is answered with a problem instead of being passed on."""

    def __init__(self, status: int, error: str, field: str | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.field = status, error, field


class Guard:
    """ASGI middleware: passes on only who may, and only bounded, valid bodies to known paths, and never more at once than it may.

    Args:
        routes: what each path takes; beside them only `OPEN` is answered, by GET. All else is denied.
        ring: the keys; without any, only this machine is answered.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, Route], limits: Limits, ring: Ring | None = None) -> None:
        self.app, self.routes, self.limits, self.ring = app, routes, limits, ring
        self.in_flight = 0
        self.buckets: dict[str, Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["method"] in ("GET", "HEAD") and scope["path"] in OPEN:
            await self.app(scope, receive, _worded(scope, receive, send))
        else:
            try:
                await self._admit(scope, receive, send)
            except RefusedError as refused:
                await problem(refused.status, refused.error, refused.field)(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._who(scope)
        route = self._route(scope)
        if key and route.scope not in key.scopes:
            raise RefusedError(403, f"the key needs the scope {route.scope!r}", "authorization")
        body = await self._body(Headers(scope=scope), receive) if route.asks else None
        if self.in_flight >= self.limits.in_flight:  # after the body came: a slow sender holds no place
            raise RefusedError(503, "too many requests at once; try again")
        self.in_flight += 1
        try:
            await asyncio.sleep(0)  # whoever has come by now is counted, or refused, before this one computes
            metrics.in_flight(self.in_flight)
            if route.asks and body is not None:
                _check(route.asks, body)
                receive = _replay(body, receive)
            await self.app(scope, receive, _worded(scope, receive, send))
        finally:
            self.in_flight -= 1

    def _who(self, scope: Scope) -> Key | None:
        """Whose request it is; without keys, nobody's, and then it must come from this machine."""
        if self.ring is None:
            if not _local(scope):
                raise RefusedError(403, "no keys are configured, so only this machine is answered; set ZHIJIAN_KEYS")
            if not _loopback(_named(scope)):  # a page from elsewhere may have its own name lead here
                raise RefusedError(403, "no keys are configured, so this is answered at http://127.0.0.1 only; set ZHIJIAN_KEYS", "host")
            return None
        mark, _, said = Headers(scope=scope).get("authorization", "").partition(" ")
        key = self.ring.find(said.strip()) if mark.lower() == "bearer" else None
        if key is None:
            raise RefusedError(401, "give a key, as in `Authorization: Bearer zj_...`", "authorization")
        note("key", key.name)
        rate = key.rate or self.limits.rate
        if (bucket := self.buckets.get(key.name)) is None or bucket.rate != rate:
            bucket = self.buckets[key.name] = Bucket(rate)
        if not bucket.take():
            raise RefusedError(429, f"more than {rate:g} requests a second with this key")
        return key

    def _route(self, scope: Scope) -> Route:
        if scope["path"] not in self.routes:
            raise RefusedError(404, WORDS[404])
        route = self.routes[scope["path"]]
        if scope["method"] != route.method:
            raise RefusedError(405, WORDS[405])
        kind = Headers(scope=scope).get("content-type", "application/json").split(";")[0].strip().lower()
        if route.asks and kind != "application/json":
            raise RefusedError(415, "the body must be application/json", "content-type")
        return route

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > self.limits.body:
            raise RefusedError(413, f"the body is larger than {self.limits.body} bytes")
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.patience):
                while (message := await receive())["type"] == "http.request":
                    body += message.get("body", b"")
                    if len(body) > self.limits.body:
                        raise RefusedError(413, f"the body is larger than {self.limits.body} bytes")
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise RefusedError(408, f"the body did not arrive within {self.limits.patience:g} seconds") from None
        raise RefusedError(400, "the body was cut short")


def problem(status: int, error: str, field: str | None = None) -> Response:
    """Build the one form of every refusal; a 429 and a 503 say when to try again, a 401 what to give."""
    headers = {"www-authenticate": "Bearer"} if status == 401 else {"retry-after": "1"} if status in (429, 503) else None
    return Response(Problem(error=error, field=field).model_dump_json(), status, headers, "application/json")


def _local(scope: Scope) -> bool:
    return _loopback((scope.get("client") or ("",))[0])


def _named(scope: Scope) -> str:
    """The name by which a client calls this machine, without the port."""
    host = Headers(scope=scope).get("host", "")
    return host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in ("", "localhost")  # "": over a socket in the file system


def _check(schema: type[BaseModel], body: bytes) -> None:
    try:
        schema.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))[:100] or None
        raise RefusedError(400, first["msg"].removeprefix("Value error, "), field) from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read already, then whatever else the client says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give


def _worded(scope: Scope, receive: Receive, send: Send) -> Send:
    """Put every refusal that comes from further in, and is not a problem yet, into that form."""
    replaced = False

    async def tell(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] >= 400 and not _is_json(message):
            replaced = True
            status = message["status"]
            await problem(status, WORDS.get(status, "the request could not be answered"))(scope, receive, send)
        elif not replaced:
            await send(message)

    return tell


def _is_json(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith("application/json")
