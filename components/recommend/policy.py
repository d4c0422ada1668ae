"""What happens to the hybrid's best candidates before they are shown: rules and diversity, in one fixed order.

1. Stock, and Bury with `out`, close items, as the caller's filters and the seen rule do; no rule opens what is closed.
2. Boost changes the relevance of the candidates.
3. The list is picked greedily: relevance or, with a diversity, what a candidate adds to the list; of the candidates that Cap and
   then Quota leave open, those not buried first. Pinned items count from the start.
4. Pin puts its items at their places; the others keep their order.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from pydantic import Field, InstanceOf, PositiveInt

from components.data.histories import Ints
from components.ranking.parts import Floats
from components.recommend.catalogue import Catalogue, Mask
from components.recommend.diversity import DPP, MMR, relevance
from components.recommend.pick import BuryLimit, CapLimit, Gain, Limit, QuotaLimit, Relevance, greedy
from components.recommend.retrieval import directions
from components.recommend.rules import Boost, Bury, Cap, Pin, Placed, Quota, Stock, boosted, place
from components.schema import node


@node
class Policy:
    """Rules and diversity, and of how many of the hybrid's best `candidates` they make the list.

    Quota and Pin also reach items that are not among the candidates.
    """

    candidates: PositiveInt = 200
    diversity: InstanceOf[MMR] | InstanceOf[DPP] | None = None
    rules: list[InstanceOf[Pin] | InstanceOf[Boost] | InstanceOf[Bury] | InstanceOf[Stock] | InstanceOf[Cap] | InstanceOf[Quota]] = Field(
        default_factory=list
    )

    def settle(self, catalogue: Catalogue, content: Floats) -> "Reranking":
        """Apply the policy to a catalogue and its content vectors; raises ConfigError for a rule that does not fit it."""
        return Reranking(self, place(self.rules, catalogue), directions(content))

    def without(self, name: str) -> "Policy":
        """The same policy without one rule."""
        return Policy(candidates=self.candidates, diversity=self.diversity, rules=[rule for rule in self.rules if rule.name != name])


@dataclass(frozen=True)
class Lists:
    """Lists of k for many users.

    Attributes:
        places: int64 (users, k), places among the candidates, -1 where a list has ended.
        acted: bool (rules, users, k), which rule raised, lowered or placed the item, or kept another from its place.
        names: the rules' names, in the policy's order.
    """

    places: Ints
    acted: Mask
    names: list[str]

    def rules(self, user: int) -> list[list[str]]:
        """Names of the rules that acted on each item of a user's list."""
        length = int((self.places[user] >= 0).sum())
        return [[name for name, acted in zip(self.names, self.acted[:, user, rank], strict=True) if acted] for rank in range(length)]


