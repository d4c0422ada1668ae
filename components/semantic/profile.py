"""What users say of themselves: as vectors beside the behaviour BERT, and the taste that it tells from them alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from components import artifacts
from components.progress import say
from components.semantic.cache import Floats
from components.semantic.text import TextEncoder

if TYPE_CHECKING:
    from components.semantic.bert import BehaviourBERT

Doubles = np.ndarray[Any, np.dtype[np.float64]]
NAME = "profile"  # of the files
OF_DATA = {"residual", "bias", "users", "seen", "known"}  # tensors with a row for each item or user, which a stranger has no use for


def told(encoder: TextEncoder, table: Path, users: list[str], cache: Path) -> Floats:
    """Encode the `text` of each user in a table (which need not be there): float32 (users, width), 0 where one says nothing."""
    texts = dict.fromkeys(users, "")
    if table.exists():
        rows = artifacts.read_table(table).filter(pl.col("text").fill_null("").str.strip_chars() != "")
        texts |= {user: text for user, text in rows.select("user_id", "text").iter_rows() if user in texts}
    said = np.array([text != "" for text in texts.values()], dtype=bool)
    if not said.any():
        return np.zeros((len(users), 0), dtype=np.float32)
    say(f"profiles: {said.sum()} of {len(users)} users have one")
    own = encoder.encode([text for text in texts.values() if text], cache)
    vectors = np.zeros((len(users), own.shape[1]), dtype=np.float32)
    vectors[said] = own
    return vectors


def write(module: "BehaviourBERT", vectors: Floats, folder: Path) -> None:
    """Write what a stranger's profile is read by: the BERT without its tables, and the items' v, float32 (items, d)."""
    kept = {name: value for name, value in module.tensors().items() if name not in OF_DATA}
    artifacts.write_tensors(folder / f"{NAME}.safetensors", kept | {"vectors": vectors})
    artifacts.write_json(folder / f"{NAME}.json", module.about() | {"items": 1, "users": 0})


@dataclass(frozen=True)
class Taste:
    """Tells a taste from a profile alone: u = BERT([CLS] ⊕ [UNK] ⊕ profile ⊕ [SEP]).

    Attributes:
        module: the BERT of stage pretrain, without its tables, in float64.
        vectors: float64 (items, d), the v_j.
    """

    module: "BehaviourBERT"
    vectors: Doubles

    @classmethod
    def read(cls, folder: Path) -> "Taste | None":
        """Read what `write` wrote; None where the data had no profiles."""
        if not (folder / f"{NAME}.safetensors").exists():
            return None
        from components.semantic.bert import restore

        tensors, about = artifacts.read_tensors(folder / f"{NAME}.safetensors"), artifacts.read_json(folder / f"{NAME}.json")
        vectors, width = tensors.pop("vectors"), about["width"]
        blank = {"residual": (1, width), "bias": (1,), "users": (0, width)}
        tables = {name: np.zeros(shape, dtype=np.float32) for name, shape in blank.items()}
        known = {"seen": np.zeros(1, dtype=bool), "known": np.zeros(0, dtype=bool)}
        nothing = np.zeros((1, sum(about["content"])), dtype=np.float32)
        return cls(restore(tensors | tables | known, about, nothing).double(), vectors.astype(np.float64))

    @torch.inference_mode()
    def of(self, profile: Floats) -> Doubles:
        """How much likelier than to a stranger each item is, given a profile's vector (w,): float64 (items,), a difference of logs."""
        pair = torch.from_numpy(np.stack([profile, np.zeros_like(profile)]).astype(np.float64))
        own, stranger = self.module.encode_users(torch.zeros((2, 0), dtype=torch.int64), profiles=pair).numpy()
        return self.vectors @ (own - stranger) / len(own) ** 0.5
