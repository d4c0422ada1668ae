"""From an utterance to acts, by rule, in English and Chinese: names take the meaning of the cues around them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from components.dialogue.acts import Act, Entity, How, Kind, Range
from components.dialogue.answers import answered, chosen
from components.dialogue.commands import Unnamed
from components.dialogue.element import Element
from components.dialogue.guessing import SURE
from components.dialogue.lexicon import Lexicon
from components.dialogue.linking import Linker
from components.dialogue.names import Target
from components.dialogue.numbers import digits, recent
from components.dialogue.scope import GAP, VERBS, Group, Scope, Sentence
from components.dialogue.state import State

ACTS = 24  # of one utterance
TOO = {"too_low": "classic", "too_high": "recent"}  # `not too old` speaks of no other item
JOINTS = frozenset(("a", "an", "the", "some", "else", "also", "of", "影"))  # words between the names of a list


@dataclass(frozen=True)
class Understanding:
    """Reads utterances against a catalogue, in the light of what was shown and asked."""

    linker: Linker

    @property
    def lexicon(self) -> Lexicon:
        """The catalogue."""
        return self.linker.names.lexicon

    def read(self, text: str, state: State) -> tuple[Act, ...]:
        """Read a cleaned utterance as acts, in the order said; an empty or senseless one is small talk."""
        elements = self.linker.elements(digits(text), spoken(state))
        topics = [cue for element in elements for cue in element.cues if cue == "chat:order"]
        if topics:
            return (Act(kind="chat", name="order"),)
        sentence = Sentence(elements, self.lexicon.words.beside | JOINTS)
        unnamed = Unnamed(self.lexicon, state, elements, self.linker.names.ordinary)
        reader = Reader(self.lexicon, state, sentence, sentence.opened(0))
        acts = answered(state, elements, self.lexicon)
        if not acts:
            found = tuple(reader.acts())
            acts = chosen(state, (*found, *unnamed.acts(found)), elements, self.lexicon) or unnamed.talk()
        return tuple(dict.fromkeys(acts))[:ACTS]


@dataclass
class Reader:
    """One utterance being read from left to right.

    Attributes:
        liked: items that were liked in it so far.
        last: the items named or pointed at last.
    """

    lexicon: Lexicon
    state: State
    sentence: Sentence
    scope: Scope
    liked: list[str] = field(default_factory=list[str])
    last: tuple[str, ...] = ()

    @property
    def elements(self) -> Sequence[Element]:
        """What is read."""
        return self.sentence.elements

    def acts(self) -> Iterator[Act]:
        """The acts of all names, figures and comparisons."""
        found: list[Act] = []
        at = 0
        while at < len(self.elements):
            element = self.elements[at]
            if self._named(element):
                group = self.sentence.group(at, self.scope)
                right = self.sentence.right(group.end)
                found += self._said(group, right)
                self.scope = replace(self.scope, used=True)
                at = max(group.end, self.sentence.past(group.end, right))
                continue
            found += self._relative(element, at)
            self.scope = self.sentence.after(at, self.scope)
            at += 1
        if self.scope.verb == "accept" and not self.scope.used and not self.scope.neg and len(self.last) == 1:
            found.append(Act(kind="judge", items=self.last, how="accepted"))
        yield from found

    def _named(self, element: Element) -> bool:
        if element.kind in {"name", "figure"}:
            return True
        if element.kind == "cue" and element.has("recent", "classic"):
            timed = any(each.kind == "figure" for each in self.elements)  # an old film of the eighties is one of the eighties
            return not timed and recent(self.lexicon, "recent") is not None
        if element.kind != "cue" or not element.has("nth", "firsts", "pronoun", "all"):
            return False
        return bool(self._pointed(element)) and (
            self.scope.verb in VERBS
            or self.scope.neg
            or bool(element.has("nth", "firsts"))
            or bool(self.sentence.right(self.elements.index(element) + 1))
        )

    def _said(self, group: Group, right: str) -> list[Act]:
        """The acts of a group of names in the scope."""
        items: list[str] = []
        entities: list[tuple[Entity, ...]] = []
        acts: list[Act] = []
        pointed = any(element.kind == "cue" and element.has("nth", "firsts", "pronoun") for element in group.names)
        how, kind = self.scope.opinion(right, pointed=pointed), self.scope.slot(right, either=group.either)
        for element in group.names:
            if span := self._range(element):
                acts += self._ranged(span, right)
            elif element.kind == "figure" and element.figure:
                acts.append(Act(kind="unclear", name=element.figure.missing, then="range"))
            elif element.kind == "cue":
                items += self._pointed(element)
            else:
                self._take(element, right, how, kind, items, entities, acts)
        self.last = tuple(items) or self.last
        if self.scope.verb in {"why", "compare"}:
            return [*acts, Act(kind="why" if self.scope.verb == "why" else "compare", items=tuple(items))] if items else acts
        if items and how:
            self.liked += items if how == "liked" else []
            acts.append(Act(kind="judge", items=tuple(items), how=how))
        elif items and self.scope.verb == "lift":
            acts.append(Act(kind="lift", items=tuple(items)))
        return [*acts, *self._wanted(entities, kind, either=group.either)]

    def _take(
        self,
        element: Element,
        right: str,
        how: How | None,
        kind: Kind,
        items: list[str],
        entities: list[tuple[Entity, ...]],
        acts: list[Act],
    ) -> None:
        """Sort one name into items or entities; one that is unknown, misspelled or ambiguous is unclear."""
        targets = self._meant(element)
        best = targets[0] if targets else None
        if best is None:
            acts.append(Act(kind="unclear", name=element.text, then="judge"))
        elif element.guess < SURE or len(targets) > 1:
            acts.append(self._unclear(element.text, [best] if element.guess < SURE else targets, kind, how))
        elif best.item:
            items.append(best.item)
        else:
            entities.append(tuple(self._related(entity, right) for entity in best.entities))

    def _unclear(self, name: str, targets: Sequence[Target], then: Kind, how: How | None) -> Act:
        items = tuple(target.item for target in targets if target.item)[:6]
        entities = tuple(target.entities[0] for target in targets if target.entities)[:6]
        then = "judge" if items else then
        return Act(kind="unclear", name=name, items=items, entities=() if items else entities, then=then, how=how if items else None)

    def _meant(self, element: Element) -> tuple[Target, ...]:
        """Which targets of a name fit here: a person after `by`, an item in quotes or by the year said; a well known one before others."""
        targets = element.targets
        if self.scope.relation or self.scope.verb == "after":
            targets = tuple(target for target in targets if target.entities) or targets
        elif (
            element.quoted
            or (element.capital and len(element.text.split()) > 1)
            or self.scope.verb in {"seen", "similar", "accept", "why", "compare"}
        ):
            targets = tuple(target for target in targets if target.item) or targets
        if targets and targets[0].entities:
            targets = tuple(target for target in targets if target.entities)
        elif targets:
            targets = self._dated(tuple(target for target in targets if target.item))
        known = spoken(self.state)
        targets = tuple(target for target in targets if not known.isdisjoint(target.entities)) or targets
        if len(targets) > 1 and (targets[0].part or targets[0].entities) and self._size(targets[0]) >= 3 * self._size(targets[1]):
            return targets[:1]
        return targets

    def _size(self, target: Target) -> float:
        lexicon = self.lexicon
        return lexicon.weight[lexicon.catalogue.index[target.item]] if target.item else sum(map(lexicon.size, target.entities))

    def _dated(self, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """Of several items of one name those of a year that is said."""
        time = self.lexicon.number("time")
        years = {span.low for element in self.elements if (span := self._range(element)) and span.low == span.high}
        if time is None or len(targets) < 2 or not years:
            return targets
        return (
            tuple(target for target in targets if self.lexicon.numbers[time][self.lexicon.catalogue.index[target.item]] in years) or targets
        )

    def _range(self, element: Element) -> Range | None:
        if element.kind == "figure" and element.figure:
            return element.figure.range
        sign = element.has("recent", "classic") if element.kind == "cue" else None
        return recent(self.lexicon, sign) if sign else None

    def _ranged(self, span: Range, right: str) -> list[Act]:
        names_item = any(element.kind == "name" and len(element.targets) > 1 and element.targets[0].item for element in self.elements)
        if names_item and span.low == span.high:
            return []  # it tells two items of one name apart
        if self.scope.verb in {"why", "compare", "seen", "accept"}:
            return []
        if self.scope.verb == "lift" or (right == "good" and not self.scope.neg):
            return [Act(kind="lift", range=span)]
        refused = self.scope.neg and not self.scope.paused  # "nothing in black and white, 1970 at the earliest" refuses no year
        out = refused or self.scope.verb in {"except", "hard_no"} or right == "bad"
        return [Act(kind="range", range=outside(span) if out else span, replace=self.scope.replace)]

    def _related(self, entity: Entity, right: str) -> Entity:
        """An entity with the relation said before or after it, if it has it for any item."""
        said = right.partition(":")[2] if right.startswith("after") else self.scope.relation
        if said not in self.lexicon.relations.get(entity.kind, []):
            return entity
        related = Entity(kind=entity.kind, value=entity.value, relation=said)
        return related if self.lexicon.known(related) else entity

    def _wanted(self, entities: list[tuple[Entity, ...]], kind: Kind, *, either: bool) -> Iterator[Act]:
        """Acts of entities: one for each condition, one for a choice, one for all that is refused, liked or lifted."""
        flat = tuple(dict.fromkeys(entity for group in entities for entity in group))
        if not flat or self.scope.than or self.scope.verb in {"why", "compare", "unseen"}:
            return
        if kind != "must" or (either and len({entity.kind for entity in flat}) == 1):
            yield Act(kind=kind, entities=flat, replace=self.scope.replace and kind == "must")
            return
        for number, entity in enumerate(flat):
            yield Act(
                kind="must", entities=(entity,), replace=self.scope.replace and entity.kind not in {each.kind for each in flat[:number]}
            )

    def _pointed(self, element: Element) -> tuple[str, ...]:
        """Items meant by `the first`, `the first two`, `it` or `all of them`."""
        shown = self.state.shown
        if place := element.has("nth", "firsts"):
            number = int(place.partition(":")[2])
            if place.startswith("firsts"):
                return shown[:number] if number > 0 else shown[number:]
            return () if self._of(element) else shown[number - 1 : number] if number else shown[-1:]
        if element.has("all"):
            judged = self.sentence.right(self.elements.index(element) + 1) in {"seen", "bad", "praised"}
            return shown if judged or self.scope.verb in {"seen", "like", "hard_no", "compare"} else ()
        if len(self.last) == 1:
            return self.last
        if self.state.focus:
            return (self.state.focus,)
        return shown if len(shown) == 1 else ()

    def _of(self, element: Element) -> bool:
        """Whether a place is that of something else, as in `the last decade`."""
        after = next(iter(self.elements[self.elements.index(element) + 1 :]), None)
        words, ends = self.lexicon.words, element.text.lower().split()[-1]
        strange = after is not None and after.kind == "word" and after.text not in words.stop | words.beside and after.text[0] < "\u2e80"
        return strange and ends in {"first", "second", "third", "last"}

    def _relative(self, element: Element, at: int) -> list[Act]:
        """A number less or more than that of what is named, liked in the same breath, or was shown."""
        way, _, role = (element.has("less", "more", "too_low", "too_high") or "").partition(":")
        if not role:
            return []
        name = self.lexicon.number(role)
        if name is None:
            return [Act(kind="unclear", name=role, then="range")]
        if way.startswith("too") and role == "time" and self.scope.neg and (span := recent(self.lexicon, TOO[way])):
            return [Act(kind="range", range=outside(span))]
        up = (way in {"more", "too_low"}) != (self.scope.neg and not way.startswith("too"))
        items, least = self._reference(at)
        places = [self.lexicon.catalogue.index[item] for item in items if item in self.lexicon.catalogue.index]
        values = self.lexicon.numbers[name][places]
        values = values[np.isfinite(values)]
        self.scope = Scope(replace=self.scope.replace, than=least)
        if not len(values):
            return [Act(kind="unclear", name="", then="range")]
        middle = float(np.median(values))
        whole = name == self.lexicon.number("time")
        step = 1.0 if whole else 1e-6 * max(1.0, abs(middle))
        bound = (np.floor(middle) if up else np.ceil(middle)) if whole else middle
        return [Act(kind="range", range=Range(name=name, low=bound + step) if up else Range(name=name, high=bound - step))]

    def _reference(self, at: int) -> tuple[list[str], bool]:
        """What a comparison compares with, and whether it was named after `than`."""
        after = self.elements[at + 1 : at + 1 + GAP]
        before = self.elements[max(0, at - GAP) : at]
        if any(element.has("than") for element in after if element.kind == "cue"):
            named = [element for element in after if element.kind == "name" or element.has("nth", "pronoun", "all")]
            if named:
                return self._items(named[0]), True
        if any(element.has("than") for element in before if element.kind == "cue"):
            named = [element for element in before if element.kind == "name" or element.has("nth", "pronoun")]
            if named:
                return self._items(named[-1]), False
        return (self.liked or [*((self.state.focus,) if self.state.focus else self.state.shown)]), False

    def _items(self, element: Element) -> list[str]:
        if element.kind == "cue":
            return list(self._pointed(element))
        return [target.item for target in self._meant(element) if target.item][:1]


def spoken(state: State) -> frozenset[Entity]:
    """Entities that a question offers, or that are in the slots."""
    return frozenset((*(state.question.entities if state.question else ()), *state.slots.entities))


def outside(span: Range) -> Range:
    """The same range, to be avoided."""
    return Range(name=span.name, low=span.low, high=span.high, out=True)
