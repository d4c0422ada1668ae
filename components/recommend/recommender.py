"""The one way from a bundle to recommendations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components import artifacts, nodes
from components.data.histories import Histories, Ints
from components.errors import RequestError
from components.knowledge.paths import Paths
from components.ranking.attention import AttentionScorer
from components.ranking.hybrid import Hybrid, HybridScorer
from components.ranking.parts import Floats, World
from components.recommend.catalogue import Catalogue, Mask
from components.recommend.explain import reason
from components.recommend.retrieval import top
from components.schema import Answer, Attention, Edge, Explanation, Filters, Neighbour, Recommendation
from components.schema import Path as Chain
from components.semantic import bert

MOST = 100  # recommendations per request
SHOWN = 5  # items of the history, and paths, shown as evidence


@dataclass(frozen=True)
class Recommender:
    """A loaded bundle: immutable, and safe to share between threads.

    Attributes:
        bundle: the bundle's id, the hash of its content.
        about: what the manifest says of how it was made.
        users: index of each known user.
        histories: what each known user has seen.
        vectors: float32 (items, d), the items' vectors v_j.
        content: float32 (items, w), the items' content vectors.
        edges: the graph's edges as people read them; an edge's id is its place.
    """

    bundle: str
    about: dict[str, Any]
    catalogue: Catalogue
    users: dict[str, int]
    histories: Histories
    scorer: HybridScorer
    paths: Paths
    edges: list[Edge]
    vectors: Floats
    content: Floats
    block: int = 256

    @classmethod
    def load(cls, path: Path | str) -> "Recommender":
        """Load a bundle; raises BundleError when it is missing or any byte of it is not what its manifest says."""
        folder = Path(path)
        manifest = artifacts.verify(folder)
        items = artifacts.read_table(folder / "items.parquet")
        ids = artifacts.read_table(folder / "users.parquet")["user_id"]
        graph, edges = (artifacts.read_table(folder / f"{name}.parquet") for name in ("nodes", "edges"))
        events = artifacts.read_tensors(folder / "histories.safetensors")
        vectors = artifacts.read_tensors(folder / "vectors.safetensors")
        histories = Histories(**events, who=np.arange(len(ids)))
        return cls(
            bundle=manifest["id"],
            about=manifest["about"],
            catalogue=Catalogue(items),
            users={user: place for place, user in enumerate(ids)},
            histories=histories,
            scorer=_scorer(folder, histories, vectors["vectors"], vectors["content"]),
            paths=Paths.build(graph, edges),
            edges=_named(graph, edges),
            vectors=vectors["vectors"],
            content=vectors["content"],
        )

    @cached_property
    def popularity(self) -> Ints:
        """Events of each item, int64 (items,)."""
        return np.bincount(self.histories.items, minlength=len(self.catalogue.ids))

    @property
    def items(self) -> list[str]:
        """Item ids, in index order."""
        return self.catalogue.ids

    def recommend(
        self,
        user: str | None = None,
        history: Sequence[str] | None = None,
        k: int = 10,
        filters: Filters | None = None,
    ) -> Answer:
        """Recommend k items to a known user, or to anyone with a history (oldest first).

        Who is unknown, or has no known item in the history, gets what is popular; the answer's `source` says so.

        Raises:
            RequestError: k is not within 1 to 100, both or neither of user and history are given, or a filter is wrong.
        """
        if not 1 <= k <= MOST:
            raise RequestError("k", f"must be from 1 to {MOST}, got {k}")
        asked, unknown = self._asked(user, history)
        chosen = filters or Filters()
        terms = self.scorer.terms(asked)
        open_ = _open(rounded(terms.sum(0)), asked, seen=chosen.seen, allowed=self.catalogue.allowed(chosen))
        best = top(open_, k)[0]
        items = self._evidence(asked, best[np.isfinite(open_[0, best])], terms)
        source = "hybrid" if len(asked.items) else "popularity"
        return Answer(bundle=self.bundle, source=source, user_id=user, unknown=unknown, items=items)

    def batch(self, users: Sequence[str], k: int) -> pl.DataFrame:
        """Recommend to many users: user_id, item_id, rank, score; the same items and scores as one by one."""
        asked = [self.users.get(user, -1) for user in users]
        frames = [self._block(users, np.array(asked), start, k) for start in range(0, len(users), self.block)]
        schema = {"user_id": pl.String, "item_id": pl.String, "rank": pl.Int64, "score": pl.Float64}
        return pl.concat(frames) if frames else pl.DataFrame(schema=schema)

    def similar(self, item: str, k: int = 10) -> list[Neighbour]:
        """Find the k items whose vectors have the highest cosine with this one's; raises RequestError for an unknown item."""
        if not 1 <= k <= MOST:
            raise RequestError("k", f"must be from 1 to {MOST}, got {k}")
        place = self._place(item)
        cosines = np.round(self._directions @ self._directions[place], 6)
        cosines[place] = -np.inf
        best = top(cosines[None], min(k, len(cosines) - 1))[0]
        ids, titles = self.catalogue.ids, self.catalogue.titles
        return [Neighbour(rank=n, item_id=ids[i], title=titles[i], score=float(cosines[i])) for n, i in enumerate(best, 1)]

    def explain(self, item: str, user: str | None = None, history: Sequence[str] | None = None) -> Explanation:
        """Explain the score of any item for a user or a history; its rank is that among all unseen items and itself."""
        place = self._place(item)
        asked, unknown = self._asked(user, history)
        terms = self.scorer.terms(asked)
        scores = rounded(terms.sum(0))
        rank = 1 + int((_open(scores, asked)[0] > scores[0, place]).sum())
        found = self._evidence(asked, np.array([place]), terms)[0]
        return Explanation(bundle=self.bundle, item=found.model_copy(update={"rank": rank}), unknown=unknown)

    @cached_property
    def _directions(self) -> Floats:
        vectors = self.vectors.astype(np.float64)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def _place(self, item: str) -> int:
        if item not in self.catalogue.index:
            raise RequestError("item_id", f"no item {item!r} in the catalogue")
        return self.catalogue.index[item]

    def _asked(self, user: str | None, history: Sequence[str] | None) -> tuple[Histories, list[str]]:
        if (user is None) == (history is None):
            raise RequestError("user_id", "give either a user_id or a history")
        if user is not None and user in self.users:
            return self.histories.pick(np.array([self.users[user]])), []
        items, unknown = self.catalogue.known(list(history or []))
        return Histories(items, np.arange(len(items)), np.array([0, len(items)])), unknown if user is None else [user]

    def _block(self, users: Sequence[str], asked: Ints, start: int, k: int) -> pl.DataFrame:
        chosen = asked[start : start + self.block]
        histories = _strangers(self.histories, chosen)
        open_ = _open(rounded(self.scorer.score(histories)), histories)
        best = top(open_, k)
        values = np.take_along_axis(open_, best, axis=1)
        there = np.isfinite(values)
        chances = rounded(self.scorer.probability(histories, np.where(there, values, 0.0)))
        names = np.array(users[start : start + self.block], dtype=object)
        ranks = np.broadcast_to(np.arange(1, best.shape[1] + 1), best.shape)
        ids = np.array(self.items, dtype=object)[best[there]]
        columns = {"user_id": np.repeat(names, there.sum(1)), "item_id": ids, "rank": ranks[there], "score": chances[there]}
        return pl.DataFrame(columns, schema_overrides={"user_id": pl.String, "item_id": pl.String})

    def _evidence(self, asked: Histories, best: Ints, terms: Floats) -> list[Recommendation]:
        chances = rounded(self.scorer.probability(asked, rounded(terms.sum(0))))[0]
        shares, paths = self._attention(asked, best), self._chains(asked, best)
        names = list(self.scorer.parts)
        return [
            Recommendation(
                rank=rank,
                item_id=self.catalogue.ids[item],
                title=self.catalogue.titles[item],
                score=float(chances[item]),
                parts=dict(zip(names, map(float, terms[:, 0, item]), strict=True)),
                reason=reason(chains, shown),
                attention=shown,
                paths=chains,
            )
            for rank, (item, shown, chains) in enumerate(zip(best, shares, paths, strict=True), 1)
        ]

    def _attention(self, asked: Histories, best: Ints) -> list[list[Attention]]:
        part = next((part for part in self.scorer.parts.values() if isinstance(part, AttentionScorer)), None)
        if part is None or not len(asked.items) or not len(best):
            return [[] for _ in best]
        shares = np.round(part.attention(asked, best)[:, 1:], 6)
        recent = asked.items[-shares.shape[1] :]
        return [self._shown(recent, row) for row in shares]

    def _shown(self, items: Ints, shares: Floats) -> list[Attention]:
        ids, titles = self.catalogue.ids, self.catalogue.titles
        order = np.argsort(-shares, kind="stable")[:SHOWN]
        return [Attention(item_id=ids[items[i]], title=titles[items[i]], weight=float(shares[i])) for i in order]

    def _chains(self, asked: Histories, best: Ints) -> list[list[Chain]]:
        found = self.paths.between(np.unique(asked.items), best, SHOWN)
        titles = self.catalogue.titles
        return [
            [
                Chain(source=titles[source], edges=[self.edges[edge] for edge in edges], weight=round(float(weight), 6))
                for source, edges, weight in chains
            ]
            for chains in found
        ]


