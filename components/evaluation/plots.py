"""Plots as inline SVG: the same bytes for the same data, text as paths, ink in the page's own colour."""

import html
import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from components.ranking.parts import Floats

INK = "#010203"  # stands for the page's text colour, which dark mode changes
COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#a855f7", "#14b8a6", "#ec4899", "#84cc16")
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "zhijian",
    "svg.fonttype": "path",
    "text.parse_math": False,  # names come from outside
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def draw(name: str, label: str, paint: Callable[[Axes], None], height: float = 3.0) -> str:
    """Draw one figure, 5 inches wide, as an <svg> element.

    Args:
        name: makes the element's inner ids unique on the page.
        label: what people who can't see it are told.
        paint: fills the axes.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.0, height), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"\s*<metadata>.*?</metadata>|\s*<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    head = f'<svg role="img" aria-label="{html.escape(label)}"'
    return text.replace("<svg", head, 1).replace(INK, "currentColor")


def models(metrics: dict[str, Any]) -> str:
    """Compare the models: NDCG@k with its interval."""
    metric = f"NDCG@{metrics['k']}"
    names = sorted(metrics["models"], key=lambda name: metrics["models"][name][metric]["mean"])
    rows = [metrics["models"][name][metric] for name in names]

    def paint(axes: Axes) -> None:
        means = [row["mean"] for row in rows]
        spans = [[row["mean"] - row["low"] for row in rows], [row["high"] - row["mean"] for row in rows]]
        colours = [COLOURS[0] if name == "hybrid" else "#94a3b8" for name in names]
        axes.barh([words(name) for name in names], means, xerr=spans, color=colours, ecolor=INK, capsize=3, height=0.65)
        axes.set_xlabel(f"{metric}, 95 % interval")

    return draw("models", f"{metric} of each model", paint, 0.8 + 0.4 * len(names))


def slices(metrics: dict[str, Any]) -> str:
    """Show NDCG@k of every slice that has users, against the mean of all."""
    metric = f"NDCG@{metrics['k']}"
    rows = [row for row in reversed(metrics["slices"]) if row[metric] is not None]

    def paint(axes: Axes) -> None:
        kinds = list(dict.fromkeys(row["slice"] for row in metrics["slices"]))
        colours = [COLOURS[kinds.index(row["slice"]) % len(COLOURS)] for row in rows]
        axes.barh(range(len(rows)), [row[metric] for row in rows], color=colours, height=0.7)
        axes.set_yticks(range(len(rows)), [f"{row['slice']} {row['value']}" for row in rows])
        axes.axvline(metrics["models"]["hybrid"][metric]["mean"], color=INK, linewidth=1, linestyle="--")
        axes.margins(y=0.01)
        axes.set_xlabel(f"{metric}; dashed: all users")

    return draw("slices", f"{metric} by slice", paint, 0.8 + 0.24 * len(rows))


def reliability(metrics: dict[str, Any]) -> str:
    """Show what came true against what the score promised."""
    rows = metrics["calibration"]["bins"]

    def paint(axes: Axes) -> None:
        scores, wanted = [row["score"] for row in rows], [row["wanted"] for row in rows]
        most = max([*scores, *wanted, 1e-6]) * 1.05
        axes.plot([0, most], [0, most], color=INK, linewidth=1, linestyle="--", label="perfect")
        axes.plot(scores, wanted, color=COLOURS[0], marker="o", label="hybrid")
        axes.set_xlabel("mean score ŷ of a bin")
        axes.set_ylabel("share wanted")
        axes.legend()

    return draw("reliability", "Reliability: share wanted against mean score", paint)


def exposure(metrics: dict[str, Any]) -> str:
    """Show what share of the recommendations the most popular items get."""
    found = metrics["exposure"]

    def paint(axes: Axes) -> None:
        shares = [100 * i / (len(found["events"]) - 1) for i in range(len(found["events"]))]
        axes.plot(shares, [100 * y for y in found["events"]], color=INK, linewidth=1, linestyle="--", label="training events")
        for i, (name, curve) in enumerate(sorted(found["models"].items())):
            axes.plot(shares, [100 * y for y in curve], color=COLOURS[i % len(COLOURS)], label=words(name))
        axes.set_xlabel("most popular items, % of the catalogue")
        axes.set_ylabel("% of recommendations")
        axes.legend()

    return draw("exposure", "Share of recommendations that the most popular items get", paint)


def learning(place: int, name: str, curve: list[dict[str, float]]) -> str:
    """Show loss and, where there is one, validation score by epoch, the best epoch marked; `place` tells the page's curves apart."""
    scored = [row for row in curve if "score" in row]
    best = max(scored, key=lambda row: row["score"], default=None)  # the first of equals
    seconds = [row["seconds"] for row in curve if "seconds" in row]

    def paint(axes: Axes) -> None:
        axes.plot([row["epoch"] + 1 for row in curve], [row["loss"] for row in curve], color=COLOURS[0], marker=".")
        axes.set_xlabel("epoch" + (f", {sum(seconds) / len(seconds):.1f} s each" if seconds else ""))
        axes.set_ylabel("training loss", color=COLOURS[0])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if best is not None:
            _scores(axes, scored, best)

    told = f"; best epoch {best['epoch'] + 1:.0f}, score {best['score']:.4f}" if best else ""
    return draw(f"learning-{place}", f"Learning curve of {words(name)}{told}", paint, 2.6)


