"""Many known users at once, block by block, as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from components.data.histories import NOW, Ints
from components.ranking.parts import Floats
from components.ranking.terms import rounded
from components.recommend.askers import Askers
from components.recommend.funnel import Funnel
from components.recommend.policy import Reranking


@dataclass(frozen=True)
class Crowd:
    """Recommends to many, `block` users at a time."""

    askers: Askers
    funnel: Funnel
    block: int

    def batch(self, users: Sequence[str], k: int, reranking: Reranking, at: Ints | None = None) -> pl.DataFrame:
        """As `Recommender.batch`, under given rules."""
        schema = {"user_id": pl.String, "item_id": pl.String, "rank": pl.Int64, "score": pl.Float64}
        when = np.full(len(users), NOW) if at is None else at
        cuts = [slice(start, start + self.block) for start in range(0, len(users), self.block)]
        frames = [self._frame(users[cut], when[cut], k, reranking) for cut in cuts]
        return pl.concat(frames) if frames else pl.DataFrame(schema=schema)

    def candidates(self, users: Sequence[str], depth: int, at: Ints | None = None) -> tuple[Ints, Floats]:
        """As `Recommender.candidates`, so many."""
        items, scores = np.empty((len(users), depth), dtype=np.int64), np.empty((len(users), depth))
        when = np.full(len(users), NOW) if at is None else at
        for start in range(0, len(users), self.block):
            cut = slice(start, start + self.block)
            asked = self.askers.many(users[cut], when[cut])
            items[cut], terms = self.funnel.ranked(self.askers.question(asked), depth)
            scores[cut] = rounded(terms.sum(0))
        return items, scores

    @property
    def events(self) -> pl.DataFrame:
        """What is known of the users: user_id, item_id, seconds (since 1970; 0 without a time), by user, oldest first."""
        events = self.askers.histories
        people = np.array(list(self.askers.users), dtype=object)[events.users]
        columns = {"user_id": people, "item_id": self._names[events.items], "seconds": events.times}
        return pl.DataFrame(columns, schema={"user_id": pl.String, "item_id": pl.String, "seconds": pl.Int64})

    def _frame(self, users: Sequence[str], at: Ints, k: int, reranking: Reranking) -> pl.DataFrame:
        asked = self.askers.many(users, at)
        items, terms, _ = self.funnel.listed(self.askers.question(asked), k, reranking)
        there = items >= 0
        ranks = np.broadcast_to(np.arange(1, there.shape[1] + 1), there.shape)
        columns = {
            "user_id": np.repeat(np.array(users, dtype=object), there.sum(1)),
            "item_id": self._names[items[there]],
            "rank": ranks[there],
            "score": self.funnel.chances(asked, terms)[there],
        }
        return pl.DataFrame(columns, schema_overrides={"user_id": pl.String, "item_id": pl.String})

    @cached_property
    def _names(self) -> np.ndarray[Any, Any]:
        return np.array(self.askers.catalogue.ids, dtype=object)
