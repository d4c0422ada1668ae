"""The reasoner: paths through the knowledge graph from the history to a candidate, weighed by learned attention."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse
from scipy.special import log_softmax, softmax
from torch import Tensor, nn

from components.data.histories import Histories, Ints
from components.errors import DataError
from components.knowledge.channels import Channels, Limits, Sparse, spans
from components.ranking.linear import aged, decayed, summed
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.ranking.paths import Chains, Path, Pathfinder
from components.schema import node
from components.training import Plan, fit

BLOCK = 2**25  # values of a dense block, at most
OWN = 2**12  # items whose paths to themselves are summed at a time


@dataclass(frozen=True)
class KnowledgeScorer:
    """The score is the sum over all paths of the history item's weight times the channel's, from no item to itself.

        z_ijt = Σ_h a_ih Σ_c∈t w_c L_hc R_jc        score_ij = Σ_t z_ijt

    with a the decayed history, L and R the steps into and out of channel c, and t the types of paths. It is summed door by door,
    so that what leaves by one door is gathered once.

    Attributes:
        weights: float64 (channels,), positive.
        learned: what training found, by name.
        limits: what paths are enumerated.
        decay, power: how an event's weight falls, as in `components.ranking.linear.decayed`.
    """

    channels: Channels
    weights: Floats
    learned: Arrays
    limits: Limits
    decay: float
    power: float = float("inf")

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        found: Floats = np.empty((len(histories), self.channels.steps.shape[0]), dtype=np.float64)
        for users, some in self._parts(histories, self.channels.steps.shape[1]):
            found[users] = (self.channels.steps @ (self._joined @ self._doors(some).T)).T
        past = self._past(histories)
        users = np.repeat(np.arange(len(found)), np.diff(past.indptr))
        found[users, past.indices] -= past.data * self._around[past.indices]
        return found

    def pairs(self, histories: Histories, candidates: Ints) -> Floats:
        """z_ij of each user with candidates, int64 (users, c): float32 (users, c, types)."""
        size = len(self.channels.types)
        found = np.zeros((*candidates.shape, size), dtype=np.float32)
        cells = 4 * max(self.channels.steps.shape[1] + len(self._exits.kind), candidates.shape[1] * (self._exits.widest + size))
        for users, some in self._parts(histories, cells):
            found[users] = self._pairs(some, candidates[users])
        return found

    def paths(self, history: Ints, candidate: int, most: int) -> list[Path]:
        """The `most` heaviest paths from a history, oldest first, to a candidate, by weight downwards, then by edges."""
        one = Histories(history, np.arange(len(history)), np.array([0, len(history)]))
        return self.chains(one, np.array([[candidate]]), most).lists(1)[0]

    def chains(self, histories: Histories, candidates: Ints, most: int) -> Chains:
        """The same of each user with candidates, int64 (users, c), -1 where there is none, found together."""
        return self._finder.heaviest(self._past(histories), candidates, most)

    def grow(self, world: World, told: Ints) -> "KnowledgeScorer":
        """Enumerate the paths of the larger graph; a node that nothing was learned of weighs what its type does."""
        assert world.graph is not None, "the knowledge part needs the graph"
        channels = Channels.build(world.graph, self.limits, self.channels.types)
        learned = _widened(self.learned, self.channels.steps.shape[0], channels)
        return _restored(channels, learned, self.limits, (self.decay, self.power))

    def tensors(self) -> Arrays:
        """What training found."""
        return self.learned

    @cached_property
    def _finder(self) -> Pathfinder:
        return Pathfinder(self.channels, self.weights)

    def _parts(self, histories: Histories, cells: int) -> Iterator[tuple[Ints, Histories]]:
        """Users in parts, each of `cells` values at a time, and their histories; few are one part, the histories themselves."""
        step = max(1, BLOCK // max(cells, 1))
        for start in range(0, len(histories), step):
            users = np.arange(start, min(start + step, len(histories)))
            yield users, histories if len(users) == len(histories) else histories.pick(users)

    def _past(self, histories: Histories) -> Sparse:
        """The decayed history: CSR float64 (users, items)."""
        return histories.once(self, "past", lambda: decayed(histories, self.channels.steps.shape[0], self.decay, self.power))

    def _doors(self, histories: Histories) -> Floats:
        """What a history is worth at each door: float64 (users, doors)."""
        return histories.once(self, "doors", lambda: summed(self.channels.steps, histories, aged(histories, self.decay, self.power)))

    def _reach(self, histories: Histories) -> Floats:
        """The same at each exit: float64 (users, exits)."""
        return histories.once(self, "reach", lambda: np.ascontiguousarray((self._exits.bridge @ self._doors(histories).T).T))

    @cached_property
    def _joined(self) -> Sparse:
        """What a step to one door is worth at another, all channels between them together: CSR float64 (doors, doors)."""
        return ((self.channels.leave * self.weights) @ self.channels.enter.T).tocsr()

    @cached_property
    def _exits(self) -> "_Exits":
        return _Exits.of(self.channels, self.weights)

    @cached_property
    def _own(self) -> Floats:
        """What paths from an item back to itself would add, float64 (items, types)."""
        steps, size = self.channels.steps, len(self.channels.types)
        found = np.zeros((steps.shape[0], size))
        for start in range(0, len(found), OWN):
            part = steps[start : start + OWN]
            both = (part @ self.channels.enter).multiply(part @ self.channels.leave).tocoo()
            place = (both.row.astype(np.int64) + start) * size + self.channels.kind[both.col]
            found += np.bincount(place, both.data * self.weights[both.col], minlength=found.size).reshape(found.shape)
        return found

    @cached_property
    def _around(self) -> Floats:
        """The same, all types together: float64 (items,)."""
        return self._own.sum(1)

    def _pairs(self, histories: Histories, candidates: Ints) -> Floats:
        found = self._exits.summed(self._reach(histories), candidates)
        past, size = self._past(histories), self.channels.steps.shape[0]
        users = np.repeat(np.arange(len(histories)), np.diff(past.indptr))
        weight = np.bincount(users * size + past.indices, past.data, len(histories) * size).reshape(-1, size)
        own = np.take_along_axis(weight, candidates, axis=1)
        user, place = np.nonzero(own)  # what was chosen is hardly ever a candidate
        found[user, place] -= own[user, place, None] * self._own[candidates[user, place]]
        return found


@dataclass(frozen=True)
class _Exits:
    """Channels of one type that leave by one door, joined, since their paths end alike.

    Attributes:
        bridge: CSR float64 (exits, doors), what a step to a door is worth at an exit.
        ways: CSR float64 (items, exits), the steps from exits to an item.
        kind: int32 (exits,), the type.
        types: how many there are.
    """

    bridge: Sparse
    ways: Sparse
    kind: Any
    types: int

    @classmethod
    def of(cls, channels: Channels, weights: Floats) -> "_Exits":
        leave, doors = channels.leave.tocoo(), channels.steps.shape[1]
        exits, place = np.unique(channels.kind[leave.col] * doors + leave.row, return_inverse=True)
        led = sparse.csr_array((leave.data * weights[leave.col], (place, leave.col)), shape=(len(exits), len(weights)))
        behind = sparse.csr_array((np.ones(len(exits)), (exits % doors, np.arange(len(exits)))), shape=(doors, len(exits)))
        ways = (channels.steps @ behind).tocsr()
        ways.sort_indices()
        return cls((led @ channels.enter.T).tocsr(), ways, (exits // doors).astype(np.int32), len(channels.types))

    @cached_property
    def widest(self) -> int:
        """The most exits that lead to one item."""
        return int(np.diff(self.ways.indptr).max(initial=1))

    def summed(self, reach: Floats, items: Ints) -> Floats:
        """Sum by type what reaches each item, int64 (users, c): float64 (users, c, types), of `reach` (users, exits)."""
        pair, place = spans(self.ways, items.ravel())
        exits = self.ways.indices[place]
        values = reach[pair // items.shape[1], exits] * self.ways.data[place]
        found = np.bincount(pair * self.types + self.kind[exits], values, items.size * self.types).astype(np.float64, copy=False)
        return found.reshape(*items.shape, self.types)


class Attention(nn.Module):
    """Log-weights of channels: θ_t - γ_t · damping + δ, with δ the mean over the nodes of the channel's core.

    Args:
        kind, nodes: as in Channels.
        damping: float32 (nodes,), the log of how many items touch each node.
    """

    def __init__(self, channels: Channels, damping: Tensor) -> None:
        super().__init__()
        self.kind, self.damping = torch.tensor(channels.kind), damping
        self.core = torch.from_numpy(np.maximum(channels.nodes, 0))
        self.there = torch.from_numpy(channels.nodes >= 0).float() / 2
        self.theta = nn.Parameter(torch.zeros(len(channels.types)))
        self.gamma = nn.Parameter(torch.full((len(channels.types),), 0.5))
        self.delta = nn.Parameter(torch.zeros(len(damping)))

    def forward(self) -> Tensor:
        """Weights, (channels,)."""
        damping, delta = ((values[self.core] * self.there).sum(1) for values in (self.damping, self.delta))
        return (self.theta[self.kind] - self.gamma[self.kind] * damping + delta).exp()


@node
class KnowledgeRanker:
    """Learned on training cuts: the next item against the whole catalogue, by softmax, the past decayed.

    Paths have `hops` edges at most, of the `types` most frequent types; a node that more than `hub` items touch is no end of
    an edge in their middle. `rigidity` holds a node's own weight to that of its type; `cuts` events are learned on at most,
    with the `window` events before each, which `decay` and `power` weigh as in `components.ranking.linear.decayed`. While it learns,
    `offset` times the log of an item's popularity is added to its score, so that paths need not tell what is popular.
    """

    hops: int = Field(3, ge=1, le=3)
    hub: PositiveInt = 1000
    types: PositiveInt = 64
    decay: PositiveFloat = 5.0
    power: PositiveFloat = 1.0
    window: PositiveInt = 50
    rigidity: NonNegativeFloat = 0.3
    offset: NonNegativeFloat = 1.0
    cuts: PositiveInt = 20_000
    plan: Plan

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Learn the attention; a graph without paths gives a score of 0 and nothing to learn."""
        assert world.graph is not None, "the knowledge part needs the graph"
        channels = Channels.build(world.graph, self._limits())
        module = Attention(channels, torch.from_numpy(np.log(np.maximum(channels.touched, 1)).astype(np.float32)))
        cuts = _cuts(world.histories, channels, self.cuts, seed)
        curve: list[dict[str, float]] = []
        if len(cuts) and len(channels.kind):
            lesson = _Lesson(self, world, channels, cuts)
            curve = fit(
                module, lambda picked: lesson.loss(module, picked), len(cuts), self.plan, seed=seed, label="knowledge",
                checkpoint=world.checkpoint,
            )  # fmt: skip
        learned = {name: value.detach().numpy() for name, value in module.named_parameters()}
        names = np.frombuffer("\n\n".join("\n".join(name) for name in channels.types).encode(), dtype=np.uint8)
        return self.restore(learned | {"damping": module.damping.numpy(), "types": names}, world), curve

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Keep the scorer: it reads new events from the history."""
        return scorer

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors over the graph of `world`, which may have lost edges since, but no node."""
        assert world.graph is not None, "the knowledge part needs the graph"
        if len(tensors["damping"]) != len(world.graph.nodes):
            raise DataError(f"graph: has {len(world.graph.nodes)} nodes, the ranker learned on {len(tensors['damping'])}; train it again")
        names = bytes(tensors["types"]).decode()
        types = [tuple(name.split("\n")) for name in names.split("\n\n")] if names else []
        channels = Channels.build(world.graph, self._limits(), types)
        return _restored(channels, tensors, self._limits(), (self.decay, self.power))

    def _limits(self) -> Limits:
        return Limits(self.hops, self.hub, self.types)


