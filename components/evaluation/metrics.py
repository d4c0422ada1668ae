"""Ranking metrics with binary relevance over whole-catalogue lists: one value per user."""

from typing import Any

import numpy as np

from components.data.histories import Histories, Ints
from components.ranking.parts import Floats

Bools = np.ndarray[Any, np.dtype[np.bool_]]
NAMES = ("NDCG", "HR", "Recall", "Precision", "MRR", "MAP")


def distinct(events: Histories) -> Histories:
    """Keep each user's different items once, by index."""
    size = int(events.items.max(initial=0)) + 1
    keys, first = np.unique(events.users * size + events.items, return_index=True)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(keys // size, minlength=len(events)))])
    return Histories(keys % size, events.times[first], offsets, events.who)


def listed(lists: Ints) -> Histories:
    """Turn lists (-1 where one has ended) into events without times."""
    there = lists >= 0
    offsets = np.concatenate([[0], np.cumsum(there.sum(1))])
    return Histories(lists[there], np.zeros(offsets[-1], dtype=np.int64), offsets)


def repeated(lists: Ints) -> bool:
    """Whether any list holds an item twice."""
    ordered = np.sort(lists, axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any())


def member(lists: Ints, of: Histories) -> Bools:
    """Which listed items are among the same user's events: bool, shaped as `lists`, False where a place is empty.

    Args:
        lists: int64 (users, depth), item indices, best first; -1 where a list has ended.
        of: events of the same users.
    """
    size = int(max(lists.max(initial=0), of.items.max(initial=0))) + 1
    keys = np.arange(len(lists))[:, None] * size + lists
    return np.isin(keys, of.users * size + of.items) & (lists >= 0)


def measure(relevant: Bools, sizes: Ints, k: int) -> dict[str, Floats]:
    """Measure each user's first k places: float64 (users,) by name; a user with an empty list gets 0.

    HR = 1[hits > 0]; Recall = hits / |G|; Precision = hits / k; MRR = 1 / rank of the first hit;
    NDCG = Σ rel_r / log2(r + 1) over the ideal Σ_{r ≤ min(k, |G|)} 1 / log2(r + 1); MAP = Σ rel_r · prec@r / min(k, |G|).

    Args:
        relevant: bool (users, depth), which places of the lists hold a wanted item.
        sizes: int64 (users,), |G|, how many different items each user wants; at least 1.
    """
    found = relevant[:, :k].astype(np.float64)
    places = np.arange(1, found.shape[1] + 1)
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    hits, reachable = found.sum(1), np.minimum(sizes, k)
    precision = np.cumsum(found, 1) / places
    return {
        "NDCG": (found / np.log2(places + 1)).sum(1) / ideal[reachable - 1],
        "HR": (hits > 0).astype(np.float64),
        "Recall": hits / sizes,
        "Precision": hits / k,
        "MRR": (found / places).max(1, initial=0.0),
        "MAP": (precision * found).sum(1) / reachable,
    }
