"""The check of every sentence before it is shown: what it says must be what the facts say that it rests on."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

from components.generation.facts import ASKED, POPULAR, SEEN, Fact
from components.generation.messages import Claim, Task
from components.generation.phrases import variants
from components.generation.planner import Point
from components.generation.wording import Language, LanguageCode, called, data, language, relations

SLOT = re.compile(r"\{(item|f\d{1,3}\.(?:subject|object))\}")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
MARKS = frozenset(" .,;:!?'’()-–—\n。，；：！？、（）…")
ABOUT_YOU = {"en": ("your history", "you watched", "you know", "you saw"), "zh": ("你的记录", "你记录", "看过", "听过", "读过", "你知道")}
ABOUT_OTHERS = {"en": ("popular", "others", "people"), "zh": ("大家", "许多人", "受欢迎")}
ABOUT_ASKED = {"en": ("asked", "you said"), "zh": ("你要的", "你所说")}


def faults(task: Task, claims: Sequence[Claim]) -> list[str]:
    """Say what is wrong with sentences for a task; empty where they may be shown."""
    found = [fault for claim in claims for fault in _faults(task, claim)]
    if not claims:
        found.append("nothing was said")
    if len(claims) > len(task.points) + 2:
        found.append("more sentences than points")
    if not found and len(text(task, claims)) > language(task.language).lengths[task.length]:
        found.append("too long")
    return found


def text(task: Task, claims: Sequence[Claim]) -> str:
    """The sentences with names in the places of their placeholders."""
    tongue = language(task.language)
    said = tongue.stop.join(_opened(filled(task, claim.text)) for claim in claims)
    return said + tongue.end if said and said[-1] not in ".!?。！？…" else said


def filled(task: Task, template: str) -> str:
    """Put names in the places of placeholders, titles in quotes, others as the language calls them; they are not looked through again."""
    facts, quote = {fact.fact_id: fact for fact in task.sheet.facts}, language(task.language).quote
    titles = {task.sheet.title} | {fact.object for fact in facts.values() if fact.relation == SEEN}

    def name(slot: re.Match[str]) -> str:
        fact_id, _, end = slot[1].partition(".")
        if fact_id == "item":
            return quote.format(task.sheet.title)
        fact = facts[fact_id]
        shown = fact.object if end == "object" else fact.subject
        return quote.format(shown) if shown in titles else called(_kind(fact.relation), shown, task.language)

    return SLOT.sub(name, template)


def _kind(relation: str) -> str:
    """The kind of what a relation leads to, where its values have names in other languages."""
    return relations().kinds.get(relation, "")


def _opened(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:].rstrip(" .。")


def _faults(task: Task, claim: Claim) -> list[str]:
    facts = {fact.fact_id: fact for fact in task.sheet.facts}
    unknown = [name for name in claim.fact_ids if name not in facts]
    if unknown:
        return ["cites a fact that is not on the sheet"]
    slots = list(SLOT.finditer(claim.text))
    uncited = {slot[1].partition(".")[0] for slot in slots} - set(claim.fact_ids) - {"item"}
    if uncited:
        return ["names what it does not cite"]
    rest = SLOT.sub("\0", claim.text)
    if not WORD.search(rest) and not slots:
        return ["says nothing"]
    if "{" in rest or "}" in rest:
        return ["has a placeholder that there is not"]
    cited = [facts[name] for name in claim.fact_ids]
    point = next((point for point in task.points if set(claim.fact_ids) <= set(point.fact_ids)), None)
    if point is None and claim.fact_ids:
        return ["joins facts of several points"]
    found = [*_language(task.language, rest), *_sources(task.language, rest, cited)]
    return found + _relations(task, claim.text, cited, point)


def _language(code: LanguageCode, rest: str) -> list[str]:
    """Whether what stands beside the placeholders has only words of the language that claim nothing by themselves."""
    lowered = unicodedata.normalize("NFKC", rest).lower()
    if re.search(r"\d", rest) or any(unicodedata.numeric(letter, None) is not None and letter not in "一" for letter in rest):
        return ["says a number of its own"]
    if banned := _banned(code).search(lowered):
        return [f"claims what it may not: {banned[0]}"]
    strange = _strange(code, lowered)
    return [f"says what no fact says: {strange[:40]}"] if strange else []


def _strange(code: LanguageCode, lowered: str) -> str:
    """The first word that the language's list lacks; empty where there is none."""
    odd = [letter for letter in WORD.sub("", lowered) if letter not in MARKS and letter != "\0"]
    if odd:
        return odd[0]
    known = vocabulary(code)
    for word in WORD.findall(lowered):
        if word not in known and not (code == "zh" and _covered(word, known)):
            return word
    return ""


def _covered(run: str, known: frozenset[str]) -> bool:
    """Whether a run of characters without blanks is made of known words."""
    ends = {0}
    for end in range(1, len(run) + 1):
        if any(run[start:end] in known for start in ends):
            ends.add(end)
    return len(run) in ends


