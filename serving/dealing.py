"""What an experiment makes of an answer, and what the event log is told of it."""

import json
import random
import time
from typing import TYPE_CHECKING

from components.recommend.experiment import Arm, Dealt, Experiment
from components.recommend.experiment import deal as dealt_by
from components.schema import Answer
from serving import logs
from serving.live import Live
from serving.messages import Recommended, RecommendRequest
from serving.store import Listed

if TYPE_CHECKING:
    from components.recommend.session import Session

DRAW = random.SystemRandom().random


def deal(live: Live, request: RecommendRequest, session: "Session | None", answer: Answer, experiment: Experiment) -> Dealt:
    """Give a slot to a new item, now and then."""
    from components.recommend.asking import Ask  # late, as it brings the models along

    asked = Ask(request.user_id, request.history, request.k, request.filters, request.at, session)
    return dealt_by(live.recommender, asked, answer, experiment, DRAW)


def recommended(dealt: Dealt, arm: Arm) -> Recommended:
    """The answer, with the part that the experiment had in it."""
    return Recommended(**vars(dealt.answer), arm=arm, explored=dealt.new, propensities=dealt.propensities)


def listed(user: str, arm: Arm, dealt: Dealt, experiment: Experiment) -> Listed:
    """What is kept of a list."""
    return Listed(
        user_id=user,
        request=logs.identity(),
        time=time.time_ns() // 1000,
        bundle=dealt.answer.bundle,
        arm=arm,
        share=experiment.chance(arm),
        slot=dealt.slot,
        new=dealt.new,
        items=json.dumps([item.item_id for item in dealt.answer.items]),
        propensities=json.dumps(dealt.propensities),
    )
