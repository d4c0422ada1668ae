"""Leak checks: what is wanted was never seen, and what was seen is never recommended."""

from dataclasses import replace

import numpy as np

from components.data.histories import Histories, Ints
from components.errors import DataError
from components.evaluation.metrics import member
from components.evaluation.task import Task
from components.recommend import Recommender


def check(recommender: Recommender, users: list[str], task: Task, lists: Ints) -> dict[str, int]:
    """Count leaks against the split and against what the bundle itself has seen.

    Args:
        users: ids of the task's users.
        lists: the bundle's recommendations to them.

    Raises:
        DataError: a count is not 0.
    """
    own = replace(task, known=_seen(recommender, users))
    wanted = max(_wanted(task), _wanted(own))
    if wanted:
        raise DataError(
            f"split: {wanted} test pairs are also in train, valid or the bundle's histories, so the test would reward memory; "
            "keep one interaction per user and item, split again and build the bundle of that split"
        )
    seen = max(int(member(lists, part.known).sum()) for part in (task, own))
    if seen:
        raise DataError(
            f"bundle {recommender.bundle}: {seen} recommended items were seen by their user before the test; "
            "build the bundle of this very split (`dvc repro`)"
        )
    return {"seen_recommended": seen, "truth_in_training": wanted}


def _wanted(task: Task) -> int:
    wanted = task.truth.padded(int(task.truth.lengths.max(initial=0)), -1)
    return int(member(wanted, task.known).sum())


def _seen(recommender: Recommender, users: list[str]) -> Histories:
    """The histories that the bundle knows of these users; empty for a stranger."""
    histories, strangers = recommender.histories, len(recommender.users)
    padded = replace(histories, offsets=np.append(histories.offsets, histories.offsets[-1]), who=np.append(histories.who, -1))
    return padded.pick(np.array([recommender.users.get(user, strangers) for user in users], dtype=np.int64))
