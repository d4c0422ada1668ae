"""Vectors of the graph's nodes by translation, rotation or complex product, and how well they predict withheld edges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from components.data.histories import Ints
from components.knowledge.graph import Knowledge
from components.schema import node
from components.training import Plan, fit

Floats = np.ndarray[Any, np.dtype[np.float32]]
BLOCK = 256  # queries ranked at once against all nodes


@node
class Embedding:
    """Which model of (head, relation, tail) and how it is trained.

    TransE (Bordes et al., 2013): -‖h + r - t‖₂; RotatE (Sun et al., 2019): -Σ|h ∘ r - t| with |r| = 1; ComplEx (Trouillon et
    al., 2016): Re⟨h, r, t̄⟩. The first half of a RotatE or ComplEx vector is real, the second imaginary. Trained by softmax over
    the batch's own nodes and `negatives` drawn evenly, for tails and for heads; `held` of the edges are withheld to measure.
    """

    model: Literal["transe", "rotate", "complex"] = "transe"
    width: PositiveInt = Field(64, multiple_of=2)
    negatives: PositiveInt = 256
    margin: PositiveFloat = 3.0
    held: float = Field(0.05, ge=0, lt=1)
    plan: Plan

    def fit(self, graph: Knowledge, seed: int, checkpoint: Path | None = None) -> tuple[Floats, dict[str, Any]]:
        """Embed all nodes: float32 (nodes, width), zero where the graph has no edge, and the report.

        The report has filtered MRR and Hits@1, 3, 10 of the withheld edges over both directions; ties count half.
        """
        if graph.edges.is_empty():
            return np.zeros((len(graph.nodes), self.width), dtype=np.float32), {"model": self.model, "edges": 0}
        torch.manual_seed(seed)
        triples, relations = _triples(graph.edges)
        held = _withhold(triples, self.held, seed)
        module = Translation(self, len(graph.nodes), relations)
        train = torch.from_numpy(triples[~held])
        curve = fit(
            module, lambda picked: module.loss(train[picked]), len(train), self.plan, seed=seed, label="entities", checkpoint=checkpoint
        )
        report = {"model": self.model, "edges": len(triples), "curve": curve} | rank(module, triples, held)
        return module.nodes.detach().numpy(), report


class Translation(nn.Module):
    """Vectors of nodes and relations, and the score of a query against nodes.

    A query stands for (head, relation, ?) or, with the relation inverted, for (?, relation, tail).
    """

    def __init__(self, settings: Embedding, nodes: int, relations: int) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.nodes = nn.Parameter(torch.randn(nodes, width) * (1 / width**0.5))
        self.relations = nn.Parameter(torch.randn(relations, width) * (1 / width**0.5))
        self.ask, self.compare = MODELS[settings.model]

    def query(self, ends: Tensor, relations: Tensor, *, inverse: bool) -> Tensor:
        """Vectors of queries, (b, width), from known ends and relations, int64 (b,)."""
        return self.ask(functional.embedding(ends, self.nodes), functional.embedding(relations, self.relations), inverse)

    def score(self, queries: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Scores of nodes (int64 (n,); all when not given): (b, n), higher is likelier."""
        return self.compare(queries, self.nodes if nodes is None else functional.embedding(nodes, self.nodes)) * self.settings.margin

    def loss(self, triples: Tensor) -> Tensor:
        """Mean cross entropy of the true tail and the true head of a batch (int64 (b, 3))."""
        heads, relations, tails = triples.unbind(1)
        drawn = torch.randint(len(self.nodes), (self.settings.negatives,))
        losses: list[Tensor] = []
        for known, asked, inverse in ((heads, tails, False), (tails, heads, True)):
            shown, places = torch.unique(torch.cat([asked, drawn]), return_inverse=True)
            logits = self.score(self.query(known, relations, inverse=inverse), shown)
            losses.append(functional.cross_entropy(logits, places[: len(asked)]))
        return torch.stack(losses).mean()


