"""The plot of the simulated production: online hit rate by day, with and without retraining, and what was planted when."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from components.evaluation.plots import COLOURS, STYLE

SMOOTH = 5  # days


def plot(online: list[dict[str, Any]], nights: list[dict[str, Any]], out: Path) -> None:
    """Draw the rates, each day a dot, and their means over the last five days."""
    visits = np.array([row["visits"] for row in online])
    with mpl.rc_context(STYLE | {"text.color": "#334155", "axes.edgecolor": "#334155", "axes.labelcolor": "#334155"} | _ticks()):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for kind, colour, label in (
            ("with", COLOURS[0], "retrained every night"),
            ("without", COLOURS[3], "the first bundle, never retrained"),
        ):
            hits = np.array([row[kind] for row in online])
            axes.plot(range(1, len(hits) + 1), hits / np.maximum(visits, 1), ".", color=colour, alpha=0.4)
            axes.plot(range(1, len(hits) + 1), _smooth(hits) / np.maximum(_smooth(visits), 1), color=colour, label=label)
        for row in nights:
            if row["planted"]:
                axes.axvline(row["night"], color="#94a3b8", linewidth=0.8, linestyle=":")
                axes.annotate(row["planted"], (row["night"], 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=7, ha="right")
        axes.set_xlabel("day")
        axes.set_ylabel("share of lists of which a film was taken")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left")
        figure.savefig(out, format="svg", metadata={"Date": None})


def _smooth(values: np.ndarray) -> np.ndarray:
    total = np.cumsum(values, dtype=float)
    return total - np.concatenate([np.zeros(min(SMOOTH, len(total))), total[:-SMOOTH]])


def _ticks() -> dict[str, Any]:
    return {"xtick.color": "#334155", "ytick.color": "#334155", "figure.facecolor": "white", "savefig.facecolor": "white"}
