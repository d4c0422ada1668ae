"""Criterion: the index finds what an exact search would."""

from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import node


@node
class IndexRecall:
    """The index finds at least a share `bound` of the exact ten nearest items."""

    bound: float

    def judge(self, evidence: Evidence) -> Verdict:
        """Read the recall that was measured when the bundle was built."""
        value = evidence.recommender.about.get("index_recall")
        if value is None:
            return Verdict("index recall", None, self.bound, None, None, True, "the catalogue is searched exactly, without an index")
        passed = value >= self.bound
        reason = f"the index finds {value:.2%} of the ten nearest items, {'at least' if passed else 'below'} {self.bound:.2%}"
        return Verdict("index recall", value, self.bound, None, None, passed, reason)
