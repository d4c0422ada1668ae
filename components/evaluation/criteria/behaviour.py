"""Criterion: what must hold of any recommender, asked of this one (CheckList, Ribeiro et al., ACL 2020)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from pydantic import PositiveInt

from components.evaluation.criteria.verdict import Evidence, Verdict
from components.recommend import Recommender
from components.recommend.policy import Policy
from components.schema import Filters, node

UNKNOWN = "\u0000 no such item"
Listed = list[tuple[str, float]]


@dataclass(frozen=True)
class Asked:
    """A user who asks at a time, with what was measured: the list of ten, item and score."""

    user: str
    at: datetime | None
    measured: Listed


@node
class Behaviour:
    """What must always hold, holds for `users` evenly spaced test users: each name of `CHECKS` is one demand."""

    users: PositiveInt = 20

    def judge(self, evidence: Evidence) -> Verdict:
        """Ask, and count the demands that are not met."""
        recommender, people = evidence.recommender, list(_people(evidence, self.users))
        broken = {name: found for name, check in CHECKS.items() if (found := [one.user for one in people if not check(recommender, one)])}
        reason = f"{len(CHECKS)} demands asked of {len(people)} users: " + (
            "; ".join(f"not so for {len(users)}, the first {users[0]}: {name}" for name, users in broken.items()) or "all hold"
        )
        return Verdict("behaviour", float(len(broken)), 0.0, None, None, not broken, reason)


def _people(evidence: Evidence, users: int) -> Iterator[Asked]:
    chosen = evidence.users(users)
    rows = evidence.given.filter(evidence.given["user_id"].is_in(chosen) & (evidence.given["rank"] <= 10)).sort("user_id", "rank")
    for (user,), part in rows.group_by("user_id", maintain_order=True):
        yield Asked(str(user), part["at"][0], list(zip(part["item_id"], part["score"], strict=True)))


def _list(recommender: Recommender, one: Asked, k: int = 10, history: list[str] | None = None) -> Listed:
    found = recommender.recommend(None if history is not None else one.user, history, k, at=one.at)
    return [(item.item_id, item.score) for item in found.items]


def _history(recommender: Recommender, one: Asked) -> list[str]:
    place = recommender.users.get(one.user)
    return [] if place is None else [recommender.items[item] for item in recommender.histories.pick(np.array([place])).items]


def _as_measured(recommender: Recommender, one: Asked) -> bool:
    return _list(recommender, one) == one.measured


def _prefix(recommender: Recommender, one: Asked) -> bool:
    plain = recommender.under(Policy())  # a quota counts over the whole list, so of rules this need not hold
    return _list(plain, one)[:5] == _list(plain, one, 5)


def _unseen(recommender: Recommender, one: Asked) -> bool:
    return not {item for item, _ in one.measured} & set(_history(recommender, one))


def _once(_recommender: Recommender, one: Asked) -> bool:
    return len({item for item, _ in one.measured}) == len(one.measured)


def _unmoved(recommender: Recommender, one: Asked) -> bool:
    history = _history(recommender, one)
    return _list(recommender, one, history=history) == _list(recommender, one, history=[UNKNOWN, *history, UNKNOWN])


def _filtered(recommender: Recommender, one: Asked) -> bool:
    allowed = {item for item, _ in one.measured[::2]}
    found = recommender.recommend(one.user, k=10, filters=Filters(items=sorted(allowed)), at=one.at).items
    return {item.item_id for item in found} <= allowed


CHECKS: dict[str, Callable[[Recommender, Asked], bool]] = {
    "asked alone, a user is given what was measured in a batch": _as_measured,
    "the first five of ten are the list of five": _prefix,
    "nothing seen is recommended": _unseen,
    "no item stands twice in a list": _once,
    "an unknown item in the history changes nothing": _unmoved,
    "nothing outside a filter is recommended": _filtered,
}