@dataclass(frozen=True)
class Reranking:
    """A policy on a catalogue.

    Attributes:
        rules: the policy's rules, each with its items.
        unit: float64 (items, d), directions of the content vectors.
    """

    policy: Policy
    rules: list[Placed]
    unit: Floats

    def grow(self, catalogue: Catalogue, content: Floats, told: Ints) -> "Reranking":
        """The policy on a catalogue that has more items, or says something else of those `told`, int64; `content` is theirs."""
        unit = np.concatenate([self.unit, np.zeros((len(catalogue.ids) - len(self.unit), self.unit.shape[1]))])
        unit[told] = directions(content)
        return Reranking(self.policy, place(self.policy.rules, catalogue), unit)

    def at(self, now: datetime) -> "Reranking":
        """Only the rules that are in force at a time."""
        return replace(self, rules=[placed for placed in self.rules if placed.holds(now)])

    @property
    def idle(self) -> bool:
        """Whether the hybrid's best k are the list."""
        diversity = self.policy.diversity
        return not self.rules and (diversity is None or diversity.trade == 0)

    def depth(self, k: int) -> int:
        """How many candidates a list of k is made of."""
        return k if self.idle else max(k, self.policy.candidates)

    def open(self) -> Mask:
        """Items that no rule closes: bool (items,)."""
        mask = np.ones(len(self.unit), dtype=bool)
        for placed in self.rules:
            if isinstance(placed.rule, Stock) or (isinstance(placed.rule, Bury) and placed.rule.out):
                mask &= ~placed.mask
        return mask

    def pinned(self) -> Ints:
        """Items that are candidates whatever their score, ascending."""
        chosen = [placed.chosen for placed in self.rules if isinstance(placed.rule, Pin)]
        return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *chosen]))

    def wanted(self) -> list[tuple[Mask, int]]:
        """Of which items, bool (items,), how many of the best must be candidates."""
        return [(placed.mask, placed.rule.least) for placed in self.rules if isinstance(placed.rule, Quota)]

    def about(self, item: int) -> list[str]:
        """Names of the rules that are about one item, whatever the list: all but caps and quotas."""
        return [placed.rule.name for placed in self.rules if placed.mask[item] and not isinstance(placed.rule, Cap | Quota)]

    def order(self, items: Ints, scores: Floats, width: int, k: int) -> Lists:
        """Make the lists.

        Args:
            items: int64 (users, n), candidates, each once; -1 where there is none.
            scores: float64 (users, n), the hybrid's.
            width: how many of the n are the hybrid's best; relevance is measured on them.
        """
        there, pins = items >= 0, self._pins(items)
        boosts = [(placed.rule, placed.mask[items]) for placed in self.rules if isinstance(placed.rule, Boost)]
        raised = boosted(relevance(np.where(there, scores, -np.inf), width), boosts)
        limits = self._limits(items, pins)
        for pin in pins:
            there[np.flatnonzero(pin.there), pin.found[pin.there]] = False
            for limit, _ in limits:
                limit.take(pin.found, pin.there)
        wide = max([k, *(pin.slot + 1 for pin in pins)])  # so that fewer are always the first of more
        picked, changed = greedy(self._gain(raised, items), there, [limit for limit, _ in limits], wide)
        places, source = (found[:, :k] for found in _merged(picked, pins))
        shown = np.where(places >= 0, np.take_along_axis(items, np.maximum(places, 0), axis=1), -1)
        acted = np.take_along_axis(changed, np.maximum(source, 0)[None], axis=2) & (source >= 0)
        return Lists(places, self._acted(shown, source < 0, acted, limits), [placed.rule.name for placed in self.rules])

    def _gain(self, raised: Floats, items: Ints) -> Gain:
        diversity = self.policy.diversity
        if diversity is None or diversity.trade == 0:
            return Relevance(raised)
        return diversity.gain(raised, self.unit[items])

    def _pins(self, items: Ints) -> "list[_Pin]":
        """Pinned items, each at the first free place from its own."""
        pins: dict[int, _Pin] = {}
        for placed in self.rules:
            if not isinstance(placed.rule, Pin):
                continue
            for turn, item in enumerate(placed.chosen.tolist()):
                slot = placed.rule.position - 1 + turn
                while any(pin.slot == slot for pin in pins.values()):
                    slot += 1
                same = items == item
                pins.setdefault(item, _Pin(slot, same.argmax(1), same.any(1)))
        return list(pins.values())

    def _limits(self, items: Ints, pins: "list[_Pin]") -> list[tuple[Limit, list[int]]]:
        """What limits the picks, in order, and the numbers of the rules behind it."""
        limits: list[tuple[Limit, list[int]]] = []
        quotas: list[int] = []
        buried = np.zeros(items.shape, dtype=bool)
        for number, placed in enumerate(self.rules):
            if isinstance(placed.rule, Cap):
                limits.append((CapLimit(placed.rule.most, placed.labels[items], _span(placed.rule.within, items, pins)), [number]))
            elif isinstance(placed.rule, Quota):
                quotas.append(number)
            elif isinstance(placed.rule, Bury):
                buried |= placed.mask[items]
        if quotas:
            limits.append((self._quotas(quotas, items, pins), quotas))
        return [*limits, (BuryLimit(buried), [])] if buried.any() else limits

    def _quotas(self, numbers: list[int], items: Ints, pins: "list[_Pin]") -> QuotaLimit:
        rules = [(placed.rule, placed.mask) for placed in (self.rules[number] for number in numbers) if isinstance(placed.rule, Quota)]
        member = np.stack([mask[items] for _, mask in rules])
        return QuotaLimit(
            np.array([rule.least for rule, _ in rules]), member, np.stack([_span(rule.within, items, pins) for rule, _ in rules])
        )

    def _acted(self, shown: Ints, pinned: Mask, changed: Mask, limits: list[tuple[Limit, list[int]]]) -> Mask:
        """Which rule acted on which item: of a cap, on what was picked in place of another; of a quota, on its members so picked."""
        acted = np.zeros((len(self.rules), *shown.shape), dtype=bool)
        for number, placed in enumerate(self.rules):
            if isinstance(placed.rule, Pin):
                acted[number] = placed.mask[shown] & pinned
            elif isinstance(placed.rule, Boost | Bury):
                acted[number] = placed.mask[shown] & ~pinned
        for (_, numbers), own in zip(limits, changed, strict=True):
            for number in numbers:
                acted[number] = own & (placed.mask[shown] if isinstance((placed := self.rules[number]).rule, Quota) else True)
        return acted & (shown >= 0)


@dataclass(frozen=True)
class _Pin:
    """A pinned item: its place in the list, and, int64 and bool (users,), its place among the candidates and whether it is there."""

    slot: int
    found: Ints
    there: Mask


def _span(within: int, items: Ints, pins: list[_Pin]) -> Ints:
    """How many of the first places are not pinned, and so picked: int64 (users,)."""
    taken = [pin.there for pin in pins if pin.slot < within]
    return within - np.stack(taken).sum(0) if taken else np.full(len(items), within)


def _merged(picked: Ints, pins: list[_Pin]) -> tuple[Ints, Ints]:
    """Put pins at their slots and what was picked around them; the second is where in `picked` a place comes from, -1 for a pin."""
    places = np.full_like(picked, -1)
    for pin in pins:
        places[pin.there, pin.slot] = pin.found[pin.there]
    free = places < 0
    source = np.where(free, np.cumsum(free, axis=1) - 1, -1)
    places = np.where(free, np.take_along_axis(picked, np.maximum(source, 0), axis=1), places)
    order = np.argsort(places < 0, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(source, order, axis=1)


def joined(items: Ints, more: Ints) -> Ints:
    """Lay more candidates beside, -1 where an item stands already."""
    twice = (items[:, None, :] == more[:, :, None]).any(2)
    return np.concatenate([items, np.where(twice, -1, more)], axis=1)
