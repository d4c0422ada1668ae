"""What to do next: which question, if any, is worth asking."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from components.data.histories import Ints
from components.dialogue.acts import CHANGES, Act, Entity
from components.dialogue.lexicon import Floats, Lexicon
from components.dialogue.state import Question, State
from components.schema import node

POOL = 20  # values of a kind that those offered are chosen from
MANY = 100  # values of a kind, such as people, from which one is enough


@node
class Dialogue:
    """How a conversation is led.

    Attributes:
        k: items shown at once.
        candidates: how many of the ranker's best the next question is chosen on.
        budget: questions that may be left without an answer, before no more are asked.
        gain: bits that the answer must be expected to give, for a question to be asked.
        options: values offered in a question.
        unsure: how often people have no answer.
        reliable: how often people answer a question rightly: what a chosen answer adds, by its log-odds, to items that meet it.
        wish: what an entity that is liked adds to the score of an item that has it, in deviations of a term; what one that was
            offered and not taken costs.
        query: weight of what the query model makes of the words.
        skip: kinds that are not asked about: no one is sure of them, and that an item lacks a keyword is no fact.
        deadline: seconds that a model may take to parse an utterance.
    """

    k: PositiveInt = Field(default=5, le=100)
    candidates: PositiveInt = 1000
    budget: NonNegativeInt = 3
    gain: NonNegativeFloat = 0.7
    options: int = Field(default=8, ge=2, le=12)
    unsure: float = Field(default=0.15, ge=0, lt=1)
    reliable: float = Field(default=0.95, gt=0.5, lt=1)
    wish: NonNegativeFloat = 0.8
    query: NonNegativeFloat = 1.0
    skip: list[str] = Field(default_factory=lambda: ["year", "keyword", "tag"])
    deadline: NonNegativeFloat = 2.0


@dataclass(frozen=True)
class Policy:
    """Chooses questions by the expected information gain about which candidate is wanted."""

    settings: Dialogue
    lexicon: Lexicon

    def question(self, state: State, items: Ints) -> Question | None:
        """The most telling question, or None where none is worth it or too many were left without an answer.

        Args:
            items: int64 (n,), the candidates, best first. The first k are being shown: an answer speaks of the others.
        """
        chances = likely(len(items), self.settings.k)
        if len(items) <= self.settings.k or unanswered(state) >= self.settings.budget:
            return None
        best: tuple[float, Question] | None = None
        for kind in self._open(state):
            entities, gain = self.gain(kind, items, chances, offered(state))
            if gain >= self.settings.gain and (best is None or gain > best[0]):
                best = gain, Question(kind="facet", name=kind, entities=entities, then=Act(kind="answer"))
        return best and best[1]

    def gain(self, kind: str, items: Ints, chances: Floats, known: frozenset[Entity] = frozenset()) -> tuple[tuple[Entity, ...], float]:
        """The values to offer, none of them known, and the mutual information, in bits, of the answer and the wanted item.

        Who is asked names one of the item's values that are offered, each alike, or says that it is none of them:
        I = H(Σ_i p_i a_i) − Σ_i p_i H(a_i), of which `unsure` is lost. Values are taken one by one, each the one that adds most.

        Args:
            chances: float64 (n,), how likely each item is the wanted one.
        """
        has = self.lexicon.incidence[kind][items]
        mass = np.asarray(chances @ has).ravel()
        values = self.lexicon.kinds[kind]
        mass[[place for place, value in enumerate(values) if Entity(kind=kind, value=value) in known]] = 0.0
        if kind == "person":
            mass[self.lexicon.nameless] = 0.0
        pool = np.argsort(-np.minimum(mass, 1 - mass), kind="stable")[:POOL]
        pool = pool[mass[pool] > 0]
        chosen, bits = _greedy(has[:, pool].toarray().astype(np.float64), chances, self.settings.options)
        if len(chosen) < 2:
            return (), 0.0
        order = sorted(pool[chosen].tolist(), key=lambda place: -mass[place])
        return tuple(Entity(kind=kind, value=values[place]) for place in order), (1 - self.settings.unsure) * bits

    def _open(self, state: State) -> list[str]:
        """Kinds that may be asked about: not a time where one is set, and no further person beside the one that is wanted."""
        dated = self.lexicon.number("time") in {span.name for span in state.slots.ranges}
        wanted = {entity.kind for entity in state.slots.wanted}
        settled = {kind for kind in wanted if len(self.lexicon.kinds[kind]) > MANY}
        closed = {*self.settings.skip, *settled, *(("decade", "year") if dated else ())}
        return [kind for kind in self.lexicon.kinds if kind not in closed]


def likely(count: int, shown: int) -> Floats:
    """How likely each of `count` candidates, best first, is the wanted one when none of those shown is: float64 (count,).

    As 1 / place: Zipf's law tells more of the items that people came for than the ranker's own probabilities, which are too even.
    """
    chances = 1.0 / np.arange(1, count + 1)
    chances[:shown] = 0.0
    return chances / max(chances.sum(), 1e-300)


def offered(state: State) -> frozenset[Entity]:
    """Values that were offered, or are in the slots."""
    asked = (entity for turn in state.live if turn.question and turn.question.kind == "facet" for entity in turn.question.entities)
    return frozenset(Entity(kind=entity.kind, value=entity.value) for entity in (*asked, *state.slots.entities))


def unanswered(state: State) -> int:
    """Questions that the turn after them did not answer."""
    facets = [after for before, after in pairwise(state.live) if before.question and before.question.kind == "facet"]
    return sum(not any(act.kind in CHANGES or act.entities for act in turn.acts) for turn in facets)


def _greedy(has: Floats, chances: Floats, most: int) -> tuple[list[int], float]:
    """Columns of 0 or 1 (items, values) whose answer tells most, and how much, in bits."""
    chosen: list[int] = []
    bits = 0.0
    while len(chosen) < min(most, has.shape[1]):
        told = _told(has, chances, chosen)
        told[chosen] = -1.0
        if told.max() <= bits:
            break
        chosen, bits = [*chosen, int(told.argmax())], float(told.max())
    return chosen, bits


def _told(has: Floats, chances: Floats, chosen: list[int]) -> Floats:
    """What an answer tells where each value in turn is offered beside those chosen: float64 (values,), bits."""
    count = has[:, chosen].sum(1)
    before, after = chances / np.maximum(count, 1), chances / (count + 1)
    named = (before @ has[:, chosen])[:, None] - has[:, chosen].T @ ((before - after)[:, None] * has)
    none = np.where(count == 0, chances, 0.0)
    answers = np.vstack([named, after @ has, none.sum() - none @ has])
    blurred = chances @ np.log2(np.maximum(count, 1)) + (chances * (np.log2(count + 1) - np.log2(np.maximum(count, 1)))) @ has
    return -(answers * np.log2(np.where(answers > 0, answers, 1))).sum(0) - blurred
