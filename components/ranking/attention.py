"""The attention ranker: one training gives a sequence model that retrieves and a head that reranks what was retrieved."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from components.data.histories import Histories, Ints, spaced
from components.errors import ConfigError
from components.ranking.packed import PAD, Rows
from components.ranking.parts import Arrays, Floats, Reasoner, Scorer, World
from components.ranking.sequence import Objective, SequenceModel, SequenceScorer, single, validate
from components.ranking.transformer import SequenceNet
from components.schema import node
from components.training import fit

PLACES = 2**9  # events whose users are rated at a time: small enough for their candidates to stay in the cache
TOP = 200  # hard negatives are drawn from that many best items of the retrieval


class AttentionHead(nn.Module):
    """α_ij = Attention([u_i; z_ij], [v_j; z_ij]) and the log-odds of ŷ_ij = σ(wᵀ[u_i; v_j; z_ij; α'_ij] + b).

    The query is the candidate with z; keys and values are the states of the history, and u_i once more as the user's
    standing taste. (With z in the keys each logit would move by the same amount, which a softmax does not see.)
    α' is u_i and the attended context, each times v_j element by element, so that w measures inner products; the weights of
    u_i's part stay 1, so that the log-odds start at u·v, the score of the retrieval, and add to it.

    Args:
        spread: float32 (knowledge,), deviation of each feature in z. z is divided by it and its long tail drawn in by asinh: a
            feature that is rare where its deviation was taken may be thousands of deviations large elsewhere.
    """

    spread: Tensor

    def __init__(self, width: int, heads: int, spread: Tensor) -> None:
        super().__init__()
        self.heads, knowledge = heads, len(spread)
        self.register_buffer("spread", spread)
        self.query, self.doubt = nn.Linear(width, width), nn.Parameter(torch.zeros(knowledge, width))
        self.key, self.value, self.taste = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.user, self.item = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.fact = nn.Parameter(torch.zeros(knowledge))
        self.context = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, seen: tuple[Tensor, Tensor], asked: tuple[Tensor, Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
        """Rate candidates.

        Args:
            seen: the states of the history, (users, n, width), the last is u; and where there is one, bool (users, n).
            asked: the candidates' vectors and their queries, each (users, c, width).
            z: (users, c, knowledge).

        Returns:
            log-odds (users, c), and α (users, c, 1 + n), the mean of the heads: first the standing taste, then the history.
        """
        return self.weigh(self.read(*seen), asked, z)

    def read(self, tokens: Tensor, there: Tensor) -> tuple[Tensor, ...]:
        """What is read of histories, whatever the candidates: u, keys and values of u and of the states, and where there are any."""
        user = tokens[:, -1] * there[:, -1:]
        known = torch.cat([self.taste(user)[:, None], tokens], 1)
        return user, self.key(known), self.value(known), functional.pad(there, (1, 0), value=True)

    def weigh(self, read: tuple[Tensor, ...], asked: tuple[Tensor, Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
        """Rate candidates, as `forward` has it, by what was read of the histories."""
        (user, keys, values, shown), (items, queries), z = read, asked, torch.asinh(z / self.spread)
        query, key, value = (self._split(x) for x in (queries + z @ self.doubt, keys, values))
        alpha = (query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5).masked_fill(~shown[:, None, None], -torch.inf).softmax(-1)
        context = (alpha @ value).transpose(-2, -3).flatten(-2)
        odds = (items @ (self.item + user)[..., None])[..., 0] + (items * context) @ self.context
        return odds + z @ self.fact + (user @ self.user + self.bias)[:, None], alpha.mean(1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)


class AttentionNet(nn.Module):
    """The sequence net and the head on its states."""

    def __init__(self, sequence: SequenceNet, head: AttentionHead) -> None:
        super().__init__()
        self.sequence, self.head = sequence, head


@dataclass(frozen=True)
class AttentionScorer:
    """Scores the catalogue by inner product, and given candidates by attention; in float64."""

    sequence: SequenceScorer
    head: AttentionHead

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        return self.sequence.score(histories)

    def rate(self, histories: Histories, candidates: Ints, z: Floats | None = None) -> tuple[Floats, Floats]:
        """Score candidates.

        Args:
            candidates: int64 (users, c), items; z: float32 (users, c, dz), knowledge of each pair; zero when not given.

        Returns:
            log-odds, float64 (users, c), and α, float64 (users, c, 1 + n), n the longest history read: first the standing
            taste, then the history, right-aligned, oldest to newest.
        """
        longest = int(np.clip(histories.lengths, 1, self.sequence.length).max(initial=1))
        odds = np.zeros(candidates.shape)
        alpha = np.zeros((*candidates.shape, 1 + longest))
        for users, some in self.sequence.parts(histories):
            read = self._read(some)
            for rows in self.sequence.blocks(some, PLACES):
                n, own = int(np.clip(some.lengths[rows], 1, self.sequence.length).max()), users[rows]
                odds[own], shares = self._rate(_last(read, rows, n), candidates[own], None if z is None else z[own])
                alpha[own, :, 0], alpha[own, :, 1 + longest - n :] = shares[:, :, 0], shares[:, :, 1:]
        return odds, alpha

    def grow(self, world: World, told: Ints) -> "AttentionScorer":
        """The head reads a new item's vector as any other."""
        return replace(self, sequence=self.sequence.grow(world, told))

    def attention(self, histories: Histories, candidates: Ints) -> Floats:
        """α for one history: float64 (candidates, 1 + length), first the standing taste, then oldest to newest."""
        return self.rate(histories, candidates[None])[1][0]

    def tensors(self) -> Arrays:
        """All weights, float32."""
        return single(AttentionNet(self.sequence.net, self.head))

    @cached_property
    def _items(self) -> tuple[Tensor, Tensor]:
        table = torch.from_numpy(self.sequence.table)
        with torch.inference_mode():
            return table, self.head.query(table)

    def _read(self, histories: Histories) -> tuple[Tensor, ...]:
        """What the head reads of histories, once for all that is asked about them."""
        with torch.inference_mode():
            return histories.once(self.head, "read", lambda: self.head.read(*self.sequence.tokens(histories)))

    def _rate(self, read: tuple[Tensor, ...], candidates: Ints, z: Floats | None) -> tuple[Floats, Floats]:
        given = np.zeros((*candidates.shape, len(self.head.spread))) if z is None else z
        chosen = torch.from_numpy(candidates)
        with torch.inference_mode():
            asked = self._items[0][chosen], self._items[1][chosen]
            odds, alpha = self.head.weigh(read, asked, torch.from_numpy(given).to(torch.float64))
        return odds.numpy(), alpha.numpy()


def _last(read: tuple[Tensor, ...], rows: Ints, events: int) -> tuple[Tensor, ...]:
    """Of what was read, some users with their standing taste and last events."""
    user, *known = read
    if known[0].shape[1] == 1 + events:
        return user[rows], *(part[rows] for part in known)
    return user[rows], *(torch.cat([part[rows, :1], part[rows, -events:]], 1) for part in known)


@node
class AttentionRanker:
    """Trains the sequence model and the head together: their losses are added, the head's times `weight`.

    In each batch the head learns at `sample` events to tell the event's successor from `hard` negatives, drawn from the
    retrieval's own best 200 without the history, and `easy` ones, drawn as the sequence model draws: a softmax, corrected
    for the drawing. With `joint` the head's loss reaches the states and the item table too, else the head alone. With a
    reasoner fitted before, the head also weighs z.
    """

    sequence: SequenceModel
    heads: PositiveInt = 2
    weight: NonNegativeFloat = 0.1
    sample: PositiveInt = 256
    hard: PositiveInt = 32
    easy: PositiveInt = 32
    joint: bool = False
    again: bool = False

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Train; the epoch kept is the best by the retrieval's NDCG@10 of the validation items of at most 1,000 users."""
        torch.manual_seed(seed)
        aim = self.sequence.objective(world)
        net = AttentionNet(aim.net, self._head(_spread(world)).to(aim.device))
        curve = fit(
            net,
            lambda picked: self._loss(aim, net.head, world.reasoner, picked),
            len(aim.rows),
            self.sequence.plan,
            seed=seed,
            label="attention",
            score=(lambda: validate(SequenceScorer(aim.net, self.sequence.length), world)) if (world.target >= 0).any() else None,
            checkpoint=world.checkpoint,
            start=world.start({"sequence.residual": "items"}),
        )
        return self._scorer(net), curve

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Keep the scorer, which reads new events from the history; with `again`, train anew with them, for all epochs."""
        return self.fit(replace(world, target=np.full(len(world.target), -1)), 0)[0] if self.again else scorer

    def restore(self, tensors: Arrays, world: World) -> AttentionScorer:
        """Make the scorer from its tensors."""
        seen, calendar, spread = (torch.from_numpy(tensors[name]) for name in ("sequence.seen", "sequence.calendar", "head.spread"))
        net = AttentionNet(self.sequence.net(world, seen, calendar), self._head(spread))
        net.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
        return self._scorer(net)

    def _head(self, spread: Tensor) -> AttentionHead:
        if self.sequence.width % self.heads:
            raise ConfigError(f"attention.heads: {self.heads} does not divide attention.sequence.width, {self.sequence.width}")
        return AttentionHead(self.sequence.width, self.heads, spread)

    def _scorer(self, net: AttentionNet) -> AttentionScorer:
        net = net.cpu().double().eval()
        return AttentionScorer(SequenceScorer(net.sequence, self.sequence.length), net.head)

    def _loss(self, aim: Objective, head: AttentionHead, reasoner: Reasoner | None, picked: Tensor) -> Tensor:
        rows, states, table = aim.encode(picked)
        retrieval = aim.loss(rows, states, table)
        if not self.weight:
            return retrieval
        if not self.joint:
            states, table = states.detach(), table.detach()
        places = torch.nonzero(rows.targets != PAD)
        places = places[torch.randperm(len(places))[: self.sample].to(places.device)]
        tokens, past = _before(rows, states, places)
        target = rows.targets[places[:, 0], places[:, 1]]
        drawn, often = self._draw(aim, tokens[:, -1].detach() @ table.detach().T, past, target)
        chosen = torch.cat([target[:, None], drawn], 1)
        items = functional.embedding(chosen, table)
        odds, _ = head((tokens, past != PAD), (items, head.query(items)), _known(reasoner, past, chosen).to(table))
        told = torch.cat([odds[:, :1], odds[:, 1:] - often.log()], 1).masked_fill(functional.pad(often == 0, (1, 0)), -torch.inf)
        return retrieval + self.weight * (told.logsumexp(1) - odds[:, 0]).mean()

    def _draw(self, aim: Objective, scores: Tensor, past: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Negatives of each event, int64 (events, hard + easy), and how often each is drawn on average, 0 for what is none."""
        places = torch.where(past == PAD, scores.shape[1], past)
        scores = functional.pad(scores, (0, 1)).scatter(1, torch.cat([places, target[:, None]], 1), -torch.inf)[:, :-1]
        best, top = scores.topk(min(TOP, scores.shape[1]), sorted=False)
        hard = top.gather(1, torch.randint(top.shape[1], (len(top), self.hard)).to(top.device))
        easy = torch.multinomial(aim.criterion.share, self.easy, replacement=True).expand(len(top), -1)
        drawn = torch.cat([hard, easy], 1)
        reached = scores.gather(1, drawn)
        often = self.easy * aim.criterion.share[drawn] + (reached >= best.amin(1, keepdim=True)) * self.hard / top.shape[1]
        return drawn, torch.where(reached.isfinite(), often, 0.0)


def _before(rows: Rows, states: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """States and items of each event's window up to the event, right-aligned, items PAD before the window's first."""
    row, column = places[:, :1], places[:, 1:]
    there = column + torch.arange(1 - rows.items.shape[1], 1, device=places.device)
    own = (there >= 0) & (rows.owner[row, there.clamp(min=0)] == rows.owner[row, column])
    there = there.clamp(min=0)
    return states[row, there], rows.items[row, there].masked_fill(~own, PAD)


def _known(reasoner: Reasoner | None, past: Tensor, candidates: Tensor) -> Tensor:
    """z of each event's candidates, given the items before it: (events, candidates, knowledge)."""
    if reasoner is None:
        return torch.zeros(*candidates.shape, 0)
    there = (past != PAD).cpu()
    items = past.cpu()[there].numpy()
    offsets = np.concatenate([[0], there.sum(1).cumsum(0).numpy()])
    return torch.from_numpy(reasoner.pairs(Histories(items, np.zeros_like(items), offsets), candidates.cpu().numpy()))


def _spread(world: World, users: int = 256, candidates: int = 64) -> Tensor:
    """Deviation of each feature of z over some users and evenly spaced items, 1 where they differ by rounding alone: (knowledge,)."""
    if world.reasoner is None:
        return torch.ones(0)
    some, items = spaced(len(world.histories), users), spaced(world.items, candidates)
    z = world.reasoner.pairs(world.histories.pick(some), np.tile(items, (len(some), 1)))
    if not z.size:
        return torch.ones(z.shape[2])
    deviation = torch.from_numpy(z).float().std((0, 1), correction=0)
    return torch.where(deviation > 1e-6 * deviation.max(), deviation, 1.0)