def _sources(code: LanguageCode, rest: str, cited: Sequence[Fact]) -> list[str]:
    """Whether what is said of the person's history, wishes and of others rests on a fact of that."""
    lowered, relations = rest.lower(), {fact.relation for fact in cited}
    pairs = ((ABOUT_YOU, SEEN, "the history"), (ABOUT_OTHERS, POPULAR, "others"), (ABOUT_ASKED, ASKED, "what was asked"))
    said = [what for about, need, what in pairs if need not in relations and any(word in lowered for word in about[code])]
    if "others" in said and "tagged" in relations:
        said.remove("others")
    return [f"tells of {what} without a fact" for what in said]


def _relations(task: Task, written: str, cited: Sequence[Fact], point: Point | None) -> list[str]:
    """Whether each name stands by a relation that it has, and has it to all that is named with it."""
    if point is not None and point.kind == "chain":
        place = task.points.index(point)
        return [] if written in variants(task, place) else ["tells a path otherwise than it is"]
    named = {slot[1].partition(".")[0] for slot in SLOT.finditer(written)} - {"item"}
    facts = [fact for fact in cited if fact.fact_id in named]
    seen = {fact.object for fact in facts if fact.relation == SEEN}
    edges = {(fact.subject, fact.relation, fact.object) for fact in cited}
    found: list[str] = []
    for fact in facts:
        if fact.source not in ("graph", "catalogue"):
            continue
        needed = {task.sheet.title} | seen
        if any((subject, fact.relation, fact.object) not in edges for subject in needed):
            found.append("joins names that no fact joins")
    return found + _claimed(task.language, written, cited)


def _claimed(code: LanguageCode, written: str, cited: Sequence[Fact]) -> list[str]:
    """Whether each word that claims a relation stands by a name that has it, or, as in `the genre of`, by a title that has it too."""
    facts = {fact.fact_id: fact for fact in cited}
    parts, groups = _grouped(code, written)
    kinds = [{facts[name].relation for name in group if name in facts} for group in groups]
    nouns = {noun for relation in language(code).relations.values() for noun in (relation.noun, relation.nouns)}
    found: list[str] = []
    for place, part in enumerate(parts):
        before, after = (kinds[place - 1] if place else set[str]()), (kinds[place] if place < len(kinds) else set[str]())
        for word, claimed in _triggers(code, part):
            held = bool(claimed & {fact.relation for fact in cited})
            beside = bool(claimed & (before | after))
            apart = word in nouns and after == {SEEN} and _joins(code, part.partition(word)[2])
            if not held or not (beside or apart):
                found.append(f"says {word} of what is not")
    return found


def _grouped(code: LanguageCode, written: str) -> tuple[list[str], list[list[str]]]:
    """What stands between names, and the names, those that are only listed together as one group."""
    tongue = language(code)
    split = SLOT.split(written)
    parts, groups = [split[0].lower()], list[list[str]]()
    for slot, part in zip(split[1::2], split[2::2], strict=True):
        fact = slot.partition(".")[0]
        if groups and parts[-1].strip(" ,、") in ("", tongue.and_.strip()):
            groups[-1].append(fact)
            parts[-1] = part.lower()
        else:
            groups.append([fact])
            parts.append(part.lower())
    return parts, groups


def _joins(code: LanguageCode, between: str) -> bool:
    """Whether what stands between a noun and a title ends in a word that gives the noun to the title."""
    joins = language(code).joins
    return WORD.findall(between)[-1:] in [[word] for word in joins] if code == "en" else between.strip().endswith(tuple(joins))


def _triggers(code: LanguageCode, part: str) -> Iterable[tuple[str, frozenset[str]]]:
    """Words of a part that claim a relation, and which they may claim."""
    table = _claims(code)
    words = WORD.findall(part) if code == "en" else _longest(code).findall(part)
    return [(word, table[word]) for word in words if word in table]


@cache
def _longest(code: LanguageCode) -> re.Pattern[str]:
    """Finds words where there are no blanks: of two that begin at one place the longer."""
    return re.compile("|".join(sorted(_claims(code), key=len, reverse=True)))


@cache
def _claims(code: LanguageCode) -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for name, relation in language(code).relations.items():
        for word in relation.words:
            table.setdefault(word, set()).add(name)
    return {word: frozenset(kinds) for word, kinds in table.items()}


@cache
def vocabulary(code: LanguageCode) -> frozenset[str]:
    """All words that may stand beside placeholders: those of the templates and of the language's list."""
    tongue: Language = language(code)
    templates = " ".join(re.sub(r"\{\w+\}", " ", template).lower() for template in tongue.templates())
    triggers = {word for relation in tongue.relations.values() for word in relation.words}
    return frozenset({*WORD.findall(templates), *tongue.words.lower().split(), *triggers})


@cache
def _banned(code: LanguageCode) -> re.Pattern[str]:
    phrases = [re.escape(phrase) for language in (code, "en") for phrase in data("banned")[language]]
    return re.compile("|".join(rf"(?<!\w){phrase}(?!\w)" if phrase.isascii() else phrase for phrase in phrases))
