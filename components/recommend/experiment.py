"""An experiment on those who are served: who gets which of two bundles, and how often a slot goes to a new item."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.errors import ConfigError
from components.schema import Answer, Recommendation

if TYPE_CHECKING:
    from components.recommend.asking import Ask
    from components.recommend.recommender import Recommender

Arm = Literal["champion", "challenger"]
Draw = Callable[[], float]  # evenly from 0 to 1, without 1


class Experiment(BaseModel):
    """What is tried on whom, as a yaml file says it.

    Attributes:
        challenger: the folder of the other bundle, below that of the file; without one everybody gets the champion.
        share: of users, who get the challenger.
        salt: another one deals users anew.
        slots: the share of all slots of lists that a new item takes, at most one of each list.
        fewer: an item with fewer events than this in the bundle is new.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    challenger: str | None = Field(default=None, min_length=1, max_length=1000)
    share: float = Field(default=0.5, ge=0, le=1)
    salt: str = Field(default="1", min_length=1, max_length=100)
    slots: float = Field(default=0.0, ge=0, le=0.1)
    fewer: int = Field(default=20, ge=1)

    @staticmethod
    def read(path: Path) -> "Experiment | None":
        """Read the file; None where there is none; raises ConfigError that names the file and the field."""
        if not path.exists():
            return None
        try:
            return Experiment.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: no yaml ({type(error).__name__}); write it with `zhijian ab`") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ConfigError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from None

    def arm(self, user: str | None) -> Arm:
        """The arm of a user, by a hash of the id and the salt; who has no id gets the champion."""
        if self.challenger is None or user is None:
            return "champion"
        said = hashlib.sha256(f"{self.salt}\0{user}".encode()).digest()
        return "challenger" if int.from_bytes(said[:8], "big") / 2**64 < self.share else "champion"

    def chance(self, arm: Arm) -> float:
        """The probability of an arm."""
        share = self.share if self.challenger else 0.0
        return share if arm == "challenger" else 1 - share


@dataclass(frozen=True)
class Dealt:
    """A list as it is shown.

    Attributes:
        slot: the probability that a slot of this list went to a new item.
        new: the rank of the new item, if one was put there.
        propensities: of each item, the probability that it stood there, given the arm.
    """

    answer: Answer
    slot: float
    new: int | None
    propensities: list[float]


def deal(recommender: "Recommender", ask: "Ask", answer: Answer, experiment: Experiment, draw: Draw) -> Dealt:
    """Put a new item in the place of another, now and then: an even draw of what is new and open, at an even draw of the slots.

    With s the share of slots, k the list's length and n new items, the list gets one with probability min(1, s·k) = ε; an item of the
    ranking stands where it stands with probability 1 - ε/k, a new one with ε/(k·n).
    """
    k = len(answer.items)
    new = _new(recommender, ask, answer, experiment) if k and experiment.slots else np.empty(0, dtype=np.int64)
    if not len(new):
        return Dealt(answer, 0.0, None, [1.0] * k)
    slot = min(1.0, experiment.slots * k) / k
    propensities = [1 - slot] * k
    if draw() >= slot * k:
        return Dealt(answer, slot, None, propensities)
    rank, item = 1 + int(draw() * k), recommender.items[new[int(draw() * len(new))]]
    items, propensities[rank - 1] = list(answer.items), slot / len(new)
    items[rank - 1] = _shown(recommender, ask, item).model_copy(update={"rank": rank})
    return Dealt(answer.model_copy(update={"items": items}), slot, rank, propensities)


def _new(recommender: "Recommender", ask: "Ask", answer: Answer, experiment: Experiment) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Indices of new items that may be shown and are not on the list."""
    may = recommender.open(ask) & (recommender.counts < experiment.fewer)
    may[[recommender.catalogue.index[item.item_id] for item in answer.items]] = False
    return np.flatnonzero(may)


def _shown(recommender: "Recommender", ask: "Ask", item: str) -> Recommendation:
    return recommender.explain(item, ask.user, ask.history, ask.at, session=ask.session).item
