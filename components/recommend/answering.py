"""Lists for many who ask at once, each with its evidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from components.errors import RequestError
from components.recommend.askers import Askers, check
from components.recommend.asking import Ask, Told, joint
from components.recommend.explain import Evidence
from components.recommend.find import Finder
from components.recommend.funnel import Funnel
from components.recommend.policy import Reranking
from components.recommend.wish import Wish
from components.schema import Answer


@dataclass(frozen=True)
class Answering:
    """Answers for one bundle.

    Attributes:
        finder: gives what reads a profile in words; it is made when first needed.
    """

    bundle: str
    askers: Askers
    funnel: Funnel
    evidence: Evidence
    finder: Callable[[], Finder]

    def together(
        self, asks: Sequence[Ask], wish: Wish | None, in_force: Callable[[datetime | None], Reranking]
    ) -> list[Answer | RequestError]:
        """As `Recommender.together`, under the rules in force at a time."""
        answers: dict[int, Answer | RequestError] = {}
        alike: dict[tuple[int, datetime | None, str | None], list[tuple[int, Told]]] = {}
        for place, ask in enumerate(asks):
            try:
                told = self.told(ask, wish)
            except RequestError as error:
                answers[place] = error
            else:
                alike.setdefault((ask.k, ask.at, ask.profile), []).append((place, told))
        for (k, at, _), group in alike.items():
            answers |= zip([place for place, _ in group], self._answers([one for _, one in group], k, wish, in_force(at)), strict=True)
        return [answers[place] for place in range(len(asks))]

    def told(self, ask: Ask, wish: Wish | None) -> Told:
        """Look up who asks, and what is open to them; raises RequestError for what is wrong with it."""
        check(ask.k)
        history = [] if ask.profile is not None and ask.user is None and ask.history is None else ask.history
        asked, unknown = self.askers.one(ask.user, history, ask.at, ask.session)
        question = self.askers.question(asked, ask.filters, wish, ask.session)
        if ask.profile is not None:
            leaning = self.finder().leaning(ask.profile)
            question = replace(question, leaning=leaning if question.leaning is None else leaning + question.leaning)
        return Told(ask, question, unknown)

    def _answers(self, told: list[Told], k: int, wish: Wish | None, rules: Reranking) -> list[Answer]:
        question = joint(told)
        items, terms, lists = self.funnel.listed(question, k, rules)
        lengths = (items >= 0).sum(1)
        acted = [lists.rules(user) if lists else [[] for _ in range(length)] for user, length in enumerate(lengths)]
        shown = self.evidence.of(question.histories, items, terms, self.funnel.chances(question.histories, terms), acted)
        spoken = "dialogue" if wish and wish.leaning.any() else "popularity"
        return [
            Answer(
                bundle=self.bundle,
                source="hybrid" if known else spoken if one.ask.profile is None else "profile",
                user_id=one.ask.user,
                unknown=one.unknown,
                items=found,
            )
            for one, found, known in zip(told, shown, question.histories.lengths, strict=True)
        ]
