"""BERT's tokens and forward pass without transformers, the import of which takes longer than a service may take to start."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from components import artifacts
from components.errors import DataError

KNOWN = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}
USUAL = KNOWN | {"model_type": None, "layer_norm_eps": 1e-12, "pad_token_id": 0}  # what a configuration that does not say so means
LINEAR = (*(f"attention.{part}" for part in ("self.query", "self.key", "self.value", "output.dense")), "intermediate.dense", "output.dense")
TABLES = tuple(f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type"))


@dataclass(frozen=True)
class Light:
    """An encoder after Devlin et al. (2019), operation by operation as transformers has it: its vectors are the same, bit by bit.

    Attributes:
        about: what `config.json` says.
        weights: by their names in `BertModel`.
    """

    about: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    tokenizer: Tokenizer

    @classmethod
    def read(cls, folder: Path, dtype: torch.dtype) -> "Light | None":
        """Load a model's folder; None where it holds anything but a plain BERT with a `tokenizer.json`, all of it."""
        try:
            about = USUAL | artifacts.read_json(folder / "config.json")
            if any(about[key] != value for key, value in KNOWN.items()):
                return None
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tensors = {name.removeprefix("bert."): value for name, value in load_file(folder / "model.safetensors").items()}
            weights = {name: tensors[name].to(dtype) for name in _names(about["num_hidden_layers"])}
        except (DataError, SafetensorError, OSError, KeyError, TypeError, AttributeError):
            return None
        except Exception as error:  # how tokenizers says that a file is none of its own
            if type(error) is not Exception:
                raise
            return None
        tokenizer.no_padding()
        return cls(about, weights, tokenizer)

    @property
    def width(self) -> int:
        """Of a token's state."""
        return self.about["hidden_size"]

    @property
    def pad(self) -> int:
        """A token that stands where there is none."""
        return self.about["pad_token_id"] or 0

    def tokens(self, texts: list[str], limit: int) -> list[list[int]]:
        """Tokens of each text, at most `limit` with those that open and close it."""
        self.tokenizer.enable_truncation(limit)
        return [found.ids for found in self.tokenizer.encode_batch_fast(texts)]

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """States, (n, tokens, width), of tokens, and where there are any: int64 (n, tokens) each."""
        word, position, kind = (self.weights[name] for name in TABLES)
        x = self._norm(functional.embedding(ids, word) + kind[0] + position[: ids.shape[1]], "embeddings")
        shown = None if mask.all() else mask[:, None, None].bool().expand(-1, -1, ids.shape[1], -1)
        for layer in range(self.about["num_hidden_layers"]):
            x = self._layer(x, shown, f"encoder.layer.{layer}")
        return x

    def _layer(self, x: Tensor, shown: Tensor | None, name: str) -> Tensor:
        query, key, value = (self._heads(self._linear(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value"))
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=shown).transpose(1, 2).flatten(-2)
        x = self._norm(self._linear(seen, f"{name}.attention.output.dense") + x, f"{name}.attention.output")
        inner = functional.gelu(self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(self._linear(inner, f"{name}.output.dense") + x, f"{name}.output")

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.about["num_attention_heads"], -1)).transpose(1, 2)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = (self.weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return functional.layer_norm(x, (self.width,), weight, bias, self.about["layer_norm_eps"])


def _names(layers: int) -> list[str]:
    """The weights of an encoder of so many layers."""
    inner = (*LINEAR, "attention.output.LayerNorm", "output.LayerNorm")
    parts = ["embeddings.LayerNorm", *(f"encoder.layer.{layer}.{name}" for layer in range(layers) for name in inner)]
    return [*TABLES, *(f"{name}.{kind}" for name in parts for kind in ("weight", "bias"))]
