"""A search as a page: the trials, their history, and which key mattered."""

from importlib.resources import files

import jinja2
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from components.evaluation import plots
from flows.search import Found


def render(found: Found) -> str:
    """Render a search as one HTML page that needs nothing else."""
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    figures = {"History": history(found)} | ({"Importance of the keys": importance(found)} if found.importance else {})
    template = files("flows").joinpath("search.html.j2").read_text(encoding="utf-8")
    drawn = {name: Markup(svg) for name, svg in figures.items()}  # noqa: S704 - drawn by us: names are paths, or escaped
    return page.from_string(template).render(found=found, figures=drawn)


def history(found: Found) -> str:
    """Show each trial's value, the best so far, and the settings in force."""
    rows = [row for row in found.trials if row["value"] is not None]
    best = [max(row["value"] for row in rows[: end + 1]) for end in range(len(rows))]

    def paint(axes: Axes) -> None:
        numbers = [row["number"] for row in rows]
        axes.axhline(found.now, color=plots.INK, linewidth=1, linestyle="--", label="settings in force")
        axes.plot(numbers, [row["value"] for row in rows], color=plots.COLOURS[0], marker=".", linestyle="none", label="trial")
        axes.step(numbers, best, where="post", color=plots.COLOURS[1], label="best so far")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("trial")
        axes.set_ylabel("NDCG@10 on validation")
        axes.legend()

    return plots.draw("history", "NDCG@10 on validation by trial", paint)


def importance(found: Found) -> str:
    """Show how much of what the trials differ in is due to each key."""
    names = sorted(found.importance, key=lambda name: found.importance[name])

    def paint(axes: Axes) -> None:
        axes.barh(names, [found.importance[name] for name in names], color=plots.COLOURS[0], height=0.65)
        axes.set_xlabel("share")

    return plots.draw("importance", "Importance of each key", paint, 0.8 + 0.4 * len(names))
