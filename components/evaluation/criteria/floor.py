"""Criterion: good enough at all."""

from components.evaluation.criteria.verdict import MODEL, Evidence, Verdict
from components.schema import node


@node
class Floor:
    """The bundle's `metric` is at least `bound`."""

    metric: str
    bound: float

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the mean with the bound."""
        found = evidence.find("models", MODEL, self.metric)
        value, passed = found["mean"], found["mean"] >= self.bound
        reason = f"{self.metric} is {value:.4f}, {'at least' if passed else 'below'} the floor of {self.bound:.4f}"
        return Verdict(f"floor {self.metric}", value, self.bound, found["low"], found["high"], passed, reason)
