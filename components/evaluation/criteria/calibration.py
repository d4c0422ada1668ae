"""Criterion: a score is a probability."""

from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import node


@node
class Calibration:
    """The expected calibration error is at most `bound` times the share of shown items that were wanted."""

    bound: float

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare ECE over bins of equal mass with what came true."""
        bins, ece = evidence.find("calibration", "bins"), evidence.find("calibration", "ECE")
        wanted = sum(row["wanted"] * row["pairs"] for row in bins) / max(sum(row["pairs"] for row in bins), 1)
        if not wanted:
            return Verdict("calibration", None, self.bound, None, None, False, "nothing that was shown was wanted, so no score came true")
        value = ece / wanted
        reason = f"scores differ from what came true by {ece:.4f} on average, {value:.2f} of the share that was wanted, {wanted:.4f}"
        return Verdict("calibration", value, self.bound, None, None, value <= self.bound, reason)
