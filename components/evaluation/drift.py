"""Drift: whether what happens now still looks like what the champion was trained on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import ks_2samp

from components.data.histories import Ints
from components.ranking.parts import Floats

GROUPS = 10  # of items by popularity, each with as many of the earlier events
AXES = 5  # of the embedding, those along which the earlier events differ most
OTHER = "(unknown item)"
CHANCE = 0.001  # a distance that so few equal samples reach is none of chance; few users reach any bound


@dataclass(frozen=True)
class Bounds:
    """From where on a difference is a drift.

    Attributes:
        psi: population stability index; by custom below 0.1 is none, from 0.2 on a clear one.
        ks: Kolmogorov-Smirnov distance, the largest gap of two distribution functions; it must be beyond chance, too.
        least: events (or scores) on each side below which nothing is said.
    """

    psi: float = 0.2
    ks: float = 0.15
    least: int = 500


@dataclass(frozen=True)
class Drift:
    """One difference that was looked for."""

    name: str
    measure: str
    value: float
    bound: float
    drifted: bool
    reason: str


def drifts(items: pl.DataFrame, before: pl.DataFrame, now: pl.DataFrame, bounds: Bounds) -> list[Drift]:
    """Compare events with earlier ones: categories and popularity of their items by PSI, events per user by KS.

    Args:
        items: item_id, categories (list) of the catalogue that the champion knows.
        before, now: user_id, item_id.

    Returns:
        Nothing where either side has fewer events than `bounds.least`.
    """
    if min(len(before), len(now)) < bounds.least:
        return []
    return [
        _psi("category of the items", *_shares(_categories(items, before), _categories(items, now)), bounds.psi),
        _psi("popularity of the items", *_shares(_grouped(before, before), _grouped(before, now)), bounds.psi),
        _ks("events per user", _per_user(before), _per_user(now), bounds),
    ]


def embeddings(vectors: Floats, before: Ints, now: Ints, bounds: Bounds) -> list[Drift]:
    """Compare where the items of two samples of events lie, by KS along each of the principal axes of the earlier; the largest counts.

    Args:
        vectors: float (items, d) of the catalogue; before, now: int64 (events,), places in it.

    Returns:
        Nothing where either side is smaller than `bounds.least`.
    """
    if min(len(before), len(now)) < bounds.least:
        return []
    counts = np.bincount(before, minlength=len(vectors))
    centred = vectors - np.average(vectors, axis=0, weights=counts)
    axes = np.linalg.svd(np.sqrt(counts)[:, None] * centred, full_matrices=False)[2][:AXES]
    along = centred @ axes.T
    most = max((_ks("embedding of the items", side[before], side[now], bounds) for side in along.T), key=lambda one: one.value)
    return [replace(most, reason=f"along the axis of {len(axes)} that moved most {most.reason}")]


def scores(before: Floats, now: Floats, bounds: Bounds) -> list[Drift]:
    """Compare two samples of scores by KS; nothing where either is too small."""
    return [] if min(len(before), len(now)) < bounds.least else [_ks("scores", before, now, bounds)]


def psi(before: Ints, now: Ints) -> float:
    """Population stability index of two rows of counts: Σ (q - p) ln(q / p), each count raised by one half so that none is 0."""
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float(((q - p) * np.log(q / p)).sum())


def _psi(name: str, before: Ints, now: Ints, labels: list[str], bound: float) -> Drift:
    value = psi(before, now)
    gap = now / now.sum() - before / before.sum()
    most = int(np.argmax(np.abs(gap)))
    reason = f"{labels[most]} went from {before[most] / before.sum():.1%} to {now[most] / now.sum():.1%}"
    return Drift(name, "PSI", value, bound, value >= bound, reason)


def _ks(name: str, before: Floats | Ints, now: Floats | Ints, bounds: Bounds) -> Drift:
    found: Any = ks_2samp(before, now, method="asymp")
    value = float(found.statistic)
    reason = f"the median went from {np.median(before):.4g} to {np.median(now):.4g}"
    return Drift(name, "KS", value, bounds.ks, value >= bounds.ks and found.pvalue < CHANCE, reason)


def _shares(before: pl.Series, now: pl.Series) -> tuple[Ints, Ints, list[str]]:
    """Counts of each label on both sides, and the labels, sorted."""
    labels = sorted({*before.unique(), *now.unique()})
    places = pl.DataFrame({"label": labels})
    first, then = (
        places.join(side.rename("label").value_counts(), on="label", how="left", maintain_order="left")["count"].fill_null(0).to_numpy()
        for side in (before, now)
    )
    return first.astype(np.int64), then.astype(np.int64), labels


def _categories(items: pl.DataFrame, events: pl.DataFrame) -> pl.Series:
    joined = events.join(items.select("item_id", "categories"), on="item_id", how="left", maintain_order="left")
    return joined.explode("categories")["categories"].fill_null("(none)")


def _grouped(before: pl.DataFrame, events: pl.DataFrame) -> pl.Series:
    """The group of each event's item, by its share of the earlier events."""
    counts = before["item_id"].value_counts().sort(["count", "item_id"], descending=[True, False])
    reached = pl.col("count").cum_sum().shift(1, fill_value=0) * GROUPS // pl.col("count").sum()
    groups = counts.select("item_id", group=pl.format("popularity group {} of {}", reached + 1, GROUPS))
    return events.join(groups, on="item_id", how="left", maintain_order="left")["group"].fill_null(OTHER)


def _per_user(events: pl.DataFrame) -> Ints:
    return events["user_id"].value_counts()["count"].sort().to_numpy().astype(np.int64)
