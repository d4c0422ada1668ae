"""From a question to a list: the hybrid's best of what is open, then rules and diversity."""

from dataclasses import dataclass

import numpy as np

from components.data.histories import Histories, Ints
from components.ranking.hybrid import HybridScorer
from components.ranking.parts import Floats
from components.ranking.terms import rounded
from components.recommend.policy import Lists, Reranking, joined
from components.recommend.wish import Question


@dataclass(frozen=True)
class Funnel:
    """Ranks by the hybrid, and lists by rules and diversity."""

    scorer: HybridScorer

    def listed(self, question: Question, k: int, reranking: Reranking) -> tuple[Ints, Floats, Lists | None]:
        """The hybrid's best of what is open; where there are rules or a diversity, what these make of the candidates.

        Items, int64 (users, k), -1 where a list has ended; their terms, float64 (parts, users, k); what rules and diversity did.
        """
        question = question.within(reranking.open())
        depth = reranking.depth(k)
        items, terms = self.ranked(question, depth, reranking.pinned())
        if reranking.idle:
            return items, terms, None
        for mask, least in reranking.wanted():
            more, added = self.ranked(question.within(mask), least)
            items, terms = joined(items, more), np.concatenate([terms, added], axis=2)
        lists = reranking.order(items, rounded(terms.sum(0)), depth, k)
        places = np.maximum(lists.places, 0)
        shown = np.where(lists.places >= 0, np.take_along_axis(items, places, axis=1), -1)
        return shown, np.take_along_axis(terms, places[None], axis=2), lists

    def ranked(self, question: Question, depth: int, also: Ints | None = None, *, closed: bool = False) -> tuple[Ints, Floats]:
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

    def chances(self, asked: Histories, terms: Floats) -> Floats:
        """Probabilities of items by what each term adds, float64 (terms, users, n): float64 (users, n)."""
        return rounded(self.scorer.probability(asked, rounded(terms.sum(0))))
