"""Stage converse: the query model, trained contrastively on conversations composed from catalogue and training events."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from components import artifacts, nodes
from components.data import histories
from components.data.histories import Histories, Ints
from components.dialogue.composed import Composed, turn, utterances
from components.dialogue.facets import Facets
from components.dialogue.query import PRIOR, Memory, Query, QueryModel, Said, centred, heard, last_year, prior
from components.errors import DataError
from components.progress import say
from components.ranking.parts import Floats
from components.semantic.text import texts_of
from components.stage import STATE, run
from components.training import fit

HELD = 10  # one conversation in so many judges the training
BATCH = 64  # conversations whose features are held at a time, when none is learned from


def main(*, query: QueryModel, tables: Path, split: Path, pretrain: Path, align: Path, out: Path, seed: int, checkpoint: Path) -> None:
    """Write the query model; no event of validation or test is spoken of.

    Raises:
        DataError: there is no training event to speak of.
    """
    data, own = histories.load(tables, split), replace(query, encoder=query.encoder.carried(pretrain))
    items = artifacts.read_table(tables / "items.parquet").sort("item_id")
    facets = Facets.of(artifacts.read_table(align / "nodes.parquet"), artifacts.read_table(align / "edges.parquet"))
    content = texts_of(artifacts.read_tensors(pretrain / "items.safetensors"))
    composed = query.composer.compose(data.train, items, facets, centred(content), seed)
    if not len(composed.target):
        raise DataError("converse: there is no training event that a conversation could be about; give more interactions")
    start = blank(own, facets, content, prior(items, *_chosen(data.train, len(items))))
    fitted, report = train(start, composed, seed, checkpoint)
    with artifacts.folder(out) as aside:
        artifacts.write_tensors(aside / "query.safetensors", fitted.tensors())
        artifacts.write_json(aside / "query.json", nodes.plain(query))
        artifacts.write_json(aside / "converse.json", report)


def blank(model: QueryModel, facets: Facets, content: Floats, priors: Floats) -> Query:
    """A query model before its training: it hears cosines, and weighs everything alike."""
    width = content.shape[1]
    tensors = {
        "prior": priors,
        "metric": np.eye(width, dtype=np.float32),
        "centre": np.zeros(width, dtype=np.float32),
        "weights": np.zeros(len(PRIOR) + 2 * len(facets.relations) + 2, dtype=np.float32),
        "bias": np.zeros(1, dtype=np.float32),
    }
    return Query.restore(model, tensors, facets, content)


def remember(query: Query, composed: Composed) -> Memory:
    """q of composed conversations after their last turn."""
    texts = utterances(composed.said)
    vectors = dict(zip(texts, query.model.encoder.encode(texts, STATE / "cache" / "text"), strict=True))
    say(f"converse: {len(composed.target)} conversations, {len(texts)} utterances")
    memory, width = query.start(len(composed.target)), query.content.shape[1]
    for number in range(max(map(len, composed.said))):
        memory = query.step(memory, Said(turn(composed.said, number, vectors, width), composed.named, composed.liked))
    return memory


def train(query: Query, composed: Composed, seed: int, checkpoint: Path | None = None) -> tuple[Query, dict[str, Any]]:
    """Train weights and metric, with softmax over the catalogue; also returns the curve and what was learned, as plain data."""
    memory = remember(query, composed)
    spoken = memory.text[np.linalg.norm(memory.text, axis=1) > 0]
    query = replace(query, centre=(spoken / np.linalg.norm(spoken, axis=1, keepdims=True)).mean(0) if len(spoken) else query.centre)
    rows = torch.arange(len(memory))
    own, held = rows[rows % HELD != HELD - 1], rows[rows % HELD == HELD - 1]
    learner = _Learner(query, memory, *_drawn(composed, len(query.content), query.model.negatives, seed))
    score = (lambda: -learner.loss(held).item()) if len(held) else None
    curve = fit(
        learner,
        lambda places: learner.loss(own[places]),
        len(own),
        query.model.plan,
        seed=seed,
        label="converse",
        score=score,
        checkpoint=checkpoint,
    )
    fitted = learner.query()
    fitted = replace(fitted, bias=_bias(fitted, memory.pick(slice(0, 4 * BATCH))))
    weights = dict(zip(fitted.features, map(float, fitted.weights), strict=True))
    measured = _report(fitted, memory, composed, held.numpy())
    return fitted, {"conversations": len(memory), "curve": curve, "weights": weights, "bias": fitted.bias, "held": measured}


class _Learner(nn.Module):
    """w, and the metric as the identity and what is added to it.

    Args:
        candidates: int64 (n, c), of each conversation the chosen item, then others drawn evenly: a conditional logit on a sample
            of alternatives learns the same weights (McFadden 1978).
        closed: bool (n, c), candidates that were spoken of as liked.
    """

    def __init__(self, query: Query, memory: Memory, candidates: Ints, closed: np.ndarray) -> None:
        super().__init__()
        self.fitted = query
        self.weights = nn.Parameter(torch.from_numpy(query.weights.copy()))
        self.moved = nn.Parameter(torch.zeros(query.metric.shape))
        self.candidates, self.closed = torch.from_numpy(candidates), torch.from_numpy(closed)
        self.content, self.priors = torch.from_numpy(query.content), torch.from_numpy(_without(query.prior, candidates))
        self.words = torch.from_numpy(heard(memory.text, query.centre))
        self.beta = torch.from_numpy(np.concatenate([_found(query, memory.pick(cut), candidates[cut]) for cut in _cuts(len(memory))]))

    def loss(self, rows: Tensor) -> Tensor:
        """Softmax cross entropy of the chosen items among their candidates."""
        candidates, beta, cut = self.candidates[rows], self.beta[rows], len(PRIOR)
        words = self.words[rows] + self.fitted.model.step * (self.words[rows] @ self.moved)
        texts = (words @ self.content.T).gather(1, candidates)
        odds = beta[:, :, :-2] @ self.weights[cut:-2] + texts * self.weights[-2] + beta[:, :, -1] * self.weights[-1]
        odds = (odds + self.priors[rows] @ self.weights[:cut]).masked_fill(self.closed[rows], -1e9)
        return nn.functional.cross_entropy(odds, torch.zeros(len(rows), dtype=torch.long))

    def query(self) -> Query:
        """What was learned."""
        moved = (torch.eye(len(self.moved)) + self.fitted.model.step * self.moved).detach().numpy()
        return replace(self.fitted, metric=moved, weights=self.weights.detach().numpy().copy())


def _drawn(composed: Composed, items: int, count: int, seed: int) -> tuple[Ints, np.ndarray]:
    others = np.random.default_rng(seed).integers(items, size=(len(composed.target), count))
    candidates = np.concatenate([composed.target[:, None], others], axis=1)
    closed = np.take_along_axis(composed.liked.toarray() > 0, candidates, axis=1) | (candidates == candidates[:, :1])
    closed[:, 0] = False
    return candidates, closed


def _without(priors: Floats, candidates: Ints) -> Floats:
    """The candidates' priors, the chosen item's as they were without this choice: float32 (n, c, len(PRIOR))."""
    found = priors[candidates]
    counts = np.round(np.expm1(found[:, 0, 0])) - 1
    found[:, 0, 0], found[:, 0, 1] = np.log1p(np.maximum(counts, 0)), counts <= 0
    return found


def _found(query: Query, memory: Memory, candidates: Ints) -> Floats:
    """β of candidates: float32 (n, c, components)."""
    return np.take_along_axis(query.beta(memory), candidates[None], axis=2).transpose(1, 2, 0)


def _cuts(count: int) -> list[slice]:
    return [slice(start, start + BATCH) for start in range(0, count, BATCH)]


def _bias(query: Query, memory: Memory) -> float:
    """b such that the ŷ of all items sum to 1 in the mean: exactly one is chosen."""
    odds = np.concatenate([query.odds(memory.pick(cut)) for cut in _cuts(len(memory))])
    low, high = -60.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(odds + middle).sum(1).mean() < 1 else (low, middle)
    return float(np.float32((low + high) / 2))


def _report(query: Query, memory: Memory, composed: Composed, held: np.ndarray) -> dict[str, float]:
    """How well the held-out conversations' items are found by words alone: Recall@10 and the median rank."""
    if not len(held):
        return {}
    ranks = [_ranks(query, memory.pick(held[cut]), composed, held[cut]) for cut in _cuts(len(held))]
    every = np.concatenate(ranks)
    return {"conversations": len(held), "Recall@10": float((every < 10).mean()), "median rank": float(np.median(every) + 1)}


def _ranks(query: Query, memory: Memory, composed: Composed, rows: Ints) -> Ints:
    odds = np.where(composed.liked[rows].toarray() > 0, -np.inf, query.odds(memory))
    return (odds > np.take_along_axis(odds, composed.target[rows][:, None], 1)).sum(1)


def _chosen(events: Histories, items: int) -> tuple[Floats, int | None]:
    """How often each item was chosen, and the year of the last event, None where there are no times."""
    return np.bincount(events.items, minlength=items).astype(np.float64), last_year(events)


if __name__ == "__main__":
    run(main)
