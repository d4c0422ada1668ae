"""A conversation: one utterance in, the next state and what to say out."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from components import artifacts, nodes
from components.dialogue.acts import Act, Kind
from components.dialogue.constraints import Constraints
from components.dialogue.leaning import Heard, Leaning, Unled
from components.dialogue.lexicon import Lexicon
from components.dialogue.linking import Linker
from components.dialogue.meaning import Meaning
from components.dialogue.names import Names
from components.dialogue.parsing import Parsing
from components.dialogue.policy import Dialogue
from components.dialogue.query import Query, last_year
from components.dialogue.reply import Asked, Chip, Reply
from components.dialogue.shelf import NOW, Moment, Shelf
from components.dialogue.slots import Slots
from components.dialogue.state import Question, State, Turn, echo
from components.dialogue.telling import Outcome, Telling
from components.dialogue.tokens import language
from components.dialogue.understanding import Understanding
from components.dialogue.wording import Wording
from components.errors import RequestError
from components.generation.clean import CUT, spoken
from components.generation.writer import Writer
from components.recommend.recommender import Recommender
from components.sharing import shared

MOST = 600  # characters of an utterance that are read


@dataclass(frozen=True)
class Conversation:
    """Leads conversations over one bundle; holds no state of any of them, and is safe to share between threads.

    Attributes:
        leaning: what the words lean to, besides liked entities.
        writer: words the reasons; its model, if it has one, also parses.
    """

    recommender: Recommender
    lexicon: Lexicon
    leaning: Leaning
    writer: Writer
    settings: Dialogue

    @classmethod
    def load(cls, bundle: Path | str, writer: Writer | None = None, settings: Dialogue | None = None) -> "Conversation":
        """Load all that a bundle has for conversations; raises BundleError where it is missing or torn.

        Args:
            writer, settings: in place of the bundle's own; a bundle without any has defaults, and one without a query
                model leans to liked entities only.
        """
        return cls.over(Recommender.load(bundle), Path(bundle), writer, settings)

    @classmethod
    def over(cls, recommender: Recommender, folder: Path, writer: Writer | None = None, settings: Dialogue | None = None) -> "Conversation":
        """Make a conversation as `load` does, with a bundle's recommender that is there already."""
        lexicon = Lexicon.of(recommender.catalogue, recommender.graph, recommender.histories.items)
        leaning = (
            Heard(Query.load(folder, recommender.graph, recommender.texts, recommender.scorer.scales), lexicon)
            if (folder / "query.json").exists()
            else None
        )
        own = {name: folder / f"{name}.json" for name in ("dialogue", "provider")}
        if settings is None and own["dialogue"].exists():
            settings = nodes.build(artifacts.read_json(own["dialogue"]), "dialogue")
        if writer is None and own["provider"].exists():
            writer = Writer.start(nodes.build(artifacts.read_json(own["provider"]), "provider"))
        return cls.of(recommender, lexicon, leaning, writer, settings)

    @classmethod
    def of(
        cls,
        recommender: Recommender,
        lexicon: Lexicon,
        leaning: Leaning | None = None,
        writer: Writer | None = None,
        settings: Dialogue | None = None,
    ) -> "Conversation":
        """Make a conversation with what is given, and defaults for the rest."""
        made = cls(recommender, lexicon, leaning or Unled(len(recommender.items)), writer or Writer(), settings or Dialogue())
        made.turn(made.start(), "something zzyzx")  # what is made once is made now, and not in the first turn
        made.act(made.start(), (Act(kind="ask"),), "hello")
        return made

    def hide(self, hidden: frozenset[str]) -> "Conversation":
        """The same, with these items shown to nobody."""
        found = replace(self, recommender=self.recommender.hide(hidden))
        found.__dict__["parsing"] = self.parsing  # of words alone, and dear to make
        return found

    def grow(self, recommender: Recommender) -> "Conversation":
        """The same over the recommender of a larger catalogue, whose names and facts it can then speak of; this takes seconds."""
        table, graph, met = recommender.catalogue.table, recommender.graph, recommender.histories
        lexicon = Lexicon.of(recommender.catalogue, graph, met.items)
        leaning: Leaning = Unled(len(table))
        if isinstance(self.leaning, Heard):
            fresh = table.slice(len(self.lexicon.catalogue.ids))
            leaning = Heard(self.leaning.query.grow(graph, recommender.texts, fresh, last_year(met)), lexicon)
        return Conversation.of(recommender, lexicon, leaning, self.writer, self.settings)

    def start(self, user: str | None = None, language: str | None = None) -> State:
        """A new conversation; raises RequestError for a language that is not en or zh.

        Args:
            language: en or zh, kept to whatever the user writes in; None: follows the user.
        """
        if language not in {None, "en", "zh"}:
            raise RequestError("language", f"is en or zh, got {language!r}")
        chosen = "zh" if language == "zh" else "en"
        try:
            return State(bundle=self.recommender.bundle, user=user, language=chosen, fixed=language is not None)
        except ValidationError:
            raise RequestError("user_id", "is longer than 160 characters, or has some that can't be seen; talk without it") from None

    def turn(self, state: State, utterance: str, now: Moment = NOW) -> Reply:
        """Take one utterance, of any length and content.

        Raises:
            RequestError: the state names what this catalogue does not have, or another version or bundle wrote it wrongly.
        """
        state = self._checked(state)
        text = spoken(utterance, MOST)
        tongue = None if state.fixed else language(text)
        state = state.but(language=tongue or state.language, bundle=self.recommender.bundle)
        if not text:
            return self._reply(state, Outcome(self.wording(state).say("chat_empty")), "rules")
        acts, provider = self.parsing.read(text, state)
        reply = self.act(state, acts, echo(text), now)
        cut = self.wording(reply.state).say("cut") if len(utterance) > MOST and text.endswith(CUT) else ""
        said = self.wording(reply.state).sentences([cut, reply.text])
        return reply.model_copy(update={"text": said, "provider": provider})

    def remove(self, state: State, chip: str, now: Moment = NOW) -> Reply:
        """Forget one chip; raises RequestError where there is none of that id."""
        state = self._checked(state)
        if chip not in state.slots.entries:
            raise RequestError("chip", f"no {chip!r} in this conversation")
        wording = self.wording(state)
        removed = wording.say("removed", chip=wording.chip(chip, state.slots.entries[chip]))
        return self.act(state, (Act(kind="remove", name=chip),), echo(removed), now)

    def undo(self, state: State, number: int | None = None, now: Moment = NOW) -> Reply:
        """Take back a turn, the last that changed something if none is given."""
        return self._undo(self._checked(state), number, now)

    def words(self, state: State) -> list[Chip]:
        """All that is remembered, in the state's language."""
        return self.wording(state).chips(state.slots)

    def act(self, state: State, acts: tuple[Act, ...], echoed: str = "", now: Moment = NOW) -> Reply:
        """Do some acts and answer them."""
        kinds = {act.kind for act in acts}
        for act in acts:
            if act.kind == "language":
                state = state.but(language="zh" if act.name == "zh" else "en", fixed=True)
        if "undo" in kinds:
            return self._undo(state, None, now)
        if "restart" in kinds:
            fresh = state.restart()
            return self._reply(fresh, Outcome(self.wording(state).say("restarted")), "rules")
        before = state.slots
        number = state.next
        state = state.add(Turn(number=number, echo=echoed, acts=acts))
        outcome = self._outcome(state, before, acts, now)
        turn = Turn(
            number=number,
            echo=echoed,
            acts=acts,
            shown=tuple(item.item_id for item in outcome.items),
            focus=outcome.focus,
            question=outcome.question,
        )
        return self._reply(state.but(turns=(*state.turns[:-1], turn)), outcome, "rules")

    @cached_property
    def parsing(self) -> Parsing:
        """Reads utterances."""
        names = shared(Names, (id(self.lexicon),), lambda: Names(self.lexicon))
        linker = Linker(names, Meaning(names, self.recommender.encoder))
        return Parsing(Understanding(linker), self.writer, self.settings.deadline)

    @cached_property
    def constraints(self) -> Constraints:
        """Closes what may not be shown."""
        return Constraints(self.lexicon)

    @cached_property
    def shelf(self) -> Shelf:
        """Ranks, verifies and explains."""
        return Shelf(self.recommender, self.lexicon, self.leaning, self.writer, self.settings)

    @cached_property
    def telling(self) -> Telling:
        """Says what is told beside a list."""
        return Telling(self.shelf)

    def wording(self, state: State) -> Wording:
        """Says things in the conversation's language."""
        return Wording(self.lexicon, state.language)

    def _checked(self, state: State) -> State:
        """The state without what a newer bundle no longer has; raises RequestError for what no bundle can have said."""
        for place, turn in enumerate(state.turns):
            for number, act in enumerate(turn.acts):
                wrong = self._wrong(act)
                if wrong and state.bundle == self.recommender.bundle:
                    raise RequestError(
                        f"state.turns.{place}.acts.{number}.{wrong}", "is nothing of this catalogue; send the state as it was given"
                    )
        if state.bundle not in {"", self.recommender.bundle}:
            turns = tuple(turn.but(acts=tuple(act for act in turn.acts if not self._wrong(act)), question=None) for turn in state.turns)
            return state.but(turns=turns)
        return state

    def _wrong(self, act: Act) -> str | None:
        if any(item not in self.lexicon.catalogue.index for item in act.items):
            return "items"
        if any(not self.lexicon.known(entity) for entity in act.entities):
            return "entities"
        return "range" if act.range and act.range.name not in self.lexicon.numbers else None

    def _reply(self, state: State, outcome: Outcome, provider: str) -> Reply:
        wording = self.wording(state)
        return Reply(
            state=state,
            text=outcome.text,
            items=list(outcome.items),
            question=outcome.question and self._asked(outcome, outcome.question, wording),
            chips=wording.chips(state.slots),
            source=outcome.source,
            provider=provider,
        )

    def _asked(self, outcome: Outcome, question: Question, wording: Wording) -> Asked:
        options = [*(self.lexicon.title(item) for item in question.items), *(wording.entity(entity) for entity in question.entities)]
        if question.kind in {"relax", "mean"}:
            options = [wording.say("yes"), wording.say("no")]
        return Asked(kind=question.kind, text=outcome.asking, options=options)

    # what a turn comes to

    def _outcome(self, state: State, before: Slots, acts: tuple[Act, ...], now: Moment) -> Outcome:
        first: dict[Kind, Act] = {act.kind: act for act in reversed(acts)}
        changed = state.slots != before
        notes = self.telling.notes(state, before, acts)
        if "unclear" in first and (asked := self.telling.unclear(first["unclear"], self.wording(state))):
            listed = self._recommend(state, notes, now, ask=False) if changed else Outcome(notes)
            return replace(listed, question=asked.question, asking=asked.asking)
        told = self._told(state, first, acts, now) or (None if changed else self._talk(state, first))
        if told:
            return told if told.focus and not told.items else replace(told, text=self.wording(state).sentences([notes, told.text]))
        return Outcome(notes) if set(first) == {"unclear"} else self._recommend(state, notes, now)

    def _told(self, state: State, first: dict[Kind, Act], acts: tuple[Act, ...], now: Moment) -> Outcome | None:
        """What is told instead of a list: why, how two differ, or good wishes for what was chosen."""
        if "why" in first:
            return self.telling.why(state, first["why"], now)
        if "compare" in first:
            return self.telling.compare(state, [item for act in acts if act.kind == "compare" for item in act.items])
        taken = [act.items[0] for act in acts if act.how == "accepted" and act.items and act.kind == "judge"]
        return Outcome(self.wording(state).say("taken", title=self.lexicon.title(taken[0])), focus=taken[0]) if taken else None

    def _talk(self, state: State, first: dict[Kind, Act]) -> Outcome | None:
        """Small talk."""
        if "chat" in first:
            return self.telling.chat(state, first["chat"].name)
        return Outcome(self.wording(state).say("language")) if set(first) == {"language"} else None

    def _undo(self, state: State, number: int | None, now: Moment) -> Reply:
        wording = self.wording(state)
        try:
            undone = state.undo(number)
        except RequestError:
            if number is not None:
                raise
            return self._reply(state, Outcome(wording.say("nothing_undone")), "rules")
        gone = next(turn for old, turn in zip(state.turns, undone.turns, strict=True) if old.undone != turn.undone)
        chips = [chip.words for chip in wording.chips(undone.slots)]
        remembered = wording.say("state_some", chips=wording.join(chips)) if chips else wording.say("state_none")
        text = wording.sentences([wording.say("undone", echo=gone.echo or "…"), remembered])
        listed = self._recommend(undone, text, now, ask=False) if chips else Outcome(text)
        turn = Turn(number=undone.next, shown=tuple(item.item_id for item in listed.items))
        return self._reply(undone.add(turn) if listed.items else undone, listed, "rules")

    def _recommend(self, state: State, notes: str, now: Moment, *, ask: bool = True) -> Outcome:
        wording, shelf = self.wording(state), self.shelf
        wish = shelf.wish(state)
        source, items = shelf.best(state, wish, now)
        if not items:
            return self.telling.nothing(state, notes)
        question = shelf.question(state, wish, now) if ask else None
        shown = tuple(item.model_copy(update={"rank": rank, "reason": shelf.reason(state, item)}) for rank, item in enumerate(items, 1))
        few = len(items) < self.settings.k
        name = "list_few" if few else "list" if len(items) > 1 else "list_one"
        if any(not self.constraints.answered(state.slots, item.item_id) for item in items):
            name = "list_close"
        if source == "popularity" and not state.slots.entries:
            name = "list_popular"
        asking = wording.ask(question.name, question.entities) if question else ""
        return Outcome(wording.sentences([notes, wording.say(name, count=len(items))]), shown, question, asking, source=source)
