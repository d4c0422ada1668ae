"""Criterion: what is said as a reason is true."""

from collections.abc import Iterator

import numpy as np
from pydantic import PositiveInt

from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import Edge, Path, Recommendation, node


@node
class TruePaths:
    """Every path shown to `users` evenly spaced test users leads, edge by edge of the graph, from their history to the item."""

    users: PositiveInt = 50

    def judge(self, evidence: Evidence) -> Verdict:
        """Ask for ten items each, and follow every path."""
        recommender = evidence.recommender
        moments = dict(evidence.given.select("user_id", "at").unique().iter_rows())
        titles, shown, wrong = recommender.catalogue.titles, 0, list[str]()
        for user in evidence.users(self.users):
            place = recommender.users.get(user)
            seen = {titles[item] for item in recommender.histories.pick(np.array([place])).items} if place is not None else set[str]()
            for item in recommender.recommend(user, k=10, at=moments.get(user)).items:
                shown += len(item.paths)
                wrong += [f"{user} → {item.item_id}: {said}" for path in item.paths for said in _wrong(path, item, seen, recommender.edges)]
        value = 1 - len(wrong) / shown if shown else None
        reason = f"{shown} paths shown, {len(wrong)} not true" + (f"; the first: {wrong[0]}" if wrong else "")
        return Verdict("explanations are true", value, 1.0, None, None, not wrong, reason)


def _wrong(path: Path, item: Recommendation, seen: set[str], edges: list[Edge]) -> Iterator[str]:
    """The first thing that is not true of a path."""
    if path.source not in seen:
        yield f"{path.source} is not in the history"
        return
    here = path.source
    for edge in path.edges:
        if not 0 <= edge.edge_id < len(edges) or edges[edge.edge_id] != edge:
            yield f"no edge {edge.head} – {edge.relation} – {edge.tail}"
            return
        if here not in (edge.head, edge.tail):
            yield f"{here} is no end of {edge.head} – {edge.relation} – {edge.tail}"
            return
        here = edge.tail if here == edge.head else edge.head
    if here != item.title:
        yield f"it ends at {here}"
