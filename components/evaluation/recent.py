"""Popularity in the days before a request, by the calendar of the test: what everyone chose just before each user was asked."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import Field, PositiveFloat

from components.data.histories import Histories
from components.evaluation.baselines import recommend
from components.evaluation.metrics import distinct, measure, member
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.schema import node

DAY = 86400
K = 10  # windows are compared by NDCG at this depth
Sparse = Any  # scipy.sparse.csr_matrix, whose stubs don't know its operators


@dataclass(frozen=True)
class RecentScorer:
    """Counts of the events in the `window` whole days before the day on which the user asks.

    Attributes:
        daily: sparse float64 (days, items), events of each day from the first on.
        first: that day, counted from 1970.
        window: days.
    """

    daily: Sparse
    first: int
    window: float

    @property
    def timed(self) -> bool:
        """Whether events have times; they lie at 0 where they have none, and all are counted."""
        return self.first > 0 or self.daily.shape[0] > 1

    def score(self, histories: Histories) -> Floats:
        """Count: float64 (users, items). Older events break ties below one event."""
        if not self.timed:
            return np.repeat(self.daily.toarray(), len(histories), axis=0)
        latest = self.first + self.daily.shape[0]
        asked, place = np.unique(np.minimum(histories.at // DAY, latest), return_inverse=True)
        day = np.arange(self.daily.shape[0]) + self.first
        before = day < asked[:, None]
        inside = before & (day >= asked[:, None] - self.window)
        weights = inside + before / (self.daily.sum() + 1)
        return (sp.csr_matrix(weights) @ self.daily).toarray()[place]

    def tensors(self) -> Arrays:
        """The counts in compressed rows."""
        return {"data": self.daily.data, "indices": self.daily.indices, "indptr": self.daily.indptr}


@node
class Recent:
    """Popularity of the last days (as "recent popularity" in Ji, Sun, Zhang, Li, SIGIR 2020); `days` are windows to choose from."""

    days: list[PositiveFloat] = Field(default_factory=lambda: [7.0, 30.0, 90.0], min_length=1)

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Count by day, for the first window."""
        return RecentScorer(*_daily(world.histories, world.items), self.days[0]), []

    def choose(self, train: Histories, valid: Histories, items: int) -> "Recent":
        """Keep the window with the highest NDCG@10 for the validation events, asked for at the first one's time; the first of equals."""
        users = np.flatnonzero(valid.lengths)
        counted = RecentScorer(*_daily(train, items), self.days[0])
        if len(self.days) == 1 or not len(users) or not counted.timed:
            return Recent(days=self.days[:1])
        past, wanted = train.asked(valid).pick(users), distinct(valid.pick(users))
        lists = [recommend(replace(counted, window=window), past, np.zeros(items), K) for window in self.days]
        values = [measure(member(own, wanted), wanted.lengths, K)["NDCG"].mean() for own in lists]
        return Recent(days=[self.days[int(np.argmax(values))]])


def _daily(events: Histories, items: int) -> tuple[Sparse, int]:
    day = events.times // DAY
    first, last = (int(day.min()), int(day.max())) if len(day) else (0, 0)
    return sp.csr_matrix((np.ones(len(day)), (day - first, events.items)), shape=(last - first + 1, items)), first
