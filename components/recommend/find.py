"""Search in words: titles as they are written, titles that are nearly so, and items that the words describe."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from rapidfuzz import fuzz, process

from components import artifacts, nodes
from components.data.histories import Ints
from components.errors import BundleError, RequestError
from components.knowledge.names import called, spelled
from components.ranking.parts import Floats
from components.recommend.catalogue import Catalogue, plain
from components.semantic.fusion import Bools
from components.semantic.profile import Taste
from components.semantic.text import TextEncoder, phrase

NEAR = 0.85  # likeness from which a title is meant, though it is spelled otherwise
TASTE = 3.0  # deviations that one deviation of a profile counts: what is popular is often ten of them ahead
LETTERS = 1000  # of a query that are read
YEAR = re.compile(r" \(\d{4}\)$")


@dataclass(frozen=True)
class Finder:
    """Finds items of a catalogue by words.

    Attributes:
        unit: float64 (items, w), directions of the content vectors.
        encoder: what encoded them; None where the bundle names none.
        taste: tells what people who say such things take; None where the data had no profiles.
    """

    catalogue: Catalogue
    unit: Floats
    encoder: TextEncoder | None
    taste: Taste | None = None

    def rank(self, query: str) -> tuple[Ints, Floats]:
        """Order the catalogue by a query: int64 (items,), best first, and how well each item answers, float64 (items,), 1 at most.

        Titles that are exactly the query come first; then all by the greater of two: the cosine of the query's vector with the
        item's, and the likeness of the title, by insertions and deletions, from `NEAR` on. Equal ones go by index.

        Raises:
            RequestError: the query says nothing.
            BundleError: the bundle names no text encoder.
        """
        said, cosines = self._heard("query", query, "give a title, or words for what is wanted")
        [name] = _called([said])
        near = process.cdist([YEAR.sub("", name)], self._names, scorer=fuzz.ratio, score_cutoff=100 * NEAR, dtype=np.float64)[0] / 100
        scores = np.maximum(np.maximum(cosines, near), 0.0)
        whole, bare = (np.array([title == name for title in titles], dtype=bool) for titles in (self._dated, self._names))
        scores = np.round(np.where(whole | bare, 1.0, np.minimum(scores, 1.0)), 6)
        return np.lexsort((-scores, ~bare, ~whole)), scores

    def leaning(self, profile: str) -> Floats:
        """Lean to what a person says of himself: float64 (items,), the cosine of its vector with each item's, standardised, times `TASTE`.

        Where the data have profiles, so much as well for what their users took (`Taste`), before it is standardised.

        Raises:
            RequestError: it says nothing.
            BundleError: the bundle names no text encoder.
        """
        said, cosines = self._heard("profile", profile, "describe the person and what he likes")
        known = np.asarray(self.unit.any(axis=1), dtype=np.bool_)
        leaning = _standard(cosines, known)
        if self.taste and self.encoder:
            taken = self.taste.of(phrase(self.encoder, said))
            before = known & (np.arange(len(known)) < len(taken))  # of what came later nobody could take any
            leaning = _standard(leaning + _standard(np.pad(taken, (0, len(known) - len(taken))), before), known)
        return np.round(TASTE * leaning, 6)

    def _heard(self, field: str, text: str, instead: str) -> tuple[str, Floats]:
        """What a text says, and the cosine of its vector with each item's."""
        if self.encoder is None:
            raise BundleError("the bundle has no query.json, so it cannot hear words; make it again with `dvc repro`")
        said = plain(text, LETTERS)
        if not said:
            raise RequestError(field, f"says nothing; {instead}")
        return said, self.unit @ phrase(self.encoder, said).astype(np.float64)

    @cached_property
    def _names(self) -> list[str]:
        """Titles as they are compared, without a year behind them."""
        return [YEAR.sub("", title) for title in _called(self.catalogue.titles)]

    @cached_property
    def _dated(self) -> list[str]:
        """Titles as they are compared, with the year behind them where it is known."""
        years = dict(self.catalogue.facts.filter(pl.col("name") == "year").select("item", "value").reverse().iter_rows())
        titles = _called(self.catalogue.titles)
        return [f"{name} ({years[i]})" if i in years else title for i, (name, title) in enumerate(zip(self._names, titles, strict=True))]


def encoder(bundle: Path) -> TextEncoder | None:
    """Read what encoded a bundle's texts: the encoder that its query model hears with; None where there is no such model."""
    path = bundle / "query.json"
    if not path.exists():
        return None
    found = nodes.build(artifacts.read_json(path)["encoder"], "query.encoder")
    assert isinstance(found, TextEncoder)
    return found.carried(bundle)


def _standard(values: Floats, known: Bools) -> Floats:
    """Values less their mean, by their deviation, both over what is known; 0 where nothing is, or all are equal."""
    spread = values[known].std() if known.any() else 0.0
    return np.where(known, (values - values[known].mean()) / spread, 0.0) if spread > 1e-9 else np.zeros(len(values))


def _called(names: list[str]) -> list[str]:
    table = pl.DataFrame({"name": names}, schema={"name": pl.String})
    return table.select(called(spelled(pl.col("name")))).to_series().to_list()
