"""Protocol D3: critiques for up to 20 rounds; violations, retention and lifting of negations; state accuracy over the grammar."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dialogue_systems import Asker, Spoken
from dialogue_users import Wanting, World, compared

from components.dialogue.acts import Act
from components.dialogue.conversation import Conversation
from components.dialogue.grammar import LanguageCode, Part, equal, examples
from components.dialogue.shelf import NOW
from components.dialogue.state import Slots, State, Turn
from components.evaluation.simulator import (
    Critic,
    Fact,
    Said,
    Session,
    Wanderer,
    booked,
    converse,
    found,
    retention,
    served,
    violations,
)
from components.evaluation.talking import Acted

ROUNDS, LATER = 20, (1, 2, 5, 10)
LISTS = (1, 5, 10)
OURS, SILENT = "critiques", "no critique, only others"
LANGUAGES: tuple[LanguageCode, ...] = ("en", "zh")
PARTS: tuple[Part, ...] = ("dev", "held")


@dataclass(frozen=True)
class Sizes:
    """How much is run: turns that violations are counted on, facts that are lifted, utterances of each language and part."""

    turns: int = 10_000
    lifts: int = 100
    utterances: int = 1200


def critiquing(world: World, wanting: Sequence[Wanting], seed: int, sizes: Sizes) -> dict[str, Any]:
    """Critiquing users, then wanderers until there are enough turns, then lifts and utterances."""
    tally = Tally(world)
    result: dict[str, Any] = {f"k={k}": _critics(world, wanting, seed, k, tally) for k in LISTS}
    _wander(world, wanting, seed, sizes.turns, tally)
    result["obeyed"] = tally.told()
    print(result["obeyed"], flush=True)
    result["lifted"] = _lifts(world, seed, sizes.lifts)
    result["state accuracy"] = {
        f"{tongue}, {part}": accuracy(world.conversation, tongue, part, sizes.utterances) for tongue in LANGUAGES for part in PARTS
    }
    print(result["lifted"], {name: row["accuracy"] for name, row in result["state accuracy"].items()}, flush=True)
    return result


class Tally:
    """Counts over all sessions of ours: what broke a condition, what was kept, and states that differ from the user's book."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.counts: Counter[str] = Counter()

    def add(self, session: Session, talk: Acted) -> None:
        """Count a session."""
        broken, items = violations(session, self.world.facts)
        book, slots = booked(session.said), talk.state.slots
        never = frozenset((entity.kind, entity.value) for entity in slots.never)
        must = frozenset((entity.kind, entity.value) for group in slots.must for entity in group)
        differs = never != book.refused or must != book.named
        self.counts.update({"sessions": 1, "turns": len(session.said), "items": items, "violating": broken, "states that differ": differs})
        self.counts.update(Counter(said.kind for said in session.said))
        for later in LATER:
            kept, total = retention(session, self.world.facts, later)
            self.counts.update({f"kept after {later}": kept, f"negations after {later}": total})

    def told(self) -> dict[str, Any]:
        """Counts and rates."""
        count = self.counts
        kept = {str(later): count[f"kept after {later}"] / max(count[f"negations after {later}"], 1) for later in LATER}
        return {"violation rate": count["violating"] / max(count["items"], 1), "negation retention": kept, "counts": dict(count)}


def _critics(world: World, wanting: Sequence[Wanting], seed: int, k: int, tally: Tally) -> dict[str, Any]:
    conversation, columns = world.listing(k), {}
    for name in (OURS, SILENT):
        sessions: list[Session] = []
        for number, each in enumerate(wanting):
            user = Critic(each.item, world.facts, (seed, number))
            if name == SILENT:
                sessions.append(converse(Asker(conversation, each.user, each.now, "nothing", (seed, number)), user, ROUNDS))
                continue
            talk = Acted(conversation, each.user, each.now)
            sessions.append(converse(talk, user, ROUNDS))
            tally.add(sessions[-1], talk)
        turns, places = np.array([found(session, each.item) for session, each in zip(sessions, wanting, strict=True)]).T
        columns[name] = served(turns, places, ROUNDS) | {"SR@1 turn": served(turns, places, 1)["SR"]}
    rows = compared(columns, OURS, seed)
    print(f"k = {k}", rows, flush=True)
    return rows


def _wander(world: World, wanting: Sequence[Wanting], seed: int, turns: int, tally: Tally) -> None:
    """Every other wanderer is a stranger."""
    conversation, number = world.listing(10), 0
    while tally.counts["turns"] < turns:
        each = wanting[number % len(wanting)]
        talk = Acted(conversation, each.user if number % 2 else None, each.now)
        tally.add(converse(talk, Wanderer(world.facts, (seed, number)), ROUNDS), talk)
        number += 1


def _lifts(world: World, seed: int, count: int) -> dict[str, Any]:
    """`no X` closes X, `X is fine` lifts it, and X can be asked for again: by acts, and by English words."""
    conversation = world.listing(10)
    every = sorted({fact for own in world.facts.values() for fact in own if fact[0] in {"genre", "decade", "person"}})
    kinds = {kind: [fact for fact in every if fact[0] == kind] for kind, _ in every}
    draw = np.random.default_rng(seed)
    chosen = [own[place] for own in kinds.values() for place in draw.permutation(len(own))[: count // len(kinds)]]
    found: dict[str, Any] = {"facts": len(chosen)}
    for name in ("acts", "words"):
        wrong = [": ".join(fact) for fact in chosen if not _lifted(world, conversation, fact, spoken=name == "words")]
        found[name] = {"right": 1 - len(wrong) / len(chosen), "wrong": wrong}
    return found


def _lifted(world: World, conversation: Conversation, fact: Fact, *, spoken: bool) -> bool:
    talk = Spoken(conversation, None, NOW) if spoken else Acted(conversation, None, NOW)
    said: list[tuple[Said, bool]] = [(Said("refused", (fact,)), False), (Said("lifted", (fact,)), True), (Said("named", (fact,)), True)]
    for each, allowed in said:
        items = talk.say(each).items
        if conversation.constraints.mask(talk.state.slots)[_with(world, conversation, fact)].any() != allowed:
            return False
        if each.kind == "refused" and any(fact in world.facts[item] for item in items):
            return False
        if each.kind == "named" and not (items and all(fact in world.facts[item] for item in items)):
            return False
    return True


def _with(world: World, conversation: Conversation, fact: Fact) -> list[int]:
    index = conversation.lexicon.catalogue.index
    return [index[item] for item, own in world.facts.items() if fact in own]


def accuracy(conversation: Conversation, language: LanguageCode, part: Part, count: int) -> dict[str, Any]:
    """Share of utterances that lead to the right state, and by rule the templates that do not; seeds differ from the tests'."""
    lexicon, reading = conversation.lexicon, conversation.parsing.understanding
    wrong: Counter[str] = Counter()
    for example in examples(lexicon, language, part, count, seed=2027):
        before = Slots()
        if example.rule == "lift":
            before = before.after((Act(kind="never", entities=example.acts[0].entities),))
        state = State(turns=(Turn(number=1, acts=before.acts(), shown=tuple(lexicon.catalogue.ids[:5])),))
        acts = reading.read(example.text, state)
        command = [act.kind for act in example.acts if act.kind in {"more", "undo", "restart"}]
        if not equal(before.after(acts), example.slots(before)) or (command and [act.kind for act in acts] != command):
            wrong[f"{example.rule}: {example.template}"] += 1
    return {"utterances": count, "accuracy": 1 - wrong.total() / count, "wrong": dict(wrong.most_common(8))}
