"""The heaviest paths from many histories to many candidates, found together: doors in, links, doors out."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from components.data.histories import Ints
from components.knowledge.channels import Channels, Sparse, spans
from components.ranking.parts import Floats


@dataclass(frozen=True)
class Path:
    """A chain of edges from an item of the history to a candidate.

    Attributes:
        source: the item of the history.
        edges: ids of the one to three edges, from the source on.
        weight: its share of the score.
    """

    source: int
    edges: tuple[int, ...]
    weight: float


@dataclass(frozen=True)
class Chains:
    """Paths of many pairs of a history and a candidate, by pair.

    Attributes:
        pair: int64 (paths,), ascending.
        source: int64 (paths,), items of the histories.
        edges: int64 (paths, 3), ids, -1 where a path has fewer.
        weight: float64 (paths,), shares of the pair's score.
    """

    pair: Ints
    source: Ints
    edges: Ints
    weight: Floats

    def __len__(self) -> int:
        return len(self.pair)

    def pick(self, places: Any) -> "Chains":
        """Keep the paths at the given places, in their order."""
        return Chains(self.pair[places], self.source[places], self.edges[places], self.weight[places])

    def first(self, most: int) -> "Chains":
        """Keep the first `most` of each pair."""
        return self.pick(_turn(self.pair) < most)

    def lists(self, pairs: int) -> list[list[Path]]:
        """Give each pair's paths, in their order."""
        found: list[list[Path]] = [[] for _ in range(pairs)]
        for pair, source, edges, weight in zip(*(part.tolist() for part in (self.pair, self.source, self.edges, self.weight)), strict=True):
            found[pair].append(Path(source, tuple(edge for edge in edges if edge >= 0), weight))
        return found


@dataclass(frozen=True)
class Pathfinder:
    """Finds paths by what links a door in to a door out: one of the channels between the two.

    Attributes:
        weights: float64 (channels,), what each is worth.
    """

    channels: Channels
    weights: Floats

    def heaviest(self, past: Sparse, candidates: Ints, most: int) -> Chains:
        """Find the `most` heaviest paths of each user with candidates: by weight downwards, then by edges.

        Args:
            past: CSR float64 (users, items), the weight of each history's items.
            candidates: int64 (users, c), -1 where there is none; pair p is candidate p mod c of user p div c.
        """
        ways = _Ways.of(self.channels, past, candidates)
        owner, out, channel = self._links(ways)
        first, last, link = ways.joined(owner, out)
        source, pair = past.indices[ways.entry[first]].astype(np.int64), ways.pair[last]
        proper = self._proper(source, candidates.ravel()[pair], channel[link])
        first, last, link, source, pair = (part[proper] for part in (first, last, link, source, pair))
        worth = past.data[ways.entry[first]] * self.weights[channel[link]]
        total = np.bincount(pair, worth, minlength=candidates.size)
        kept = _heavy(pair, worth, most)
        first, last, link, source, pair, worth = (part[kept] for part in (first, last, link, source, pair, worth))
        edges = np.stack([ways.before[first], self.channels.middle[channel[link]], ways.after[last]], 1)
        order = np.lexsort((edges[:, 2], edges[:, 1], edges[:, 0], -worth, pair))
        return Chains(pair, source, edges, worth / total[pair]).pick(order).first(most)

    def _links(self, ways: "_Ways") -> tuple[Ints, Ints, Ints]:
        """Links between a user's doors in and that user's doors out: keys of both, and the channel."""
        pointers, far, channel = self._table
        doors, own = np.unique(ways.enter % ways.doors, return_inverse=True)
        lengths = pointers[doors + 1] - pointers[doors]
        which, place = np.repeat(np.arange(len(doors)), lengths), _ranges(pointers[doors], lengths)
        used = np.zeros(ways.doors, dtype=bool)
        used[ways.leave % ways.doors] = True
        near = used[far[place]]  # for all users together, before it is looked at for each
        which, place = which[near], place[near]
        lengths = np.bincount(which, minlength=len(doors))
        start = np.cumsum(lengths) - lengths
        key = np.repeat(ways.enter, lengths[own])
        place = place[_ranges(start[own], lengths[own])]
        out = key // ways.doors * ways.doors + far[place]
        mine = ways.leaves[out]
        return key[mine], out[mine], channel[place[mine]]

    def _proper(self, source: Ints, candidate: Ints, channel: Ints) -> Any:
        """Which paths meet no item twice."""
        nodes, wide = self.channels.nodes[channel], self.channels.middle[channel] >= 0
        return (source != candidate) & ~(wide & ((nodes[:, 1] == source) | (nodes[:, 0] == candidate)))

    @cached_property
    def _table(self) -> tuple[Ints, Any, Any]:
        """All links by their door in: pointers, int64 (doors + 1,), and of each link the door out and the channel, int32."""
        enter, back = self.channels.enter.tocsr(), self.channels.leave.T.tocsr()
        there = np.flatnonzero(enter.data > 0)
        door = np.repeat(np.arange(enter.shape[0]), np.diff(enter.indptr))[there]
        entry, place = spans(back, enter.indices[there].astype(np.int64))
        good = back.data[place] > 0
        entry, place = entry[good], place[good]
        pointers = np.concatenate([[0], np.cumsum(np.bincount(door[entry], minlength=enter.shape[0]))])
        return pointers, back.indices[place].astype(np.int32), enter.indices[there[entry]].astype(np.int32)


