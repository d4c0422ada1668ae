"""Behaviour pretraining: masked items, next segment, and the match of a history with the item that follows it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from components.data.histories import Histories
from components.errors import ConfigError, DataError
from components.schema import node
from components.semantic.bert import MASK, PAD, BehaviourBERT, Shape, join
from components.semantic.contrast import info_nce
from components.semantic.probe import Probe
from components.start import Start
from components.training import Plan, fit

TABLES: dict[str, Literal["items", "users"]] = {"residual": "items", "bias": "items", "users": "users"}  # with a row for each
TEMPERATURE = 0.1  # of the cosine between the views of an item
RECENT = 4  # the last items of a batch's users are the candidates of its matches
_NEXT, _PAIR, _MATCH = range(3)


@node
class Behaviour:
    """The behaviour BERT and how it is pretrained.

    Each time a user is drawn, one of three examples is made of the history: its last item masked, with a share `mask` of
    the others (MLM); two segments A and B, B half the time of another user, with a share `mask` masked (NSP and MLM): for a
    share `hard` of them the one of the batch whose history is closest in content, else any; or
    the history without its last item, whose u is matched with the v of that item against the latest items of the
    batch's users (InfoNCE on uᵀv / √d, corrected for how often each item is drawn: uᵀv / √d is log p(j | i) up to a
    constant). The v of those items are aligned with their texts, images and videos too (InfoNCE both ways, summed).
    Loss: mlm · MLM + nsp · NSP + match · InfoNCE(u, v) + view · InfoNCE(v, content).

    `user_dropout` users are replaced by [UNK], so that strangers can be encoded; `modality_dropout` items are left with one
    modality; `profile_dropout` profiles are left out, and of the others a share `alone` is matched by itself, without user and
    history. MLM is a softmax over all items up to `full`, beyond that over the target and `negatives` drawn evenly. `probe`
    users measure each epoch.
    """

    width: PositiveInt = 64
    layers: PositiveInt = 2
    heads: PositiveInt = 2
    length: PositiveInt = 50
    dropout: float = Field(0.1, ge=0, lt=1)
    modality_dropout: float = Field(0.3, ge=0, le=1)
    mask: float = Field(0.2, ge=0, lt=1)
    user_dropout: float = Field(0.5, ge=0, le=1)
    profile_dropout: float = Field(0.5, ge=0, le=1)
    alone: float = Field(0.5, ge=0, le=1)
    mlm: NonNegativeFloat = 1.0
    nsp: NonNegativeFloat = 0.5
    hard: float = Field(0.0, ge=0, le=1)
    match: NonNegativeFloat = 1.0
    view: NonNegativeFloat = 0.5
    full: PositiveInt = 20_000
    negatives: PositiveInt = 1024
    probe: PositiveInt = 1000
    plan: Plan

    def module(self, content: Tensor, train: Histories, widths: tuple[int, ...] = (), profiles: Tensor | None = None) -> BehaviourBERT:
        """Build an untrained module; raises ConfigError when `heads` does not divide `width`."""
        if self.width % self.heads:
            raise ConfigError(f"behaviour.heads: {self.heads} does not divide behaviour.width, {self.width}")
        seen = np.bincount(train.items, minlength=len(content)) > 0
        wide = widths or (content.shape[1],)
        told = 0 if profiles is None or not profiles.any() else profiles.shape[1]
        sizes = (self.width, self.layers, self.heads, self.length, self.dropout, len(content), len(train))
        shape = Shape(*sizes, wide, self.modality_dropout, told)
        return BehaviourBERT(shape, content, torch.from_numpy(seen), torch.from_numpy(train.lengths > 0), profiles if told else None)

    def pretrain(
        self,
        content: Tensor,
        train: Histories,
        valid: Histories,
        seed: int,
        checkpoint: Path | None = None,
        widths: tuple[int, ...] = (),
        start: Start | None = None,
        profiles: Tensor | None = None,
    ) -> tuple[BehaviourBERT, list[dict[str, float]]]:
        """Train on the histories of `train`; stop early on NDCG@10 of the users' first event in `valid`, if there is any.

        Args:
            content: float32 (items, d), the items' content; widths: of the modalities side by side in it, one by default.
            start: earlier weights to go on from.
            profiles: float32 (users, w), vectors of what users say of themselves, 0 where they say nothing.

        Returns:
            the module, ready to encode, and its learning curve.

        Raises:
            DataError: `train` has no event.
        """
        users = np.flatnonzero(train.lengths > 0)
        if not len(users):
            raise DataError("pretrain: the training split has no event; look at the split and at validation.json")
        torch.manual_seed(seed)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        module = self.module(content, train, widths, profiles).to(device)
        counts = torch.from_numpy(np.bincount(train.items, minlength=len(content))).float().to(device)
        objective = Objective(self, module, torch.from_numpy(train.padded(self.length, PAD)[users]), torch.from_numpy(users), counts)
        probe = Probe.draw(train, valid, self.length, self.probe).to(device)
        score = (lambda: probe.measure(module)["ndcg@10"]) if len(probe.users) else None
        curve = fit(
            module, objective.loss, len(users), self.plan, seed=seed, label="behaviour", score=score, checkpoint=checkpoint, start=start
        )
        return module.cpu(), curve


@dataclass(frozen=True)
class Objective:
    """The loss of a batch of users; examples are drawn on the CPU, so that a seed draws the same ones for any module.

    Attributes:
        rows: int64 (users, length), training histories, right-aligned.
        users: int64 (users,), their indices.
        counts: float32 (items,), events of each item, where the module is.
    """

    settings: Behaviour
    module: BehaviourBERT
    rows: Tensor
    users: Tensor
    counts: Tensor

    def loss(self, picked: Tensor) -> Tensor:
        """Draw an example of each picked user and return the weighted sum of the three losses."""
        rows = self.rows[picked]
        rows = rows[:, -int((rows != PAD).sum(1).max()) :]
        forms = torch.randint(3, (len(rows),))
        forms = torch.where((forms == _PAIR) & ((rows != PAD).sum(1) < 2), _NEXT, forms)
        tokens, kinds, own = self._lay(rows, forms)
        masked = self._masked(tokens, forms)
        users = self.users[picked].masked_fill(torch.rand(len(rows)) < self.settings.user_dropout, -1)
        profiles = self._profiles(self.users[picked])
        alone = self._alone(profiles, forms)
        users, tokens = users.masked_fill(alone, -1), tokens.masked_fill(alone[:, None] & (tokens >= 0), PAD)
        rows, forms, tokens, kinds, own, masked, users, profiles = (
            part.to(self.counts.device) for part in (rows, forms, tokens, kinds, own, masked, users, profiles)
        )
        states = self.module(tokens.masked_fill(masked, MASK), users, kinds, profiles)
        losses = [self.settings.mlm * self._mlm(states[:, 2:][masked], tokens[masked])]
        paired, matched = forms == _PAIR, forms == _MATCH
        if paired.any():
            follows = self.module.follows(tokens[paired], kinds[paired], states[paired])
            losses.append(self.settings.nsp * functional.binary_cross_entropy_with_logits(follows, own[paired].to(follows.dtype)))
        if matched.any():
            losses.append(self._match(states[matched, 0], rows[matched, -1], rows[:, -RECENT:]))
        return torch.stack(losses).sum()

    def _lay(self, rows: Tensor, forms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Lay out the examples: tokens, kinds, and whether B is the user's own."""
        size, width = rows.shape
        lengths = (rows != PAD).sum(1)
        paired = forms == _PAIR
        later = torch.where(paired, 1 + (torch.rand(size) * (lengths - 1)).long(), (forms == _MATCH).long())
        age = torch.arange(width - 1, -1, -1)
        own = torch.rand(size) < 0.5
        other = torch.arange(size).roll(1)
        if self.settings.hard:
            other = torch.where(torch.rand(size) < self.settings.hard, self._closest(rows), other)
        partner = torch.where(own, torch.arange(size), other)
        first = rows.masked_fill(age < later[:, None], PAD)
        second = rows[partner].masked_fill(~paired[:, None] | (age >= later[:, None]), PAD)
        tokens, kinds = join(first, second)
        return tokens, kinds, partner == torch.arange(size)

    def _profiles(self, users: Tensor) -> Tensor:
        """The users' profiles, some left out, (b, w)."""
        if not self.module.shape.profile:
            return torch.zeros(len(users), 0)
        told = self.module.profiles[users.to(self.counts.device)].cpu()
        return told * (torch.rand(len(users)) >= self.settings.profile_dropout)[:, None]

    def _alone(self, profiles: Tensor, forms: Tensor) -> Tensor:
        """Who is matched by the profile alone, bool (b,)."""
        told = profiles.any(1) & (forms == _MATCH)
        return told & (torch.rand(len(told)) < self.settings.alone) if told.any() else told

    def _closest(self, rows: Tensor) -> Tensor:
        """For each user the other one of the batch whose history is closest in content, int64 (b,)."""
        rows = rows.to(self.counts.device)
        there = (rows != PAD)[:, :, None]
        taste = functional.normalize((self.module.content[rows.clamp(min=0)] * there).sum(1), dim=1)
        return (taste @ taste.T).fill_diagonal_(-torch.inf).argmax(1).cpu()

    def _masked(self, tokens: Tensor, forms: Tensor) -> Tensor:
        chosen = torch.rand(tokens.shape) < self.settings.mask
        chosen[:, -2] |= forms == _NEXT
        return chosen & (tokens >= 0) & (forms != _MATCH)[:, None]

    def _mlm(self, states: Tensor, items: Tensor) -> Tensor:
        if not len(items):
            return states.sum() * 0
        if self.module.shape.items <= self.settings.full:
            return functional.cross_entropy(self.module.predict(states), items)
        drawn = torch.randint(self.module.shape.items, (self.settings.negatives,), device=items.device)
        targets, places = torch.unique(items, return_inverse=True)
        target = self.module.predict(states, targets).gather(1, places[:, None])
        others = self.module.predict(states, drawn).masked_fill(drawn == items[:, None], -torch.inf)
        others = others + np.log(self.module.shape.items / self.settings.negatives)
        return (torch.cat([target, others], 1).logsumexp(1) - target[:, 0]).mean()

    def _match(self, vectors: Tensor, items: Tensor, recent: Tensor) -> Tensor:
        found, places = torch.unique(torch.cat([items, recent[recent != PAD]]), return_inverse=True)
        behaviour = self.module.encode_items(found)
        logits = vectors @ behaviour.T / vectors.shape[1] ** 0.5
        match = functional.cross_entropy(logits - self.counts[found].log(), places[: len(items)])
        return self.settings.match * match + self.settings.view * self._views(behaviour, self.module.content[found])

    def _views(self, behaviour: Tensor, content: Tensor) -> Tensor:
        blocks = content.split(self.module.shape.content, dim=1)
        told = [block.any(1) for block in blocks]
        pairs = zip(self.module.views, blocks, told, strict=True)
        return torch.stack([info_nce(behaviour[there], view(block[there]), TEMPERATURE) for view, block, there in pairs]).sum()
