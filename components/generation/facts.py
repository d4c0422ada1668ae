"""The fact sheet of one recommended item: all that may be said of it, each fact with an id and where it is from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any, Literal

from components.generation.clean import clean
from components.generation.wording import LINKED, nameless, relation
from components.knowledge.drawing import walk
from components.schema import Edge, Path, Recommendation

Source = Literal["history", "graph", "catalogue", "dialogue", "events"]
SEEN, ASKED, POPULAR = "seen", "asked for", "popular"  # relations that are no edge of the graph
POPULARITY = ("popularity", "trend")  # parts of the hybrid that tell how popular an item is
VALUES, SLOTS, ATTENTION = 40, 8, 3  # attributes, slots and attended items that a sheet has at most
YOU = "you"


@dataclass(frozen=True)
class Fact:
    """One thing that is known: subject, relation, object, cleaned, and where it is from.

    Attributes:
        may_be_shown: whether it may be on a sheet; what is private is never put on one.
    """

    fact_id: str
    subject: str
    relation: str
    object: str
    source: Source
    may_be_shown: bool = True


@dataclass(frozen=True)
class Chain:
    """A path of the evidence: the fact that its source is in the history, its edges' facts, and its share of the score."""

    seen: str
    edges: tuple[str, ...]
    weight: float


@dataclass(frozen=True)
class FactSheet:
    """What may be said of one item to one person.

    Attributes:
        title: the item's title, cleaned.
        chains: the evidence, heaviest first.
        variation: which of several wordings is taken: the same for the same person and item.
    """

    item_id: str
    title: str
    facts: tuple[Fact, ...]
    chains: tuple[Chain, ...]
    variation: int

    def __post_init__(self) -> None:
        private = [fact.fact_id for fact in self.facts if not fact.may_be_shown]
        if private:
            raise ValueError(f"facts {', '.join(private)} are private and may not be on a sheet")

    def fact(self, fact_id: str) -> Fact:
        """The fact of an id; raises KeyError where there is none."""
        return {fact.fact_id: fact for fact in self.facts}[fact_id]


def sheet(
    item: Recommendation,
    row: Mapping[str, Any] | None = None,
    user: str | None = None,
    slots: Sequence[str] = (),
    private: Iterable[str] = (),
) -> FactSheet:
    """Gather what may be said of a recommended item.

    Args:
        item: the item with its evidence.
        row: its row of the catalogue, as in `components.schema.ITEMS`.
        user: whom it is recommended to; only chooses the wording, and is not on the sheet.
        slots: what the person asked for in the dialogue, such as a genre or a name.
        private: attributes, relations and titles of the history that must not be told.
    """
    gathered = _Sheet(clean(item.title) or clean(item.item_id) or "?", frozenset(private))
    chains = [chain for path in item.paths if (chain := gathered.path(path, item.title)) is not None]
    for seen in item.attention[:ATTENTION]:
        if seen.weight > 0:
            gathered.add(YOU, SEEN, seen.title, "history")
    for name, value in islice(_attributes(row or {}), VALUES):
        if relation(name, value) != LINKED:
            gathered.add(gathered.title, name, value, "catalogue")
    for value in slots[:SLOTS]:
        gathered.add(YOU, ASKED, value, "dialogue")
    if sum(item.parts.get(part, 0.0) for part in POPULARITY) > 0:
        gathered.add(gathered.title, POPULAR, "others", "events")
    variation = int.from_bytes(blake2b(f"{user}\0{item.item_id}".encode(), digest_size=8).digest())
    return FactSheet(item.item_id, gathered.title, tuple(gathered.facts.values()), tuple(chains), variation)


@dataclass
class _Sheet:
    """Facts in the making, one for each triple."""

    title: str
    private: frozenset[str]
    facts: dict[tuple[str, str, str], Fact] = field(default_factory=dict[tuple[str, str, str], Fact])

    def add(self, subject: str, name: str, target: str, source: Source) -> str | None:
        """Note a fact and give its id; None where it may not be told, or its name is not one that people read."""
        labelled = source in ("graph", "catalogue")  # by what came from outside
        called = relation(name, target) if labelled else name
        subject, shown = clean(subject), clean(target)
        if self.private & {name, called, target} or not subject or not shown or (labelled and nameless(called, shown)):
            return None
        key = (subject, called, shown)
        if key not in self.facts:
            self.facts[key] = Fact(f"f{len(self.facts) + 1}", subject, called, shown, source)
        return self.facts[key].fact_id

    def path(self, path: Path, title: str) -> Chain | None:
        """Note a path's facts; None where one of them may not be told."""
        if walk(path.source, path.edges)[-1] != title or any(self._hidden(edge, path.source, title) for edge in path.edges):
            return None
        seen = self.add(YOU, SEEN, path.source, "history")
        edges = [self.add(edge.head, edge.relation, edge.tail, "graph") for edge in path.edges]
        if seen is None or not all(edges):
            return None
        return Chain(seen, tuple(edge for edge in edges if edge), path.weight)

    def _hidden(self, edge: Edge, source: str, title: str) -> bool:
        called = relation(edge.relation, edge.tail)
        ends = [name for name in (edge.head, edge.tail) if name not in (source, title)]
        return bool(self.private & {edge.relation, called, *ends}) or any(nameless(called, clean(name)) for name in ends)


def _attributes(row: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Names and values of a row: attributes, then categories."""
    for pair in row.get("attributes") or []:
        if pair["name"] and pair["value"]:
            yield pair["name"], pair["value"]
    for value in row.get("categories") or []:
        if value:
            yield "category", value
