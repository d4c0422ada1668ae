"""What a bundle must be to be shipped: each criterion reads metrics.json and says in words why it passes or not."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from components.errors import ConfigError
from components.schema import node


@dataclass(frozen=True)
class Verdict:
    """One line of the gate's table; `low` and `high` are None where a value has no interval."""

    name: str
    value: float
    bound: float
    low: float | None
    high: float | None
    passed: bool
    reason: str


@runtime_checkable
class Criterion(Protocol):
    """The configuration of a criterion."""

    def judge(self, metrics: dict[str, Any]) -> Verdict:
        """Judge the content of metrics.json; raises ConfigError where it lacks what the criterion names."""
        ...


@node
class Floor:
    """The bundle's `metric` is at least `bound`."""

    metric: str
    bound: float

    def judge(self, metrics: dict[str, Any]) -> Verdict:
        """Compare the mean with the bound."""
        found = _find(metrics, "models", "hybrid", self.metric)
        value, passed = found["mean"], found["mean"] >= self.bound
        reason = f"{self.metric} is {value:.4f}, {'at least' if passed else 'below'} the floor of {self.bound:.4f}"
        return Verdict(f"floor {self.metric}", value, self.bound, found["low"], found["high"], passed, reason)


@node
class BetterThan:
    """The bundle's `metric` exceeds the baseline's by more than `margin`: the paired 95 % interval lies above it."""

    baseline: str
    metric: str
    margin: float = 0.0

    def judge(self, metrics: dict[str, Any]) -> Verdict:
        """Compare the lower end of the paired difference's interval with the margin."""
        found = _find(metrics, "paired", self.baseline, self.metric)
        value, low, high = found["difference"], found["low"], found["high"]
        where = "above" if low > self.margin else "not wholly above"
        reason = (
            f"{self.metric} differs from {self.baseline} by {value:+.4f}; "
            f"the interval {low:+.4f} to {high:+.4f} is {where} the margin of {self.margin:.4f}"
        )
        return Verdict(f"better than {self.baseline} in {self.metric}", value, self.margin, low, high, low > self.margin, reason)


@node
class NoLeak:
    """No wanted pair was in training, and no seen item is recommended."""

    def judge(self, metrics: dict[str, Any]) -> Verdict:
        """Count the leaks."""
        counts = {name: _find(metrics, "leaks", name) for name in ("seen_recommended", "truth_in_training")}
        total = sum(counts.values())
        seen, wanted = counts.values()
        reason = f"{wanted} test pairs in training, {seen} seen items recommended"
        return Verdict("no leak", float(total), 0.0, None, None, total == 0, reason)


def _find(metrics: dict[str, Any], *path: str) -> Any:
    found: Any = metrics
    for i, key in enumerate(path):
        if not isinstance(found, dict) or key not in found:
            there = ", ".join(sorted(found)) if isinstance(found, dict) else "nothing"
            raise ConfigError(f"metrics.json: no {'.'.join(path[: i + 1])}, which a gate criterion names; there is: {there}")
        found = found[key]
    return found
