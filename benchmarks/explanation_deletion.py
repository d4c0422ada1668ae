"""Is attention an explanation? The score as the history loses its most attended items, beside other orders of losing them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from explanation_causes import kept, sampled, scores, summarised
from explanation_lists import Lists

from components.data.histories import Ints
from components.ranking.parts import Floats

SHARES = (0.1, 0.2, 0.3, 0.5, 0.7)  # of the history that is deleted
LEAST = 10  # events, so that each share is at least one
DRAWS = 2  # random orders, averaged
Order = Callable[[int], Ints]  # the events of a user's history, first to go first


def deletion(shown: Lists, count: int, seed: int) -> dict[str, Any]:
    """The fall of the first item's score, in its own head and in the hybrid, at each share deleted, by each order."""
    users = sampled(shown, count, seed, LEAST)
    first = shown.items[users, :1]
    orders = _orders(shown, users, first, seed)
    whole = scores(shown, shown.asked.pick(users), first)
    head = next(place for place, name in enumerate(shown.recommender.scorer.terms.names) if name.endswith(" head"))
    falls: dict[str, Floats] = {}
    for name, order in orders.items():
        for share in SHARES:
            left = scores(shown, kept(shown, users, _after(order, share)), first)
            falls[f"hybrid {name} {share}"] = whole[0][:, 0] - left[0][:, 0]
            falls[f"head {name} {share}"] = whole[1][head, :, 0] - left[1][head, :, 0]
    return {"users": len(users), "shares": list(SHARES)} | {what: _curves(falls, what, list(orders), seed) for what in ("head", "hybrid")}


def _curves(falls: dict[str, Floats], what: str, orders: list[str], seed: int) -> dict[str, Any]:
    """Each order's curve, the area under it, and attention's area less the others', paired by user."""
    names = list(dict.fromkeys(name.split(" #")[0] for name in orders))
    curve = {
        name: np.mean([[falls[f"{what} {each} {share}"] for share in SHARES] for each in orders if each.split(" #")[0] == name], axis=0)
        for name in names
    }
    areas = {name: values.mean(0) for name, values in curve.items()}
    ahead = {f"attention_less_{name}": areas["attention"] - areas[name] for name in names if name != "attention"}
    found = summarised({f"area_{name}": area for name, area in areas.items()} | ahead, seed)
    return {"curves": {name: [float(each) for each in values.mean(1)] for name, values in curve.items()}} | found


def _orders(shown: Lists, users: Ints, first: Ints, seed: int) -> dict[str, Order]:
    """Attention downwards, at random, by popularity downwards, the newest first, and by attention upwards."""
    asked = shown.asked.pick(users)
    alpha = shown.recommender.scorer.terms.attention(asked, first)
    assert alpha is not None
    place = {int(user): row for row, user in enumerate(users)}
    often = np.bincount(shown.recommender.histories.items, minlength=len(shown.recommender.items))

    def weights(user: int) -> Floats:
        length = len(shown.history(user))
        shares = alpha[place[user], 0, 1:]
        padded = np.concatenate([np.zeros(max(0, length - len(shares))), shares[-length:]])
        return padded[-length:]

    found: dict[str, Order] = {
        "attention": lambda user: np.argsort(-weights(user), kind="stable"),
        "popularity": lambda user: np.argsort(-often[shown.history(user)], kind="stable"),
        "newest": lambda user: np.arange(len(shown.history(user)))[::-1],
        "least_attention": lambda user: np.argsort(weights(user), kind="stable"),
    }
    return found | {f"random #{n}": _random(shown, seed, n) for n in range(DRAWS)}


def _random(shown: Lists, seed: int, draw: int) -> Order:
    """One order for each user, the same at every share."""
    return lambda user: np.random.default_rng([seed, draw, user]).permutation(len(shown.history(user)))


def _after(order: Order, share: float) -> Callable[[int], Any]:
    """Which events stay once the first of an order are gone."""

    def keep(user: int) -> Any:
        events = order(user)
        mask = np.ones(len(events), dtype=bool)
        mask[events[: max(1, round(share * len(events)))]] = False
        return mask

    return keep
