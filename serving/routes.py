"""What the service answers: each path with its message, its answer and the scope that a key needs for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from components.schema import TABLES
from serving.changes import ItemsChanged, ItemsRequest
from serving.keys import Scope
from serving.messages import (
    ChatReply,
    ChatRequest,
    Copied,
    CopyRequest,
    Erased,
    EraseRequest,
    Explained,
    ExplainRequest,
    FeedbackRequest,
    Found,
    ItemRequest,
    Models,
    Recommended,
    RecommendRequest,
    SearchRequest,
    Shown,
    Similar,
    SimilarRequest,
    Stored,
)
from serving.papers import Papers
from serving.site import FILES

OPEN = frozenset({"/livez", "/readyz", "/healthz", "/metrics", *FILES})  # these, by GET, need no key: they tell of nobody


@dataclass(frozen=True)
class Route:
    """A path and what it takes.

    Attributes:
        scope: what a key must have been given.
        asks: the message of a POST; a path without one is asked by GET.
        answers: the answer; a path without one is not in the document of the interface.
        example: a message.
    """

    scope: Scope
    asks: type[BaseModel] | None = None
    answers: type[BaseModel] | None = None
    about: str = ""
    example: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def method(self) -> str:
        """The one method that it takes."""
        return "POST" if self.asks else "GET"


_LIKE = {"user_id": "u00042", "item_id": "i001", "event": "like", "key": "7c1e", "request": "f3a9", "rank": 2}
_NEW = {
    "item_id": "i900",
    "title": "The Last Lighthouse",
    "text": "A keeper hears what the sea gives back.",
    "categories": ["Horror"],
    "attributes": {"director": ["A. Nother"], "year": ["2026"]},
    "key": "b41d",
}
ROUTES: dict[str, Route] = {
    "/recommend": Route(
        "read", RecommendRequest, Recommended, "Recommend items to a user, or to whoever has a history", {"user_id": "u00042"}
    ),
    "/similar": Route(
        "read", SimilarRequest, Similar, "Find the items, or users, most like an item or a user", {"item_id": "i001", "k": 5}
    ),
    "/search": Route(
        "read", SearchRequest, Found, "Find items in words: a title, or what is wanted", {"query": "space adventure for children", "k": 5}
    ),
    "/items/show": Route("read", ItemRequest, Shown, "Give what the catalogue says of an item", {"item_id": "i001"}),
    "/items": Route("items", ItemsRequest, ItemsChanged, "Add, change or hide items: in force and kept for good", {"items": [_NEW]}),
    "/explain": Route(
        "read", ExplainRequest, Explained, "Say why an item gets its score", {"item_id": "i001", "history": ["i002", "i003"]}
    ),
    "/chat": Route("read", ChatRequest, ChatReply, "Take one turn of a conversation", {"utterance": "a comedy from the 90s, no horror"}),
    "/chat/stream": Route("read", ChatRequest, None, "The same, as server-sent events", {"utterance": "something like it, but newer"}),
    "/promote-copy": Route("read", CopyRequest, Copied, "Promote an item by what is true of it", {"item_id": "i001", "user_id": "u00042"}),
    "/feedback": Route(
        "feedback", FeedbackRequest, Stored, "Tell what users did: kept for good before it is answered", {"events": [_LIKE]}
    ),
    "/users/erase": Route("admin", EraseRequest, Erased, "Forget a user, now and in the next bundle", {"user_id": "u00042"}),
    "/models": Route("read", None, Models, "Say which bundle is served, since when, and what it scored"),
    "/models/papers": Route("read", None, Papers, "Give what is written down of that bundle: figures, verdict, data, champions"),
    "/docs.json": Route("read"),
    "/schema.json": Route("read"),
    **{f"/data-docs/{name}.html": Route("read") for name in ("index", *TABLES)},
}
