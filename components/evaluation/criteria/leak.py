"""Criterion: nothing of the test was seen in training."""

from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import node


@node
class NoLeak:
    """No wanted pair was in training, and no seen item is recommended."""

    def judge(self, evidence: Evidence) -> Verdict:
        """Count the leaks."""
        counts = {name: evidence.find("leaks", name) for name in ("seen_recommended", "truth_in_training")}
        total = sum(counts.values())
        seen, wanted = counts.values()
        reason = f"{wanted} test pairs in training, {seen} seen items recommended"
        return Verdict("no leak", float(total), 0.0, None, None, total == 0, reason)
