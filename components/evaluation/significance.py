"""How sure a mean over users is, by the bootstrap, and a share, by Wilson's interval."""

from dataclasses import asdict, dataclass

import numpy as np

from components.errors import DataError
from components.ranking.parts import Floats


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def named(self, name: str) -> dict[str, float]:
        """Give it as plain data, the value under `name`."""
        found = asdict(self)
        return {name: found.pop("value"), **found}


def resample(values: Floats, resamples: int, seed: int, block: int = 64) -> Floats:
    """Means of users drawn with replacement: float64 (resamples, columns).

    All columns share the draws, so that the difference of two columns is the paired bootstrap of their difference.

    Args:
        values: float64 (users, columns), one column per model and metric.
        block: resamples held in memory at a time; the draws do not depend on it.

    Raises:
        DataError: there are no users.
    """
    users = len(values)
    if not users:
        raise DataError("test split: no user to evaluate; give each user more interactions or choose another split")
    draw = np.random.default_rng(seed)
    chances = np.full(users, 1 / users)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    return np.concatenate([draw.multinomial(users, chances, size=size) / users @ values for size in sizes])


def interval(values: Floats, means: Floats) -> Interval:
    """Summarise one column: its mean over users, and the 2.5 and 97.5 percentiles of its resampled means."""
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def proportion(hits: int, total: int) -> Interval:
    """A share of at least one, with Wilson's interval (1927)."""
    from scipy.stats import binomtest  # late: whoever only reads settings waits for no statistics

    found = binomtest(hits, total).proportion_ci(0.95, "wilson")
    return Interval(hits / total, float(found.low), float(found.high))
