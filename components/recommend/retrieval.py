"""The best k of a row of scores."""

import numpy as np

from components.data.histories import Ints
from components.ranking.parts import Floats


def top(scores: Floats, k: int) -> Ints:
    """Indices of each row's k highest scores, best first, equal ones by index: int64 (rows, min(k, columns))."""
    k = min(k, scores.shape[1])
    if not k:
        return np.empty((len(scores), 0), dtype=np.int64)
    best = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    values = np.take_along_axis(scores, best, axis=1)
    best = np.take_along_axis(best, np.argsort(-values, axis=1, kind="stable"), axis=1)
    tied = (scores >= values.min(1, keepdims=True)).sum(1) > k
    best[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :k]
    return best
