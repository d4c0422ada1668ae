"""Stage gate: judge the bundle's metrics; a refusal is a result, not a failure."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components import artifacts
from components.errors import ConfigError
from components.evaluation.criteria import Criterion, Verdict
from components.stage import run


def main(criteria: dict[str, Criterion], metrics: Path, out: Path) -> None:
    """Write gate.json (passed, bundle, criteria) and show the table on stderr.

    Raises:
        ConfigError: there is no criterion, or one names what metrics.json does not have.
    """
    verdict = decide(criteria, artifacts.read_json(metrics))
    _show(verdict)
    artifacts.write_json(out, verdict)


def decide(criteria: dict[str, Criterion], metrics: dict[str, Any]) -> dict[str, Any]:
    """Judge by every criterion: the content of gate.json; passed when all pass."""
    if not criteria:
        raise ConfigError("gate.criteria: empty, so anything would pass; name at least one criterion in conf/gate/")
    found = [criterion.judge(metrics) for criterion in criteria.values()]
    passed = all(verdict.passed for verdict in found)
    return {"passed": passed, "bundle": metrics.get("bundle"), "criteria": [asdict(verdict) for verdict in found]}


def _show(verdict: dict[str, Any]) -> None:
    table = Table(title=f"gate: bundle {verdict['bundle']} {'passed' if verdict['passed'] else 'refused'}")
    for column in ("criterion", "value", "bound", "interval", "verdict", "reason"):
        table.add_column(column)
    for row in verdict["criteria"]:
        table.add_row(*_cells(Verdict(**row)))
    Console(stderr=True).print(table)


def _cells(verdict: Verdict) -> tuple[str, ...]:
    interval = "–" if verdict.low is None else f"{verdict.low:.4f} to {verdict.high:.4f}"
    said = "passed" if verdict.passed else "refused"
    return verdict.name, f"{verdict.value:.4f}", f"{verdict.bound:.4f}", interval, said, verdict.reason


if __name__ == "__main__":
    run(main)
