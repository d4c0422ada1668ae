"""What is said of an item, in what order: personal evidence first, equal evidence told once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.generation.facts import ASKED, POPULAR, SEEN, Chain, Fact, FactSheet
from components.generation.wording import LINKED, Length, relations

Kind = Literal["shared", "chain", "asked", "seen", "has", "popular"]
POINTS: dict[Length, int] = {"short": 1, "medium": 2, "long": 4}
YEAR, DECADE = "made in the year", "released in"
TOGETHER = 2  # relations, and names of one relation, told in one breath


@dataclass(frozen=True)
class Point:
    """One thing to say, in one sentence.

    Attributes:
        kind: shared: titles of the history have what the item has; chain: they lead to it otherwise; asked: the item has what
            was asked for; seen: attention fell on a title; has: of the item alone; popular: others chose it.
        seen: facts of titles of the history.
        said: facts of the item to name, grouped by relation; of a chain, its edges.
        also: facts that hold it up and are not named: that the titles of the history have the same.
    """

    kind: Kind
    seen: tuple[Fact, ...]
    said: tuple[Fact, ...]
    also: tuple[Fact, ...] = ()

    @property
    def fact_ids(self) -> tuple[str, ...]:
        """All that it rests on, in the sheet's order."""
        facts = {fact.fact_id: fact for fact in (*self.seen, *self.said, *self.also)}
        return tuple(sorted(facts, key=lambda name: int(name[1:])))

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations of what is named, each once."""
        return tuple(dict.fromkeys(fact.relation for fact in self.said))


def reasons(sheet: FactSheet, length: Length) -> tuple[Point, ...]:
    """Choose why an item is recommended: what was asked for, the evidence by weight, what it has, else that it is popular."""
    told = [*_asked(sheet), *_evidence(sheet)]
    if not any(point.seen for point in told):
        told += _attended(sheet)
    if not told:
        told += _popular(sheet)
    return _first([*told, *_own(sheet, told)], length)


def promotion(sheet: FactSheet, length: Length) -> tuple[Point, ...]:
    """Choose what a promotional text says: what is shared with a title of the history, then what the item has."""
    shared = [point for point in _evidence(sheet) if point.kind == "shared"][:1]
    return _first([*shared, *_own(sheet, shared)], length)


def _first(points: Sequence[Point], length: Length) -> tuple[Point, ...]:
    """The first points, without a decade once the year was told."""
    kept: list[Point] = []
    for point in points:
        told = {kind for other in kept for kind in other.relations}
        if not (point.relations == (DECADE,) and YEAR in told):
            kept.append(point)
    return tuple(kept[: POINTS[length]])


def _asked(sheet: FactSheet) -> list[Point]:
    """What was asked for and the item has, in one point for each relation."""
    own = {fact.object.casefold(): fact for fact in reversed(sheet.facts) if _of(sheet, fact)}
    pairs = [(fact, own[fact.object.casefold()]) for fact in sheet.facts if fact.relation == ASKED and fact.object.casefold() in own]
    groups: dict[str, list[tuple[Fact, Fact]]] = {}
    for asked, fact in pairs:
        groups.setdefault(fact.relation, []).append((asked, fact))
    return [Point("asked", (), tuple(fact for _, fact in group), tuple(asked for asked, _ in group)) for group in groups.values()]


def _evidence(sheet: FactSheet) -> list[Point]:
    """The paths, heaviest first, but dates after all else: those that share an end are told together, by title or by what is shared."""
    facts = {fact.fact_id: fact for fact in sheet.facts}
    pairs = [(chain, _common(sheet, [facts[edge] for edge in chain.edges], facts[chain.seen])) for chain in sheet.chains]
    shared = [(facts[chain.seen], *common) for chain, common in pairs if common]
    points = list(_joined(shared))
    points += [_chained(chain, facts) for chain, common in pairs if not common]
    return sorted(points, key=lambda point: (set(point.relations) <= {YEAR, DECADE}, _place(sheet, point)))


def _place(sheet: FactSheet, point: Point) -> int:
    """The place of the heaviest chain that a point tells."""
    ids = set(point.fact_ids)
    return next(place for place, chain in enumerate(sheet.chains) if chain.seen in ids and ids.issuperset(chain.edges))


def _common(sheet: FactSheet, edges: Sequence[Fact], seen: Fact) -> tuple[Fact, Fact] | None:
    """Of a path by what both have, the item's own fact and the title's; None for another path."""
    if len(edges) != 2 or edges[0].relation != edges[1].relation or edges[0].object != edges[1].object:
        return None
    own, theirs = edges[1], edges[0]
    return (own, theirs) if _of(sheet, own) and theirs.subject == seen.object else None


def _joined(shared: Sequence[tuple[Fact, Fact, Fact]]) -> Iterable[Point]:
    """Points of what is shared (title, the item's fact, the title's): titles with equal facts together, each title once."""
    held: dict[Fact, list[tuple[Fact, Fact]]] = {}
    for seen, own, theirs in shared:
        held.setdefault(seen, []).append((own, theirs))
    groups: dict[tuple[Fact, ...], list[Fact]] = {}
    for seen, pairs in held.items():
        chosen = _together([own for own, _ in pairs])
        groups.setdefault(chosen, []).append(seen)
    for own, titles in groups.items():
        some = titles[:TOGETHER]
        also = tuple(theirs for seen in some for fact, theirs in held[seen] if fact in own)
        yield Point("shared", tuple(some), own, also)


def _together(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """At most two relations, and two names of each, the first ones, in the order in which relations are told."""
    kinds = sorted(dict.fromkeys(fact.relation for fact in facts), key=_rank)
    kinds = [kind for kind in kinds if kind != DECADE or YEAR not in kinds][:TOGETHER]
    return tuple(fact for kind in kinds for fact in [each for each in facts if each.relation == kind][:TOGETHER])


def _chained(chain: Chain, facts: dict[str, Fact]) -> Point:
    return Point("chain", (facts[chain.seen],), tuple(facts[edge] for edge in chain.edges))


def _attended(sheet: FactSheet) -> list[Point]:
    """The title that got most attention."""
    return [Point("seen", (fact,), ()) for fact in sheet.facts if fact.relation == SEEN][:1]


def _popular(sheet: FactSheet) -> list[Point]:
    return [Point("popular", (), (fact,)) for fact in sheet.facts if fact.relation == POPULAR]


def _own(sheet: FactSheet, told: Sequence[Point]) -> list[Point]:
    """What the item has and was not told, a point for each relation."""
    said = {fact.object for point in told for fact in point.said}
    groups: dict[str, list[Fact]] = {}
    for fact in sheet.facts:
        if _of(sheet, fact) and fact.object not in said and fact.relation not in (POPULAR, LINKED):
            groups.setdefault(fact.relation, []).append(fact)
    return [Point("has", (), tuple(groups[kind][:TOGETHER])) for kind in sorted(groups, key=_rank)]


def _of(sheet: FactSheet, fact: Fact) -> bool:
    return fact.subject == sheet.title and fact.source in ("graph", "catalogue")


def _rank(kind: str) -> int:
    order = relations().order
    return order.index(kind) if kind in order else len(order)
