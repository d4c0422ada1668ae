"""The report: one HTML page that needs nothing else, neither network nor script."""

from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from typing import Any

import jinja2
from markupsafe import Markup

from components.evaluation import plots
from components.evaluation.space import Space
from components.knowledge.drawing import draw
from components.schema import Answer

NBSP = "\N{NO-BREAK SPACE}"
SHOWN = ("NDCG", "HR", "Recall", "MRR")


def render(metrics: dict[str, Any], about: dict[str, Any], examples: Sequence[Answer] = (), space: Space | None = None) -> str:
    """Render the content of metrics.json, and what the bundle's manifest says of its training, as HTML.

    Args:
        about: of it are read `curves` (epoch, loss, score, seconds by part) and `weights` (one mapping of part to weight per user
            state) with the states' names, `states`, or their `bounds`, each where present; and `semantic`, what pretraining counted.
        space: the items before and after pretraining; nothing is said of it when not given.
        examples: a few users' answers, whose first items are shown with their paths.
    """
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.filters |= {"number": number, "words": plots.words}
    template = files("components.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8")
    best = sorted(metrics["models"], key=lambda name: -metrics["models"][name][f"NDCG@{metrics['k']}"]["mean"])
    return page.from_string(template).render(
        metrics=metrics,
        best=best,
        summary=summary(metrics),
        columns=[name for name in metrics["models"]["hybrid"] if name.split("@")[0] in SHOWN],
        space=space.report() if space else None,
        semantic=flat(about.get("semantic", {})),
        figures={name: Markup(svg) for name, svg in (_figures(metrics, about) | _maps(space)).items()},  # noqa: S704 - drawn by us: names are paths, or escaped
        examples=[(answer.user_id, item, Markup(draw(item.title, item.paths))) for answer in examples for item in answer.items],  # noqa: S704 - drawn by us, escaped
        weights=list(zip(_states(about), about.get("weights", []), strict=True)),
    )


def summary(metrics: dict[str, Any]) -> str:
    """Say in words what was found."""
    k, data = metrics["k"], metrics["data"]
    ndcg, hit = (metrics["models"]["hybrid"][f"{name}@{k}"] for name in ("NDCG", "HR"))
    text = (
        f"For {data['test_users']:,} test users and {data['items']:,} items, the hybrid's list of {k} holds a wanted item for "
        f"{100 * hit['mean']:.1f}{NBSP}% of the users ({100 * hit['low']:.1f} to {100 * hit['high']:.1f}{NBSP}%); "
        f"NDCG@{k} is {ndcg['mean']:.4f} ({ndcg['low']:.4f} to {ndcg['high']:.4f})."
    )
    verdicts = {plots.words(name): _verdict(row[f"NDCG@{k}"]) for name, row in sorted(metrics["paired"].items())}
    for said in ("better than", "worse than", "not distinguishable from"):
        if names := [name for name, verdict in verdicts.items() if verdict == said]:
            text += f" It is {said} {_join(names)}."
    if verdicts:
        text += f" That is by paired 95{NBSP}% intervals of NDCG@{k}."
    return text


def number(value: float | None) -> str:
    """Format a figure: integers with separators, others with four places, nothing as a dash."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"


def _figures(metrics: dict[str, Any], about: dict[str, Any]) -> dict[str, str]:
    found = {
        "Models": plots.models(metrics),
    }
    if metrics["worth"]["parts"]:
        found["What each part is worth"] = plots.worth(metrics)
    if about.get("weights"):
        found["Learned weights"] = plots.weights(_states(about), about["weights"])
    found |= {
        "Popular items and the rest": plots.exposure(metrics),
        "Reliability of the score": plots.reliability(metrics),
        "Slices": plots.slices(metrics),
    }
    curves = sorted((name, curve) for name, curve in about.get("curves", {}).items() if curve)
    drawn = {f"Learning curve: {plots.words(name)}": plots.learning(i, name, curve) for i, (name, curve) in enumerate(curves)}
    return found | drawn


def flat(counted: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Lay nested mappings out as rows of a name and a figure or word; lists, such as curves, are left out."""
    rows: list[tuple[str, Any]] = []
    for name, value in counted.items():
        said = f"{before}{plots.words(name)}"
        if isinstance(value, dict):
            rows += flat(value, f"{said}: ")
        elif isinstance(value, int | float | str):
            rows.append((said, value))
    return rows


def _maps(space: Space | None) -> dict[str, str]:
    if space is None:
        return {}
    return {f"Map of the items: {name}": plots.scatter(i, name, *space.map(name)) for i, name in enumerate(space.views)}


def _verdict(difference: dict[str, float]) -> str:
    if difference["low"] > 0:
        return "better than"
    return "worse than" if difference["high"] < 0 else "not distinguishable from"


def _states(about: dict[str, Any]) -> list[str]:
    """Name the user states: as given, else up to bounds[0], then up to each further bound, then beyond."""
    bounds = about.get("bounds", [])
    if "states" in about or not bounds:
        return about.get("states", [])
    inner = [f"{low + 1} to {high}" for low, high in pairwise(bounds)]
    return ["none", *inner, f"more than {bounds[-1]}"]


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
