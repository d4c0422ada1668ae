"""Criteria: talking helps, and what was said is obeyed."""

from pydantic import PositiveInt

from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import node


@node
class TalkingHelps:
    """Of users who would not see their item among as many without a word, a share `bound` finds it by talking, or surely not less."""

    bound: float
    least: PositiveInt = 10  # such users; of fewer nothing is said

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the share, with its interval, with the bound."""
        found, name = evidence.find("dialogue"), "talking helps"
        value, low, high, users = (found["helped"][key] for key in ("mean", "low", "high", "users"))
        whole = f"{found['success']['mean'] or 0:.0%} of {found['users']} users find their item in {found['turns']} turns"
        if users < self.least:
            return Verdict(name, None, self.bound, None, None, True, f"{whole}; only {users} would not see it without a word")
        reason = f"{whole}, {value:.0%} of the {users} who would not see it among {found['turns'] * found['k']} items without a word"
        return Verdict(name, value, self.bound, low, high, high >= self.bound, reason)


@node
class WordsObeyed:
    """Nothing is shown that breaks a condition which was said and not taken back."""

    def judge(self, evidence: Evidence) -> Verdict:
        """Demand exactly none."""
        found = evidence.find("dialogue")
        wrong, shown = found["violations"], found["shown"]
        value = wrong / shown if shown else None
        return Verdict("conditions are obeyed", value, 0.0, None, None, not wrong, f"{wrong} of {shown} items shown break a condition")
