"""What the last evaluation and the gate said, as rows for tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import artifacts
from components.errors import DataError

REPORTS = Path("reports")
METRICS = REPORTS / "metrics.json"
GATE = REPORTS / "gate.json"
PROMOTION = REPORTS / "promotion.json"
PAGE = REPORTS / "report.html"
EXPERIMENT = REPORTS / "experiment.json"
VALIDATION = Path("artifacts/validate/validation.json")
ESTIMATES = {"ips": "IPS", "snips": "SNIPS", "dr": "DR"}
DIFFERENCE = "challenger above champion"
Row = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """The gate's verdict, and a row for each criterion."""

    passed: bool
    bundle: str
    rows: list[Row]


def metrics(path: Path = METRICS) -> list[Row]:
    """Read one row per model, with `mean [low, high]` for each metric; no rows where nothing was evaluated."""
    if not path.exists():
        return []
    models = _member(path, artifacts.read_json(path), "models")
    return [{"model": name} | {metric: interval(value) for metric, value in found.items()} for name, found in models.items()]


def verdict(path: Path = GATE) -> Verdict:
    """Read the gate's verdict; raises DataError when there is none."""
    found = artifacts.read_json(path)
    rows = [criterion(item, path) for item in _member(path, found, "criteria")]
    return Verdict(bool(_member(path, found, "passed")), str(found.get("bundle", "")), rows)


def experiment(found: Row) -> list[Row]:
    """Give a row for each policy of an experiment, and one for the challenger's lead: what an item shown earns, by each estimate."""
    policies = {**found["policies"], **({DIFFERENCE: found[DIFFERENCE]} if DIFFERENCE in found else {})}
    return [
        {"policy": name} | {title: interval({**ways[way], "mean": ways[way]["value"]}) for way, title in ESTIMATES.items()}
        for name, ways in policies.items()
    ]


def interval(value: Any) -> str:
    """Write a number, or a mapping of mean, low and high, to four places."""
    if not isinstance(value, dict):
        return number(value)
    low, high = value.get("low"), value.get("high")
    return number(value.get("mean")) + ("" if low is None or high is None else f" [{number(low)}, {number(high)}]")


def number(value: Any) -> str:
    """Write a float to four places, anything else as it is, nothing as a dash."""
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def criterion(item: Row, path: Path = GATE) -> Row:
    """Give one criterion's verdict as a row; raises DataError where it is none."""
    measured = {"mean": item.get("value"), "low": item.get("low"), "high": item.get("high")}
    return {
        "criterion": _member(path, item, "name"),
        "value": interval(measured),
        "bound": number(item.get("bound")),
        "verdict": "passed" if _member(path, item, "passed") else "refused",
        "reason": str(item.get("reason", "")),
    }


def _member(path: Path, value: Any, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise DataError(f"{path}: no {name!r}; write it anew with `zhijian retrain`")
    return value[name]