def rounded(scores: Floats) -> Floats:
    """Round to float32's precision, so that a score does not tell what batch it was computed in: float64."""
    return scores.astype(np.float32).astype(np.float64)


def _open(scores: Floats, asked: Histories, *, seen: bool = False, allowed: Mask | None = None) -> Floats:
    """Put -inf where an item may not be recommended."""
    scores = scores.copy()
    if not seen:
        scores[asked.users, asked.items] = -np.inf
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    return scores


def _named(graph: pl.DataFrame, edges: pl.DataFrame) -> list[Edge]:
    names = graph["name"]
    columns = {"edge_id": edges["edge_id"], "head": names[edges["head"]], "relation": edges["relation"], "tail": names[edges["tail"]]}
    return [Edge(**row) for row in pl.DataFrame(columns).iter_rows(named=True)]


def _strangers(histories: Histories, chosen: Ints) -> Histories:
    """Pick users; -1 stands for a stranger with an empty history."""
    padded = replace(histories, offsets=np.append(histories.offsets, histories.offsets[-1]), who=np.append(histories.who, -1))
    return padded.pick(np.where(chosen < 0, len(histories), chosen))


def _scorer(folder: Path, histories: Histories, vectors: Floats, content: Floats) -> HybridScorer:
    ranker = nodes.build(artifacts.read_json(folder / "ranker.json"), "ranker")
    assert isinstance(ranker, Hybrid)
    users = bert.restore(artifacts.read_tensors(folder / "behaviour.safetensors"), artifacts.read_json(folder / "behaviour.json"), content)
    world = World(histories, np.full(len(histories), -1), vectors, users)
    names = [*ranker.parts, "hybrid"]
    return ranker.restore({name: artifacts.read_tensors(folder / f"{name}.safetensors") for name in names}, world)
