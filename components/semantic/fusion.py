"""Views of the items (text, image, video) side by side, and the fusion of them into one vector."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Floats = np.ndarray[Any, np.dtype[np.float32]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class View:
    """One modality of the catalogue.

    Attributes:
        name: text, image or video.
        vectors: float32 (items, width), 0 where an item has none.
        refused: why an item's file was not read, by the item's index.
        curves: what was trained to make the vectors.
    """

    name: str
    vectors: Floats
    refused: dict[int, str] = field(default_factory=dict[int, str])
    curves: dict[str, list[dict[str, float]]] = field(default_factory=dict[str, list[dict[str, float]]])

    @property
    def there(self) -> Bools:
        """Which items have it, bool (items,)."""
        return (self.vectors != 0).any(axis=1)

    def centred(self) -> "View":
        """Without what all items share, scaled to length 1, so that a missing vector, 0, is the mean one."""
        there = self.there[:, None]
        mean = self.vectors[self.there].mean(0) if there.any() else 0.0
        moved = np.where(there, self.vectors - mean, 0.0)
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        return View(self.name, (moved / np.where(length > 1e-9, length, np.inf)).astype(np.float32), self.refused, self.curves)

    def report(self) -> dict[str, Any]:
        """Counts, and how often each reason to refuse a file was met."""
        reasons = sorted(set(self.refused.values()))
        counts = {reason: list(self.refused.values()).count(reason) for reason in reasons}
        return {"width": self.vectors.shape[1], "there": int(self.there.sum()), "missing": int((~self.there).sum()), "refused": counts}


def beside(views: Sequence[View]) -> Floats:
    """Content vectors: the views' vectors side by side, float32 (items, sum of widths)."""
    return np.concatenate([view.vectors for view in views], axis=1)


class Fusion(nn.Module):
    """sum_m g_jm · P_m e_j^m, with g_j = softmax over the modalities that item j has of a_m + b_mᵀ e_j^m.

    In training an item with several modalities is left, with chance `drop`, with a single one drawn evenly, so that an item
    with a title alone lands near its neighbours. Of an item with none the first is taken: P_1 0 is what is nowhere told.

    Args:
        widths: of the modalities, as they stand side by side.
    """

    def __init__(self, widths: Sequence[int], width: int, drop: float) -> None:
        super().__init__()
        self.widths, self.drop = list(widths), drop
        self.projections = nn.ModuleList([nn.Linear(wide, width) for wide in widths])
        self.gates = nn.ParameterList([nn.Parameter(torch.zeros(1 + wide)) for wide in widths if len(widths) > 1])

    def forward(self, content: Tensor) -> Tensor:
        """Fuse content vectors (n, sum of widths) to (n, width)."""
        blocks = content.split(self.widths, dim=1)
        parts = torch.stack([project(block) for project, block in zip(self.projections, blocks, strict=True)], 1)
        return (self.weights(content)[:, :, None] * parts).sum(1)

    def weights(self, content: Tensor) -> Tensor:
        """The g of content vectors: (n, modalities), each row sums to 1."""
        if len(self.widths) == 1:
            return torch.ones_like(content[:, :1])
        blocks = content.split(self.widths, dim=1)
        odds = torch.stack([gate[0] + block @ gate[1:] for gate, block in zip(self.gates, blocks, strict=True)], 1)
        there = torch.stack([block.any(1) for block in blocks], 1)
        there[:, 0] |= ~there.any(1)
        if self.training and self.drop:
            there = self._dropped(there)
        return odds.masked_fill(~there, -torch.inf).softmax(1)

    def _dropped(self, there: Tensor) -> Tensor:
        kept = torch.rand(there.shape, device=there.device).masked_fill(~there, -1).argmax(1)
        alone = nn.functional.one_hot(kept, there.shape[1]).bool()
        return torch.where(torch.rand(len(there), 1, device=there.device) < self.drop, alone, there)