def worth(metrics: dict[str, Any]) -> str:
    """Show NDCG@k lost without each part, with its interval, over all users and for each state of the user: a forest plot."""
    found = metrics["worth"]
    parts, states = list(reversed(found["parts"])), found["states"]

    def paint(axes: Axes) -> None:
        axes.axvline(0, color=INK, linewidth=1, linestyle="--")
        for i, state in enumerate(states):
            rows = [(place, found["parts"][part][i]) for place, part in enumerate(parts) if found["parts"][part][i] is not None]
            heights = [place + 0.3 - 0.6 * i / max(len(states) - 1, 1) for place, _ in rows]
            values = [row["difference"] for _, row in rows]
            spans = [[row["difference"] - row["low"] for _, row in rows], [row["high"] - row["difference"] for _, row in rows]]
            axes.errorbar(
                values,
                heights,
                xerr=spans,
                fmt="s" if i == 0 else "o",
                color=COLOURS[i],
                markersize=5 if i == 0 else 3,
                linewidth=2 if i == 0 else 1,
                label=f"{state['state']} ({state['users']:,})",
            )
        axes.set_yticks(range(len(parts)), [words(part) for part in parts])
        axes.set_xlabel(f"NDCG@{metrics['k']} lost without it, paired 95 % interval")
        axes.legend(fontsize=8)

    return draw("worth", "What each part of the hybrid is worth", paint, 1.0 + 0.7 * len(parts))


def weights(states: list[str], rows: list[dict[str, float]]) -> str:
    """Show the learned weights as a heat map: a row for each state of the user, a column for each part."""
    parts = list(rows[0])
    values = [[row[part] for part in parts] for row in rows]
    most = max(map(max, values)) or 1.0

    def paint(axes: Axes) -> None:
        axes.pcolormesh(values, cmap="Blues", vmin=0, vmax=most)
        axes.invert_yaxis()
        axes.set_xticks([x + 0.5 for x in range(len(parts))], [words(part) for part in parts], rotation=45, ha="right", fontsize=7)
        axes.set_yticks([y + 0.5 for y in range(len(states))], states, fontsize=7)
        for y, row in enumerate(values):
            for x, value in enumerate(row):
                colour = "white" if value > 0.6 * most else "black"
                axes.text(x + 0.5, y + 0.5, f"{value:.2f}".lstrip("0"), ha="center", va="center", color=colour, fontsize=6)

    return draw("weights", "Learned weight of each part by state of the user", paint, 1.2 + 0.4 * len(rows))


def scatter(place: int, name: str, points: Floats, groups: list[str]) -> str:
    """Map points (n, 2), coloured by group; `place` tells the page's maps apart."""

    def paint(axes: Axes) -> None:
        named = np.array(groups, dtype=object)
        for i, group in enumerate(sorted(set(groups))):
            own = points[named == group]
            axes.plot(own[:, 0], own[:, 1], ".", color=COLOURS[i % len(COLOURS)], markersize=3, alpha=0.7, label=group[:40])
        axes.set_xlabel("first principal component")
        axes.set_ylabel("second")
        if groups:
            axes.legend(fontsize=7, markerscale=3, loc="center left", bbox_to_anchor=(1, 0.5))

    return draw(f"map-{place}", f"Map of the items by {words(name)}, coloured by first category", paint, 3.4)


def _scores(axes: Axes, scored: list[dict[str, float]], best: dict[str, float]) -> None:
    right = axes.twinx()
    right.spines["right"].set_visible(True)
    right.plot([row["epoch"] + 1 for row in scored], [row["score"] for row in scored], color=COLOURS[1], marker=".")
    right.plot([best["epoch"] + 1], [best["score"]], color=COLOURS[3], marker="*", markersize=10, linestyle="none")
    right.annotate(
        f"best: {best['score']:.4f}",
        (best["epoch"] + 1, best["score"]),
        xytext=(0, -14),
        textcoords="offset points",
        ha="center",
        color=COLOURS[3],
        fontsize=8,
    )
    right.set_ylabel("validation score", color=COLOURS[1])


def words(name: str) -> str:
    """Write a model's name as people read it."""
    return name.replace("_", " ")
