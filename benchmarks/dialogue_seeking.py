"""Protocol D2: users who know what their item is like and not its title; the dialogue, baselines, noise, and the state cleared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dialogue_systems import Asker, Asking, Spoken
from dialogue_users import Wanting, World, compared

from components.dialogue.conversation import Conversation
from components.evaluation.simulator import Noise, Seeker, Session, converse, found, leaked, served
from components.ranking.parts import Floats

OURS, CLEARED = "dialogue", "dialogue, state cleared each turn"
ASKING: dict[str, Asking] = {
    "maximum entropy": "entropy",
    "maximum entropy, one value": "one value",
    "random asking": "random",
    "always recommend": "nothing",
}
POPULAR = "popularity"
BUDGETS = (3, 5, 10, 15)
LISTS = (1, 5, 10)
NOISES = (0.1, 0.2)  # half of it wrong, half "don't know"


@dataclass(frozen=True)
class Run:
    """Sessions of one system.

    Attributes:
        leaks: utterances that said the title of the target, or that were read as naming the target.
        closed: sessions that ended with the target closed by conditions, though every answer was true (without noise).
        taken: seconds of each turn.
    """

    sessions: list[Session]
    leaks: int = 0
    closed: int = 0
    taken: tuple[float, ...] = ()

    def metrics(self, wanting: Sequence[Wanting]) -> dict[str, Floats]:
        """Metrics within each budget, and success in the first turn: float64 (users,) each."""
        turns, places = np.array([found(session, each.item) for session, each in zip(self.sessions, wanting, strict=True)]).T
        rows = {f"{name}@{budget}": values for budget in BUDGETS for name, values in served(turns, places, budget).items()}
        return {"SR@1": served(turns, places, 1)["SR"], **rows}


def seeking(world: World, wanting: Sequence[Wanting], seed: int, *, strangers: bool, lists: Sequence[int]) -> dict[str, Any]:
    """Run all systems for every length of a list, then noise and the ablation for the longest."""
    result: dict[str, Any] = {"users": len(wanting), "strangers": strangers, "leaks": 0, "utterances": 0}
    for k in lists:
        bench = Bench(world, world.listing(k), wanting, seed, strangers=strangers)
        runs = {OURS: bench.ours(Noise()), CLEARED: bench.ours(Noise(), cleared=True)}
        runs |= {name: bench.asker(asks, Noise()) for name, asks in ASKING.items()} | {
            POPULAR: bench.asker("nothing", Noise(), popular=True)
        }
        for share in NOISES if k == max(lists) else ():
            noise = Noise(share / 2, share / 2)
            runs[f"{OURS}, noise {share:.0%}"] = bench.ours(noise)
            runs[f"maximum entropy, noise {share:.0%}"] = bench.asker("entropy", noise)
        result[f"k={k}"] = compared({name: run.metrics(wanting) for name, run in runs.items()}, OURS, seed) | {
            "closed by true answers": runs[OURS].closed,
            "turn seconds": _spread(runs[OURS].taken),
        }
        result["leaks"] += sum(run.leaks for run in runs.values())
        result["utterances"] += sum(len(run.taken) for run in runs.values())
        _show(k, result[f"k={k}"])
    return result


@dataclass(frozen=True)
class Bench:
    """The same users, talking to one system after another."""

    world: World
    conversation: Conversation
    wanting: Sequence[Wanting]
    seed: int
    strangers: bool

    def ours(self, noise: Noise, *, cleared: bool = False) -> Run:
        """The conversation, led by words."""
        sessions, leaks, closed, taken = list[Session](), 0, 0, list[float]()
        for number, each in enumerate(self.wanting):
            talk = Spoken(self.conversation, self._who(each), each.now, cleared)
            sessions.append(converse(talk, self._user(number, noise), max(BUDGETS)))
            leaks += sum(leaked(text, self._title(each)) for text in talk.texts) + (each.item in talk.named)
            place = self.conversation.lexicon.catalogue.index[each.item]
            closed += not self.conversation.constraints.mask(talk.state.slots)[place]
            taken += talk.taken
        return Run(sessions, leaks, closed, tuple(taken))

    def asker(self, asks: Asking, noise: Noise, *, popular: bool = False) -> Run:
        """A baseline."""
        weight = self.conversation.lexicon.weight if popular else None
        talks = [
            Asker(self.conversation, self._who(each), each.now, asks, (self.seed, number), weight)
            for number, each in enumerate(self.wanting)
        ]
        return Run([converse(talk, self._user(number, noise), max(BUDGETS)) for number, talk in enumerate(talks)])

    def _who(self, each: Wanting) -> str | None:
        return None if self.strangers else each.user

    def _title(self, each: Wanting) -> str:
        return self.conversation.lexicon.title(each.item)

    def _user(self, number: int, noise: Noise) -> Seeker:
        each = self.wanting[number]
        return Seeker(each.item, self._title(each), self.world.facts[each.item], (self.seed, number), noise)


def _spread(taken: Sequence[float]) -> dict[str, float]:
    return {name: round(float(np.percentile(taken, share)), 4) for name, share in (("p50", 50), ("p95", 95), ("p99", 99))}


def _show(k: int, rows: dict[str, Any]) -> None:
    print(f"k = {k}: closed by true answers {rows['closed by true answers']}, turn {rows['turn seconds']}")
    for name in [name for name in rows if name.startswith((OURS, *ASKING, POPULAR))]:
        told = " ".join(f"{metric} {value['mean']:.3f}" for metric, value in rows[name].items() if metric[:4] != "ours")
        print(f"  {name:36s} {told}", rows[name].get("ours less", {}).get("SR@5", ""), flush=True)
