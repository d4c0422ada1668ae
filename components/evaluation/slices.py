"""Parts of the users and of the catalogue whose quality is always reported apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.data.histories import Histories, Ints
from components.evaluation.metrics import Bools, measure, member
from components.evaluation.task import Task

HEAD = 0.2  # share of the items seen in training, the most frequent ones
FEWEST = 30  # test users that a category needs to be reported
LENGTHS = (("1-5", 1, 5), ("6-20", 6, 20), (">20", 21, np.inf))


@dataclass(frozen=True)
class Slice:
    """Some users, and the wanted items that count for them.

    Attributes:
        name, value: the kind of slice, and which of its kind.
        users: bool (users,).
        items: bool (items,).
    """

    name: str
    value: str
    users: Bools
    items: Bools


def slices(task: Task) -> list[Slice]:
    """List the standard slices, also those that no user falls in, but only categories with at least `FEWEST` test users."""
    everyone, everything = np.ones(len(task.known), dtype=bool), np.ones(task.items, dtype=bool)
    lengths = task.known.lengths
    found = [Slice("user", "cold" if cold else "warm", (lengths == 0) == cold, everything) for cold in (True, False)]
    found += [Slice("history", name, (lengths >= low) & (lengths <= high), everything) for name, low, high in LENGTHS]
    found += [Slice("item", name, everyone, items) for name, items in _frequency(task.counts)]
    categories = [Slice("category", name, everyone, items) for name, items in sorted(task.categories.items())]
    return found + [part for part in categories if (_sizes(task.truth, part) > 0).sum() >= FEWEST]


def score(part: Slice, task: Task, lists: Ints, k: int) -> dict[str, Any]:
    """Measure NDCG and HR @k over the slice's users that want one of its items; None where there is no such user."""
    sizes = _sizes(task.truth, part)
    users = np.flatnonzero(sizes)
    top = lists[users, :k]
    relevant = member(top, task.truth.pick(users)) & part.items[top]
    found = measure(relevant, sizes[users], k)
    values = {f"{name}@{k}": float(found[name].mean()) if len(users) else None for name in ("NDCG", "HR")}
    return {"slice": part.name, "value": part.value, "users": len(users), **values}


def _frequency(counts: Ints) -> Iterator[tuple[str, Bools]]:
    order = np.argsort(-counts, kind="stable")
    head = np.zeros(len(counts), dtype=bool)
    head[order[: int(np.ceil(HEAD * (counts > 0).sum()))]] = True
    yield from (("head", head), ("tail", (counts > 0) & ~head), ("cold", counts == 0))


def _sizes(truth: Histories, part: Slice) -> Ints:
    counted = part.items[truth.items] & part.users[truth.users]
    return np.bincount(truth.users[counted], minlength=len(truth))
