"""What is like an item, and who is like a user."""

from dataclasses import dataclass

import numpy as np

from components.data.histories import Ints
from components.errors import RequestError
from components.ranking.parts import Floats
from components.recommend.askers import Askers
from components.recommend.catalogue import Catalogue
from components.recommend.retrieval import Faiss, top
from components.recommend.session import Session
from components.recommend.similarity import Similarity
from components.schema import Neighbour, Peer

SPARE = 16  # more neighbours than asked for, so that what rounding makes equal goes by index


@dataclass(frozen=True)
class Nearby:
    """Finds items and users by cosine.

    Attributes:
        index: finds items by their vectors; a small catalogue needs none.
    """

    catalogue: Catalogue
    askers: Askers
    similarity: Similarity
    index: Faiss | None = None

    def similar(
        self, item: str | None = None, k: int = 10, by: str = "both", user: str | None = None, session: Session | None = None
    ) -> list[Neighbour]:
        """Find the k items with the highest cosine to an item, or to a user's taste; neither the item itself nor what the user chose.

        Args:
            by: content, behaviour or both, as `Similarity` has it.
            session: what the user, known or not, did since the bundle was made.

        Raises:
            RequestError: `by`, the item or the user is wrong, both or neither is given, or nothing is known of the user.
        """
        space, own = self.similarity.space(by), self._own(item, user, session)
        near = self._near(int(own[0]), k) if item is not None and by == "both" else np.delete(np.arange(len(self.catalogue.ids)), own)
        near = near[self.catalogue.shown[near]]
        cosines = np.round(space.items(space.direction(own))[near], 6)
        best = top(cosines[None], k)[0]
        return self.neighbours(near[best], cosines[best])

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
        space = self.similarity.space(by)
        cosines = np.round(space.users(space.direction(self._own(item, user, session))), 6)
        closed = [self.askers.users[name] for name in {user or "", *without} if name in self.askers.users]
        others = np.delete(np.arange(len(cosines)), closed)
        best = others[top(cosines[others][None], k)[0]]
        names = list(self.askers.users)
        return [Peer(rank=rank, user_id=names[place], score=float(cosines[place])) for rank, place in enumerate(best, 1)]

    def _own(self, item: str | None, user: str | None, session: Session | None) -> Ints:
        """The item that is asked about, or the items of the user who is."""
        if (item is None) == (user is None):
            raise RequestError("user_id", "give either an item_id or a user_id")
        if item is not None:
            return np.array([self.catalogue.place(item)])
        own = self.askers.one(user, None, None, session)[0].items
        if not len(own):
            raise RequestError("user_id", f"nothing is known of the taste of {user!r}")
        return own

    def neighbours(self, items: Ints, scores: Floats) -> list[Neighbour]:
        """Items and scores as they are given out, ranked from 1."""
        ids, titles = self.catalogue.ids, self.catalogue.titles
        found = enumerate(zip(items, scores, strict=True), 1)
        return [Neighbour(rank=rank, item_id=ids[item], title=titles[item], score=float(score)) for rank, (item, score) in found]

    def _near(self, place: int, k: int) -> Ints:
        """Items other than this that may be among its k nearest, ascending."""
        if self.index is None:
            return np.delete(np.arange(len(self.catalogue.ids)), place)
        hidden = len(self.catalogue.hidden)
        found = self.index.search(self.similarity.joint[[place]], k + 1 + SPARE + hidden)[0][0]
        later = np.arange(len(self.index.vectors), len(self.catalogue.ids))  # what came later is no part of it
        found = np.concatenate([np.sort(found), later])
        return found[(found >= 0) & (found != place)]
