"""Who asks: what a bundle knows of a user, what came since, and what is open to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from components.data.histories import NOW, Histories, Ints
from components.errors import RequestError
from components.recommend.catalogue import Catalogue
from components.recommend.session import Session
from components.recommend.wish import Question, Wish
from components.schema import Filters

MOST = 100  # recommendations per request


@dataclass(frozen=True)
class Askers:
    """All who may ask.

    Attributes:
        users: index of each known user.
        histories: what each known user has seen.
        end: seconds since 1970, when the training events end.
    """

    catalogue: Catalogue
    users: dict[str, int]
    histories: Histories
    end: int

    def one(
        self, user: str | None, history: Sequence[str] | None, at: datetime | None, session: Session | None = None
    ) -> tuple[Histories, list[str]]:
        """One history, of a known user or as it is given, as at the time of asking; and the ids that are unknown.

        Raises:
            RequestError: both or neither of user and history are given, or `at` has no time zone.
        """
        if (user is None) == (history is None):
            raise RequestError("user_id", "give either a user_id or a history")
        if at is not None and at.tzinfo is None:
            raise RequestError("at", f"{at.isoformat()} has no time zone; write it as in {at.isoformat()}Z")
        when = np.array([NOW if at is None else int(at.timestamp())])
        if user is not None and user in self.users:
            known = replace(self.histories.pick(np.array([self.users[user]])), at=when)
            return session.fold(known, self.catalogue, self.end) if session else known, []
        if user is not None and session:
            nothing = np.empty(0, dtype=np.int64)
            stranger = Histories(nothing, nothing, np.array([0, 0]), at=when)
            return session.fold(stranger, self.catalogue, self.end), [user]
        items, unknown = self.catalogue.known(list(history or []))
        just = np.full(len(items), min(when[0], self.end))  # a history without times is taken to be fresh
        return Histories(items, just, np.array([0, len(items)]), at=when), unknown if user is None else [user]

    def many(self, users: Sequence[str], at: Ints) -> Histories:
        """Histories of users who ask at given times, empty for a stranger."""
        histories = self.histories
        padded = replace(histories, offsets=np.append(histories.offsets, histories.offsets[-1]), who=np.append(histories.who, -1))
        return replace(padded.pick(np.array([self.users.get(user, len(histories)) for user in users], dtype=np.int64)), at=at)

    def question(
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


def check(k: int) -> None:
    """Refuse a number of recommendations that is too low or too high, by RequestError."""
    if not 1 <= k <= MOST:
        raise RequestError("k", f"must be from 1 to {MOST}, got {k}")
