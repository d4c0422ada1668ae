"""What is known of items that were chosen, told of items that nobody chose yet: by their kinship in content and knowledge."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from components.data.histories import Ints
from components.ranking.linear import LinearScorer
from components.ranking.parts import Floats, Scorer, World
from components.ranking.ridge import Sparse, prune
from components.schema import node

CONTENT = "content"
BLOCK = 1024  # items without events that are told of at a time


@node
class Kinship:
    """Kernel ridge regression from an item's features to anything that is known of chosen items alone.

    Of the `anchors` items chosen most often, f_j = (K + λ I)⁻¹ k_j are the weights by which they tell of item j, where K = β + Σ_b
    w_b F_b F_bᵀ sums the kinds of features: the content vector, centred, of length 1, and, for each kind of entity in the graph,
    those that the item touches, weighed by their rarity (idf), of length 1. A column of an item-item matrix that is missing, B e_j,
    is then B f_j: what speaks for the kin of j speaks for j. `weights` gives the w_b that are not 1 by kind; `l2` is λ, `bias` is
    β; `keep` weights of each row are kept.
    """

    l2: PositiveFloat = 10.0
    bias: PositiveFloat = 1.0
    weights: dict[str, NonNegativeFloat] = Field(default_factory=dict[str, float])
    anchors: PositiveInt = 4000
    keep: PositiveInt = 500

    def fit(self, world: World) -> "Kin | None":
        """Find who tells of whom; None where every item was chosen, or none."""
        counts = np.bincount(world.histories.items, minlength=world.items)
        told = np.flatnonzero(counts == 0)
        anchors = np.sort(np.argsort(-counts, kind="stable")[: min(self.anchors, int((counts > 0).sum()))])
        if not len(told) or not len(anchors):
            return None
        blocks = [(weight, block) for name, block in features(world, anchors).items() if (weight := self.weights.get(name, 1.0))]
        gram = self._kernel(blocks, anchors, anchors)
        gram[np.diag_indices_from(gram)] += self.l2
        from scipy.linalg import cho_factor, cho_solve  # late: who only scores solves nothing

        factor = cho_factor(gram, overwrite_a=True, check_finite=False)
        cuts = np.split(told, range(BLOCK, len(told), BLOCK))
        found = [cho_solve(factor, self._kernel(blocks, anchors, cut), check_finite=False).astype(np.float32) for cut in cuts]
        return Kin(anchors, told, np.concatenate(found, axis=1), self.keep)

    def _kernel(self, blocks: list[tuple[float, Any]], left: Ints, right: Ints) -> Floats:
        total = np.full((len(left), len(right)), self.bias)
        for weight, block in blocks:
            product = block[left] @ block[right].T
            total += weight * (product.toarray() if sp.issparse(product) else product)
        return total


@dataclass(frozen=True)
class Kin:
    """Who tells of whom.

    Attributes:
        anchors: int64 (n,); told: int64 (m,), items without events.
        weights: float32 (n, m).
        keep: weights of a row that are kept.
    """

    anchors: Ints
    told: Ints
    weights: Floats
    keep: int

    def extend(self, scorer: Scorer) -> Scorer:
        """Let an item-item matrix also speak for items without events; any other scorer stays as it is."""
        if not isinstance(scorer, LinearScorer):
            return scorer
        own = scorer.weights.tocoo()
        more = prune(np.asarray(own.tocsr()[:, self.anchors] @ self.weights), self.keep).tocoo()
        rows, columns = np.concatenate([own.row, more.row]), np.concatenate([own.col, self.told[more.col]])
        joined = sp.csr_matrix((np.concatenate([own.data, more.data]), (rows, columns)), shape=own.shape)
        joined.sort_indices()
        return replace(scorer, weights=joined.astype(np.float32))


def features(world: World, anchors: Ints) -> dict[str, Any]:
    """Features of all items by kind, each row of length 1 or 0: the content dense, entities as CSR."""
    found: dict[str, Any] = {CONTENT: _centred(world.content, anchors)}
    if world.graph is None:
        return found
    items, entities = world.graph.pairs()
    kinds = world.graph.nodes["kind"].to_numpy()[entities]
    for kind in np.unique(kinds):
        chosen = kinds == kind
        names, places = np.unique(entities[chosen], return_inverse=True)
        touched = sp.csr_matrix((np.ones(len(places)), (items[chosen], places)), shape=(world.items, len(names)))
        found[str(kind)] = _rare(touched, anchors)
    return found


def _rare(touched: Sparse, anchors: Ints) -> Sparse:
    """Weigh columns by log(anchors / anchors that have it), and scale rows to length 1."""
    often = np.asarray(touched[anchors].sum(0)).ravel()
    weighed = touched @ sp.diags(np.where(often > 0, np.log(len(anchors) / np.maximum(often, 1)), 0.0))
    length = np.sqrt(np.asarray(weighed.multiply(weighed).sum(1)).ravel())
    return (sp.diags(1 / np.where(length > 0, length, np.inf)) @ weighed).tocsr()


def _centred(content: Floats, anchors: Ints) -> Floats:
    there = np.asarray(content.any(axis=1), dtype=np.bool_)
    known = anchors[there[anchors]]
    centre = content[known].mean(0) if len(known) else np.zeros(content.shape[1])
    moved = np.where(there[:, None], content - centre, 0.0)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return moved / np.where(length > 1e-9, length, np.inf)
