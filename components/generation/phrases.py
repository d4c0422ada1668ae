"""Points in words, by the templates: sentences whose names are placeholders."""

import re
from collections.abc import Sequence

from components.generation.facts import Fact
from components.generation.messages import Claim, Task
from components.generation.planner import Point
from components.generation.wording import Language, Relation, language

ITEM = "{item}"


def phrases(task: Task) -> list[Claim]:
    """Say each point once; which of several wordings is taken depends on the sheet's variation alone."""
    return [Claim(text=_chosen(task, place), fact_ids=list(point.fact_ids)) for place, point in enumerate(task.points)] + _close(task)


def variants(task: Task, place: int) -> list[str]:
    """Every wording there is of one point."""
    tongue, point = language(task.language), task.points[place]
    if point.kind == "chain":
        return [template.format(clauses=_clauses(task, point, tongue)) for template in tongue.chain]
    found = _templates(task, place, tongue)
    parts = {"s": _names(point.seen, tongue), "x": _names(point.said, tongue), "has": _has(point, tongue), "item": ITEM}
    pairs = [{"noun": _noun(point, kind, tongue), "x": _names(_facts(point, kind), tongue)} for kind in point.relations]
    parts |= {
        "noun": _listed([pair["noun"] for pair in pairs], tongue),
        "pairs": tongue.pairs.join(_filled(tongue.pair, pair) for pair in pairs),
    }
    return [_filled(template, parts) for template in found]


def _chosen(task: Task, place: int) -> str:
    found = variants(task, place)
    return found[(task.sheet.variation + place) % len(found)]


def _templates(task: Task, place: int, tongue: Language) -> Sequence[str]:
    """The wordings that fit a point: of one relation also that relation's own."""
    point = task.points[place]
    kinds = point.relations
    if task.purpose == "copy":
        copy = tongue.copy_
        if place:
            return copy.more
        return copy.shared if point.kind == "shared" else copy.has
    if point.kind == "shared":
        if len(kinds) > 1:
            return tongue.joined[task.tone]
        own = tongue.relation(point.said[0].relation).shared if task.tone == "plain" and len(point.said) == len(point.seen) == 1 else []
        return [*tongue.shared[task.tone], *own]
    groups = {"seen": tongue.seen, "asked": tongue.asked, "has": tongue.has, "popular": tongue.popular}
    found = groups[point.kind][task.tone]
    return found if place or point.kind != "has" else found[:1]  # nothing was said that this could also be


def _has(point: Point, tongue: Language) -> str:
    """The relations' own phrases, joined."""
    phrases: list[str] = []
    for kind in point.relations:
        facts = _facts(point, kind)
        phrases.append(_filled(_phrase(tongue.relation(kind), len(facts)), {"x": _names(facts, tongue)}))
    return tongue.both.join(phrases)


def _facts(point: Point, kind: str) -> list[Fact]:
    return [fact for fact in point.said if fact.relation == kind]


def _phrase(relation: Relation, count: int) -> str:
    return relation.many if relation.many and count > 1 else relation.has


def _noun(point: Point, kind: str, tongue: Language) -> str:
    own = tongue.relation(kind)
    return own.noun if len(_facts(point, kind)) == 1 else own.nouns


def _names(facts: Sequence[Fact], tongue: Language) -> str:
    return _listed([f"{{{fact.fact_id}.object}}" for fact in facts], tongue)


def _listed(names: Sequence[str], tongue: Language) -> str:
    return tongue.and_.join([tongue.comma.join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _clauses(task: Task, point: Point, tongue: Language) -> str:
    """A path told edge by edge."""
    title = task.sheet.title
    return tongue.comma.join(
        (tongue.this if fact.subject == title else f"{{{fact.fact_id}.subject}}")
        + (" " if task.language == "en" else "")
        + _filled(tongue.relation(fact.relation).has, {"x": tongue.this if fact.object == title else f"{{{fact.fact_id}.object}}"})
        for fact in point.said
    )


def _close(task: Task) -> list[Claim]:
    """The last sentence of a promotional text, which claims nothing; and its only one where there is nothing to say."""
    if task.purpose != "copy":
        return []
    copy = language(task.language).copy_
    pick = task.sheet.variation >> 48
    first = [] if task.points else [copy.none[pick % len(copy.none)]]
    last = [] if task.length == "short" and task.points else [copy.close[pick % len(copy.close)]]
    return [Claim(text=text, fact_ids=[]) for text in [*first, *last]]


def _filled(template: str, parts: dict[str, str]) -> str:
    """Put parts in the places of a template; what they bring is not looked through again."""
    return re.sub(r"\{(s|x|has|item|noun|pairs|clauses)\}", lambda found: parts.get(found[1], found[0]), template)
