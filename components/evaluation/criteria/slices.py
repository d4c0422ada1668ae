"""Criteria: no kind of user is left behind."""

import math
from typing import Any

from pydantic import PositiveInt

from components.evaluation.criteria.verdict import MODEL, Evidence, Verdict
from components.schema import node

Z = 1.96  # of the 95 % interval of a share


@node
class WorstSlice:
    """No slice of the kinds named has an HR@k surely below `share` of the whole: its 95 % interval does not lie wholly under it.

    Kinds of items (`item`, `category`) can be named too, but there a low figure says that few want them.
    """

    kinds: list[str]
    share: float = 0.7
    least: PositiveInt = 100  # users; a smaller slice says nothing

    def judge(self, evidence: Evidence) -> Verdict:
        """Find the slice with the lowest share of the whole."""
        metric = f"HR@{evidence.find('k')}"
        whole = evidence.find("models", MODEL, metric)["mean"]
        found = [row for row in evidence.find("slices") if row["slice"] in self.kinds and row["users"] >= self.least]
        name = f"worst slice in {metric}"
        if not found or not whole:
            return Verdict(name, None, self.share, None, None, True, f"no slice of {', '.join(self.kinds)} has {self.least} users or more")
        worst = min(found, key=lambda row: row[metric])
        value, low, high = (part / whole for part in _share(worst[metric], worst["users"]))
        reason = f"{worst['slice']} {worst['value']}: {metric} is {worst[metric]:.4f} over {worst['users']} users, {value:.2f} of the whole"
        return Verdict(name, value, self.share, low, high, high >= self.share, reason)


@node
class ColdStart:
    """Users of whom nothing is known get lists with an HR@k of at least `share` of the whole, or surely not less."""

    share: float = 0.2
    least: PositiveInt = 100

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare cold users with all; where the test has too few, whoever knows nothing is asked for a list."""
        metric = f"HR@{evidence.find('k')}"
        [row] = [row for row in evidence.find("slices") if (row["slice"], row["value"]) == ("user", "cold")]
        whole = evidence.find("models", MODEL, metric)["mean"]
        if row["users"] < self.least or not whole:
            return self._asked(evidence, row)
        value, low, high = (part / whole for part in _share(row[metric], row["users"]))
        reason = f"{metric} of {row['users']} cold users is {row[metric]:.4f}, {value:.2f} of the whole"
        return Verdict("cold start", value, self.share, low, high, high >= self.share, reason)

    def _asked(self, evidence: Evidence, row: dict[str, Any]) -> Verdict:
        given = len(evidence.recommender.recommend(history=[], k=10).items)
        passed = given == min(10, len(evidence.recommender.items))
        reason = f"{row['users']} cold users in the test, too few to measure; one without a history is given {given} items"
        return Verdict("cold start", None, self.share, None, None, passed, reason)


def _share(value: float, users: int) -> tuple[float, float, float]:
    """A share of users with its 95 % interval (Agresti and Coull, 1998)."""
    total = users + Z**2
    middle = (value * users + Z**2 / 2) / total
    half = Z * math.sqrt(middle * (1 - middle) / total)
    return value, middle - half, middle + half
