"""Criterion: better than a baseline."""

from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import node


@node
class BetterThan:
    """The bundle's `metric` exceeds the baseline's by more than `margin`: the paired 95 % interval lies above it."""

    baseline: str
    metric: str
    margin: float = 0.0

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the lower end of the paired difference's interval with the margin."""
        found = evidence.find("paired", self.baseline, self.metric)
        value, low, high = found["difference"], found["low"], found["high"]
        where = "above" if low > self.margin else "not wholly above"
        reason = (
            f"{self.metric} differs from {self.baseline} by {value:+.4f}; "
            f"the interval {low:+.4f} to {high:+.4f} is {where} the margin of {self.margin:.4f}"
        )
        return Verdict(f"better than {self.baseline} in {self.metric}", value, self.margin, low, high, low > self.margin, reason)
