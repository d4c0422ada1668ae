"""The query model: q_t of a conversation, what its attention finds in each item, and how well each item answers it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field, PositiveFloat, PositiveInt
from scipy import sparse
from scipy.special import expit

from components import artifacts, nodes
from components.data.histories import Histories, Ints
from components.dialogue.composed import Composer
from components.dialogue.facets import Facets, Sparse
from components.errors import BundleError
from components.knowledge.graph import Knowledge
from components.ranking.parts import Arrays, Floats
from components.schema import node
from components.semantic.text import TextEncoder, clean, phrase
from components.training import Plan

PRIOR = ("known", "unknown", "fresh", "recent", "undated")
FLAT = 0.25  # a ranker whose calibration is flatter than this is trusted as if it were this steep
LETTERS = 2000


@node
class QueryModel:
    """How conversations are heard, and how the model that hears them is trained.

    `fade` is what is left of the words, and `keep` of what was named, a turn later; `trust` is the weight of the dialogue
    against the history, whose scores are counted by the ranker's own calibration.
    """

    encoder: TextEncoder
    composer: Composer
    plan: Plan
    fade: float = Field(0.8, ge=0, le=1)
    keep: float = Field(1.0, ge=0, le=1)
    trust: PositiveFloat = 1.0
    negatives: PositiveInt = 500
    step: PositiveFloat = Field(0.02, description="how far the metric may move a step, beside the weights")


@dataclass(frozen=True)
class Said:
    """What turns of several conversations say, a row each.

    Attributes:
        text: float32 (n, w), vectors of the utterances, 0 where nothing was said.
        named, refused: float32 (n, nodes), entities that were named or are not wanted.
        liked, disliked: float32 (n, items).
    """

    text: Floats
    named: Sparse
    liked: Sparse
    refused: Sparse | None = None
    disliked: Sparse | None = None


@dataclass(frozen=True)
class Memory:
    """q_t of several conversations; as `Said`, summed over the turns with what fades."""

    text: Floats
    named: Sparse
    liked: Sparse
    refused: Sparse
    disliked: Sparse

    def __len__(self) -> int:
        return len(self.text)

    def pick(self, rows: slice | Ints) -> "Memory":
        """Some of the conversations."""
        return Memory(self.text[rows], self.named[rows], self.liked[rows], self.refused[rows], self.disliked[rows])


@dataclass(frozen=True)
class Query:
    """A fitted query model over a catalogue; immutable, and safe to share between threads.

    ŷ_{j|q} = σ(wᵀ[v_j; β_{j|q}] + b). v_j is the item's prior (how often it was chosen, how fresh it is). β has a component for
    each relation of the graph, for what is named and for what liked items share, and two for texts: qᵀ M v over the content
    and the cosine with what is liked. w of q alone would move all items alike, and is part of b.

    Attributes:
        content: float32 (items, w), content vectors, centred, of length 1, or 0 for an item without content.
        prior: float32 (items, len(PRIOR)).
        metric: float32 (w, w), M.
        centre: float32 (w,), the mean utterance.
        weights: float32 (features,), w, in the order of `features`.
        slope: a, the ranker's log-odds per unit of its score.
    """

    model: QueryModel
    facets: Facets
    content: Floats
    prior: Floats
    metric: Floats
    centre: Floats
    weights: Floats
    bias: float = 0.0
    slope: float = 1.0

    @classmethod
    def load(cls, folder: Path, knowledge: Knowledge, content: Floats, scales: Floats) -> "Query":
        """Read the query model of a bundle's folder, or of what stage converse wrote; raises BundleError where there is none.

        Args:
            knowledge, content: the bundle's graph, and float32 (items, w), the vectors of its items' texts.
            scales: calibration of the bundle's ranker, as `beside` has it.
        """
        if not (folder / "query.json").exists():
            raise BundleError(f"{folder}: no query.json, so the bundle cannot hear words; make it again with `dvc repro`")
        model = nodes.build(artifacts.read_json(folder / "query.json"), "query")
        assert isinstance(model, QueryModel)
        model = replace(model, encoder=model.encoder.carried(folder))
        facets = Facets.of(knowledge.nodes, knowledge.edges)
        learned = artifacts.read_tensors(folder / "query.safetensors")
        return cls.restore(model, learned, facets, content).beside(scales)

    @classmethod
    def restore(cls, model: QueryModel, tensors: Arrays, facets: Facets, content: Floats) -> "Query":
        """Make the model from what `tensors` gave, the graph and the content vectors."""
        own = (tensors[name] for name in ("prior", "metric", "centre", "weights"))
        return cls(model, facets, centred(content), *own, bias=float(tensors["bias"][0]))

    def tensors(self) -> Arrays:
        """Everything that was learned."""
        own = {name: getattr(self, name) for name in ("prior", "metric", "centre", "weights")}
        return own | {"bias": np.array([self.bias], dtype=np.float32)}

    def beside(self, scales: Floats) -> "Query":
        """The same, to be added to a ranker's scores of this calibration, float64 (states, 2); the first state has no history."""
        return replace(self, slope=steepness(scales))

    def grow(self, graph: Knowledge, content: Floats, items: pl.DataFrame, year: int | None) -> "Query":
        """The same over a catalogue with more items, whose vectors are `content`; what is asked about is what was learned of.

        Args:
            items: those that are new, as `components.schema.ITEMS`; nobody has chosen them.
            year: as in `prior`.
        """
        added = prior(items, np.zeros(len(items)), year)
        facets = Facets.of(graph.nodes, graph.edges, self.facets.relations)
        return replace(self, facets=facets, content=centred(content), prior=np.concatenate([self.prior, added]))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what w weighs."""
        found = [f"{how} {name}" for how in ("named:", "shared:") for name in self.facets.relations]
        return (*PRIOR, *found, "text", "alike")

    def start(self, count: int = 1) -> Memory:
        """q_0 of so many conversations."""
        wide, items = len(self.facets.nodes), len(self.content)
        empty = [sparse.csr_matrix((count, width), dtype=np.float32) for width in (wide, items, wide, items)]
        return Memory(np.zeros((count, self.content.shape[1]), dtype=np.float32), *empty)

    def step(self, memory: Memory, said: Said) -> Memory:
        """q_t = encode(utterance_t, q_{t-1}): words fade, names stay longer, likes stay."""
        keep = np.float32(self.model.keep)
        return Memory(
            memory.text * np.float32(self.model.fade) + said.text,
            (memory.named * keep).maximum(said.named),
            memory.liked.maximum(said.liked),
            memory.refused if said.refused is None else memory.refused.maximum(said.refused),
            memory.disliked if said.disliked is None else memory.disliked.maximum(said.disliked),
        )

    def hear(self, memory: Memory, utterance: str, said: Said) -> Memory:
        """`step` of one conversation, with the text of its turn."""
        return self.step(memory, replace(said, text=self.vector(utterance)[None]))

    def vector(self, utterance: str) -> Floats:
        """Encode one utterance, float32 (w,), from memory if it was heard lately; an empty one is 0."""
        text = clean(utterance, LETTERS)
        return phrase(self.model.encoder, text) if text else np.zeros(self.content.shape[1], dtype=np.float32)

    def beta(self, memory: Memory) -> Floats:
        """β_{j|q}, float32 (2 · relations + 2, n, items)."""
        named = self.facets.attended(memory.named) - self.facets.attended(memory.refused)
        shared = self.facets.shared(_shares(memory.liked)) - self.facets.shared(_shares(memory.disliked))
        texts = np.stack([self._words(memory.text) @ self.content.T, self._alike(memory)])
        return np.concatenate([named, shared, texts])

    def odds(self, memory: Memory) -> Floats:
        """The log-odds of ŷ: float64 (n, items)."""
        cut = len(PRIOR)
        found = np.einsum("f,fnj->nj", self.weights[cut:], self.beta(memory))
        return (found + self.prior @ self.weights[:cut]).astype(np.float64) + self.bias

    def probability(self, memory: Memory) -> Floats:
        """ŷ_{j|q}: float64 (n, items)."""
        return expit(self.odds(memory))

    def lean(self, memory: Memory) -> Floats:
        """What to add to the ranker's scores, float64 (n, items), with mean 0: log-odds over the ranker's own slope, times `trust`."""
        odds = self.odds(memory)
        return self.model.trust * (odds - odds.mean(1, keepdims=True)) / self.slope

    def _words(self, text: Floats) -> Floats:
        """The words as they meet contents, in the metric: float32 (n, w)."""
        return heard(text, self.centre) @ self.metric

    def _alike(self, memory: Memory) -> Floats:
        """Cosine of each item's content with what is liked, less what is not."""
        taste = (_shares(memory.liked) - _shares(memory.disliked)) @ self.content
        return _unit(taste) @ self.content.T


