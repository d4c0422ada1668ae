"""What a conversation recommends: the ranker's best of what is open, verified, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from scipy.special import logit

from components.data.histories import NOW as LATE
from components.dialogue.constraints import Constraints
from components.dialogue.leaning import Leaning, met, wished
from components.dialogue.lexicon import Lexicon
from components.dialogue.policy import Dialogue, Policy
from components.dialogue.query import steepness
from components.dialogue.state import Question, State
from components.generation.facts import FactSheet, sheet
from components.generation.messages import Text
from components.generation.wording import LanguageCode, Length, Tone
from components.generation.writer import Writer
from components.recommend.recommender import Recommender
from components.recommend.session import Session
from components.recommend.wish import Wish
from components.schema import Recommendation

TRIES = 3  # rankings at most, each without what the one before let through


@dataclass(frozen=True)
class Moment:
    """When a person speaks, now if None, and what they did since the bundle was made."""

    at: datetime | None = None
    session: Session | None = None


NOW = Moment()


@dataclass(frozen=True)
class Shelf:
    """Ranks, verifies and explains."""

    recommender: Recommender
    lexicon: Lexicon
    leaning: Leaning
    writer: Writer
    settings: Dialogue

    @property
    def constraints(self) -> Constraints:
        """What closes items."""
        return Constraints(self.lexicon)

    @cached_property
    def answer(self) -> float:
        """What meeting an answer adds to a score: the log-odds that it was right, in units of the ranker's score."""
        return float(logit(self.settings.reliable)) / steepness(self.recommender.scorer.scales)

    def best(self, state: State, wish: Wish, now: Moment) -> tuple[str, list[Recommendation]]:
        """The source of the ranker's best, and of these what breaks no condition, fact by fact.

        What breaks one is closed, and the rest ranked again.
        """
        slots, passed = state.slots, state.passed
        source, good = "dialogue", list[Recommendation]()
        for _ in range(TRIES):
            user, history, session = self.asking(state, now)
            answer = self.recommender.recommend(user=user, history=history, k=self.settings.k, at=now.at, wish=wish, session=session)
            broken = [item for item in answer.items if self.constraints.broken(slots, item.item_id, passed)]
            source, good = answer.source, [item for item in answer.items if item not in broken]
            if not broken:
                break
            allowed = wish.allowed.copy()
            allowed[[self.lexicon.catalogue.index[item.item_id] for item in broken]] = False
            wish = Wish(wish.leaning, allowed)
        return source, good

    def asking(self, state: State, now: Moment) -> tuple[str | None, list[str] | None, Session | None]:
        """Who asks: a known user and what they did since, else the history of a stranger.

        What was liked, seen or chosen in the conversation was done just now.
        """
        said = state.slots.judged("liked", "seen", "accepted")
        if state.user is None or not (state.user in self.recommender.users or now.session):
            return None, said, None
        since, last = now.session or Session(), (LATE if now.at is None else int(now.at.timestamp())) - 1
        fresh = [item for item in said if item not in since.items]
        return state.user, None, replace(since, items=(*since.items, *fresh), times=(*since.times, *[last] * len(fresh)))

    def wish(self, state: State) -> Wish:
        """What the conversation leans to, and what it leaves open."""
        words = self.leaning.lean(state.live, state.slots)
        leaning = self.settings.wish * wished(self.lexicon, state) + self.settings.query * words
        leaning += self.answer * met(self.lexicon, state.slots)
        return Wish(leaning, self.constraints.mask(state.slots, state.passed))

    def question(self, state: State, wish: Wish, now: Moment) -> Question | None:
        """The question worth asking about the ranker's candidates, if any."""
        user, history, session = self.asking(state, now)
        items, _ = self.recommender.shortlist(self.settings.candidates, wish, user, history, now.at, session)
        return Policy(self.settings, self.lexicon).question(state, items)

    def reason(self, state: State, item: Recommendation, *, whole: bool = False) -> str:
        """Why an item is recommended, worded from its facts.

        In a list it goes without saying that each item meets the conditions; the `whole` reason says it too.
        """
        met = [entity for entity in self.constraints.met(state.slots, item.item_id) if whole or entity in state.slots.wishes]
        facts = self._facts(item, state.user, [entity.value for entity in met])
        return self.writer.reason(facts, state.language, length="long" if whole else "short").text

    def worded(self, item: Recommendation, user: str | None, language: LanguageCode) -> Text:
        """Why an item is recommended outside a conversation, with the trace."""
        return self.writer.reason(self._facts(item, user), language, length="medium")

    def promoted(self, item: Recommendation, user: str | None, language: LanguageCode, tone: Tone, length: Length) -> Text:
        """A text that promotes an item, with the trace."""
        return self.writer.copy(self._facts(item, user), language, tone, length)

    def _facts(self, item: Recommendation, user: str | None, asked: Sequence[str] = ()) -> FactSheet:
        catalogue = self.recommender.catalogue
        return sheet(item, catalogue.table.row(catalogue.index[item.item_id], named=True), user, asked)

    def explain(self, state: State, item: str, now: Moment) -> str:
        """The whole reason for an item, whether it was shown or not."""
        user, history, session = self.asking(state, now)
        found = self.recommender.explain(item, user=user, history=history, at=now.at, wish=self.wish(state), session=session)
        return self.reason(state, found.item, whole=True)
