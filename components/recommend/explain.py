"""Evidence for a recommendation: what the history's attention fell on, the paths in the graph, and a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from components.data.histories import Histories, Ints
from components.knowledge.drawing import walk
from components.knowledge.names import readable
from components.ranking.hybrid import HybridScorer
from components.ranking.knowledge import KnowledgeScorer
from components.ranking.knowledge import Path as Chain
from components.ranking.parts import Floats
from components.recommend.catalogue import Catalogue
from components.schema import Attention, Edge, Path, Recommendation

SHOWN = 5  # items of the history, and paths, shown as evidence
AMONG = 50  # heaviest paths of which those are shown first whose every name can be read
PHRASES = {  # of an item, after "also"; what is not here is said as the relation and the name
    "has genre": "{}",
    "stars": "with {}",
    "released in": "from the {}",
    "made in": "from {}",
}
LINKING = ("by", "of", "to", "in", "from", "with", "at", "as", "about", "for", "on", "tagged")  # ends of relations without a verb


@dataclass(frozen=True)
class Evidence:
    """Where evidence comes from.

    Attributes:
        scorer: its first part that reasons over the graph, if any, finds the paths.
        edges: the graph's edges as people read them; an edge's id is its place.
    """

    catalogue: Catalogue
    scorer: HybridScorer
    edges: list[Edge]

    def of(self, asked: Histories, items: Ints, terms: Floats, scores: Floats, rules: list[list[str]]) -> list[Recommendation]:
        """Give one user's items, ranked from 1, each with its evidence.

        Args:
            asked: one history.
            terms: float64 (terms, items), what each term adds to the score, and after them the wish, where there is one.
            scores: float64 (items,), probabilities.
            rules: names of the rules that acted on each item.
        """
        shares, chains = self._attention(asked, items), self._chains(asked, items)
        names = [*self.scorer.terms.names, "wish"][: len(terms)]
        ids, titles = self.catalogue.ids, self.catalogue.titles
        return [
            Recommendation(
                rank=place + 1,
                item_id=ids[item],
                title=titles[item],
                score=float(scores[place]),
                parts=dict(zip(names, map(float, terms[:, place]), strict=True)),
                reason=reason(chains[place], shares[place]),
                attention=shares[place],
                paths=chains[place],
                rules=rules[place],
            )
            for place, item in enumerate(items)
        ]

    def _attention(self, asked: Histories, items: Ints) -> list[list[Attention]]:
        found = self.scorer.terms.attention(asked, items[None]) if len(asked.items) and len(items) else None
        if found is None:
            return [[] for _ in items]
        shares = np.round(found[0, :, 1:], 6)
        recent = asked.items[-shares.shape[1] :]
        return [self._shown(recent, row) for row in shares]

    def _shown(self, items: Ints, shares: Floats) -> list[Attention]:
        ids, titles = self.catalogue.ids, self.catalogue.titles
        order = np.argsort(-shares, kind="stable")[:SHOWN]
        return [Attention(item_id=ids[items[i]], title=titles[items[i]], weight=float(shares[i])) for i in order]

    @cached_property
    def _reasoner(self) -> KnowledgeScorer | None:
        return next((part for part in self.scorer.parts.values() if isinstance(part, KnowledgeScorer)), None)

    @cached_property
    def _clear(self) -> frozenset[int]:
        """Edges whose two ends have a name."""
        ends = pl.DataFrame(
            {"head": [edge.head for edge in self.edges], "tail": [edge.tail for edge in self.edges]},
            schema=dict.fromkeys(("head", "tail"), pl.String),
        )
        named = ends.select(readable(pl.col("head")) & readable(pl.col("tail"))).to_series()
        return frozenset(named.arg_true().to_list())

    def _first(self, paths: list[Chain]) -> list[Chain]:
        clear = [all(edge in self._clear for edge in path.edges) for path in paths]
        return [paths[place] for place in sorted(range(len(paths)), key=lambda place: not clear[place])[:SHOWN]]

    def _chains(self, asked: Histories, items: Ints) -> list[list[Path]]:
        """The heaviest paths to each item, those with readable names first; a path's weight is its share of what the graph adds."""
        if self._reasoner is None:
            return [[] for _ in items]
        found = [self._first(self._reasoner.paths(asked.items, int(item), AMONG)) for item in items]
        titles = self.catalogue.titles
        return [
            [
                Path(source=titles[path.source], edges=[self.edges[edge] for edge in path.edges], weight=round(path.weight, 6))
                for path in paths
            ]
            for paths in found
        ]


def named(graph: pl.DataFrame, edges: pl.DataFrame) -> list[Edge]:
    """Edges as people read them, from the tables of nodes and edges; an edge's id is its place."""
    names = graph["name"]
    columns = {"edge_id": edges["edge_id"], "head": names[edges["head"]], "relation": edges["relation"], "tail": names[edges["tail"]]}
    return [Edge(**row) for row in pl.DataFrame(columns).iter_rows(named=True)]


def reason(paths: list[Path], attention: list[Attention]) -> str:
    """Say why in one sentence, from the strongest path, else from the strongest attention, else from popularity.

    Every name in the sentence is the title of an item of the history or stands at an end of an edge shown.
    """
    if paths:
        return f"because of {paths[0].source} in your history: {_said(paths[0].source, paths[0].edges)}"
    if attention:
        return f"because of {attention[0].title} in your history"
    return "popular with everyone lately"


def _said(source: str, edges: Sequence[Edge]) -> str:
    """What joins the two items: what both have in common, else one clause per edge."""
    names = walk(source, edges)
    if len(edges) == 1:
        head, tail = ("this one", source) if _heads(edges[0], names[1]) else (source, "this one")
        return f"{head} {_verb(edges[0].relation)} {tail}"
    first, last = edges[0], edges[-1]
    if len(edges) == 2 and (first.relation, _heads(first, source)) == (last.relation, _heads(last, names[-1])):
        if _heads(last, names[-1]):
            phrase = PHRASES.get(last.relation)
            return f"also {phrase.format(last.tail) if phrase else f'{last.relation} {last.tail}'}"
        return f"{last.head} {last.relation} this one too"
    middle = [f"{edge.head} {edge.relation} {edge.tail}" for edge in edges[1:-1]]
    return ", ".join([_clause(first, "it", source), *middle]) + f", and {_clause(last, 'this one', names[-1])}"


def _heads(edge: Edge, item: str) -> bool:
    return edge.head == item


def _clause(edge: Edge, called: str, item: str) -> str:
    """A fact about an item, which is not named but called `it` or `this one`."""
    if _heads(edge, item):
        return f"{called} {_verb(edge.relation)} {edge.tail}"
    return f"{edge.head} {edge.relation} {called}"


def _verb(relation: str) -> str:
    """What is said of an item: it stars someone, but is directed by someone."""
    return f"is {relation}" if relation.rpartition(" ")[2] in LINKING else relation
