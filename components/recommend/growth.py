"""What a bundle needs to take in items that came after it was made: how they are linked, and what vectors their contents get."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from components import artifacts, nodes
from components.data.histories import Ints
from components.errors import BundleError
from components.knowledge.graph import Graph
from components.ranking.parts import Floats
from components.schema import ITEMS, table
from components.semantic.text import LETTERS, TextEncoder, alone, clean, describe

RIDGE = 0.1  # of the mean eigenvalue of the contents' Gram matrix
FEW = 16  # texts that are encoded one by one, without loading the encoder anew
HELD = 10  # every so many items are withheld to measure by


@dataclass(frozen=True)
class Growth:
    """How a bundle grows.

    Attributes:
        graph: the declaration that its knowledge graph was built by.
        map: float32 (1 + w, d), the vector v_j that a content goes with: first the constant, then a row for each of its values.
    """

    graph: Graph
    map: Floats

    @classmethod
    def read(cls, bundle: Path) -> "Growth | None":
        """Read what a bundle says of it; None for a bundle that was made before it could grow."""
        if not (bundle / "growth.safetensors").exists():
            return None
        graph = nodes.build(artifacts.read_json(bundle / "graph.json"), "graph")
        assert isinstance(graph, Graph)
        return cls(graph, artifacts.read_tensors(bundle / "growth.safetensors")["map"])

    def vectors(self, content: Floats) -> Floats:
        """The vectors of contents, float32 (n, w): float32 (n, d)."""
        return (self.map[0] + content @ self.map[1:]).astype(np.float32)


def learn(content: Floats, vectors: Floats) -> tuple[Floats, dict[str, float]]:
    """Fit `Growth.map` by ridge regression, and measure it on a tenth withheld: the mean cosine with the true vectors, both centred.

    Items without content tell nothing; where none has any, each gets the mean vector.
    """
    there = np.flatnonzero(content.any(1))
    held = there[HELD - 1 :: HELD]
    tried = _solve(*(part[np.setdiff1d(there, held)] for part in (content, vectors)))
    centre = vectors.mean(0, dtype=np.float64)
    found, true = (tried[0] + content[held] @ tried[1:] - centre, vectors[held] - centre)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(true, axis=1)
    cosine = float(((found * true).sum(1) / np.where(lengths > 0, lengths, np.inf)).mean()) if len(held) else 0.0
    fitted = _solve(content[there], vectors[there]) if len(there) else np.vstack([centre, np.zeros((content.shape[1], len(centre)))])
    return fitted.astype(np.float32), {"growth_cosine": round(cosine, 4)}


def overlay(catalogue: pl.DataFrame, items: pl.DataFrame) -> tuple[pl.DataFrame, Ints]:
    """Put items (as `components.schema.ITEMS`) in the place of those of their ids, new ones behind; also which differ from before."""
    fresh = table(items, ITEMS).drop("row")
    places = {item: place for place, item in enumerate(catalogue["item_id"])}
    order = [places.setdefault(item, len(places)) for item in fresh["item_id"]]
    before = catalogue.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
    after = fresh.with_columns(place=pl.Series(order, dtype=pl.Int64)).join(before.select("place", "row"), on="place", how="left")
    told = after.select(before.columns).join(before, on=before.columns, how="anti", nulls_equal=True).sort("place")
    rest = before.filter(~pl.col("place").is_in(told["place"].implode()))
    return pl.concat([rest, told]).sort("place").drop("place"), told["place"].to_numpy().copy()


def contents(items: pl.DataFrame, encoder: TextEncoder, width: int) -> Floats:
    """Encode what the catalogue says of items: float32 (n, width), 0 where it says nothing; raises BundleError."""
    texts = describe(items)
    told = np.array([text != "" for text in texts], dtype=bool)
    cleaned = [clean(encoder.prefix + text, LETTERS * encoder.max_length) for text in texts]
    found = alone(encoder).encode(cleaned) if len(cleaned) <= FEW else encoder.encode(texts)
    if found.shape[1] != width:
        raise BundleError(
            f"text_encoder: gives {found.shape[1]} values, the bundle's contents have {width}; retrain with the items instead"
        )
    return found * told[:, None]


def _solve(content: Floats, vectors: Floats) -> Floats:
    """Ridge regression with a constant that is not shrunk: float64 (1 + w, d)."""
    wide, aim = content.astype(np.float64), vectors.astype(np.float64)
    if not len(wide):
        return np.zeros((1 + content.shape[1], vectors.shape[1]))
    middle, centre = wide.mean(0), aim.mean(0)
    moved = wide - middle
    gram = moved.T @ moved
    ridge = RIDGE * (np.trace(gram) / len(gram) or 1.0)
    slopes = np.linalg.solve(gram + ridge * np.eye(len(gram)), moved.T @ (aim - centre))
    return np.vstack([centre - middle @ slopes, slopes])
