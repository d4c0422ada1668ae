"""What accuracy does not tell: spread, novelty, diversity, surprise, and whether a score is a probability.

`lists` are int64 (users, k), item indices, -1 where a list has ended; `counts` int64 (items,), training events.
"""

from typing import Any

import numpy as np

from components.data.histories import Ints
from components.evaluation.metrics import Bools
from components.ranking.parts import Floats


def shown(lists: Ints, items: int) -> Ints:
    """How often each item is recommended: int64 (items,)."""
    return np.bincount(lists[lists >= 0], minlength=items)


def coverage(lists: Ints, items: int) -> float:
    """Share of the catalogue that is recommended to anyone."""
    return float((shown(lists, items) > 0).mean())


def gini(lists: Ints, items: int) -> float:
    """Gini index of how often the items of the catalogue are recommended: 0 all alike, 1 one item only."""
    exposure = np.sort(shown(lists, items))
    ranks = 2 * np.arange(1, items + 1) - items - 1
    return float(ranks @ exposure / max(items * exposure.sum(), 1))


def novelty(lists: Ints, counts: Ints) -> float:
    """Mean self-information, in bits, of a recommended item: -log2 of its share of all events, each item counted once more."""
    information = -np.log2((counts + 1) / (counts.sum() + len(counts)))
    return _mean(information[lists[lists >= 0]])


def popularity(lists: Ints, counts: Ints) -> float:
    """Mean training events of a recommended item."""
    return _mean(counts[lists[lists >= 0]])


def diversity(lists: Ints, content: Floats, block: int = 1024) -> float:
    """Mean over users of 1 - the mean cosine of two different items of the list; lists of fewer than two do not count.

    Args:
        content: float (items, d), the items' content vectors.
    """
    length = np.linalg.norm(content, axis=1, keepdims=True)
    unit = np.concatenate([content / np.where(length > 0, length, 1.0), np.zeros((1, content.shape[1]))])
    own = (unit**2).sum(1)
    cuts = range(0, len(lists), block)
    together = np.concatenate([(unit[lists[cut : cut + block]].sum(1) ** 2).sum(1) for cut in cuts] or [np.empty(0)])
    sizes = (lists >= 0).sum(1)
    pairs = sizes * (sizes - 1)
    several = pairs > 0
    return _mean(1 - (together - own[lists].sum(1))[several] / pairs[several])


def serendipity(relevant: Bools, expected: Bools) -> float:
    """Mean share of a list that is wanted and not expected (Ge, Delgado-Battenfeld, Jannach, RecSys 2010).

    Args:
        relevant: bool (users, k), wanted.
        expected: bool (users, k), also among the user's k most popular unseen items.
    """
    return _mean(relevant & ~expected)


def exposure(lists: Ints, counts: Ints, points: int = 50) -> list[float]:
    """Share of all recommendations that go to the 0, 1 / points … 1 most popular share of the catalogue."""
    order = np.argsort(-counts, kind="stable")
    return concentration(shown(lists, len(counts))[order], points)


def concentration(amounts: Ints, points: int = 50) -> list[float]:
    """Share of the total in the first 0, 1 / points … 1 of the amounts."""
    total = np.concatenate([[0], np.cumsum(amounts)])
    places = np.arange(points + 1) * len(amounts) // points
    return [float(share) for share in total[places] / max(total[-1], 1)]


def reliability(scores: Floats, relevant: Bools, bins: int = 15) -> dict[str, Any]:
    """Compare scores, taken as probabilities, with what came true.

    ECE = Σ_b n_b / n |mean score - share wanted| (Naeini, Cooper, Hauskrecht, AAAI 2015) over 15 bins of equal mass: each holds as
    many pairs as any other. `ECE_width` has the bins of equal width over [0, 1] that Guo et al. (ICML 2017) use; where nearly
    all scores are small they fall into the first, whose gaps cancel, so it is the laxer figure.

    Args:
        scores: float64 (pairs,), in [0, 1].
        relevant: bool (pairs,).

    Returns:
        Both errors, and `bins`, those of equal mass, lowest scores first.
    """
    order = np.argsort(scores, kind="stable")
    place = np.minimum((scores * bins).astype(np.int64), bins - 1)
    mass, width = (
        [_bin(scores, relevant, part) for part in parts if len(part)]
        for parts in (np.array_split(order, bins), [np.flatnonzero(place == i) for i in range(bins)])
    )
    return {"ECE": _gap(mass, len(scores)), "ECE_width": _gap(width, len(scores)), "bins": mass}


def _bin(scores: Floats, relevant: Bools, part: Ints) -> dict[str, float]:
    return {"score": float(scores[part].mean()), "wanted": float(relevant[part].mean()), "pairs": len(part)}


def _gap(rows: list[dict[str, float]], pairs: int) -> float:
    return sum(row["pairs"] * abs(row["score"] - row["wanted"]) for row in rows) / max(pairs, 1)


def _mean(values: np.ndarray[Any, Any]) -> float:
    return float(values.mean()) if values.size else 0.0
