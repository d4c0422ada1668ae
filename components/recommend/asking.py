"""What is asked of a recommender, and what it comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from components.data.histories import together
from components.recommend.session import Session
from components.recommend.wish import Question
from components.schema import Filters


@dataclass(frozen=True)
class Ask:
    """What one who asks for recommendations says, as `Recommender.recommend` has it."""

    user: str | None = None
    history: Sequence[str] | None = None
    k: int = 10
    filters: Filters | None = None
    at: datetime | None = None
    session: Session | None = None
    profile: str | None = None


@dataclass(frozen=True)
class Told:
    """What was asked, looked up: the question of one user, and the ids that are unknown."""

    ask: Ask
    question: Question
    unknown: list[str]


def joint(told: Sequence[Told]) -> Question:
    """One question for the users of several that lean alike."""
    questions = [one.question for one in told]
    histories = together([question.histories for question in questions])
    return Question(histories, np.concatenate([question.open_ for question in questions]), questions[0].leaning)
