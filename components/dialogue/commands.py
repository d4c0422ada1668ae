"""What is said without a name: commands, small talk, a choice among what was shown, and names that are not known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from components.dialogue.acts import Act
from components.dialogue.element import Element
from components.dialogue.lexicon import Lexicon
from components.dialogue.scope import GAP
from components.dialogue.state import State


@dataclass(frozen=True)
class Unnamed:
    """Reads what no name, figure or comparison gives.

    Attributes:
        ordinary: words that people use for themselves.
    """

    lexicon: Lexicon
    state: State
    elements: Sequence[Element]
    ordinary: frozenset[str]

    def talk(self) -> tuple[Act, ...]:
        """What is said with no name, figure or wish in it."""
        cues = [cue for element in self.elements for cue in element.cues]
        topics = [cue.partition(":")[2] for cue in cues if cue.startswith("chat:")]
        if topics:
            return (Act(kind="chat", name=topics[-1]),)
        if "skip" in cues:
            return (Act(kind="skip"),)
        if "unseen" in cues:
            return (Act(kind="chat", name="unseen"),)
        if any(element.kind == "cue" and element.has("want", "like", "similar", "only", "soft", "seen") for element in self.elements):
            return (Act(kind="ask"),)
        words = {element.text for element in self.elements if element.kind == "word"} - self.lexicon.words.stop
        known = words & self.ordinary
        return (Act(kind="ask"),) if known and 2 * len(known) >= len(words) else (Act(kind="chat", name="lost"),)

    def acts(self, found: Sequence[Act]) -> Iterator[Act]:
        """Acts that need no name: a language; and, with no act so far, an unknown name, any kind, a command, or a choice."""
        cues = {cue for element in self.elements for cue in element.cues}
        yield from (Act(kind="language", name=code) for code in ("en", "zh") if f"language:{code}" in cues)
        if found:
            yield from (Act(kind="more") for _ in range("none" in cues))
            return
        for reading in (self._strangers, self._any, self._commands, self._chosen):
            if acts := tuple(reading()):
                yield from acts
                return

    def _commands(self) -> Iterator[Act]:
        cues = {cue for element in self.elements for cue in element.cues}
        words = [element.text for element in self.elements if element.kind == "word"]
        command = next((name for name in ("restart", "undo", "compare", "why", "none", "more") if name in cues), None)
        if command == "compare" and "all" in cues:
            yield Act(kind="compare", items=self.state.shown[:2])
        elif command in {"compare", "why"} or (command in {"restart", "undo"} and len(words) <= GAP):
            yield Act(kind=command)  # pyright: ignore[reportArgumentType]
        elif command in {"none", "more"} and all(word in self.lexicon.words.stop for word in words):
            yield Act(kind="more")

    def _chosen(self) -> Iterator[Act]:
        """What was shown is taken, or seen."""
        cues = {cue for element in self.elements for cue in element.cues}
        items = (self.state.focus,) if self.state.focus else self.state.shown
        if "accept" in cues and items:
            one = len(items) == 1
            yield (
                Act(kind="judge", items=items, how="accepted")
                if one
                else Act(kind="unclear", items=items[:6], then="judge", how="accepted")
            )
        elif "seen" in cues and len(items) == 1:
            yield Act(kind="judge", items=items, how="seen")

    def _strangers(self) -> Iterator[Act]:
        """What stands where a name is expected, and is none that is known."""
        for place, element in enumerate(self.elements):
            if element.kind != "cue" or not element.has("like", "similar", "seen", "relation", "hard_no", "after", "neg", "except"):
                continue
            if element.has("after"):
                run = self._han(self.elements[:place][::-1])[::-1]
            elif element.has("neg", "except"):
                run = self._refused(self.elements[place + 1 :])
            else:
                run = self._latin(self.elements[place + 1 :]) or (self._han(self.elements[place + 1 :]) if element.has("similar") else [])
            text = "".join(each.text for each in run)
            if run and (len(run) > 1 or len(text) > 3):
                latin = text[0] < "\u2e80"
                spoken = " ".join(each.text.title() if each.capital else each.text for each in run)
                yield Act(kind="unclear", name=spoken if latin else text, then="judge")
                return

    def _latin(self, elements: Sequence[Element]) -> list[Element]:
        """Words that are written as a name."""
        run = list(takewhile(lambda each: each.kind == "word" and each.text[0] < "\u2e80", elements))
        while run and not run[0].capital:
            run = run[1:]
        return list(takewhile(lambda each: each.capital or each.text in self.lexicon.words.stop, run))

    def _refused(self, elements: Sequence[Element]) -> list[Element]:
        """Words that are refused and that the catalogue does not know."""
        clause = list(takewhile(lambda each: each.kind == "word", elements))
        stop = self.lexicon.words.stop | self.lexicon.words.beside
        latin = [each for each in clause if each.text[0] < "\u2e80" and each.text not in stop]
        return latin[:3] or self._han(elements)

    def _han(self, elements: Sequence[Element]) -> list[Element]:
        """Chinese characters that stand together and are no words of ours."""
        closing = frozenset("那一这的样个部种类片人我你")
        return list(takewhile(lambda each: each.kind == "word" and each.text[0] >= "\u2e80" and each.text not in closing, elements))[:12]

    def _any(self) -> Iterator[Act]:
        """`any genre`, `不限年代`: all conditions of the kind are lifted."""
        for place, element in enumerate(self.elements):
            if element.kind == "cue" and element.has("any", "lift", "skip"):
                cues = [cue for near in self.elements[max(place - 2, 0) : place + 3] for cue in near.cues]
                kinds = [cue.partition(":")[2] for cue in cues if cue.startswith("kind:")]
                there = [kind for kind in kinds if kind in self.lexicon.kinds]
                time = self.lexicon.number("time")
                yield from (Act(kind="lift", name=kind) for kind in there)
                if time and {"decade", "year"} & set(kinds) and time not in there:
                    yield Act(kind="lift", name=time)