def rank(module: Translation, triples: Ints, held: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Rank the withheld edges' tails and heads among all nodes, other true answers left out."""
    found = [_ranks(module, triples, held, known, inverse) for known, inverse in ((0, False), (2, True))]
    ranks = np.concatenate(found)
    if not len(ranks):
        return {"held": 0}
    hits = {f"hits@{k}": float((ranks <= k).mean()) for k in (1, 3, 10)}
    return {"held": int(held.sum()), "mrr": float((1 / ranks).mean())} | hits


@torch.no_grad()
def _ranks(module: Translation, triples: Ints, held: np.ndarray[Any, Any], known: int, inverse: bool) -> np.ndarray[Any, Any]:
    nodes, asked = len(module.nodes), 2 - known
    keys, places = np.unique(triples[:, known] * len(module.relations) + triples[:, 1], return_inverse=True)
    true = sparse.csr_array((np.ones(len(triples), dtype=bool), (places, triples[:, asked])), shape=(len(keys), nodes))
    ranks: list[Any] = []
    for part in np.split(np.flatnonzero(held), range(BLOCK, int(held.sum()), BLOCK)):
        rows = torch.from_numpy(triples[part])
        scores = module.score(module.query(rows[:, known], rows[:, 1], inverse=inverse))
        target = scores.gather(1, rows[:, asked, None])
        scores = scores.masked_fill(torch.from_numpy(true[places[part]].toarray()), -torch.inf)
        ranks.append((1 + (scores > target).sum(1) + 0.5 * (scores == target).sum(1)).numpy())
    return np.concatenate(ranks)


def _triples(edges: pl.DataFrame) -> tuple[Ints, int]:
    names = edges["relation"].unique().sort()
    relation = edges["relation"].replace_strict(names, pl.int_range(len(names), eager=True), return_dtype=pl.Int64)
    return np.stack([edges["head"].to_numpy(), relation.to_numpy(), edges["tail"].to_numpy()], 1), len(names)


def _withhold(triples: Ints, share: float, seed: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Withhold edges such that every node and relation keeps one: the first that a shuffle shows of it."""
    order = np.random.default_rng(seed).permutation(len(triples))
    shuffled = triples[order]
    ends = np.stack([shuffled[:, 0], shuffled[:, 2]], 1).ravel()
    kept = np.zeros(len(triples), dtype=bool)
    kept[np.unique(ends, return_index=True)[1] // 2] = True
    kept[np.unique(shuffled[:, 1], return_index=True)[1]] = True
    held = np.zeros(len(triples), dtype=bool)
    held[order[~kept][: int(share * len(triples))]] = True
    return held


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.chunk(2, -1)[0], x.chunk(2, -1)[1]


def _translate(ends: Tensor, relations: Tensor, inverse: bool) -> Tensor:
    return ends - relations if inverse else ends + relations


def _multiply(ends: Tensor, relations: Tensor, inverse: bool) -> Tensor:
    (a, b), (c, d) = _halves(ends), _halves(relations)
    turn = -d if inverse else d
    return torch.cat([a * c - b * turn, a * turn + b * c], -1)


def _rotate(ends: Tensor, relations: Tensor, inverse: bool) -> Tensor:
    real, imaginary = _halves(relations)
    length = (real**2 + imaginary**2 + 1e-12).sqrt()
    return _multiply(ends, torch.cat([real / length, imaginary / length], -1), inverse)


def _distance(queries: Tensor, nodes: Tensor) -> Tensor:
    square = (queries**2).sum(1, keepdim=True) + (nodes**2).sum(1) - 2 * queries @ nodes.T
    return -(square.clamp(min=0) + 1e-9).sqrt()


def _moduli(queries: Tensor, nodes: Tensor) -> Tensor:
    real, imaginary = _halves(queries[:, None] - nodes)
    return -(real**2 + imaginary**2 + 1e-9).sqrt().sum(-1) / real.shape[-1] ** 0.5


def _product(queries: Tensor, nodes: Tensor) -> Tensor:
    return queries @ nodes.T


Ask = Callable[[Tensor, Tensor, bool], Tensor]
Compare = Callable[[Tensor, Tensor], Tensor]
MODELS: dict[str, tuple[Ask, Compare]] = {
    "transe": (_translate, _distance),
    "rotate": (_rotate, _moduli),
    "complex": (_multiply, _product),
}
