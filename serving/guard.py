"""What stands before the service: bounds on bodies and on requests in flight, and one form for every refusal."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.messages import Problem

Schemas = Mapping[str, type[BaseModel]]
OPEN = frozenset({"/livez", "/readyz", "/healthz", "/metrics", "/docs.json", "/schema.json"})  # BentoML's page calls third parties
WORDS = {404: "there is no such path", 405: "this path does not take this method", 503: "the service is not ready; try again"}


@dataclass(frozen=True)
class Limits:
    """How much the service takes on: bytes of a body, seconds for it to arrive, requests at once."""

    body: int = 256 * 1024
    patience: float = 10.0
    in_flight: int = 32

    @staticmethod
    def read(environment: Mapping[str, str] = os.environ) -> "Limits":
        """Take the limit of requests in flight from ZHIJIAN_IN_FLIGHT, where it is set; ValueError when it is no positive number."""
        said = environment.get("ZHIJIAN_IN_FLIGHT", str(Limits.in_flight))
        if not said.isdecimal() or int(said) < 1:
            raise ValueError(f"ZHIJIAN_IN_FLIGHT: must be a positive whole number, got {said!r}")
        return Limits(in_flight=int(said))


class RefusedError(Exception):
    """A request that is answered with a problem instead of being passed on."""

    def __init__(self, status: int, error: str, field: str | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.field = status, error, field


class Guard:
    """ASGI middleware: passes on only bounded, valid bodies to known paths, and never more at once than it may.

    Args:
        schemas: the message that each path takes by POST; beside them only `OPEN` is answered, by GET.
    """

    def __init__(self, app: ASGIApp, schemas: Schemas, limits: Limits) -> None:
        self.app, self.schemas, self.limits = app, schemas, limits
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD") and scope["path"] in OPEN:
            await self.app(scope, receive, _worded(scope, receive, send))
        else:
            try:
                await self._admit(scope, receive, send)
            except RefusedError as refused:
                await problem(refused.status, refused.error, refused.field)(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        schema = self._schema(scope)
        body = await self._body(Headers(scope=scope), receive)
        if self.in_flight >= self.limits.in_flight:  # after the body came: a slow sender holds no place
            raise RefusedError(503, "too many requests at once; try again")
        self.in_flight += 1
        try:
            await asyncio.sleep(0)  # whoever has come by now is counted, or refused, before this one computes
            _check(schema, body)
            await self.app(scope, _replay(body, receive), _worded(scope, receive, send))
        finally:
            self.in_flight -= 1

    def _schema(self, scope: Scope) -> type[BaseModel]:
        if scope["path"] not in self.schemas:
            raise RefusedError(404, WORDS[404])
        if scope["method"] != "POST":
            raise RefusedError(405, WORDS[405])
        kind = Headers(scope=scope).get("content-type", "application/json").split(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusedError(415, "the body must be application/json", "content-type")
        return self.schemas[scope["path"]]

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
    """Build the one form of every refusal; a 503 says when to try again."""
    headers = {"retry-after": "1"} if status == 503 else None
    return Response(Problem(error=error, field=field).model_dump_json(), status, headers, "application/json")


def _check(schema: type[BaseModel], body: bytes) -> None:
    try:
        schema.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))[:100] or None
        raise RefusedError(400, first["msg"], field) from None


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
