"""Evidence for a recommendation: what the history's attention fell on, the paths in the graph, and a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from components.data.histories import Histories, Ints
from components.knowledge.drawing import walk
from components.knowledge.names import readable
from components.ranking.hybrid import HybridScorer
from components.ranking.knowledge import KnowledgeScorer
from components.ranking.parts import Floats
from components.ranking.terms import rounded
from components.recommend.catalogue import Catalogue
from components.schema import Edge, Recommendation

Plain = dict[str, Any]  # what a message of `components.schema` is made of
SHOWN = 5  # items of the history, and paths, shown as evidence
AMONG = 50  # heaviest paths of which those are shown first whose every name can be read
PHRASES = {  # of an item, after "also"; what is not here is said as the relation and the name
    "has genre": "{}",
    "stars": "with {}",
    "released in": "from the {}",
    "made in": "from {}",
}
_LISTS = TypeAdapter(list[list[Recommendation]])  # many are checked in one call, at half the price
_EDGES = TypeAdapter(list[Edge])
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

    def of(self, asked: Histories, items: Ints, terms: Floats, scores: Floats, rules: list[list[list[str]]]) -> list[list[Recommendation]]:
        """Give each user's items, ranked from 1, each with its evidence; it is looked up for all together.

        Args:
            items: int64 (users, k), -1 from where a list has ended.
            terms: float64 (terms, users, k), what each term adds to the score, and after them the wish, where there is one.
            scores: float64 (users, k), probabilities.
            rules: names of the rules that acted on each user's items.
        """
        shares, chains = self._attention(asked, items), self._chains(asked, items)
        names, added = [*self.scorer.terms.names, "wish"][: len(terms)], rounded(terms).transpose(1, 2, 0).tolist()
        ids, titles, width = self.catalogue.ids, self.catalogue.titles, items.shape[1]
        lists = [
            [
                {
                    "rank": place + 1,
                    "item_id": ids[item],
                    "title": titles[item],
                    "score": score,
                    "parts": dict(zip(names, parts, strict=True)),
                    "reason": reason(paths := chains[user * width + place], shares[user][place]),
                    "attention": shares[user][place],
                    "paths": paths,
                    "rules": rules[user][place],
                }
                for place, (item, score, parts) in enumerate(zip(*given, strict=True))
                if place < len(rules[user])
            ]
            for user, given in enumerate(zip(items.tolist(), scores.tolist(), added, strict=True))
        ]
        return _LISTS.validate_python(lists)

    def _attention(self, asked: Histories, items: Ints) -> list[list[list[Plain]]]:
        """What each item's attention fell on most, of each user's history."""
        found = self.scorer.terms.attention(asked, np.maximum(items, 0)) if len(asked.items) and items.size else None
        if found is None:
            return [[[] for _ in row] for row in items]
        recent = asked.padded(found.shape[2] - 1, -1)
        shares = np.where(recent[:, None] >= 0, np.round(found[:, :, 1:], 6), -1.0)
        order = np.argsort(-shares, axis=2, kind="stable")[:, :, :SHOWN]
        weights = np.take_along_axis(shares, order, axis=2).tolist()
        chosen = np.take_along_axis(recent[:, None], order, axis=2).tolist()
        return [[self._shown(*one) for one in zip(*row, strict=True)] for row in zip(chosen, weights, strict=True)]

    def _shown(self, items: list[int], shares: list[float]) -> list[Plain]:
        ids, titles = self.catalogue.ids, self.catalogue.titles
        shown = zip(items, shares, strict=True)
        return [{"item_id": ids[item], "title": titles[item], "weight": share} for item, share in shown if item >= 0]

    @cached_property
    def _reasoner(self) -> KnowledgeScorer | None:
        return next((part for part in self.scorer.parts.values() if isinstance(part, KnowledgeScorer)), None)

    @cached_property
    def _clear(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which edges have a name at either end: bool (edges,)."""
        ends = pl.DataFrame(
            {"head": [edge.head for edge in self.edges], "tail": [edge.tail for edge in self.edges]},
            schema=dict.fromkeys(("head", "tail"), pl.String),
        )
        return ends.select(readable(pl.col("head")) & readable(pl.col("tail"))).to_series().fill_null(False).to_numpy()

    def _chains(self, asked: Histories, items: Ints) -> list[list[Plain]]:
        """The heaviest paths to each item, those with readable names first; a path's weight is its share of what the graph adds."""
        told: list[list[Plain]] = [[] for _ in range(items.size)]
        if self._reasoner is None or not len(asked.items):
            return told
        found = self._reasoner.chains(asked, items, AMONG)
        clear = (self._clear[found.edges] | (found.edges < 0)).all(1) if len(found) else found.pair
        shown = found.pick(np.lexsort((~clear, found.pair))).first(SHOWN)
        columns = (shown.pair, shown.source, shown.edges, np.round(shown.weight, 6))
        titles, edges = self.catalogue.titles, self.edges
        for pair, source, path, weight in zip(*(column.tolist() for column in columns), strict=True):
            told[pair].append({"source": titles[source], "edges": [edges[edge] for edge in path if edge >= 0], "weight": weight})
        return told


def named(graph: pl.DataFrame, edges: pl.DataFrame) -> list[Edge]:
    """Edges as people read them, from the tables of nodes and edges; an edge's id is its place."""
    names = graph["name"]
    columns = {"edge_id": edges["edge_id"], "head": names[edges["head"]], "relation": edges["relation"], "tail": names[edges["tail"]]}
    return _EDGES.validate_python(pl.DataFrame(columns).to_dicts())


def reason(paths: Sequence[Plain], attention: Sequence[Plain]) -> str:
    """Say why in one sentence, from the strongest path, else from the strongest attention, else from popularity.

    Every name in the sentence is the title of an item of the history or stands at an end of an edge shown.
    """
    if paths:
        source = paths[0]["source"]
        return f"because of {source} in your history: {_said(source, paths[0]['edges'])}"
    if attention:
        return f"because of {attention[0]['title']} in your history"
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
