"""The one way from a bundle to recommendations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components import artifacts, nodes
from components.data.histories import NOW, Histories, Ints
from components.errors import BundleError, RequestError
from components.knowledge.graph import Knowledge
from components.knowledge.growing import grow
from components.ranking.hybrid import Hybrid, HybridScorer
from components.ranking.parts import Floats, World
from components.ranking.terms import rounded
from components.recommend.asking import Ask, Told, joint
from components.recommend.catalogue import Catalogue, Mask
from components.recommend.explain import Evidence, named
from components.recommend.find import Finder, encoder
from components.recommend.growth import Growth, contents, overlay
from components.recommend.policy import Lists, Policy, Reranking, joined
from components.recommend.retrieval import Faiss, directions, restore, top
from components.recommend.session import Session
from components.recommend.similarity import Similarity
from components.recommend.wish import Question, Wish
from components.schema import Answer, Edge, Explanation, Filters, Item, Neighbour, Peer
from components.semantic.text import TextEncoder, texts_of

MOST = 100  # recommendations per request
SPARE = 16  # more neighbours than asked for, so that what rounding makes equal goes by index


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
        content: float32 (items, w), the items' content vectors, of which the first `words` values are their texts'.
        graph: the knowledge graph.
        edges: its edges as people read them; an edge's id is its place, and places of edges that are no more stay taken.
        reranking: rules and diversity.
        index: finds items by the cosine of their vectors; a small catalogue needs none.
        encoder: what encoded the catalogue's texts, and encodes what is searched for; None where the bundle names none.
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
    words: int
    reranking: Reranking
    index: Faiss | None = None
    encoder: TextEncoder | None = None
    growth: Growth | None = None
    clock: Callable[[], datetime] = _now
    block: int = 256

    @classmethod
    def load(cls, path: Path | str) -> "Recommender":
        """Load a bundle; raises BundleError when it is missing or any byte of it is not what its manifest says."""
        folder = Path(path)
        manifest = artifacts.verify(folder)
        items = artifacts.read_table(folder / "items.parquet")
        ids = artifacts.read_table(folder / "users.parquet")["user_id"]
        graph = Knowledge(*(artifacts.read_table(folder / f"{name}.parquet") for name in ("nodes", "edges")), {})
        events = artifacts.read_tensors(folder / "histories.safetensors")
        vectors = artifacts.read_tensors(folder / "vectors.safetensors")
        histories = Histories(**events, who=np.arange(len(ids)))
        catalogue = Catalogue(items)
        return cls(
            bundle=manifest["id"],
            about=manifest["about"],
            catalogue=catalogue,
            users={user: place for place, user in enumerate(ids)},
            histories=histories,
            scorer=_scorer(folder, World(histories, np.full(len(ids), -1), vectors["vectors"], vectors["content"], graph)),
            graph=graph,
            edges=named(graph.nodes, graph.edges),
            vectors=vectors["vectors"],
            content=vectors["content"],
            words=texts_of(vectors).shape[1],
            reranking=_policy(folder).settle(catalogue, vectors["content"]),
            index=_index(folder, vectors["vectors"]),
            encoder=encoder(folder),
            growth=Growth.read(folder),
        )

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
        content[told, : self.words] = contents(table[told], self.encoder, self.words)
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
    ) -> Answer:
        """Recommend k items to a known user, or to anyone with a history (oldest first).

        Who is unknown, or has no known item in the history, gets what is popular; the answer's `source` says so.

        Args:
            at: when the user asks, now if None: events of others from then on are not counted, and rules are those of then.
            wish: what else the user wants, said in words.
            session: what the user, known or not, did since the bundle was made.

        Raises:
            RequestError: k is not within 1 to 100, both or neither of user and history are given, a filter is wrong, or `at`
                has no time zone.
        """
        [answer] = self.together([Ask(user, history, k, filters, at, session)], wish)
        if isinstance(answer, RequestError):
            raise answer
        return answer

    def together(self, asks: Sequence[Ask], wish: Wish | None = None) -> list[Answer | RequestError]:
        """Answer many who ask, those alike in k and time at once; each gets what `recommend` gives, or what is wrong with the request."""
        answers: dict[int, Answer | RequestError] = {}
        alike: dict[tuple[int, datetime | None], list[tuple[int, Told]]] = {}
        for place, ask in enumerate(asks):
            try:
                told = self._told(ask, wish)
            except RequestError as error:
                answers[place] = error
            else:
                alike.setdefault((ask.k, ask.at), []).append((place, told))
        for (k, at), group in alike.items():
            answers |= zip([place for place, _ in group], self._answers([one for _, one in group], k, at, wish), strict=True)
        return [answers[place] for place in range(len(asks))]

    def _told(self, ask: Ask, wish: Wish | None) -> Told:
        _check(ask.k)
        asked, unknown = self._asked(ask.user, ask.history, ask.at, ask.session)
        return Told(ask, self._question(asked, ask.filters, wish, ask.session), unknown)

    def _answers(self, told: list[Told], k: int, at: datetime | None, wish: Wish | None) -> list[Answer]:
        question = joint(told)
        items, terms, lists = self._listed(question, k, self._in_force(at))
        lengths = (items >= 0).sum(1)
        rules = [lists.rules(user) if lists else [[] for _ in range(length)] for user, length in enumerate(lengths)]
        shown = self._evidence.of(question.histories, items, terms, self._chances(question.histories, terms), rules)
        stranger = "dialogue" if wish and wish.leaning.any() else "popularity"
        return [
            Answer(
                bundle=self.bundle,
                source="hybrid" if known else stranger,
                user_id=one.ask.user,
                unknown=one.unknown,
                items=found,
            )
            for one, found, known in zip(told, shown, question.histories.lengths, strict=True)
        ]

    def open(self, ask: Ask) -> Mask:
        """What may be shown to one who asks, of the whole catalogue: bool (items,); raises RequestError as `recommend` does."""
        return self._told(ask, None).question.within(self._in_force(ask.at).open()).open_[0].copy()

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
        _check(k)
        schema = {"user_id": pl.String, "item_id": pl.String, "rank": pl.Int64, "score": pl.Float64}
        reranking = self._in_force()
        when = np.full(len(users), NOW) if at is None else at
        cuts = [slice(start, start + self.block) for start in range(0, len(users), self.block)]
        frames = [self._frame(users[cut], when[cut], k, reranking) for cut in cuts]
        return pl.concat(frames) if frames else pl.DataFrame(schema=schema)

    def candidates(self, users: Sequence[str], at: Ints | None = None) -> tuple[Ints, Floats]:
        """Give what rules and diversity choose from: items, int64 (users, n), best first, -1 where there are no more; scores, float64."""
        depth = min(self.reranking.policy.candidates, len(self.items))
        items, scores = np.empty((len(users), depth), dtype=np.int64), np.empty((len(users), depth))
        when = np.full(len(users), NOW) if at is None else at
        for start in range(0, len(users), self.block):
            cut = slice(start, start + self.block)
            asked = self._known(users[cut], when[cut])
            items[cut], terms = self._ranked(self._question(asked), depth)
            scores[cut] = rounded(terms.sum(0))
        return items, scores

    def similar(
        self, item: str | None = None, k: int = 10, by: str = "both", user: str | None = None, session: Session | None = None
    ) -> list[Neighbour]:
        """Find the k items with the highest cosine to an item, or to a user's taste; neither the item itself nor what the user chose.

        Args:
            by: content, behaviour or both, as `Similarity` has it.
            session: what the user, known or not, did since the bundle was made.

        Raises:
            RequestError: k, `by`, the item or the user is wrong, both or neither is given, or nothing is known of the user.
        """
        _check(k)
        space, own = self._similarity.space(by), self._own(item, user, session)
        near = self._near(int(own[0]), k) if item is not None and by == "both" else np.delete(np.arange(len(self.items)), own)
        near = near[self.catalogue.shown[near]]
        cosines = np.round(space.items(space.direction(own))[near], 6)
        best = top(cosines[None], k)[0]
        return self._neighbours(near[best], cosines[best])

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
        _check(k)
        space = self._similarity.space(by)
        cosines = np.round(space.users(space.direction(self._own(item, user, session))), 6)
        closed = [self.users[name] for name in {user or "", *without} if name in self.users]
        others = np.delete(np.arange(len(cosines)), closed)
        best = others[top(cosines[others][None], k)[0]]
        names = list(self.users)
        return [Peer(rank=rank, user_id=names[place], score=float(cosines[place])) for rank, place in enumerate(best, 1)]

    def search(self, query: str, k: int = 10, filters: Filters | None = None) -> list[Neighbour]:
        """Find the k items that words name or describe, best first, as `Finder.rank` has it.

        Raises:
            RequestError: k is not within 1 to 100, a filter is wrong, or the query says nothing.
            BundleError: the bundle names no text encoder.
        """
        _check(k)
        order, scores = self._finder.rank(query)
        found = order[self.catalogue.allowed(filters or Filters())[order]][:k]
        return self._neighbours(found, scores[found])

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
        asked, _ = self._asked(user, history, at, session)
        items, terms = self._ranked(self._question(asked, wish=wish, session=session).within(self._in_force(at).open()), depth)
        there = items[0] >= 0
        return items[0, there], self._chances(asked, terms)[0, there]

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
        asked, unknown = self._asked(user, history, at, session)
        question = self._question(asked, wish=wish, session=session)
        items, terms = self._ranked(question, self.reranking.policy.candidates, np.array([place]), closed=True)
        rank = int(np.flatnonzero(items[0] == place)[0])
        added = terms[:, :, [rank]]
        about = [[self._in_force(at).about(place)]]
        [[found]] = self._evidence.of(asked, np.array([[place]]), added, self._chances(asked, added), about)
        return Explanation(bundle=self.bundle, item=found.model_copy(update={"rank": rank + 1}), unknown=unknown)

    @property
    def events(self) -> pl.DataFrame:
        """What is known of the users: user_id, item_id, seconds (since 1970; 0 without a time), by user, oldest first."""
        events = self.histories
        people = np.array(list(self.users), dtype=object)[events.users]
        columns = {"user_id": people, "item_id": self._names[events.items], "seconds": events.times}
        return pl.DataFrame(columns, schema={"user_id": pl.String, "item_id": pl.String, "seconds": pl.Int64})

    @cached_property
    def _directions(self) -> Floats:
        return directions(self.vectors)

    @cached_property
    def _similarity(self) -> Similarity:
        return Similarity(self.reranking.unit, self._directions, self.histories)

    def _own(self, item: str | None, user: str | None, session: Session | None) -> Ints:
        """The item that is asked about, or the items of the user who is."""
        if (item is None) == (user is None):
            raise RequestError("user_id", "give either an item_id or a user_id")
        if item is not None:
            return np.array([self.catalogue.place(item)])
        own = self._asked(user, None, None, session)[0].items
        if not len(own):
            raise RequestError("user_id", f"nothing is known of the taste of {user!r}")
        return own

    @cached_property
    def _evidence(self) -> Evidence:
        return Evidence(self.catalogue, self.scorer, self.edges)

    @cached_property
    def _finder(self) -> Finder:
        alone = self.words == self.content.shape[1]
        return Finder(self.catalogue, self.reranking.unit if alone else directions(self.content[:, : self.words]), self.encoder)

    def _neighbours(self, items: Ints, scores: Floats) -> list[Neighbour]:
        ids, titles = self.catalogue.ids, self.catalogue.titles
        found = enumerate(zip(items, scores, strict=True), 1)
        return [Neighbour(rank=rank, item_id=ids[item], title=titles[item], score=float(score)) for rank, (item, score) in found]

    def _near(self, place: int, k: int) -> Ints:
        """Items other than this that may be among its k nearest, ascending."""
        if self.index is None:
            return np.delete(np.arange(len(self.items)), place)
        hidden = len(self.catalogue.hidden)
        found = self.index.search(self._directions[[place]], k + 1 + SPARE + hidden)[0][0]
        found = np.concatenate([np.sort(found), np.arange(len(self.index.vectors), len(self.items))])  # what came later is no part of it
        return found[(found >= 0) & (found != place)]

    def _asked(
        self, user: str | None, history: Sequence[str] | None, at: datetime | None, session: Session | None = None
    ) -> tuple[Histories, list[str]]:
        if (user is None) == (history is None):
            raise RequestError("user_id", "give either a user_id or a history")
        if at is not None and at.tzinfo is None:
            raise RequestError("at", f"{at.isoformat()} has no time zone; write it as in {at.isoformat()}Z")
        when = np.array([NOW if at is None else int(at.timestamp())])
        if user is not None and user in self.users:
            known = replace(self.histories.pick(np.array([self.users[user]])), at=when)
            return session.fold(known, self.catalogue, self.scorer.gate.end) if session else known, []
        if user is not None and session:
            nothing = np.empty(0, dtype=np.int64)
            stranger = Histories(nothing, nothing, np.array([0, 0]), at=when)
            return session.fold(stranger, self.catalogue, self.scorer.gate.end), [user]
        items, unknown = self.catalogue.known(list(history or []))
        just = np.full(len(items), min(when[0], self.scorer.gate.end))  # a history without times is taken to be fresh
        return Histories(items, just, np.array([0, len(items)]), at=when), unknown if user is None else [user]

    def _known(self, users: Sequence[str], at: Ints) -> Histories:
        """Histories of users who ask at given times, empty for a stranger."""
        histories = self.histories
        padded = replace(histories, offsets=np.append(histories.offsets, histories.offsets[-1]), who=np.append(histories.who, -1))
        return replace(padded.pick(np.array([self.users.get(user, len(histories)) for user in users], dtype=np.int64)), at=at)

    def _question(
        self, asked: Histories, filters: Filters | None = None, wish: Wish | None = None, session: Session | None = None
    ) -> Question:
        """What may be recommended by the seen rule, the filters, the wish and the session, and what the wish leans to."""
        chosen = filters or Filters()
        mask = np.repeat(self.catalogue.allowed(chosen)[None], len(asked), axis=0)
        if not chosen.seen:
            mask[asked.users, asked.items] = False
        if session:
            mask[:, self.catalogue.known(sorted(session.closed))[0]] = False
        return Question(asked, mask) if wish is None else Question(asked, mask & wish.allowed, wish.leaning)

    def _in_force(self, at: datetime | None = None) -> Reranking:
        return self.reranking.at(at or self.clock())

    def _listed(self, question: Question, k: int, reranking: Reranking) -> tuple[Ints, Floats, Lists | None]:
        """The hybrid's best of what is open; where there are rules or a diversity, what these make of the candidates.

        Items, int64 (users, k), -1 where a list has ended; their terms, float64 (parts, users, k); what rules and diversity did.
        """
        question = question.within(reranking.open())
        depth = reranking.depth(k)
        items, terms = self._ranked(question, depth, reranking.pinned())
        if reranking.idle:
            return items, terms, None
        for mask, least in reranking.wanted():
            more, added = self._ranked(question.within(mask), least)
            items, terms = joined(items, more), np.concatenate([terms, added], axis=2)
        lists = reranking.order(items, rounded(terms.sum(0)), depth, k)
        places = np.maximum(lists.places, 0)
        shown = np.where(lists.places >= 0, np.take_along_axis(items, places, axis=1), -1)
        return shown, np.take_along_axis(terms, places[None], axis=2), lists

    def _ranked(self, question: Question, depth: int, also: Ints | None = None, *, closed: bool = False) -> tuple[Ints, Floats]:
        """The hybrid's best open items, and those of `also`, with `closed` even if they are not open.

        Items, int64 (users, n), best first; -1 where there is none; what is in place `depth` or after is of `also`. What each
        term adds to their scores, float64 (terms, users, n).
        """
        asked, open_, leaning = question.histories, question.open_, question.leaning
        if also is None or not len(also):
            return self.scorer.rank(asked, open_, depth, leaning=leaning)
        items, terms = self.scorer.rank(asked, open_, max(depth, self.scorer.candidates) + len(also), also, leaning)
        extra = np.isin(items, also)
        beyond = np.cumsum(items >= 0, axis=1) > depth
        keep = (~beyond | extra) & (closed | np.take_along_axis(open_, np.maximum(items, 0), axis=1))
        return np.where(keep, items, -1), terms

    def _chances(self, asked: Histories, terms: Floats) -> Floats:
        return rounded(self.scorer.probability(asked, rounded(terms.sum(0))))

    def _frame(self, users: Sequence[str], at: Ints, k: int, reranking: Reranking) -> pl.DataFrame:
        asked = self._known(users, at)
        items, terms, _ = self._listed(self._question(asked), k, reranking)
        there = items >= 0
        ranks = np.broadcast_to(np.arange(1, there.shape[1] + 1), there.shape)
        columns = {
            "user_id": np.repeat(np.array(users, dtype=object), there.sum(1)),
            "item_id": self._names[items[there]],
            "rank": ranks[there],
            "score": self._chances(asked, terms)[there],
        }
        return pl.DataFrame(columns, schema_overrides={"user_id": pl.String, "item_id": pl.String})

    @cached_property
    def _names(self) -> np.ndarray[Any, Any]:
        return np.array(self.items, dtype=object)


def _check(k: int) -> None:
    if not 1 <= k <= MOST:
        raise RequestError("k", f"must be from 1 to {MOST}, got {k}")


def _policy(folder: Path) -> Policy:
    policy = nodes.build(artifacts.read_json(folder / "policy.json"), "policy")
    assert isinstance(policy, Policy)
    return policy


def _index(folder: Path, vectors: Floats) -> Faiss | None:
    """The bundle's index; a bundle of a small catalogue has none."""
    path = folder / "index.safetensors"
    return restore(artifacts.read_tensors(path), directions(vectors)) if path.exists() else None


def _scorer(folder: Path, world: World) -> HybridScorer:
    ranker = nodes.build(artifacts.read_json(folder / "ranker.json"), "ranker")
    assert isinstance(ranker, Hybrid)
    names = [*ranker.parts, "hybrid"]
    return ranker.restore({name: artifacts.read_tensors(folder / f"{name}.safetensors") for name in names}, world)
