"""Stage gate: judge the bundle; a refusal is a result, not a failure."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components import artifacts
from components.errors import ConfigError
from components.evaluation.criteria.verdict import Criterion, Evidence, Verdict
from components.stage import run


def main(
    *,
    criteria: dict[str, Criterion],
    bundle: Path,
    tables: Path,
    split: Path,
    metrics: Path,
    recommendations: Path,
    out: Path,
) -> None:
    """Write gate.json (passed, bundle, criteria) and show the table on stderr.

    What differs between two equal runs (a clock) or depends on what serves at present (the champion) is judged at promotion.

    Raises:
        ConfigError: there is no criterion, or one names what metrics.json does not have.
        BundleError: the bundle does not match its manifest.
    """
    verdict = decide(criteria, Evidence(artifacts.read_json(metrics), bundle, tables, split, recommendations))
    show(verdict)
    artifacts.write_json(out, verdict)


def decide(criteria: dict[str, Criterion], evidence: Evidence) -> dict[str, Any]:
    """Judge by every criterion: the content of gate.json; passed when all pass."""
    if not criteria:
        raise ConfigError("gate.criteria: empty, so anything would pass; name at least one criterion in conf/gate/")
    found = [criterion.judge(evidence) for criterion in criteria.values()]
    passed = all(verdict.passed for verdict in found)
    return {"passed": passed, "bundle": evidence.metrics.get("bundle"), "criteria": [asdict(verdict) for verdict in found]}


def show(verdict: dict[str, Any]) -> None:
    """Show a verdict as a table on stderr."""
    table = Table(title=f"gate: bundle {verdict['bundle']} {'passed' if verdict['passed'] else 'refused'}")
    for column in ("criterion", "value", "bound", "interval", "verdict", "reason"):
        table.add_column(column)
    for row in verdict["criteria"]:
        table.add_row(*_cells(Verdict(**row)))
    Console(stderr=True).print(table)


def _cells(verdict: Verdict) -> tuple[str, ...]:
    value = "–" if verdict.value is None else f"{verdict.value:.4f}"
    interval = "–" if verdict.low is None else f"{verdict.low:.4f} to {verdict.high:.4f}"
    said = "passed" if verdict.passed else "refused"
    return verdict.name, value, f"{verdict.bound:.4f}", interval, said, verdict.reason


if __name__ == "__main__":
    run(main)
