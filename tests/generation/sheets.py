"""Recommendations made by hand."""

from typing import Any

from components.generation.facts import FactSheet, sheet
from components.schema import Attention, Edge, Path, Recommendation

ROW: dict[str, Any] = {
    "title": "Unforgiven",
    "categories": ["Western", "Drama"],
    "attributes": [
        {"name": "director", "value": "Clint Eastwood"},
        {"name": "actor", "value": "Clint Eastwood"},
        {"name": "actor", "value": "Gene Hackman"},
        {"name": "year", "value": "1992"},
        {"name": "budget", "value": "secret"},
    ],
}


def shared(source: str, relation: str, name: str, title: str = "Unforgiven", weight: float = 0.5) -> Path:
    edges = [Edge(edge_id=0, head=source, relation=relation, tail=name), Edge(edge_id=1, head=title, relation=relation, tail=name)]
    return Path(source=source, edges=edges, weight=weight)


def recommended(
    *paths: Path, title: str = "Unforgiven", seen: tuple[str, ...] = (), parts: dict[str, float] | None = None
) -> Recommendation:
    attention = [Attention(item_id=name, title=name, weight=0.5) for name in seen]
    return Recommendation(
        rank=1, item_id="i1", title=title, score=0.5, parts=parts or {}, reason="", attention=attention, paths=list(paths)
    )


PATHS = (
    shared("Gran Torino", "directed by", "Clint Eastwood"),
    shared("Gran Torino", "has genre", "Drama", weight=0.2),
    shared("The Conversation", "stars", "Gene Hackman", weight=0.1),
)


def western(*paths: Path, **more: Any) -> FactSheet:
    return sheet(recommended(*(paths or PATHS), seen=("Gran Torino",), parts={"popularity": 0.2}), ROW, **{"user": "u1", **more})
