"""What the behaviour BERT foretells of users whose next event is known."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.data.histories import Histories, Ints, spaced
from components.semantic.bert import MASK, PAD, BehaviourBERT, join


@dataclass(frozen=True)
class Probe:
    """Users whose first validation event is predicted from their training history.

    Attributes:
        rows: int64 (users, length), training histories; users: their indices; items: int64 (users,), what followed.
    """

    rows: Tensor
    users: Tensor
    items: Tensor

    @classmethod
    def draw(cls, train: Histories, valid: Histories, length: int, most: int) -> "Probe":
        """Take at most `most` users that have a validation event, evenly spaced."""
        there = np.flatnonzero(valid.lengths > 0)
        users: Ints = there[spaced(len(there), most)]
        rows = train.pick(users).padded(length, PAD)
        return cls(torch.from_numpy(rows), torch.from_numpy(users), torch.from_numpy(valid.items[valid.offsets[users]]))

    def to(self, device: torch.device) -> "Probe":
        """Move to where the module is."""
        return Probe(self.rows.to(device), self.users.to(device), self.items.to(device))

    def report(self, module: BehaviourBERT) -> dict[str, float]:
        """All that is measured, or nothing where there are no such users."""
        if not len(self.users):
            return {}
        return self.measure(module) | {"nsp_accuracy": self.follows(module), "users": len(self.users)} | self.strangers(module)

    @torch.no_grad()
    def measure(self, module: BehaviourBERT) -> dict[str, float]:
        """Measure hit@1, hit@10 and NDCG@10 of the masked next item among all items not in the history."""
        block = max(1, 2**24 // max(1, module.shape.items))
        parts = [self._ranks(module, part) for part in torch.arange(len(self.users)).split(min(block, 512))]
        ranks = torch.cat(parts).double()
        hits = {f"hit@{k}": float((ranks < k).double().mean()) for k in (1, 10)}
        return hits | {"ndcg@10": _gain(ranks)}

    @torch.no_grad()
    def strangers(self, module: BehaviourBERT) -> dict[str, float]:
        """Measure NDCG@10 of uᵀv where u knows a user's profile alone, and where it knows nothing; nothing where none has a profile."""
        told = torch.nonzero(module.profiles[self.users].any(1))[:, 0]
        if not len(told):
            return {}
        nobody, items = torch.full_like(self.rows[told, :1], PAD), module.encode_items()
        asked = {"profile": module.profiles[self.users[told]], "stranger": None}
        scores = {name: module.encode_users(nobody, profiles=profiles) @ items.T for name, profiles in asked.items()}
        return {f"{name}_ndcg@10": _gain(self._places(own, told)) for name, own in scores.items()} | {"profiles": len(told)}

    @torch.no_grad()
    def follows(self, module: BehaviourBERT) -> float:
        """Measure how often NSP tells the user's next item from another user's, both after the user's history."""
        right = 0
        for part in torch.arange(len(self.users)).split(512):
            for other, own in ((part, True), ((part + 1) % len(self.users), False)):
                tokens, kinds = join(self.rows[part][:, 1:], self.items[other][:, None])
                odds = module.follows(tokens, kinds, module(tokens, self.users[part], kinds))
                right += int(((odds > 0) == own).sum())
        return right / (2 * len(self.users))

    def _ranks(self, module: BehaviourBERT, part: Tensor) -> Tensor:
        rows = self.rows[part]
        tokens, kinds = join(torch.cat([rows[:, 1:], torch.full_like(rows[:, :1], MASK)], 1), torch.full_like(rows[:, :1], PAD))
        return self._places(module.predict(module(tokens, self.users[part], kinds)[:, -2]), part)

    def _places(self, scores: Tensor, part: Tensor) -> Tensor:
        """How many items that are not in the history have a higher score than the one that followed, int64 (b,)."""
        rows, size = self.rows[part], scores.shape[1]
        target = scores.gather(1, self.items[part][:, None])
        old = torch.zeros(len(rows), size + 1, dtype=torch.bool, device=rows.device)
        old.scatter_(1, torch.where(rows >= 0, rows, size), value=True)
        return ((scores > target) & ~old[:, :-1]).sum(1)


def _gain(ranks: Tensor) -> float:
    return float(torch.where(ranks < 10, 1 / torch.log2(ranks.double() + 2), 0.0).mean())
