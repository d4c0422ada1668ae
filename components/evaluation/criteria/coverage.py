"""Criteria: the catalogue is shown, not just its top."""

from itertools import pairwise

from components.evaluation.criteria.verdict import MODEL, Evidence, Verdict
from components.schema import node


@node
class Coverage:
    """At least a share `bound` of the catalogue stands in some test user's list."""

    bound: float

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the coverage with the bound."""
        name = f"Coverage@{evidence.find('k')}"
        value = evidence.find("beyond", name)
        passed = value >= self.bound
        reason = f"{value:.2%} of the catalogue is recommended to someone, {'at least' if passed else 'below'} {self.bound:.2%}"
        return Verdict(name, value, self.bound, None, None, passed, reason)


@node
class PopularityBias:
    """Lists lean less to what is popular than those of a `baseline` that knows nothing else, by `margin` at least.

    The lean is the area under the curve of `exposure`: 1 when all that is shown is the one most popular item.
    """

    baseline: str = "popularity"
    margin: float = 0.005

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the two areas."""
        own, other = (_area(evidence.find("exposure", "models", name)) for name in (MODEL, self.baseline))
        bound = other - self.margin
        reason = f"lists lean {own:.4f} to what is popular, those of {self.baseline} {other:.4f}"
        return Verdict("popularity bias", own, bound, None, None, own <= bound, reason)


def _area(curve: list[float]) -> float:
    return sum((left + right) / 2 for left, right in pairwise(curve)) / (len(curve) - 1)
