"""Vectors of items and users brought together with the vectors of their entities."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from components.schema import node
from components.training import Plan, fit

Floats = np.ndarray[Any, np.dtype[np.float32]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


@node
class Alignment:
    """Contrastive alignment: InfoNCE both ways (as CLIP, Radford et al., 2021) between a vector and its entities' mean.

    A vector v, standardised, is seen as v + A v + b, an entity pool e as B e, compared by cosine over `temperature`; `held` of
    the vectors are withheld from training to measure. The aligned vector is the mean direction of both at the length of the
    standardised v, put back to v's own centre and spread.
    """

    temperature: PositiveFloat = 0.1
    held: float = Field(0.1, ge=0, lt=1)
    plan: Plan

    def fit(
        self, vectors: Floats, pools: Floats, has: Bools, *, seed: int, label: str, checkpoint: Path | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Align vectors with their pools.

        Args:
            vectors: float32 (n, d); pools: float32 (n, e); has: bool (n,), false where there is no entity.

        Returns:
            float32 (n, d), unchanged where there is no entity; and the report: Hits@1 and Hits@10 of finding a withheld
            vector's own pool among all pools, before and after training.
        """
        places = np.flatnonzero(has)
        report: dict[str, Any] = {"aligned": len(places), "without_entities": len(vectors) - len(places)}
        shuffled = np.random.default_rng(seed).permutation(places)
        held, train = np.split(shuffled, [int(self.held * len(places))])
        if len(train) < 2:
            return vectors, report
        torch.manual_seed(seed)
        module = Bridge(vectors.shape[1], pools.shape[1], self.temperature)
        centre, spread = vectors[train].mean(0), vectors[train].std(0) + 1e-6
        left, right = torch.from_numpy((vectors - centre) / spread), torch.from_numpy(pools)
        before = _hits(module, left, right, places, held)
        rows = torch.from_numpy(train)
        curve = fit(
            module,
            lambda picked: module.loss(left[rows[picked]], right[rows[picked]]),
            len(train),
            self.plan,
            seed=seed,
            label=label,
            checkpoint=checkpoint,
        )
        aligned = np.where(has[:, None], module.aligned(left, right).numpy() * spread + centre, vectors)
        return aligned, report | {"held": len(held), "before": before, "after": _hits(module, left, right, places, held), "curve": curve}


class Bridge(nn.Module):
    """Two projections into one space, that of the vectors."""

    def __init__(self, width: int, entity: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.vector = nn.Linear(width, width)
        self.entity = nn.Linear(entity, width)
        nn.init.zeros_(self.vector.weight)
        nn.init.zeros_(self.vector.bias)

    def left(self, vectors: Tensor) -> Tensor:
        """Directions of vectors."""
        return functional.normalize(vectors + self.vector(vectors), dim=1)

    def right(self, pools: Tensor) -> Tensor:
        """Directions of pools."""
        return functional.normalize(self.entity(pools), dim=1)

    def loss(self, vectors: Tensor, pools: Tensor) -> Tensor:
        """InfoNCE of a batch, the mean of both directions."""
        logits = self.left(vectors) @ self.right(pools).T / self.temperature
        own = torch.arange(len(logits))
        return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2

    @torch.no_grad()
    def aligned(self, vectors: Tensor, pools: Tensor) -> Tensor:
        """Aligned vectors, (n, d)."""
        direction = functional.normalize(self.left(vectors) + self.right(pools), dim=1)
        return direction * vectors.norm(dim=1, keepdim=True)


@torch.no_grad()
def _hits(module: Bridge, vectors: Tensor, pools: Tensor, places: Any, held: Any) -> dict[str, float]:
    """Hits of each withheld vector's own pool; equal pools count half."""
    if not len(held):
        return {}
    candidates = module.right(pools[torch.from_numpy(places)])
    ranks: list[Tensor] = []
    for part in torch.from_numpy(held).split(256):
        query = module.left(vectors[part])
        own = (query * module.right(pools[part])).sum(1, keepdim=True)
        scores = query @ candidates.T
        equal = (scores - own).abs() < 1e-6
        ranks.append(((scores > own) & ~equal).sum(1) + 0.5 * (equal.sum(1) - 1).clamp(min=0))
    found = torch.cat(ranks)
    return {f"hits@{k}": float((found < k).double().mean()) for k in (1, 10)}
