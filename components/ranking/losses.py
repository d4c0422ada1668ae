"""Losses of next-item prediction, from states and the item table."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

TINY = 1e-38  # the least probability told from 0: a single loss is at most 87
Name = Literal["bce", "gbce", "sampled", "full"]


@dataclass(frozen=True)
class NextItem:
    """The loss of states (n, d) against their targets int64 (n,), with scores u·v.

    - `full`: softmax over the whole catalogue, computed `chunk` states at a time.
    - `sampled`: softmax over the target and the drawn items, corrected by the log of how often an item is drawn (logQ;
      Bengio & Senécal, 2008; Yi et al., RecSys 2019).
    - `bce`: -log σ(s⁺) - Σ log(1 - σ(s⁻)) / negatives.
    - `gbce`: σ(s⁺)^β instead of σ(s⁺), β = 1 - t (1 - α) with α the share of the catalogue drawn (gSASRec, Petrov &
      Macdonald, RecSys 2023).

    Attributes:
        share: float32 (items,), how items are drawn; sums to 1.
        negatives: how many are drawn for a batch; its states share them.
        calibration: t of gBCE, from 0 (as BCE) to 1.
        half: compute the matrix products of `full` in bfloat16.
    """

    name: Name
    share: Tensor
    negatives: int
    calibration: float = 0.75
    half: bool = False
    chunk: int = 128

    def __call__(self, states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        """Mean over the states."""
        if self.name == "full":
            return full(states, table, targets, chunk=self.chunk, half=self.half)
        drawn = torch.multinomial(self.share, self.negatives, replacement=True)
        positive = (states * functional.embedding(targets, table)).sum(1)
        negative = (states @ table[drawn].T).masked_fill(drawn == targets[:, None], -torch.inf)
        if self.name == "sampled":
            corrected = negative - (self.negatives * self.share[drawn]).log()
            return (torch.cat([positive[:, None], corrected], 1).logsumexp(1) - positive).mean()
        others = functional.softplus(negative).sum(1)
        if self.name == "bce":
            return (functional.softplus(-positive) + others / self.negatives).mean()
        power = 1 - self.calibration * (1 - min(1.0, self.negatives / max(1, len(table) - 1)))
        return (power * functional.softplus(-positive) + others).mean() / (self.negatives + 1)


def full(states: Tensor, table: Tensor, targets: Tensor, *, chunk: int, half: bool) -> Tensor:
    """Cross entropy over all items; logits of `chunk` states at a time are held, never kept for the backward pass."""
    return _Full.apply(states, table, targets, chunk, half)


class _Full(torch.autograd.Function):
    """Computes the gradient with the loss, since the logits are at hand then."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, targets: Tensor, chunk: int, half: bool) -> Tensor:
        kind = torch.bfloat16 if half else states.dtype
        items, to_states, to_table = table.to(kind), torch.empty_like(states), torch.zeros_like(table)
        total = states.new_zeros(())
        for start in range(0, len(states), chunk):
            part = slice(start, start + chunk)
            queries, places = states[part].to(kind), targets[part, None]
            shares = torch.softmax(queries @ items.T, 1, dtype=states.dtype)
            total -= shares.gather(1, places).clamp(min=TINY).log().sum()
            gradient = shares.scatter_add_(1, places, -torch.ones_like(places, dtype=states.dtype)).to(kind)
            to_states[part] = gradient @ items
            to_table += gradient.T @ queries
        ctx.save_for_backward(to_states / len(states), to_table / len(states))
        return total / len(states)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        to_states, to_table = ctx.saved_tensors
        return gradients[0] * to_states, gradients[0] * to_table, None, None, None
