"""What every run came to, in one file outside the graph, and the page of the last run: its report with verdicts, champion and trend."""

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from components import artifacts
from components.errors import DataError
from components.evaluation.criteria.verdict import MODEL
from flows import champions, report
from flows.report import Row, number

RUNS = report.REPORTS / "runs.json"
PAGE = report.REPORTS / "run.html"
SHOWN = ("NDCG@10", "HR@10", "MRR@10")
KEPT = 500
MARK = "\n<h2>"  # of the report; what is said of the run goes before its first section


def note(passed: bool, promoted: bool, refused: list[str], seconds: float) -> list[Row]:
    """Add the run that has just ended, with the clock's time, to those before; gives all."""
    metrics = artifacts.read_json(report.METRICS) if report.METRICS.exists() else {}
    models = metrics.get("models", {}).get(MODEL, {})
    row = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "bundle": metrics.get("bundle"),
        "passed": passed,
        "promoted": promoted,
        "refused": refused,
        "seconds": seconds,
        "interactions": metrics.get("data", {}).get("interactions"),
        "metrics": {name: models[name] for name in SHOWN if name in models},
    }
    rows = [*before(), row][-KEPT:]
    artifacts.write_json(RUNS, rows)
    return rows


def before() -> list[Row]:
    """All runs so far, oldest first; raises DataError where the file is torn."""
    found = artifacts.read_json(RUNS) if RUNS.exists() else []
    if not isinstance(found, list):
        raise DataError(f"{RUNS}: not a list of runs; remove it, it is only history")
    return found


def write() -> Path | None:
    """Write the page of the last run; None where nothing was evaluated."""
    if not report.PAGE.exists() or not report.GATE.exists():
        return None
    text = report.PAGE.read_text(encoding="utf-8")
    head, mark, rest = text.partition(MARK)
    if not mark:
        raise DataError(f"{report.PAGE}: not a report; write it anew with `zhijian retrain`")
    artifacts.write_text(PAGE, f"{head}\n{section()}{mark}{rest}")
    return PAGE


def section() -> str:
    """What is said of the run: verdicts of gate and promotion, figures beside the champion's, what an experiment earned, the trend."""
    gate = report.verdict()
    verdicts = {"Gate": gate}
    if report.PROMOTION.exists() and (promotion := report.verdict(report.PROMOTION)).bundle == gate.bundle:
        verdicts["Promotion"] = promotion
    rows = before()
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = files("flows").joinpath("run.html.j2").read_text(encoding="utf-8")
    drawn = Markup(trend(rows)) if len(rows) > 1 else ""  # noqa: S704 - drawn by us: text as paths
    tried = artifacts.read_json(report.EXPERIMENT) if report.EXPERIMENT.exists() else None
    known = {"tried": tried, "policies": report.experiment(tried) if tried else []}
    return page.from_string(template).render(verdicts=verdicts, beside=beside(gate.bundle), trend=drawn, **known)


def beside(bundle: str) -> dict[str, Any]:
    """Figures of the bundle and of the champion that it is to follow, or followed, each on its own test; nothing without one."""
    now = champions.current()
    other = (now.previous if now.bundle == bundle else now.bundle) if now else None
    path = champions.STORE / str(other) / report.METRICS.name
    if not other or not path.exists():
        return {}
    sides = [_figures(artifacts.read_json(each)) for each in (report.METRICS, path)]
    return {"champion": other, "rows": [(name, number(sides[0][name]), number(sides[1][name])) for name in sides[0] if name in sides[1]]}


def trend(rows: list[Row]) -> str:
    """Draw NDCG@10 of every run with its interval, and which of them became champion or were refused."""
    from components.evaluation import plots

    some = [(place, row, row["metrics"]["NDCG@10"]) for place, row in enumerate(rows, 1) if "NDCG@10" in row["metrics"]]
    kinds = {"promoted": (plots.COLOURS[2], "o"), "refused": (plots.COLOURS[3], "x"), "passed": (plots.COLOURS[0], ".")}

    def paint(axes: Any) -> None:
        for kind, (colour, marker) in kinds.items():
            own = [(place, value) for place, row, value in some if _kind(row) == kind]
            if own:
                means = [value["mean"] for _, value in own]
                spans = [[value["mean"] - value["low"] for _, value in own], [value["high"] - value["mean"] for _, value in own]]
                axes.errorbar([place for place, _ in own], means, yerr=spans, fmt=marker, color=colour, linewidth=1, label=kind)
        axes.set_xlabel("run")
        axes.set_ylabel("NDCG@10, 95 % interval")
        axes.legend(fontsize=8)

    return plots.draw("trend", "NDCG@10 of every run", paint)


def _kind(row: Row) -> str:
    return "promoted" if row["promoted"] else "refused" if row["refused"] else "passed"


def _figures(metrics: Row) -> dict[str, Any]:
    models = {name: value["mean"] for name, value in metrics.get("models", {}).get(MODEL, {}).items()}
    talk = metrics.get("dialogue", {})
    told = {"found by talking": talk["success"]["mean"]} if talk else {}
    return models | metrics.get("beyond", {}) | {"ECE": metrics.get("calibration", {}).get("ECE")} | told | metrics.get("data", {})
