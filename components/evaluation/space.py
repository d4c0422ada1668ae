"""The space of the items before and after pretraining: neighbours, alignment, uniformity, and a map."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from components.data.histories import Dataset, Ints, spaced
from components.ranking.parts import Floats
from components.recommend.retrieval import directions

SHOWN, NEAR = 5, 5  # items whose neighbours are shown, and how many each
MOST = 2000  # items, and pairs, that are measured and drawn
COLOURED = 7  # categories that have a colour of their own
REST = "other"


@dataclass(frozen=True)
class Space:
    """Items by what the catalogue says of them (content) and by the vectors that pretraining and alignment made of it.

    Attributes:
        views: float (items, d) by name, before and after; a row of zeros where nothing is known.
        titles, categories: of each item, the first category or None.
        chosen: int64 (n,), popular items whose neighbours are shown.
        pairs: int64 (p, 2), the last item that a user had and the one that he wanted next, in the test: unseen by training.
    """

    views: dict[str, Floats]
    titles: list[str]
    categories: list[str | None]
    chosen: Ints
    pairs: Ints

    @classmethod
    def of(cls, views: dict[str, Floats], items: pl.DataFrame, dataset: Dataset) -> "Space":
        """Take evenly spaced ones of the most chosen fifth of the items, and of the test users; items: item_id, title, categories."""
        table = items.sort("item_id").select(title=pl.coalesce("title", "item_id"), category=pl.col("categories").list.first())
        known = dataset.known()
        order = np.argsort(-np.bincount(known.items, minlength=len(table)), kind="stable")
        popular = order[: max(1, len(order) // 5)]
        asked = np.flatnonzero((known.lengths > 0) & (dataset.test.lengths > 0))
        users = asked[spaced(len(asked), MOST)]
        pairs = np.stack([known.items[known.offsets[users + 1] - 1], dataset.test.items[dataset.test.offsets[users]]], axis=1)
        unit = {name: directions(vectors) for name, vectors in views.items()}
        return cls(unit, table["title"].to_list(), table["category"].to_list(), popular[spaced(len(popular), SHOWN)], pairs)

    def report(self) -> dict[str, Any]:
        """Alignment and uniformity of each view, and neighbours of some items: plain data."""
        told = {name: {"alignment": self.alignment(name), "uniformity": self.uniformity(name)} for name in self.views}
        near = [{"item": self.titles[item]} | {name: self.neighbours(name, int(item)) for name in self.views} for item in self.chosen]
        return {"pairs": len(self.pairs), "views": told, "neighbours": near}

    def alignment(self, name: str) -> float | None:
        """Mean squared distance of what one user chose in turn, on the unit sphere; lower is better (Wang & Isola, ICML 2020)."""
        left, right = (self.views[name][self.pairs[:, side]] for side in (0, 1))
        there = left.any(1) & right.any(1)
        return float(np.square(left - right)[there].sum(1).mean()) if there.any() else None

    def uniformity(self, name: str) -> float | None:
        """Log of the mean of exp(-2 ‖x - y‖²) over pairs of different items; lower is better, -4 at the least (the same)."""
        vectors = self.views[name]
        known = np.flatnonzero(vectors.any(1))
        some = vectors[known[spaced(len(known), MOST)]]
        if len(some) < 2:
            return None
        cosines = (some @ some.T)[np.triu_indices(len(some), 1)]
        return float(np.log(np.exp(-4 * (1 - cosines)).mean()))

    def neighbours(self, name: str, item: int) -> list[str]:
        """Titles of the items with the highest cosine to an item, equal ones by index; none where nothing is known of it."""
        vectors = self.views[name]
        if not vectors[item].any():
            return []
        cosines = np.round(vectors @ vectors[item], 6)
        cosines[item] = -np.inf
        return [self.titles[place] for place in np.argsort(-cosines, kind="stable")[:NEAR]]

    def map(self, name: str) -> tuple[Floats, list[str]]:
        """Two principal components of the items, float (n, 2), and the category of each, those that are rare under one name."""
        vectors = self.views[name]
        known = np.flatnonzero(vectors.any(1))
        places = known[spaced(len(known), MOST)]
        named = [self.categories[place] or REST for place in places]
        counts = pl.Series(named, dtype=pl.String).value_counts().sort(["count", ""], descending=[True, False])
        kept = set(counts[""].to_list()[:COLOURED])
        return _components(vectors[places]), [category if category in kept else REST for category in named]


def _components(rows: Floats) -> Floats:
    """Principal components, each with its largest part positive, so that equal runs draw equal maps; rounded."""
    if len(rows) < 3:
        return np.zeros((len(rows), 2))
    moved = rows - rows.mean(0)
    axes = np.linalg.svd(moved.T @ moved)[0][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    found = np.zeros((len(rows), 2))
    found[:, : axes.shape[1]] = np.round(moved @ axes, 4)
    return found
