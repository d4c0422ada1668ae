"""The one way from a bundle to recommendations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components.data.histories import Histories, Ints
from components.errors import BundleError, RequestError
from components.knowledge.graph import Knowledge
from components.knowledge.growing import grow
from components.ranking.hybrid import HybridScorer
from components.ranking.parts import Floats, World
from components.recommend import shipped
from components.recommend.answering import Answering
from components.recommend.askers import Askers, check
from components.recommend.asking import Ask
from components.recommend.catalogue import Catalogue, Mask
from components.recommend.crowd import Crowd
from components.recommend.explain import Evidence, named
from components.recommend.find import Finder
from components.recommend.funnel import Funnel
from components.recommend.growth import Growth, contents, overlay
from components.recommend.nearby import Nearby
from components.recommend.policy import Policy, Reranking
from components.recommend.retrieval import Faiss, directions
from components.recommend.session import Session
from components.recommend.similarity import Similarity
from components.recommend.wish import Wish
from components.schema import Answer, Edge, Explanation, Filters, Item, Neighbour, Peer
from components.semantic.profile import Taste
from components.semantic.text import TextEncoder


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Recommender:
    """A loaded bundle: immutable, and safe to share between threads.

    Attributes:
        bundle: the bundle's id, the hash of its content.
        about: what the manifest says of how it was made.
        users: index of each known user.
        histories: what each known user has seen.
        vectors: float32 (items, d), the items' vectors v_j.
        content: float32 (items, w), the items' content vectors; texts: those of their texts alone.
        graph: the knowledge graph.
        edges: its edges as people read them; an edge's id is its place, and places of edges that are no more stay taken.
        reranking: rules and diversity.
        index: finds items by the cosine of their vectors; a small catalogue needs none.
        encoder: what encoded the catalogue's texts, and encodes what is searched for; None where the bundle names none.
        taste: what a profile tells of a taste; None where the data had none.
        growth: how items are taken in that came after the bundle was made; None where it does not say.
        clock: tells which rules are in force; an evaluation gives a fixed time, so that it can be repeated.
    """

    bundle: str
    about: dict[str, Any]
    catalogue: Catalogue
    users: dict[str, int]
    histories: Histories
    scorer: HybridScorer
    graph: Knowledge
    edges: list[Edge]
    vectors: Floats
    content: Floats
    texts: Floats
    reranking: Reranking
    index: Faiss | None = None
    encoder: TextEncoder | None = None
    taste: Taste | None = None
    growth: Growth | None = None
    clock: Callable[[], datetime] = _now
    block: int = 256

    @classmethod
    def load(cls, path: Path | str) -> "Recommender":
        """Load a bundle; raises BundleError when it is missing or any byte of it is not what its manifest says."""
        return cls(**shipped.read(Path(path)))

    def under(self, policy: Policy) -> "Recommender":
        """The same bundle under other rules or another diversity; raises ConfigError for a rule that does not fit the catalogue."""
        return replace(self, reranking=policy.settle(self.catalogue, self.content))

    def hide(self, hidden: frozenset[str]) -> "Recommender":
        """The same, with these items shown to nobody."""
        return replace(self, catalogue=replace(self.catalogue, hidden=hidden))

    def grow(self, items: pl.DataFrame) -> "Recommender":
        """Take in items (as `components.schema.ITEMS`) that are new, or of which something else is said than before.

        They are encoded, linked into the graph and put behind the others; what is said of all others, and their scores, stay as
        they are. Of a changed item what was learned of it stays too.

        Raises:
            BundleError: the bundle does not say how it grows.
        """
        table, told = overlay(self.catalogue.table, items)
        if not len(told):
            return self
        if self.growth is None or self.encoder is None:
            raise BundleError("the bundle was made before items could be taken in; make it again with `dvc repro`")
        known, added = len(self.items), len(table) - len(self.items)
        content = np.concatenate([self.content, np.zeros((added, self.content.shape[1]), dtype=np.float32)])
        texts = content[:, : self.texts.shape[1]]
        texts[told] = contents(table[told], self.encoder, texts.shape[1])
        vectors = np.concatenate([self.vectors, self.growth.vectors(content[known:])])
        graph = grow(self.graph, self.growth.graph, table, told, len(self.edges))
        catalogue = replace(self.catalogue, table=table)
        return replace(
            self,
            catalogue=catalogue,
            scorer=self.scorer.grow(World(self.histories, np.full(len(self.histories), -1), vectors, content, graph), told, known),
            graph=graph,
            edges=[*self.edges, *named(graph.nodes, graph.edges.filter(pl.col("edge_id") >= len(self.edges)))],
            vectors=vectors,
            content=content,
            texts=texts,
            reranking=self.reranking.grow(catalogue, content[told], told),
        )

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
        at: datetime | None = None,
        wish: Wish | None = None,
        session: Session | None = None,
        profile: str | None = None,
    ) -> Answer:
        """Recommend k items to a known user, or to anyone with a history (oldest first) or a profile.

        Who is unknown, or has no known item in the history, gets what is popular; the answer's `source` says so.

        Args:
            at: when the user asks, now if None: events of others from then on are not counted, and rules are those of then.
            wish: what else the user wants, said in words.
            session: what the user, known or not, did since the bundle was made.
            profile: what the user says of himself, in words, beside the user or the history, or alone.

        Raises:
            RequestError: k is not within 1 to 100, both of user and history are given, or none of the three, a filter is wrong, or `at`
                has no time zone.
        """
        [answer] = self.together([Ask(user, history, k, filters, at, session, profile)], wish)
        if isinstance(answer, RequestError):
            raise answer
        return answer

    def together(self, asks: Sequence[Ask], wish: Wish | None = None) -> list[Answer | RequestError]:
        """Answer many who ask, those alike in k and time at once; each gets what `recommend` gives, or what is wrong with the request."""
        return self._answering.together(asks, wish, self._in_force)

    def open(self, ask: Ask) -> Mask:
        """What may be shown to one who asks, of the whole catalogue: bool (items,); raises RequestError as `recommend` does."""
        return self._answering.told(ask, None).question.within(self._in_force(ask.at).open()).open_[0].copy()

    @cached_property
    def counts(self) -> Ints:
        """How many events of users each item has in the bundle: int64 (items,)."""
        return np.bincount(self.histories.items, minlength=len(self.items))

    def batch(self, users: Sequence[str], k: int, at: Ints | None = None) -> pl.DataFrame:
        """Recommend to many users: user_id, item_id, rank, score; the same items and scores as one by one.

        Args:
            at: int64 (users,), when each asks, seconds since 1970; now if None. Rules are those of now.

        Raises:
            RequestError: k is not within 1 to 100.
        """
        check(k)
        return self._crowd.batch(users, k, self._in_force(), at)

    def candidates(self, users: Sequence[str], at: Ints | None = None) -> tuple[Ints, Floats]:
        """Give what rules and diversity choose from: items, int64 (users, n), best first, -1 where there are no more; scores, float64."""
        return self._crowd.candidates(users, min(self.reranking.policy.candidates, len(self.items)), at)

    def similar(
        self, item: str | None = None, k: int = 10, by: str = "both", user: str | None = None, session: Session | None = None
    ) -> list[Neighbour]:
        """Find the k items with the highest cosine to an item, or to a user's taste, as `Nearby.similar` has it."""
        check(k)
        return self._nearby.similar(item, k, by, user, session)

    def peers(
        self,
        item: str | None = None,
        k: int = 10,
        by: str = "both",
        user: str | None = None,
        session: Session | None = None,
        without: frozenset[str] = frozenset(),
    ) -> list[Peer]:
        """Find the k users whose taste has the highest cosine to an item, or to a user's; as `similar`, and none of `without`."""
        check(k)
        return self._nearby.peers(item, k, by, user, session, without)

    def search(self, query: str, k: int = 10, filters: Filters | None = None) -> list[Neighbour]:
        """Find the k items that words name or describe, best first, as `Finder.rank` has it; a wrong k or filter is a RequestError."""
        check(k)
        order, scores = self._finding().rank(query)
        found = order[self.catalogue.allowed(filters or Filters())[order]][:k]
        return self._nearby.neighbours(found, scores[found])

    def show(self, item: str) -> Item:
        """Give what the catalogue says of an item; raises RequestError for an unknown one."""
        return self.catalogue.show(item)

    def shortlist(
        self,
        depth: int,
        wish: Wish,
        user: str | None = None,
        history: Sequence[str] | None = None,
        at: datetime | None = None,
        session: Session | None = None,
    ) -> tuple[Ints, Floats]:
        """Give the hybrid's best open items, as asked in `recommend`: int64 (n,), best first, and their probabilities, float64 (n,)."""
        asked, _ = self.askers.one(user, history, at, session)
        items, terms = self._funnel.ranked(self.askers.question(asked, wish=wish, session=session).within(self._in_force(at).open()), depth)
        there = items[0] >= 0
        return items[0, there], self._funnel.chances(asked, terms)[0, there]

    def explain(
        self,
        item: str,
        user: str | None = None,
        history: Sequence[str] | None = None,
        at: datetime | None = None,
        wish: Wish | None = None,
        session: Session | None = None,
    ) -> Explanation:
        """Explain the score of any item for a user or a history; its rank is the hybrid's, among the open candidates and itself."""
        place = self.catalogue.place(item)
        asked, unknown = self.askers.one(user, history, at, session)
        question = self.askers.question(asked, wish=wish, session=session)
        items, terms = self._funnel.ranked(question, self.reranking.policy.candidates, np.array([place]), closed=True)
        rank = int(np.flatnonzero(items[0] == place)[0])
        added = terms[:, :, [rank]]
        about = [[self._in_force(at).about(place)]]
        [[found]] = self._evidence.of(asked, np.array([[place]]), added, self._funnel.chances(asked, added), about)
        return Explanation(bundle=self.bundle, item=found.model_copy(update={"rank": rank + 1}), unknown=unknown)

    @property
    def events(self) -> pl.DataFrame:
        """What is known of the users: user_id, item_id, seconds (since 1970; 0 without a time), by user, oldest first."""
        return self._crowd.events

    @cached_property
    def askers(self) -> Askers:
        """All who may ask."""
        return Askers(self.catalogue, self.users, self.histories, self.scorer.gate.end)

    @cached_property
    def _funnel(self) -> Funnel:
        return Funnel(self.scorer)

    @cached_property
    def _crowd(self) -> Crowd:
        return Crowd(self.askers, self._funnel, self.block)

    @cached_property
    def _nearby(self) -> Nearby:
        similarity = Similarity(self.reranking.unit, directions(self.vectors), self.histories)
        return Nearby(self.catalogue, self.askers, similarity, self.index)

    @cached_property
    def _evidence(self) -> Evidence:
        return Evidence(self.catalogue, self.scorer, self.edges)

    @cached_property
    def _answering(self) -> Answering:
        return Answering(self.bundle, self.askers, self._funnel, self._evidence, self._finding)

    @cached_property
    def _finding(self) -> Callable[[], Finder]:
        """Makes the finder when first it is needed; it does not hold this object, which goes at once when another takes its place."""
        catalogue, encoder, texts, taste = self.catalogue, self.encoder, self.texts, self.taste
        unit = self.reranking.unit if texts.shape == self.content.shape else None
        return cache(lambda: Finder(catalogue, directions(texts) if unit is None else unit, encoder, taste))

    def _in_force(self, at: datetime | None = None) -> Reranking:
        return self.reranking.at(at or self.clock())
