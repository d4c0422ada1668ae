"""What to do next: which question, if any, is worth asking."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from components.data.histories import Ints
from components.dialogue.acts import Act, Entity
from components.dialogue.lexicon import Floats, Lexicon
from components.dialogue.state import Question, State
from components.schema import node


@node
class Dialogue:
    """How a conversation is led.

    Attributes:
        k: items shown at once.
        candidates: how many of the ranker's best the next question is chosen on.
        budget: questions in one conversation.
        gain: bits that the answer must be expected to give, for a question to be asked.
        options: values offered in a question.
        unsure: how often people have no answer.
        wish: what an entity that is liked adds to the score of an item that has it, in deviations of a term.
        query: weight of what the query model makes of the words.
        skip: kinds that are not asked about.
        deadline: seconds that a model may take to parse an utterance.
    """

    k: PositiveInt = Field(default=5, le=100)
    candidates: PositiveInt = 200
    budget: NonNegativeInt = 3
    gain: NonNegativeFloat = 0.7
    options: int = Field(default=5, ge=2, le=12)
    unsure: float = Field(default=0.15, ge=0, lt=1)
    wish: NonNegativeFloat = 0.8
    query: NonNegativeFloat = 1.0
    skip: list[str] = Field(default_factory=lambda: ["year"])
    deadline: NonNegativeFloat = 2.0


@dataclass(frozen=True)
class Policy:
    """Chooses questions by the expected information gain about which candidate is wanted."""

    settings: Dialogue
    lexicon: Lexicon

    def question(self, state: State, items: Ints, chances: Floats) -> Question | None:
        """The most telling question, or None where none is worth it or enough were asked.

        Args:
            items: int64 (n,), the candidates; chances: float64 (n,), their probabilities.
        """
        asked = [turn.question.name for turn in state.live if turn.question and turn.question.kind == "facet"]
        if len(asked) >= self.settings.budget or len(items) <= self.settings.k or not chances.sum() > 0:
            return None
        best: tuple[float, Question] | None = None
        for kind in self._open(state, asked):
            entities, gain = self.gain(kind, items, chances / chances.sum())
            if gain >= self.settings.gain and (best is None or gain > best[0]):
                best = gain, Question(kind="facet", name=kind, entities=entities, then=Act(kind="must"))
        return best and best[1]

    def gain(self, kind: str, items: Ints, chances: Floats) -> tuple[tuple[Entity, ...], float]:
        """The values to offer, and the mutual information, in bits, of the answer and the wanted item.

        Who is asked names one of the item's values that are offered, each alike, or says that it is none of them:
        I = H(Σ_i p_i a_i) − Σ_i p_i H(a_i), of which `unsure` is lost.
        """
        has = self.lexicon.incidence[kind][items].toarray()
        mass = chances @ has
        if kind == "person":
            mass[self.lexicon.nameless] = 0.0
        offered = np.argsort(-np.minimum(mass, 1 - mass), kind="stable")[: self.settings.options]
        offered = offered[mass[offered] > 0]
        if len(offered) < 2:
            return (), 0.0
        answers = np.column_stack([has[:, offered], ~has[:, offered].any(1)]).astype(np.float64)
        answers /= answers.sum(1, keepdims=True)
        bits = _entropy(chances @ answers) - float(chances @ _entropies(answers))
        values = self.lexicon.kinds[kind]
        order = offered[np.argsort(-mass[offered], kind="stable")]
        return tuple(Entity(kind=kind, value=values[place]) for place in order), (1 - self.settings.unsure) * bits

    def _open(self, state: State, asked: list[str]) -> list[str]:
        """Kinds that nothing is known of yet."""
        slots = state.slots
        settled = {entity.kind for group in slots.must for entity in group}
        if self.lexicon.number("time") in {span.name for span in slots.ranges}:
            settled |= {"decade", "year"}
        return [kind for kind in self.lexicon.kinds if kind not in {*asked, *settled, *self.settings.skip}]


def _entropy(chances: Floats) -> float:
    there = chances[chances > 0]
    return float(-(there * np.log2(there)).sum())


def _entropies(rows: Floats) -> Floats:
    return -(rows * np.log2(np.where(rows > 0, rows, 1))).sum(1)
