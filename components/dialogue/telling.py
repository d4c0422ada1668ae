"""What is told beside a list: what was understood, what is unclear, small talk, why, how two differ, and that nothing is left."""

from dataclasses import dataclass

from components.dialogue.acts import CHANGES, Act
from components.dialogue.lexicon import Lexicon
from components.dialogue.shelf import Moment, Shelf
from components.dialogue.slots import CHIPS, Slots
from components.dialogue.state import Question, State
from components.dialogue.wording import Wording
from components.schema import Recommendation


@dataclass(frozen=True)
class Outcome:
    """What a turn comes to before it is written down."""

    text: str
    items: tuple[Recommendation, ...] = ()
    question: Question | None = None
    asking: str = ""
    focus: str = ""
    source: str = "dialogue"


@dataclass(frozen=True)
class Telling:
    """Says what a turn comes to."""

    shelf: Shelf

    @property
    def lexicon(self) -> Lexicon:
        """The catalogue."""
        return self.shelf.lexicon

    def notes(self, state: State, before: Slots, acts: tuple[Act, ...]) -> str:
        """What was understood: what is new among the chips, what is gone, and what can't be done."""
        wording, after = Wording(self.lexicon, state.language), state.slots
        fresh = {chip: wording.chip(chip, entry) for chip, entry in after.entries.items() if chip not in before.entries}
        new = [words for chip, words in fresh.items() if not chip.startswith("item")]
        judged = [words for chip, words in fresh.items() if chip.startswith("item")]
        left = {chip: wording.chip(chip, entry) for chip, entry in before.entries.items() if chip not in after.entries}
        gone = [words for chip, words in left.items() if not chip.startswith("range")]
        lifting = any(act.kind in {"lift", "remove"} for act in acts)
        lines = [wording.say("got", chips=wording.join([*judged[:4], *new]))] if new or judged else []
        if gone and lifting:
            lines.append(wording.say("lifted", chips=wording.join(gone)))
        elif lifting and before == after:
            lines.append(wording.say("nochange"))
        lines += [self._lacking(act, wording) for act in acts if act.kind == "unclear" and not act.items and not act.entities]
        if len(after.entries) >= CHIPS and any(act.kind in CHANGES for act in acts):
            lines.append(wording.say("full", most=CHIPS))
        if any(act.kind == "skip" for act in acts):
            relax = len(state.live) > 1 and state.live[-2].question
            lines.append(wording.say("kept" if relax and relax.kind == "relax" else "skipped"))
        if any(act.kind == "more" for act in acts):
            lines.append(wording.say("more"))
        return wording.sentences(lines)

    def _lacking(self, act: Act, wording: Wording) -> str:
        if act.then == "range":
            return wording.say("no_number", name=wording.number(act.name)) if act.name else wording.say("no_reference")
        return wording.say("unknown", name=act.name)

    def unclear(self, act: Act, wording: Wording) -> Outcome | None:
        """Ask back which of several is meant, or whether a misspelled name is understood."""
        options = [*(self.lexicon.title(item) for item in act.items), *(wording.entity(entity) for entity in act.entities)]
        if not options:
            return None
        then = Act(kind=act.then or "judge", how=act.how)
        question = Question(kind="which" if len(options) > 1 else "mean", name=act.name, items=act.items, entities=act.entities, then=then)
        if not act.name:
            return Outcome("", question=question, asking=wording.say("taken_which"))
        text = (
            wording.say("which", name=act.name, options=wording.choice(options))
            if len(options) > 1
            else wording.say("mean", name=act.name, option=options[0])
        )
        return Outcome("", question=question, asking=text)

    def chat(self, state: State, topic: str) -> Outcome:
        """Small talk."""
        wording = Wording(self.lexicon, state.language)
        if topic == "state":
            chips = [chip.words for chip in wording.chips(state.slots)]
            return Outcome(wording.say("state_some", chips=wording.join(chips)) if chips else wording.say("state_none"))
        if topic == "unseen":
            return Outcome(wording.say("unseen"))
        famous = self.lexicon.title(self.lexicon.catalogue.ids[int(self.lexicon.weight.argmax())])
        return Outcome(wording.say(f"chat_{topic}", title=famous))

    def nothing(self, state: State, notes: str) -> Outcome:
        """Say that nothing is left, and offer to give up the condition that frees most."""
        wording, slots = Wording(self.lexicon, state.language), state.slots
        chips, count = self.shelf.constraints.relaxation(slots, state.passed)
        if not chips:
            return Outcome(wording.sentences([notes, wording.say("nothing_at_all")]))
        hard = [wording.chip(chip, entry) for chip, entry in slots.entries.items() if chip.startswith(("must", "never", "range"))]
        offer = wording.join([wording.chip(chip, slots.entries[chip]) for chip in chips])
        text = wording.sentences([notes, wording.say("nothing", chips=wording.join(hard))])
        return Outcome(text, question=Question(kind="relax", chips=tuple(chips)), asking=wording.say("relax", chip=offer, count=count))

    def why(self, state: State, act: Act, now: Moment) -> Outcome:
        """Why an item is recommended; or which condition closes it."""
        wording, slots = Wording(self.lexicon, state.language), state.slots
        chosen = act.items or ((state.focus,) if state.focus else state.shown[:1])
        if not chosen:
            return Outcome(wording.say("why_none"))
        item, title = chosen[0], self.lexicon.title(chosen[0])
        broken = [wording.chip(chip, slots.entries[chip]) for chip in self.shelf.constraints.broken(slots, item) if chip in slots.entries]
        if broken:
            return Outcome(wording.say("why_closed", title=title, chips=wording.join(broken)), focus=item)
        return Outcome(wording.say("why", title=title, reason=self.shelf.explain(state, item, now)), focus=item)

    def compare(self, state: State, named: list[str]) -> Outcome:
        """How two items differ: those named, else the first of the last list."""
        wording = Wording(self.lexicon, state.language)
        chosen = list(dict.fromkeys([*named, *state.shown]))[:2]
        if len(chosen) < 2:
            return Outcome(wording.say("compare_need"))
        a, b = chosen
        order = [item for item in state.shown if item in chosen]
        better = wording.say("compare_better", title=self.lexicon.title(order[0])) if len(order) == 2 else ""
        return Outcome(wording.sentences([wording.compare(a, b), better]), focus=order[0] if len(order) == 2 else "")
