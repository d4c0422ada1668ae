"""Texts to vectors by any Hugging Face encoder: hub id, local folder, or weights inside an installed package."""

import functools
import hashlib
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl
import torch
from pydantic import PositiveInt
from torch import Tensor

from components.progress import track
from components.schema import node
from components.semantic.cache import Floats, cached
from components.semantic.hub import Weights
from components.semantic.light import Light

Ints = np.ndarray[Any, np.dtype[np.int64]]
STEP = 8  # padded lengths are multiples of this
TOKENIZERS = ("tokenizer.json", "vocab.txt", "*.model", "vocab.json")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
LETTERS = 32  # letters read per token of `max_length`: bounds the work on an endless text
OWN = "encoder"  # the folder of an adapted encoder beside what it encoded
KEPT = 1024  # phrases whose vectors are remembered


@node
class TextEncoder:
    """A pretrained text encoder by name.

    `model` is a hub id, a folder, or `package:NAME/FOLDER` for weights shipped in an installed Python package; only
    safetensors weights are read, and no code that comes with a model is run. `prefix` goes before every text (E5 and its
    like want one). Each batch has the fixed shape (batch, a multiple of 8), filled up with padding: measured with MiniLM
    on 2,414 texts, a text's vector is then the same bit by bit whatever texts it is encoded with.
    """

    model: str
    pooling: Literal["mean", "cls"] = "mean"
    normalise: bool = True
    prefix: str = ""
    max_length: PositiveInt = 128
    batch: PositiveInt = 16
    dtype: Literal["float32", "bfloat16"] = "float32"

    def encode(self, texts: list[str], cache: Path | None = None) -> Floats:
        """Encode texts to float32 (texts, width).

        Args:
            cache: a folder where vectors are kept by (content, encoder); the model is loaded only for texts it lacks.

        Raises:
            ConfigError: the model is not found, incomplete, or has no safetensors weights.
        """
        weights = locate(self.model)
        model = functools.cache(lambda: read(self, weights))
        keys = [hashlib.sha256(self.clean(text).encode()).digest() for text in texts]
        folder = None if cache is None else cache / weights.fingerprint(self)
        return cached(keys, lambda places: model().encode([self.clean(texts[place]) for place in places]), folder)

    def carried(self, folder: Path) -> "TextEncoder":
        """The encoder with the weights that a folder (of stage pretrain, or a bundle) carries for it, where it carries any."""
        return replace(self, model=str(folder / OWN)) if (folder / OWN).is_dir() else self

    def clean(self, text: str) -> str:
        """Put the prefix before a text and make it what the model reads."""
        return clean(self.prefix + text, LETTERS * self.max_length)

    def pool(self, states: Tensor, mask: Tensor) -> Tensor:
        """Make one vector of each text's states (texts, tokens, width) and mask (texts, tokens)."""
        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            shown = mask[:, :, None].to(states.dtype)
            pooled = (states * shown).sum(1) / shown.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1) if self.normalise else pooled


class Network(Protocol):
    """What turns tokens into states."""

    @property
    def width(self) -> int:
        """Of a token's state."""
        ...

    @property
    def pad(self) -> int:
        """A token that stands where there is none."""
        ...

    def tokens(self, texts: list[str], limit: int) -> list[list[int]]:
        """Tokens of each text, at most `limit` with those that open and close it."""
        ...

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """States, (n, tokens, width), of tokens, and where there are any: int64 (n, tokens) each."""
        ...


@dataclass(frozen=True)
class Whole:
    """A network and a tokenizer of transformers, for any architecture, and to be trained."""

    tokenizer: Any
    network: Any

    @property
    def width(self) -> int:
        """Of a token's state."""
        return self.network.config.hidden_size

    @property
    def pad(self) -> int:
        """A token that stands where there is none."""
        return self.tokenizer.pad_token_id or 0

    def tokens(self, texts: list[str], limit: int) -> list[list[int]]:
        """Tokens of each text, at most `limit` with those that open and close it."""
        return self.tokenizer(texts, truncation=True, max_length=limit)["input_ids"]

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """States, (n, tokens, width), of tokens, and where there are any: int64 (n, tokens) each."""
        return self.network(input_ids=ids, attention_mask=mask).last_hidden_state


