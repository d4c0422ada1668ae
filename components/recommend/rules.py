"""Business rules as data: which items a rule is about, when it holds, and what it does to a list.

A rule is about the items with one of the values of each attribute of `where` (an attribute of the catalogue, or `category`), or
about the `items` named. It holds from `since` and before `until` (ISO 8601, UTC).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt

from components.data.histories import Ints
from components.errors import ConfigError, RequestError
from components.ranking.parts import Floats
from components.recommend.catalogue import Catalogue, Mask
from components.schema import Filters, node


def moment(text: str) -> datetime:
    """Read a date or a time, UTC where it names no zone; raises ValueError."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _checked(text: str) -> str:
    moment(text)
    return text


Name = Annotated[str, Field(min_length=1)]
Time = Annotated[str, AfterValidator(_checked)]
Where = dict[str, list[str]]


@node
class Pin:
    """Show the items at `position` and the places after it, in their order, where they are open to the user."""

    name: Name
    items: list[str]
    position: int = Field(1, ge=1, le=100)
    since: Time | None = None
    until: Time | None = None


@node
class Boost:
    """Make relevance r (1 the user's best candidate, 0 the worst) into r · times + plus."""

    name: Name
    where: Where | None = None
    items: list[str] | None = None
    times: PositiveFloat = 1.0
    plus: float = Field(0.0, allow_inf_nan=False)
    since: Time | None = None
    until: Time | None = None


@node
class Bury:
    """Show the items after all other candidates, or, with `out`, not at all."""

    name: Name
    where: Where | None = None
    items: list[str] | None = None
    out: bool = False
    since: Time | None = None
    until: Time | None = None


@node
class Stock:
    """Never show the items: they are out of stock."""

    name: Name
    where: Where | None = None
    items: list[str] | None = None
    since: Time | None = None
    until: Time | None = None


@node
class Cap:
    """Show at most `most` of the items among the first `within` places; with `each`, of those that share a value of that attribute."""

    name: Name
    most: NonNegativeInt
    within: PositiveInt = 10
    each: str | None = None
    where: Where | None = None
    items: list[str] | None = None
    since: Time | None = None
    until: Time | None = None


@node
class Quota:
    """Show at least `least` of the items among the first `within` places, or as many as are open to the user."""

    name: Name
    least: PositiveInt
    within: PositiveInt = 10
    where: Where | None = None
    items: list[str] | None = None
    since: Time | None = None
    until: Time | None = None


Rule = Pin | Boost | Bury | Stock | Cap | Quota


@dataclass(frozen=True)
class Placed:
    """A rule on a catalogue.

    Attributes:
        chosen: int64, the items it is about; of a pin in its order, else ascending.
        mask: the same as bool (items,).
        labels: int64 (items, most values), of a cap: the numbers of an item's values that are counted; -1 where there are no more.
    """

    rule: Rule
    chosen: Ints
    mask: Mask
    labels: Ints

    def holds(self, now: datetime) -> bool:
        """Whether the rule is in force."""
        since, until = self.rule.since, self.rule.until
        return (since is None or moment(since) <= now) and (until is None or now < moment(until))


def place(rules: Sequence[Rule], catalogue: Catalogue) -> list[Placed]:
    """Find the items that each rule is about.

    Raises:
        ConfigError: names the rule and the field: an item or attribute that there is not, neither or both of `where` and
            `items`, or a name that stands twice.
    """
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"rule {name!r}: name: stands {names.count(name)} times; give each rule a name of its own")
    return [_placed(rule, catalogue) for rule in rules]


def _placed(rule: Rule, catalogue: Catalogue) -> Placed:
    try:
        chosen = _chosen(rule, catalogue)
        labels = _labels(rule, chosen, catalogue) if isinstance(rule, Cap) else np.empty((0, 0), dtype=np.int64)
    except RequestError as error:
        raise ConfigError(f"rule {rule.name!r}: {error}") from None
    mask = np.zeros(len(catalogue.ids), dtype=bool)
    mask[chosen] = True
    return Placed(rule, chosen, mask, labels)


def _chosen(rule: Rule, catalogue: Catalogue) -> Ints:
    where = None if isinstance(rule, Pin) else rule.where
    if where is not None and rule.items is not None:
        raise RequestError("where", "give either where or items")
    if rule.items is not None:
        known, unknown = catalogue.known(list(dict.fromkeys(rule.items)))
        if unknown:
            raise RequestError("items", f"no item {unknown[0]!r} in the catalogue")
        return known
    if where:
        return np.flatnonzero(catalogue.allowed(Filters(include=where), "where"))
    if isinstance(rule, Cap) and rule.each is not None:
        return np.arange(len(catalogue.ids))
    raise RequestError("where", "give where or items: which items is the rule about?")


def _labels(cap: Cap, chosen: Ints, catalogue: Catalogue) -> Ints:
    if cap.each is None:
        labels = np.full((len(catalogue.ids), 1), -1)
        labels[chosen] = 0
        return labels
    values = catalogue.having("each", cap.each).select("item", "value").unique().sort("item", "value")
    values = values.filter(pl.col("item").is_in(chosen.tolist()))
    numbers = values["value"].rank("dense").cast(pl.Int64).to_numpy() - 1
    items = values["item"].to_numpy().astype(np.int64)
    turn = np.arange(len(items)) - np.searchsorted(items, items)
    labels = np.full((len(catalogue.ids), int(turn.max(initial=0)) + 1), -1)
    labels[items, turn] = numbers
    return labels


def boosted(relevance: Floats, boosts: Sequence[tuple[Boost, Mask]]) -> Floats:
    """Apply boosts in order to relevance, (users, n), where their masks, alike in shape, hold; a factor leaves what is negative."""
    for boost, mask in boosts:
        raised = np.where(relevance > 0, relevance * boost.times, relevance) + boost.plus
        relevance = np.where(mask, raised, relevance)
    return relevance
