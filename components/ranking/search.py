"""What a hyper-parameter search may vary, and how good a choice is on validation; the test split is never read here."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from components import artifacts, nodes
from components.data.histories import Histories, index
from components.errors import ConfigError, DataError
from components.ranking import train
from components.ranking.hybrid import Hybrid
from components.ranking.parts import Arrays, Part, Scorer, World

SYNTAX = "write KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A|B|C, such as ranker.parts.sequential.l2=50..500:log"
Fitted = tuple[Scorer, list[dict[str, float]]]
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})(?P<log>:log)?")
_KEY = re.compile(r"\+?ranker(?:\.\w+)+")


@dataclass(frozen=True)
class Axis:
    """One key and what it may be: `choices`, else from `low` to `high`, by their logarithms where `log`, integers where `whole`."""

    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    def override(self, value: Any) -> str:
        """Write a value as the override that `zhijian retrain` takes; six digits, so that what is tried is what is printed."""
        return f"{self.key}={value:.6g}" if isinstance(value, float) else f"{self.key}={value}"

    @property
    def ends(self) -> list[str]:
        """Overrides for both ends of the range, or for every choice."""
        ends = self.choices or ((int(self.low), int(self.high)) if self.whole else (self.low, self.high))
        return [self.override(value) for value in ends]


def parse(texts: Sequence[str]) -> list[Axis]:
    """Read a space, one text per key; raises ConfigError for what is malformed, named twice or not below `ranker.`."""
    axes = [_axis(text) for text in texts]
    if not axes:
        raise ConfigError(f"nothing to search; {SYNTAX}")
    keys = [axis.key.removeprefix("+") for axis in axes]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ConfigError(f"{twice[0]}: named twice; give each key one range")
    return axes


def settle(axes: Sequence[Axis], ranker: Hybrid, part: str | None) -> list[Axis]:
    """Fit a space to the ranker that it varies: a range over a float is no range of integers, and every key can matter.

    Raises:
        ConfigError: no such part, a key that can't change the part's score, or a range of fractions over integers.
    """
    if part is not None and part not in ranker.parts:
        raise ConfigError(f"--part {part}: the ranker has no such part; it has: {', '.join(ranker.parts)}")
    return [_settled(axis, _value(nodes.plain(ranker), axis.key), part) for axis in axes]


@dataclass(frozen=True)
class Trial:
    """Judges rankers on validation; a part fitted once is kept for all rankers that have it unchanged.

    Attributes:
        world: training events of each user.
        valid: validation events of the same users.
        part: judge this part alone; the whole hybrid where None.
    """

    world: World
    valid: Histories
    seed: int
    part: str | None = None
    kept: dict[str, Fitted] = field(default_factory=dict[str, Fitted])

    def score(self, ranker: Hybrid) -> float:
        """NDCG@10 of validation users that neither stopped a training nor taught the weights that they are judged by (cross-fitted).

        Raises:
            DataError: a part can't be fitted, or no user with a history has a validation event.
        """
        named = ranker.parts if self.part is None else {self.part: ranker.parts[self.part]}
        parts: dict[str, Part] = {name: Kept(part, name, self.kept) for name, part in named.items()}
        _, about = replace(ranker, parts=parts, refit=False).fit(self.world, self.valid, self.seed)
        found = float(about["validation"]["NDCG@10"])
        if np.isnan(found):
            raise DataError("split: no user with a history has a validation event to judge by; give more interactions")
        return found


@dataclass(frozen=True)
class Kept:
    """A part that is fitted once: the scorer is kept under its name and settings."""

    part: Part
    name: str
    found: dict[str, Fitted]

    def fit(self, world: World, seed: int) -> Fitted:
        """Fit, or give what was fitted before; of each name only the last is kept."""
        key = f"{self.name} {json.dumps(nodes.plain(self.part), sort_keys=True)}"
        if key not in self.found:
            fitted = self.part.fit(world, seed)
            for old in [old for old in self.found if old.startswith(f"{self.name} ")]:
                del self.found[old]
            self.found[key] = fitted
        return self.found[key]

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Take in the validation events."""
        return self.part.refit(scorer, world)

    def restore(self, tensors: Arrays, world: World) -> Scorer:
        """Make the scorer from its tensors."""
        return self.part.restore(tensors, world)


def read(tables: Path, split: Path, pretrain: Path, align: Path, users: Path) -> tuple[World, Histories]:
    """Read what the parts are fitted on, and the validation events; the test split is not opened.

    Args:
        users: the table of all users' ids, since a user's index counts those of the test too.

    Raises:
        DataError: a file is missing or damaged, or the artefacts are not of one run.
    """
    ids = artifacts.read_table(users)["user_id"].to_list()
    items = artifacts.read_table(tables / "items.parquet")["item_id"].sort().to_list()
    frames = [artifacts.read_table(split / f"{name}.parquet") for name in ("train", "valid")]
    for name, known in (("user_id", ids), ("item_id", items)):
        if any(not frame[name].is_in(known).all() for frame in frames):
            raise DataError(f"{split}: has a {name} that {users if name == 'user_id' else tables} lacks; run `zhijian retrain` first")
    events, valid = (index(frame, ids, items) for frame in frames)
    return train.read(events, pretrain, align), valid


def _axis(text: str) -> Axis:
    key, _, domain = text.partition("=")
    if not domain:
        raise ConfigError(f"{text!r}: no range; {SYNTAX}")
    if not _KEY.fullmatch(key):
        raise ConfigError(f"{key}: only keys of ranker.… can be searched; all else is taken from the last run")
    if found := _RANGE.fullmatch(domain):
        return _range(text, key, found)
    choices = tuple(choice.strip() for choice in domain.split("|"))
    if len(choices) < 2 or not all(choices):
        raise ConfigError(f"{text!r}: neither a range nor choices; {SYNTAX}")
    return Axis(key, choices=choices)


def _range(text: str, key: str, found: re.Match[str]) -> Axis:
    low, high = float(found["low"]), float(found["high"])
    if not -np.inf < low < high < np.inf:
        raise ConfigError(f"{text!r}: the range must go from a lower to a higher number")
    if found["log"] and low <= 0:
        raise ConfigError(f"{text!r}: a :log range must begin above 0")
    whole = all(re.fullmatch(r"[+-]?\d+", found[end]) for end in ("low", "high"))
    return Axis(key, low=low, high=high, log=bool(found["log"]), whole=whole)


def _value(plain: Any, key: str) -> Any:
    for name in key.removeprefix("+").split(".")[1:]:
        if not isinstance(plain, dict) or name not in plain:
            raise ConfigError(f"{key}: no such key in the ranker; there is: {', '.join(plain) if isinstance(plain, dict) else 'nothing'}")
        plain = plain[name]
    return plain


def _settled(axis: Axis, value: Any, part: str | None) -> Axis:
    if part is not None and not axis.key.removeprefix("+").startswith(f"ranker.parts.{part}."):
        raise ConfigError(f"{axis.key}: can't change the score of {part} alone; search ranker.parts.{part}.… or leave --part out")
    if axis.choices or isinstance(value, float):
        return replace(axis, whole=False)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"{axis.key}: is {value!r}, no number; give choices as KEY=A|B|C")
    if not axis.whole:
        raise ConfigError(f"{axis.key}: takes whole numbers; give both ends without a fraction")
    return axis
