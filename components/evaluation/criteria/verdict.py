"""What a criterion is given, and what it says."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import polars as pl

from components import artifacts
from components.data.histories import spaced
from components.errors import ConfigError

if TYPE_CHECKING:
    from components.recommend import Recommender

MODEL = "hybrid"  # what metrics.json calls the bundle


@dataclass(frozen=True)
class Verdict:
    """One line of the gate's table; `value` is None where there was nothing to judge, `low` and `high` where it has no interval."""

    name: str
    value: float | None
    bound: float
    low: float | None
    high: float | None
    passed: bool
    reason: str


@dataclass(frozen=True)
class Evidence:
    """What is known of a bundle: its figures, and where it lies with what it was measured on.

    Attributes:
        metrics: the content of metrics.json.
        lists: recommendations.parquet, what it recommended to every test user.
        champion: the folder of the present champion, with its bundle and papers; None for the gate, and where there is none.
    """

    metrics: dict[str, Any]
    bundle: Path = Path("artifacts/bundle")
    tables: Path = Path("artifacts/validate")
    split: Path = Path("artifacts/split")
    lists: Path = Path("reports/recommendations.parquet")
    champion: Path | None = field(default=None)

    @cached_property
    def recommender(self) -> "Recommender":
        """The bundle, loaded; raises BundleError."""
        from components.recommend import Recommender

        return Recommender.load(self.bundle)

    @cached_property
    def given(self) -> pl.DataFrame:
        """The recommendations that were measured."""
        return artifacts.read_table(self.lists)

    @cached_property
    def wanted(self) -> pl.DataFrame:
        """The test's pairs: user_id, item_id, each once, sorted."""
        return artifacts.read_table(self.split / "test.parquet").select("user_id", "item_id").unique().sort("user_id", "item_id")

    def users(self, most: int) -> list[str]:
        """Up to so many test users, evenly spaced in the order of their ids."""
        ids = self.given["user_id"].unique().sort()
        return ids.gather(spaced(len(ids), most)).to_list()

    def find(self, *path: str) -> Any:
        """Look a value up in metrics.json; raises ConfigError that says what there is instead."""
        found: Any = self.metrics
        for i, key in enumerate(path):
            if not isinstance(found, dict) or key not in found:
                there = ", ".join(sorted(found)) if isinstance(found, dict) else "nothing"
                raise ConfigError(f"metrics.json: no {'.'.join(path[: i + 1])}, which a gate criterion names; there is: {there}")
            found = found[key]
        return found


@runtime_checkable
class Criterion(Protocol):
    """The configuration of a criterion."""

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge a bundle; raises ConfigError where metrics.json lacks what the criterion names."""
        ...
