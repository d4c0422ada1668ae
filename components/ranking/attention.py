"""The attention ranker: the user's history attends to each candidate."""

import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from components.data.histories import Histories, Ints
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.schema import node
from components.semantic.bert import BehaviourBERT
from components.training import Plan, fit


class AttentionNet(nn.Module):
    """α_ij = Attention(u_i, v_j) over the history, and the log-odds of ŷ_ij = σ(wᵀ[u_i; v_j; α_ij] + b).

    The query is the candidate; keys and values are u_i itself (the user's standing taste) and the items of the history
    with a learned vector for their age. α_ij is the attended context times v_j, element by element, so that its weights
    in w measure an inner product. Items are W v_j + r_j, with r_j zero for items unseen in training.

    Args:
        vectors: float32 (items, d), the pretrained v_j.
        users: the behaviour model that gives u_i; trained along.
    """

    vectors: Tensor
    seen: Tensor

    def __init__(self, vectors: Tensor, seen: Tensor, users: BehaviourBERT, heads: int, length: int, dropout: float) -> None:
        super().__init__()
        width = vectors.shape[1]
        self.register_buffer("vectors", vectors, persistent=False)
        self.register_buffer("seen", seen)
        self.users, self.heads, self.length = users, heads, length
        self.project = nn.Linear(width, width)
        self.residual = nn.Parameter(torch.zeros_like(vectors))
        self.taste, self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(4))
        self.age = nn.Parameter(torch.zeros(length + 1, width))
        self.head = nn.Linear(3 * width, 1)
        self.drop = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.head.weight[:, 2 * width :], 1.0)

    def items(self) -> Tensor:
        """Vectors of all items, (items, d)."""
        return self.norm(self.project(self.vectors) + self.residual * self.seen[:, None])

    def context(self, history: Tensor, who: Tensor, table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode (users, length) histories, -1 before the first, to u (users, d), tokens (users, length + 1, d), mask."""
        user = self.taste(self.users.encode_users(history, who))
        tokens = torch.cat([user[:, None], F.embedding(history.clamp(min=0), table)], 1)
        tokens = tokens + torch.cat([self.age[-1:], self.age[: history.shape[1]].flip(0)])
        there = torch.cat([torch.ones_like(history[:, :1], dtype=torch.bool), history >= 0], 1)
        return user, self.drop(tokens), there

    def forward(self, context: tuple[Tensor, Tensor, Tensor], candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Score candidates (c, d) for every user, or (users, c, d): logits (users, c), α (users, c, length + 1)."""
        user, tokens, there = context
        query, key, value = (self._split(layer(x)) for layer, x in ((self.query, candidates), (self.key, tokens), (self.value, tokens)))
        logits = query @ key.transpose(-1, -2) / key.shape[-1] ** 0.5
        alpha = logits.masked_fill(~there[:, None, None], -torch.inf).softmax(-1)
        attended = self._join(alpha @ value) * candidates
        width = user.shape[-1]
        weight = self.head.weight[0]
        score = attended @ weight[2 * width :] + candidates @ weight[width : 2 * width] + (user @ weight[:width])[:, None]
        return score + self.head.bias, alpha.mean(1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def _join(self, x: Tensor) -> Tensor:
        return x.transpose(-2, -3).flatten(-2)


@dataclass(frozen=True)
class AttentionScorer:
    """A trained net; scores in float64, so that the batch an answer is computed in does not show in it."""

    net: AttentionNet
    block: int

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        table = self._table()
        alike = np.argsort(histories.lengths, kind="stable")
        scores = np.empty((len(histories), len(table)))
        with torch.inference_mode():
            for start in range(0, len(histories), self.block):
                users = alike[start : start + self.block]
                scores[users] = self.net(self._context(histories.pick(users), table), table)[0].numpy()
        return scores

    def attention(self, histories: Histories, candidates: Ints) -> Floats:
        """Shares of the attention, for one history: float64 (candidates, 1 + length); first u_i itself, then oldest to newest."""
        table = self._table()
        with torch.inference_mode():
            return self.net(self._context(histories, table), table[torch.from_numpy(candidates)])[1][0].numpy()

    def tensors(self) -> Arrays:
        """All weights, float32."""
        return {
            name: value.float().numpy() if value.is_floating_point() else value.numpy() for name, value in self.net.state_dict().items()
        }

    def _table(self) -> Tensor:
        with torch.inference_mode():
            return self.net.items()

    def _context(self, histories: Histories, table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        width = max(1, min(self.net.length, int(histories.lengths.max(initial=0))))
        return self.net.context(torch.from_numpy(histories.padded(width, -1)), torch.from_numpy(histories.who), table)


@node
class AttentionRanker:
    """Trained end to end by next-item prediction: random cuts of each history, the item after the cut against the rest.

    `negatives` items are drawn for each batch, by the square root of their counts. Loss: `softmax`, sampled and corrected
    for the drawing (Jean et al., ACL 2015), or `bce`.
    """

    heads: PositiveInt = 2
    length: PositiveInt = 50
    dropout: float = Field(0.2, ge=0, lt=1)
    negatives: PositiveInt = 512
    cuts: PositiveInt = 2
    loss: Literal["softmax", "bce"] = "softmax"
    block: PositiveInt = 8
    plan: Plan

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Train; early stopping on NDCG@10 of the validation items of at most 1,000 users."""
        torch.manual_seed(seed)
        counts = torch.from_numpy(np.bincount(world.histories.items, minlength=world.items)).float()
        net = self._net(world, counts > 0)
        users = np.flatnonzero(world.histories.lengths > 1)
        share = counts.sqrt() / counts.sqrt().sum()
        curve = fit(
            net,
            lambda picked: self._loss(net, world.histories.pick(users[picked.numpy() % len(users)]), share),
            len(users) * self.cuts,
            self.plan,
            seed=seed,
            label="attention",
            score=lambda: _validate(net, world, self.block),
            checkpoint=world.checkpoint,
        )
        return AttentionScorer(net.double(), self.block), curve

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Keep the scorer: it reads new events from the history."""
        return scorer

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        net = self._net(world, torch.from_numpy(tensors["seen"]))
        net.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
        return AttentionScorer(net.double().eval(), self.block)

    def _net(self, world: World, seen: Tensor) -> AttentionNet:
        users = copy.deepcopy(world.users)
        assert users is not None, "the attention ranker needs the behaviour model"
        return AttentionNet(torch.from_numpy(world.vectors).float(), seen, users, self.heads, self.length, self.dropout)

    def _loss(self, net: AttentionNet, histories: Histories, share: Tensor) -> Tensor:
        lengths = torch.from_numpy(histories.lengths)
        cut = 1 + (torch.rand(len(lengths)) * (lengths - 1)).long()
        past, after = _cut(histories, cut.numpy(), self.length)
        target, drawn = torch.from_numpy(after), torch.multinomial(share, self.negatives, replacement=True)
        table = net.items()
        context = net.context(torch.from_numpy(past), torch.from_numpy(histories.who), table)
        positive = net(context, F.embedding(target, table)[:, None])[0]
        negative = net(context, F.embedding(drawn, table))[0].masked_fill(drawn == target[:, None], -torch.inf)
        if self.loss == "bce":
            return F.softplus(-positive).mean() + F.softplus(negative).mean()
        corrected = negative - (self.negatives * share[drawn]).log()
        return torch.cat([positive, corrected], 1).logsumexp(1).sub(positive[:, 0]).mean()


def _cut(histories: Histories, cut: Ints, length: int) -> tuple[Ints, Ints]:
    """Take each user's first `cut` events, right-aligned, and the item that follows them."""
    target = histories.items[histories.offsets[:-1] + cut]
    keep = np.arange(len(histories.items)) < np.repeat(histories.offsets[:-1] + cut, histories.lengths)
    past = Histories(histories.items[keep], histories.times[keep], np.concatenate([[0], np.cumsum(cut)]))
    return past.padded(min(length, int(cut.max())), -1), target


def _validate(net: AttentionNet, world: World, block: int, most: int = 1000) -> float:
    users = np.flatnonzero(world.target >= 0)[:most]
    if not len(users):
        return 0.0
    histories, target = world.histories.pick(users), world.target[users]
    scores = AttentionScorer(net, block).score(histories)
    scores[histories.users, histories.items] = -np.inf
    rank = (scores > scores[np.arange(len(users)), target][:, None]).sum(1)
    return float(np.where(rank < 10, 1 / np.log2(rank + 2), 0).mean())
