"""The page at `/`: files without data, which need no key; what they show they ask of the interface, as anybody would."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from components.schema import TABLES
from serving.options import Options

FOLDER = Path(__file__).parent / "web"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
FOREIGN = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"  # pages that others wrote


@dataclass(frozen=True)
class File:
    """A file as it is sent."""

    body: bytes
    kind: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> "File":
        """Read it, and tag it by its content."""
        body = path.read_bytes()
        return cls(body, KINDS[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')

    def answer(self, headers: Headers, policy: str = POLICY) -> Response:
        """Give the file, or say that the browser has it."""
        said = SAFE | {"content-security-policy": policy, "etag": self.tag}
        if headers.get("if-none-match") == self.tag:
            return Response(None, 304, said)
        return Response(self.body, 200, said, self.kind)


def _files() -> dict[str, File]:
    named = {f"/web/{path.name}": path for path in sorted(FOLDER.iterdir()) if path.suffix in KINDS}
    return {path: File.read(file) for path, file in {"/": FOLDER / "index.html", **named}.items()}


FILES: Mapping[str, File] = _files()


async def _give(request: Request) -> Response:
    return FILES[request.url.path].answer(request.headers)


def routes(options: Options) -> list[Route]:
    """A route for each file, and for each page of Data Docs that may be there."""

    def docs(request: Request) -> Response:
        path = options.docs / request.url.path.rpartition("/")[2]
        if options.keys or not path.is_file():
            return PlainTextResponse("there is no such page", 404)
        return File.read(path).answer(request.headers, FOREIGN)

    pages = [Route(f"/data-docs/{name}.html", docs) for name in ("index", *TABLES)]
    return [*(Route(path, _give) for path in FILES), *pages]
