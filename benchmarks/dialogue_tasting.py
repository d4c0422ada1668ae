"""Protocol D4: users with several hidden likes who take any of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from dialogue_seeking import ASKING, BUDGETS, OURS, POPULAR
from dialogue_systems import Asker
from dialogue_users import Wanting, World, compared, personas

from components.evaluation.simulator import Session, Taster, converse, coverage
from components.evaluation.talking import Acted

LIKES = 5


def tasting(world: World, wanting: Sequence[Wanting], seed: int, k: int = 10) -> dict[str, Any]:
    """Preference coverage and successes per turn within each budget."""
    conversation, likes = world.listing(k), personas(world, wanting, LIKES)
    sessions: dict[str, list[Session]] = {name: [] for name in (OURS, *ASKING, POPULAR)}
    for number, (each, own) in enumerate(zip(wanting, likes, strict=True)):
        user, seed_ = Taster(own, world.facts, (seed, number)), (seed, number)
        weight = conversation.lexicon.weight
        talks = {OURS: Acted(conversation, each.user, each.now)}
        talks |= {name: Asker(conversation, each.user, each.now, asks, seed_) for name, asks in ASKING.items()}
        talks |= {POPULAR: Asker(conversation, each.user, each.now, "nothing", seed_, weight)}
        for name, talk in talks.items():
            sessions[name].append(converse(talk, user, max(BUDGETS)))
    columns = {}
    for name, own in sessions.items():
        rows = {
            budget: np.array([coverage(session, liked, budget) for session, liked in zip(own, likes, strict=True)]) for budget in BUDGETS
        }
        columns[name] = {f"coverage@{budget}": row[:, 0] for budget, row in rows.items()}
        columns[name] |= {f"per turn@{budget}": row[:, 1] for budget, row in rows.items()}
    found = compared(columns, OURS, seed)
    for name, row in found.items():
        print(f"  {name:36s}", {metric: value["mean"] for metric, value in row.items() if "mean" in (value or {})}, flush=True)
    return {"users": len(wanting), "likes": LIKES, "k": k, "systems": found}
