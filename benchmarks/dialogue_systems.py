"""What simulated users talk to: the conversation, by words or by acts, and baselines that ask in other ways over the same ranker."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import numpy as np

from components.dialogue.acts import Act, Entity
from components.dialogue.conversation import Conversation
from components.dialogue.shelf import Moment
from components.dialogue.state import State, Turn
from components.evaluation.simulator import Fact, Said, Shown
from components.evaluation.talking import shown, words
from components.ranking.parts import Floats
from components.recommend.catalogue import Mask
from components.recommend.wish import Wish

Asking = Literal["nothing", "random", "entropy", "one value"]


@dataclass
class Spoken:
    """One conversation, led by words; `cleared`: before each turn all is forgotten but what was shown and asked.

    Attributes:
        texts: what the user said; named: items that were read in it; taken: seconds of each turn.
    """

    conversation: Conversation
    user: str | None
    now: Moment
    cleared: bool = False
    state: State = field(default_factory=State)
    texts: list[str] = field(default_factory=list[str])
    named: set[str] = field(default_factory=set[str])
    taken: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self.state = self.conversation.start(self.user, "en")

    def say(self, said: Said) -> Shown:
        """Say it in English."""
        text = words(said)
        started = perf_counter()
        reply = self.conversation.turn(forgotten(self.state) if self.cleared else self.state, text, self.now)
        self.taken.append(perf_counter() - started)
        self.texts.append(text)
        self.named |= {item for act in reply.state.turns[-1].acts for item in act.items if act.kind == "judge"}
        self.state = reply.state
        return shown(reply)


@dataclass
class Asker:
    """A baseline: lists the ranker's best (or the most popular) of what fits all answers, and asks.

    Attributes:
        asks: nothing; random: values of a random kind; entropy: the values whose answer has the most entropy over all items that
            fit; one value: yes or no to the value nearest to half of them.
        popular: float64 (items,), to list by in place of the ranker's score.
    """

    conversation: Conversation
    user: str | None
    now: Moment
    asks: Asking
    seed: tuple[int, ...]
    popular: Floats | None = None
    conditions: list[Mask] = field(default_factory=list[Mask])
    passed: list[str] = field(default_factory=list[str])
    liked: list[str] = field(default_factory=list[str])
    offered: set[Fact] = field(default_factory=set[Fact])
    turn: int = 0

    def say(self, said: Said) -> Shown:
        """Take the answer, list k, and ask."""
        self.turn += 1
        self._take(said)
        open_ = self._open()
        items = self._best(open_)
        self.passed += items
        return Shown(tuple(items), self._question(open_) if items else (), stuck=not items and bool(self.conditions))

    def _take(self, said: Said) -> None:
        facts = [Entity(kind=kind, value=value) for kind, value in said.facts]
        if said.kind in {"named", "none"}:
            has = self.conversation.lexicon.mask(facts)
            self.conditions.append(has if said.kind == "named" else ~has)
        elif said.kind == "drop":
            self.conditions.pop()
        elif said.kind in {"liked", "lifted"}:
            self.conditions.clear()
            self.liked += said.items

    def _open(self) -> Mask:
        lexicon = self.conversation.lexicon
        open_ = np.ones(len(lexicon.catalogue.ids), dtype=bool)
        for condition in self.conditions:
            open_ &= condition
        open_[[lexicon.catalogue.index[item] for item in self.passed]] = False
        recommender = self.conversation.recommender
        if self.user in recommender.users:
            open_[recommender.histories.pick(np.array([recommender.users[self.user or ""]])).items] = False
        return open_

    def _best(self, open_: Mask) -> list[str]:
        k, recommender = self.conversation.settings.k, self.conversation.recommender
        if self.popular is not None:
            best = np.argsort(-np.where(open_, self.popular, -np.inf), kind="stable")[: min(k, int(open_.sum()))]
            return [recommender.items[place] for place in best]
        wish = Wish(np.zeros(len(open_)), open_)
        user, history, session = self.conversation.shelf.asking(self._state(), self.now)
        answer = recommender.recommend(user=user, history=history, k=k, at=self.now.at, wish=wish, session=session)
        return [item.item_id for item in answer.items]

    def _state(self) -> State:
        liked = tuple(Act(kind="judge", items=(item,), how="liked") for item in self.liked)
        return self.conversation.start(self.user, "en").but(turns=(Turn(number=1, acts=liked),))

    def _question(self, open_: Mask) -> tuple[Fact, ...]:
        """The best kind's best values that were not asked about before, of those that items that fit have."""
        if self.asks == "nothing":
            return ()
        lexicon, settings = self.conversation.lexicon, self.conversation.settings
        draw = np.random.default_rng([*self.seed, self.turn])
        best: tuple[float, tuple[Fact, ...]] = (0.0, ())
        for kind in [kind for kind in lexicon.kinds if kind not in settings.skip]:
            has = lexicon.incidence[kind][np.flatnonzero(open_)]
            share = np.asarray(has.sum(axis=0)).ravel() / has.shape[0]
            fresh = [int(place) for place in np.flatnonzero(share) if (kind, lexicon.kinds[kind][place]) not in self.offered]
            order = draw.permutation(fresh) if self.asks == "random" else sorted(fresh, key=lambda place: (abs(share[place] - 0.5), place))
            chosen = [int(place) for place in order[: 1 if self.asks == "one value" else settings.options]]
            worth = draw.random() if self.asks == "random" else _entropy(has[:, chosen].toarray())
            if chosen and worth > best[0]:
                best = worth, tuple((kind, lexicon.kinds[kind][place]) for place in chosen)
        self.offered |= set(best[1])
        return best[1]


def _entropy(has: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """Bits of the answer, over items alike likely: one of the values that the item has, each alike, or none; bool (items, values)."""
    answers = np.column_stack([has, ~has.any(1)]).astype(np.float64)
    mean = (answers / answers.sum(1, keepdims=True)).mean(0)
    there = mean[mean > 0]
    return float(-(there * np.log2(there)).sum())


def forgotten(state: State) -> State:
    """Nothing of what was said; what was shown, and what was asked last, are kept."""
    turns = tuple(turn.but(acts=tuple(act for act in turn.acts if act.kind == "more")) for turn in state.turns)
    return state.but(turns=turns)
