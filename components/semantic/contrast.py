"""Contrastive learning: what belongs together is near, all else in the batch is not."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from components.data.histories import Histories

WINDOW = 5  # events before and after that count as chosen together


def info_nce(left: Tensor, right: Tensor, temperature: float, same: Tensor | None = None) -> Tensor:
    """InfoNCE both ways between rows of `left` and `right`, (n, d) each, by their cosine; 0 where there is no row.

    Args:
        same: bool (n, n), pairs that are no negatives though they are not the row's own.
    """
    if not len(left):
        return left.sum() + right.sum()
    logits = functional.normalize(left, dim=1) @ functional.normalize(right, dim=1).T / temperature
    own = torch.arange(len(logits), device=logits.device)
    if same is not None:
        logits = logits.masked_fill(same & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device), -torch.inf)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


@dataclass(frozen=True)
class Companions:
    """Items that the same users chose nearby.

    Attributes:
        items: int64 (events,), the users' items end to end; first, last: int64 (events,), ends of each event's neighbourhood.
        order: int64 (events,), events sorted by item; offsets: int64 (items + 1,), where each item's events start in `order`.
    """

    items: Tensor
    first: Tensor
    last: Tensor
    order: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, histories: Histories, items: int) -> "Companions":
        """Read histories over a catalogue of so many items."""
        places = np.arange(len(histories.items))
        first = np.maximum(np.repeat(histories.offsets[:-1], histories.lengths), places - WINDOW)
        last = np.minimum(np.repeat(histories.offsets[1:], histories.lengths) - 1, places + WINDOW)
        order = np.argsort(histories.items, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(histories.items, minlength=items))])
        return cls(*(torch.tensor(value) for value in (histories.items, first, last, order, offsets)))

    def draw(self, items: Tensor) -> Tensor:
        """Draw of each item (int64 (n,)) one that a user chose near it; the item itself where it stands alone."""
        count = self.offsets[items + 1] - self.offsets[items]
        drawn = self.offsets[items] + (torch.rand(len(items)) * count).long()
        event = self.order[drawn.clamp(max=len(self.order) - 1)] if len(self.order) else drawn
        known = count > 0
        event = torch.where(known, event, 0)
        if not known.any():
            return items
        others = self.last[event] - self.first[event]
        place = self.first[event] + (torch.rand(len(items)) * others).long()
        place += (place >= event).long()
        return torch.where(known & (others > 0), self.items[place.clamp(max=len(self.items) - 1)], items)