@dataclass(frozen=True)
class Model:
    """A loaded encoder."""

    settings: TextEncoder
    network: Network

    def encode(self, texts: list[str]) -> Floats:
        """Encode cleaned texts, those of like length together, to float32 (texts, width)."""
        vectors = np.zeros((len(texts), self.network.width), dtype=np.float32)
        if not texts:
            return vectors
        tokens = self.network.tokens(texts, self.settings.max_length)
        batches = list(_batches(np.array([len(row) for row in tokens]), self.settings.batch))
        for places in track(batches, "encoding texts"):
            vectors[places] = self._forward([tokens[place] for place in places])
        return vectors

    @torch.inference_mode()
    def _forward(self, tokens: list[list[int]]) -> Floats:
        shape = (self.settings.batch, -(-max(map(len, tokens)) // STEP) * STEP)
        ids, mask = np.full(shape, self.network.pad), np.zeros(shape, dtype=np.int64)
        mask[:, 0] = 1
        for row, found in enumerate(tokens):
            ids[row, : len(found)], mask[row, : len(found)] = found, 1
        states = self.network.states(torch.from_numpy(ids), torch.from_numpy(mask)).float()
        return self.settings.pool(states, torch.from_numpy(mask))[: len(tokens)].numpy()


def read(settings: TextEncoder, weights: Weights) -> Model:
    """Load an encoder to encode with, a plain BERT without transformers; raises ConfigError as `whole`."""
    return Model(settings, Light.read(weights.folder, getattr(torch, settings.dtype)) or whole(settings, weights))


def whole(settings: TextEncoder, weights: Weights) -> Whole:
    """Load tokenizer and weights by transformers; raises ConfigError when they are incomplete, or of no encoder of texts."""
    network = weights.network(settings.dtype)
    if network.main_input_name != "input_ids" or network.config.is_encoder_decoder or not hasattr(network.config, "hidden_size"):
        raise weights.refusal(f"a {type(network).__name__} is no encoder of texts alone; take a BERT or a sentence-embedding model")
    return Whole(weights.tokenizer(), network)


@functools.lru_cache(2)
def alone(encoder: TextEncoder) -> Model:
    """Load an encoder of one text at a time, once for all who need it: a batch's padding would cost as much as the words."""
    return read(replace(encoder, batch=1), locate(encoder.model))


@functools.lru_cache(KEPT)
def phrase(encoder: TextEncoder, text: str) -> Floats:
    """Encode one text that somebody says, float32 (width,), from memory if it was said lately; not to be written to."""
    return alone(encoder).encode([encoder.clean(text)])[0]


def locate(model: str) -> Weights:
    """Find a text model's folder; raises ConfigError when there is none or it lacks a file that is needed."""
    return Weights.find("text_encoder.model", model, {"tokenizer": TOKENIZERS})


def describe(items: pl.DataFrame) -> list[str]:
    """Put what the catalogue says of each item in one text: title (year), categories, text; empty where it says nothing.

    Args:
        items: as `components.schema.ITEMS`.
    """
    year = pl.col("attributes").list.eval(pl.element().filter(pl.element().struct["name"] == "year")).list.first().struct["value"]
    parts = [
        pl.concat_str(pl.col("title").fill_null(""), (" (" + year + ")").fill_null("")),
        pl.col("categories").list.drop_nulls().list.join(", ").fill_null(""),
        pl.col("text").fill_null(""),
    ]
    stripped = [part.str.strip_chars() for part in parts]
    shown = [pl.when(part != "").then(part) for part in stripped]
    return items.select(pl.concat_str(shown, separator=". ", ignore_nulls=True)).to_series().to_list()


def texts_of(tensors: Mapping[str, Floats]) -> Floats:
    """The text vectors, float32 (items, width), among the content vectors that stage pretrain or a bundle has: they stand first."""
    return tensors["content"][:, : int(tensors["widths"][0])] if "widths" in tensors else tensors["content"]


def clean(text: str, letters: int) -> str:
    """Make any string one line of valid Unicode without HTML tags, cut to `letters` characters."""
    valid = text[: 4 * letters].encode("utf-8", "replace").decode("utf-8")
    plain = html.unescape(TAG.sub(" ", valid))
    return " ".join(plain.split())[:letters]


def _batches(lengths: Ints, batch: int) -> Iterator[Ints]:
    """Yield places of texts, at most `batch` at once, all of one padded length, longest first."""
    padded = -(-lengths // STEP)
    order = np.argsort(-padded, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(padded[order])) + 1):
        yield from np.split(group, range(batch, len(group), batch))
