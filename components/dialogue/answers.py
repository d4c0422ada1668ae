"""Answers to what was asked: one of several, a condition to give up, yes, no, or no preference."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from components.dialogue.acts import Act, Entity
from components.dialogue.element import Element
from components.dialogue.lexicon import Lexicon
from components.dialogue.numbers import figures
from components.dialogue.state import Question, State

T = TypeVar("T")
Choice = tuple[tuple[str, ...], tuple[Entity, ...]]


def answered(state: State, elements: Sequence[Element], lexicon: Lexicon) -> tuple[Act, ...]:
    """Read an utterance as an answer to the question of the last turn; nothing where it is none, or none was asked."""
    question = state.question
    if question is None:
        return ()
    cues = {cue for element in elements for cue in element.cues}
    if question.kind in {"which", "mean"}:
        return _chosen(question, elements, cues, lexicon)
    if any(element.kind in {"name", "figure"} for element in elements):
        return ()
    return _relaxed(question, cues) if question.kind == "relax" else _preferred(question, cues)


def chosen(state: State, acts: tuple[Act, ...], elements: Sequence[Element], lexicon: Lexicon) -> tuple[Act, ...]:
    """The acts, in which what only names what was offered is an answer and no condition, unless the words insist on it."""
    question = state.question
    if question is None or question.kind != "facet" or any(element.has("only", "strict") for element in elements):
        return acts
    return tuple(_answer(act, question.entities, lexicon) for act in acts)


def _answer(act: Act, offered: Sequence[Entity], lexicon: Lexicon) -> Act:
    """The act as an answer, where it asks for no more than was offered, by name or as the span of time that it names."""
    if act.kind == "range":
        named = tuple(entity for entity in offered if act.range in [figure.range for figure in figures(entity.value.lower(), lexicon)])
        return Act(kind="answer", entities=named) if named and not act.replace else act
    known = {(entity.kind, entity.value) for entity in offered}
    fits = act.kind == "must" and not act.replace and known.issuperset((entity.kind, entity.value) for entity in act.entities)
    return act.model_copy(update={"kind": "answer"}) if fits else act


def _chosen(question: Question, elements: Sequence[Element], cues: set[str], lexicon: Lexicon) -> tuple[Act, ...]:
    """One of the things of one name, by its place, its year, its name, or all; or none of them."""
    if question.then is None:
        return ()
    names = [element for element in elements if element.kind == "name"]
    for items, entities in (_named(question, names, cues), _placed(question, cues), (_dated(question, elements, lexicon), ())):
        if items or entities:
            return (_filled(question.then, items, entities),)
    agreed = question.kind == "mean" and "yes" in cues and "neg" not in cues
    if not names and ("all" in cues or agreed):
        return (_filled(question.then, question.items, question.entities),)
    refused = not names and cues & {"no", "none", "skip"} and not cues & {"want", "like"}
    return (Act(kind="skip"),) if refused else ()


def _named(question: Question, names: Sequence[Element], cues: set[str]) -> Choice:
    """The one option that the utterance names, where it says little more."""
    targets = [target for element in names for target in element.targets]
    items = tuple(item for item in question.items if any(target.item == item for target in targets))
    said = {(entity.kind, entity.value) for target in targets for entity in target.entities}
    entities = tuple(entity for entity in question.entities if (entity.kind, entity.value) in said)
    sole = len(items) + len(entities) == 1 and len(names) == 1 and not cues - {"yes", "and", "want", "pronoun"}
    return (items, entities) if sole else ((), ())


def _placed(question: Question, cues: set[str]) -> Choice:
    places = [int(cue.partition(":")[2]) - 1 for cue in sorted(cues) if cue.startswith("nth:")]
    return _at(question.items, places), _at(question.entities, places)


def _filled(then: Act, items: tuple[str, ...], entities: tuple[Entity, ...]) -> Act:
    return Act(kind=then.kind, items=items, entities=entities, how=then.how) if items or entities else Act(kind="skip")


def _at(things: tuple[T, ...], places: Sequence[int]) -> tuple[T, ...]:
    return tuple(things[place] for place in places if place < len(things))


def _dated(question: Question, elements: Sequence[Element], lexicon: Lexicon) -> tuple[str, ...]:
    """The one item that fits the year or time said: `the 1989 one`, `the newer one`."""
    time = lexicon.number("time")
    if time is None or not question.items:
        return ()
    years = np.array(
        [lexicon.numbers[time][lexicon.catalogue.index[item]] if item in lexicon.catalogue.index else np.nan for item in question.items]
    )
    for element in elements:
        if element.figure and element.figure.range and element.figure.range.name == time:
            span = element.figure.range
            fitting = tuple(item for item, year in zip(question.items, years, strict=True) if span.holds(float(year)))
            return fitting if len(fitting) == 1 else ()
        if element.has("more:time", "recent", "less:time", "classic") and np.isfinite(years).all():
            return (question.items[int(years.argmax() if element.has("more:time", "recent") else years.argmin())],)
    return ()


def _relaxed(question: Question, cues: set[str]) -> tuple[Act, ...]:
    if cues & {"no", "neg", "none"}:
        return (Act(kind="skip"),)
    if cues & {"yes", "good", "lift", "skip"}:
        return tuple(Act(kind="remove", name=chip) for chip in question.chips)
    return ()


def _preferred(question: Question, cues: set[str]) -> tuple[Act, ...]:
    others = (Act(kind="more"),) if cues & {"more", "none"} else ()
    if "skip" in cues or ("good" in cues and "all" in cues):
        return (Act(kind="skip"), *others)
    if cues & {"none", "else"} or ("no" in cues and not cues - {"no", "neg", "bad"}):
        return (Act(kind="skip", entities=question.entities), *others)
    if cues == {"all"} and question.entities:
        return (Act(kind="answer", entities=question.entities),)
    return ()
