"""Evidence for a recommendation: what the history's attention fell on, the paths in the graph, and a sentence."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from components.data.histories import Histories, Ints
from components.knowledge.paths import Paths
from components.ranking.hybrid import HybridScorer
from components.ranking.parts import Floats
from components.recommend.catalogue import Catalogue
from components.schema import Attention, Edge, Path, Recommendation

SHOWN = 5  # items of the history, and paths, shown as evidence
PHRASES = {
    "has genre": "also {tail}",
    "directed by": "also directed by {tail}",
    "stars": "also with {tail}",
    "released in": "also from the {tail}",
    "made by": "also made by {tail}",
    "tagged": "also tagged {tail}",
}


@dataclass(frozen=True)
class Evidence:
    """Where evidence comes from.

    Attributes:
        edges: the graph's edges as people read them; an edge's id is its place.
    """

    catalogue: Catalogue
    scorer: HybridScorer
    paths: Paths
    edges: list[Edge]

    def of(self, asked: Histories, items: Ints, terms: Floats, scores: Floats, rules: list[list[str]]) -> list[Recommendation]:
        """Give one user's items, ranked from 1, each with its evidence.

        Args:
            asked: one history.
            terms: float64 (terms, items), what each term adds to the score.
            scores: float64 (items,), probabilities.
            rules: names of the rules that acted on each item.
        """
        shares, chains = self._attention(asked, items), self._chains(asked, items)
        names, ids, titles = self.scorer.terms.names, self.catalogue.ids, self.catalogue.titles
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

    def _chains(self, asked: Histories, items: Ints) -> list[list[Path]]:
        found = self.paths.between(np.unique(asked.items), items, SHOWN)
        titles = self.catalogue.titles
        return [
            [
                Path(source=titles[source], edges=[self.edges[edge] for edge in edges], weight=round(float(weight), 6))
                for source, edges, weight in chains
            ]
            for chains in found
        ]


def named(graph: pl.DataFrame, edges: pl.DataFrame) -> list[Edge]:
    """Edges as people read them, from the tables of nodes and edges; an edge's id is its place."""
    names = graph["name"]
    columns = {"edge_id": edges["edge_id"], "head": names[edges["head"]], "relation": edges["relation"], "tail": names[edges["tail"]]}
    return [Edge(**row) for row in pl.DataFrame(columns).iter_rows(named=True)]


def reason(paths: list[Path], attention: list[Attention]) -> str:
    """Say why in one sentence, from the strongest path, else from the strongest attention, else from popularity.

    Every name in the sentence is the title of an item of the history or an entity at the end of an edge shown.
    """
    if paths:
        best = paths[0]
        last = best.edges[-1]
        phrase = PHRASES.get(last.relation, "also {relation} {tail}").format(relation=last.relation, tail=last.tail)
        return f"because of {best.source} in your history: {phrase}"
    if attention:
        return f"because of {attention[0].title} in your history"
    return "popular with everyone lately"