def steepness(scales: Floats) -> float:
    """Log-odds per unit of a ranker's score, by its calibration, float64 (states, 2); the first state has no history."""
    return max(FLAT, float(np.median(scales[1:, 0] if len(scales) > 1 else scales[:, 0])))


def heard(text: Floats, centre: Floats) -> Floats:
    """Scale summed utterances to length 1 and take out what all utterances share; silence stays 0."""
    spoken = np.linalg.norm(text, axis=1, keepdims=True) > 0
    return np.where(spoken, _unit(_unit(text) - centre), 0.0).astype(np.float32)


def centred(content: Floats) -> Floats:
    """Subtract the mean over the items that have content, and scale to length 1; without content stay 0."""
    there = np.linalg.norm(content, axis=1, keepdims=True) > 0
    mean = content[there[:, 0]].mean(0) if there.any() else 0.0
    return np.where(there, _unit(np.where(there, content - mean, 0.0)), 0.0).astype(np.float32)


def prior(items: pl.DataFrame, counts: Floats, year: int | None) -> Floats:
    """v_j of items sorted by id, float32 (items, len(PRIOR)): log of how often chosen, never chosen, e^(-age/3), e^(-age/10), no age.

    Args:
        counts: float64 (items,), how often each was chosen.
        year: of the last event; None where there are no times: then nothing has an age.
    """
    own = pl.col("attributes").list.eval(pl.element().filter(pl.element().struct["name"] == "year").struct["value"]).list.first()
    made = items.select(pl.coalesce(pl.col("created_at").dt.year().cast(pl.Int64), own.cast(pl.Int64, strict=False))).to_series()
    there = made.is_not_null().to_numpy() & (year is not None)
    age = np.maximum((year or 0) - made.fill_null(0).to_numpy(), 0)
    fresh, recent = (np.where(there, np.exp(-age / years), 0.0) for years in (3.0, 10.0))
    return np.stack([np.log1p(counts), counts == 0, fresh, recent, ~there], axis=1).astype(np.float32)


def last_year(events: Histories) -> int | None:
    """The year of the last event, None where there are no times."""
    last = int(events.times.max(initial=0))
    return int(np.datetime64(last, "s").astype("datetime64[Y]").astype(int)) + 1970 if last > 0 else None


def _shares(liked: Sparse) -> Sparse:
    """Rows that sum to 1, or are empty."""
    total = np.asarray(np.abs(liked).sum(1)).ravel()
    return (sparse.diags(1 / np.maximum(total, 1.0)) @ liked).tocsr().astype(np.float32)


def _unit(vectors: Any) -> Floats:
    wide = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(length > 1e-9, length, np.inf)
