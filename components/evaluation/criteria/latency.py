"""Criterion: an answer comes in time, whatever machine this is."""

import time
from collections.abc import Callable

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import node

STEPS = 100_000  # of the calibration loop: about 5 ms
SLOW = 0.9  # the quantile


@node
class Latency:
    """Nine of ten recommendations of ten items take at most `bound` times as long as adding up 100,000 squares, here and now.

    A figure of the clock differs between equal runs, so this is no criterion for the gate, whose verdict is hashed.
    """

    bound: PositiveFloat
    users: PositiveInt = 50

    def judge(self, evidence: Evidence) -> Verdict:
        """Time recommendations and the loop by turns, so that whatever else the machine does slows both."""
        recommender, users = evidence.recommender, evidence.users(self.users)
        recommender.recommend(history=[], k=10)  # what is made at the first call
        pairs = [(_seconds(lambda user=user: recommender.recommend(user, k=10)), _seconds(_loop)) for user in users]
        slow, loop = (float(seconds) for seconds in np.quantile(pairs, SLOW, axis=0))
        value = slow / loop
        reason = f"nine of ten answers take at most {1000 * slow:.1f} ms, {value:.2f} times the calibration loop of {1000 * loop:.1f} ms"
        return Verdict("latency", value, self.bound, None, None, value <= self.bound, reason)


def _loop() -> int:
    return sum(number * number for number in range(STEPS))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