def _restored(channels: Channels, tensors: Arrays, limits: Limits, aged: tuple[float, float]) -> KnowledgeScorer:
    module = Attention(channels, torch.tensor(tensors["damping"]))
    module.load_state_dict({name: torch.tensor(tensors[name]) for name, _ in module.named_parameters()})
    return KnowledgeScorer(channels, module().detach().numpy().astype(np.float64), tensors, limits, *aged)


def _widened(learned: Arrays, known: int, channels: Channels) -> Arrays:
    """What was learned of the nodes of a graph with `known` items, for one with more: items behind the items, entities at the end."""
    added = channels.steps.shape[0] - known
    touched = np.log(np.maximum(channels.touched, 1)).astype(np.float32)
    size = len(learned["damping"])
    old = np.concatenate([np.arange(known), np.arange(known, size) + added])
    damping, delta = touched, np.zeros_like(touched)
    damping[old], delta[old] = learned["damping"], learned["delta"]
    return learned | {"damping": damping, "delta": delta}


class _Lesson:
    """What the attention is learned on."""

    def __init__(self, ranker: KnowledgeRanker, world: World, channels: Channels, cuts: Ints) -> None:
        histories, items = world.histories, world.items
        self.cuts, self.histories = cuts, histories
        self.steps = channels.steps.astype(np.float32)
        self.back = self.steps.T.tocsr()
        self.enter, self.left, self.leave = (
            side.astype(np.float32).tocsr() for side in (channels.enter.T, channels.leave.T, channels.leave)
        )
        self.seen = sparse.csr_array((np.ones(len(histories.items)), (histories.users, histories.items)), shape=(len(histories), items))
        self.users = histories.users
        self.weights, self.rigidity = _aged(ranker.window, ranker.decay, ranker.power), ranker.rigidity
        counts = np.bincount(histories.items, minlength=items)
        self.known = (ranker.offset * np.log(counts + 0.5)).astype(np.float32)

    def loss(self, module: Attention, picked: Tensor) -> Tensor:
        """Mean cross entropy of the batch's next items, and the penalty on δ.

        The sparse products are scipy's: the entropy's slope by the weights is given to torch as that of a linear term.
        """
        events = self.cuts[picked.numpy()]
        reach = self.enter @ (self._past(events) @ self.steps).toarray().T
        weights = module()
        logits = (self.steps @ (self.leave @ (reach * weights.detach().numpy()[:, None]))).T + self.known
        entropy, error = self._entropy(logits, events)
        slope = weights @ torch.from_numpy((reach * (self.left @ (self.back @ error.T))).sum(1))
        return slope - slope.detach() + entropy + self.rigidity * (module.delta**2).sum() / len(self.cuts)

    def _entropy(self, logits: Floats, events: Ints) -> tuple[float, Floats]:
        """Mean cross entropy over what each user has not had but the next item, and its slope by the logits."""
        rows, target = np.arange(len(events)), self.histories.items[events]
        wanted = logits[rows, target]
        logits[self.seen[self.users[events]].toarray() > 0] = -np.inf
        logits[rows, target] = wanted
        shares = softmax(logits, axis=1)
        entropy = -float(log_softmax(logits, axis=1)[rows, target].mean())
        shares[rows, target] -= 1
        return entropy, shares / len(events)

    def _past(self, events: Ints) -> Sparse:
        """The decayed events before each."""
        place = events[:, None] - 1 - np.arange(len(self.weights))
        there = place >= self.histories.offsets[self.users[events]][:, None]
        weight = np.broadcast_to(self.weights, place.shape)
        row = np.broadcast_to(np.arange(len(events))[:, None], place.shape)
        return sparse.csr_array((weight[there], (row[there], self.histories.items[place[there]])), shape=(len(events), self.steps.shape[0]))


def _aged(window: int, decay: float, power: float) -> Floats:
    """Weights of the last events, the latest first: float32 (window,)."""
    events = Histories(np.arange(window), np.zeros(window, dtype=np.int64), np.array([0, window]))
    return decayed(events, window, decay, power).toarray()[0, ::-1].astype(np.float32)


def _cuts(histories: Histories, channels: Channels, most: int, seed: int) -> Ints:
    """Events with one before them in their history, whose item is new there and ends a path; at most `most`, drawn evenly."""
    ends = channels.steps @ channels.leave.sum(1) > 0
    first = np.unique(histories.users * len(ends) + histories.items, return_index=True)[1]
    good = (first > histories.offsets[histories.users[first]]) & ends[histories.items[first]]
    return np.sort(np.random.default_rng(seed).permutation(np.sort(first[good]))[:most])