@dataclass(frozen=True)
class _Ways:
    """Steps of histories to doors, and of candidates; a key is a user's door: user · doors + door.

    Attributes:
        doors: how many there are.
        enter: int64, ascending, the keys that histories come to, each once.
        entries: int64, ascending, the keys that they come to by each step; of which entry of `past`, `entry`, and by which edge, `before`.
        leave: int64, ascending, the keys by which candidates are left for; of which pair, `pair`, and by which edge, `after`.
        leaves: bool (users · doors,), which keys are in `leave`.
    """

    doors: int
    enter: Ints
    entries: Ints
    entry: Ints
    before: Ints
    leave: Ints
    pair: Ints
    after: Ints
    leaves: Any

    @classmethod
    def of(cls, channels: Channels, past: Sparse, candidates: Ints) -> "_Ways":
        steps, doors = channels.steps, channels.steps.shape[1]
        user = np.repeat(np.arange(past.shape[0]), np.diff(past.indptr))
        entry, step = spans(steps, past.indices.astype(np.int64))
        entries, entry, before = _sorted(user[entry] * doors + steps.indices[step], entry, channels.edges[step])
        there = np.flatnonzero(candidates.ravel() >= 0)
        pair, step = spans(steps, candidates.ravel()[there])
        pair = there[pair]
        leave, pair, after = _sorted(pair // candidates.shape[1] * doors + steps.indices[step], pair, channels.edges[step])
        leaves = np.zeros(past.shape[0] * doors, dtype=bool)
        leaves[leave] = True
        return cls(doors, np.unique(entries), entries, entry, before, leave, pair, after, leaves)

    def joined(self, owner: Ints, out: Ints) -> tuple[Ints, Ints, Ints]:
        """Each link with every step to its door in and every step to its door out: places of both, and of the link."""
        (start, ins), (begin, outs) = _found(self.entries, owner), _found(self.leave, out)
        sizes = ins * outs
        link = np.repeat(np.arange(len(sizes)), sizes)
        turn = _ranges(np.zeros_like(sizes), sizes)
        return start[link] + turn // outs[link], begin[link] + turn % outs[link], link


def _sorted(key: Ints, *others: Ints) -> tuple[Ints, ...]:
    order = np.argsort(key, kind="stable")
    return key[order], *(other[order] for other in others)


def _found(keys: Ints, wanted: Ints) -> tuple[Ints, Ints]:
    """Where wanted keys start among ascending ones, and how many there are of each."""
    start = np.searchsorted(keys, wanted, "left")
    return start, np.searchsorted(keys, wanted, "right") - start


def _ranges(starts: Ints, lengths: Ints) -> Ints:
    """Ranges of some lengths, end to end."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - starts, lengths)


def _turn(pair: Ints) -> Ints:
    """The how-manieth of its pair each is, from 0; pairs ascend."""
    return np.arange(len(pair)) - np.searchsorted(pair, pair, "left")


def _heavy(pair: Ints, worth: Floats, most: int) -> Ints:
    """The `most` heaviest of each pair and what weighs as much as the last of them, in no order."""
    order = np.lexsort((-worth, pair))
    pair, worth = pair[order], worth[order]
    turn = _turn(pair)
    start = np.arange(len(pair)) - turn
    size = np.searchsorted(pair, pair, "right") - start
    last = worth[start + np.minimum(size, most) - 1] if len(pair) else worth
    return order[worth >= last]
