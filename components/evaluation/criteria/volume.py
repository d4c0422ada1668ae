"""Criterion: no data went missing since the champion, and none came twice."""

from components import artifacts
from components.evaluation.criteria.verdict import Evidence, Verdict
from components.schema import node


@node
class Volume:
    """There are at least `least` and at most `most` times as many interactions, items and test users as the champion was made of."""

    least: float = 0.9
    most: float = 3.0

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare the counts of metrics.json with those kept beside the champion."""
        name = "data volume"
        if evidence.champion is None:
            return Verdict(name, None, self.least, None, None, True, "there is no champion yet")
        before, now = artifacts.read_json(evidence.champion / "metrics.json").get("data", {}), evidence.find("data")
        shared = [key for key in ("interactions", "items", "test_users") if before.get(key) and key in now]
        ratios = {key: now[key] / before[key] for key in shared}
        if not ratios:
            return Verdict(name, None, self.least, None, None, True, "the champion's counts were not kept")
        worst = min(ratios, key=lambda key: min(ratios[key] / self.least, self.most / ratios[key]))
        value = ratios[worst]
        reason = ", ".join(f"{key} {before[key]} → {now[key]}" for key in shared)
        bound = self.least if value < 1 else self.most
        return Verdict(name, value, bound, None, None, self.least <= value <= self.most, reason)
