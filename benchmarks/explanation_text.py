"""The reasons as people read them: are they true, do they differ, is it this person that they speak of?

Names are found again in the finished text, and looked up in the raw tables: the writer's own check takes no part.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from explanation_causes import summarised
from explanation_lists import Lists

from components.data.histories import NOW
from components.generation.clean import clean
from components.generation.facts import FactSheet, sheet
from components.generation.wording import LANGUAGES, LanguageCode, called
from components.generation.writer import Writer
from components.schema import Recommendation

LITTLE = {"the", "and", "in", "it", "of", "with", "by", "as", "a", "to", ""}  # names of persons, by mistakes in the data
JUDGED = 20  # users of whom the right one is to be picked
LONGEST = 8  # words of a name
PAIRS = 200_000  # of texts, drawn for DIV
GENERIC = "popular with everyone lately"
CUES: dict[LanguageCode, dict[str, str]] = {  # what a text says by these words, in the graph's own relations
    "en": {
        "directed": "directed by",
        "director": "directed by",
        "stars": "stars",
        "star": "stars",
        "plays": "stars",
        "genre": "has genre",
        "genres": "has genre",
        "decade": "released in",
        "year": "made in",
    },
    "zh": {
        "执导": "directed by",
        "导演": "directed by",
        "出演": "stars",
        "演员": "stars",
        "类型": "has genre",
        "年代": "released in",
        "年份": "made in",
    },
}


@dataclass(frozen=True)
class World:
    """What is true, from the raw tables."""

    shown: Lists

    @cached_property
    def names(self) -> dict[str, set[int]]:
        """The nodes of each name."""
        found: dict[str, set[int]] = {}
        for node, name in enumerate(self.shown.nodes["name"]):
            found.setdefault(_plain(name), set()).add(node)
            chinese = called(self.kinds[node], name, "zh")
            if chinese != name:
                found.setdefault(chinese, set()).add(node)
        return found

    @cached_property
    def chinese(self) -> list[str]:
        """Names in Chinese, which stand in a text without blanks."""
        return [name for name in self.names if re.search("[一-鿿]", name)]

    @cached_property
    def joined(self) -> dict[tuple[int, int], set[str]]:
        """The relations of each two nodes, head first."""
        found: dict[tuple[int, int], set[str]] = {}
        for head, tail, relation in self.shown.ends:
            found.setdefault((head, tail), set()).add(relation)
        return found

    @cached_property
    def kinds(self) -> list[str]:
        return self.shown.nodes["kind"].to_list()

    @cached_property
    def features(self) -> set[str]:
        """Names of all nodes that are no items."""
        names = {name for name, nodes in self.names.items() if any(self.kinds[node] != "item" for node in nodes)}
        return {name for name in names if name.lower() not in LITTLE}

    def entities(self, item: int) -> set[str]:
        """The names that an item's edges lead to."""
        return self._leads.get(item, set())

    @cached_property
    def _leads(self) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        names = self.shown.nodes["name"].to_list()
        for head, tail, _ in self.shown.ends:
            found.setdefault(head, set()).update((_plain(names[tail]), called(self.kinds[tail], names[tail], "zh")))
        return found


@dataclass(frozen=True)
class Said:
    """A reason, to whom and of what."""

    user: int
    item: int
    text: str
    strongest: str  # the entity of the heaviest path

    @property
    def titles(self) -> list[str]:
        """The titles that it names, which stand in quotes."""
        return re.findall("“([^”]*)”", self.text)

    @property
    def rest(self) -> str:
        """The text without titles."""
        return re.sub("“[^”]*”", "“”", self.text)


def texts(shown: Lists, count: int, seed: int) -> dict[str, Any]:
    """Judge the reasons of the first items of some users, in each language and length, and promotional texts."""
    world, writer = World(shown), Writer()
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(shown.asked.lengths > 0))[:count]
    recommended = [_first(shown, int(user)) for user in np.sort(drawn)]
    sheets = [_sheet(shown, user, item) for user, item in recommended]
    found: dict[str, Any] = {"reasons": len(sheets), "source": "templates, no model"}
    for language in LANGUAGES:
        for length in ("short", "medium", "long"):
            started = time.perf_counter()
            said = [
                _said(shown, pair, writer.reason(each, language, "plain", length).text)
                for pair, each in zip(recommended, sheets, strict=True)
            ]
            took = (time.perf_counter() - started) / len(said) * 1000
            found[f"{language}, {length}"] = _judged(world, said, language, seed) | {"ms": round(took, 2)}
        copies = [_said(shown, pair, writer.copy(each, language).text) for pair, each in zip(recommended, sheets, strict=True)]
        found[f"{language}, promotion"] = _truth(world, copies, language) | {"USR": _unique(copies)}
    plain = [
        _said(shown, pair, re.sub(r"because of (.*?) in your history", r"because of “\1” in your history", pair[1].reason))
        for pair in recommended
    ]
    found["recommender's own sentence"] = {"USR": _unique(plain)}
    return found


def _planted(world: World, said: list[Said], language: LanguageCode, seed: int) -> dict[str, Any]:
    """How often this judge notices a false name, and a title that is not of the history, put into each text."""
    draw, names = np.random.default_rng(seed), sorted(world.features)
    titles = [_plain(name) for name in world.shown.recommender.catalogue.titles]
    noticed: dict[str, list[bool]] = {"names": [], "titles": []}
    for each in said:
        for name, start, end in _found(world, each.rest)[:1]:
            rest = each.rest[:start] + names[draw.integers(len(names))] + each.rest[end:]
            parts = iter(each.titles)
            text = re.sub("“”", lambda _, parts=parts: f"“{next(parts)}”", rest)
            if name not in text:
                noticed["names"].append(_faulty(world, replace(each, text=text), language))
        for title in each.titles[:1]:
            text = each.text.replace(f"“{title}”", f"“{titles[draw.integers(len(titles))]}”", 1)
            noticed["titles"].append(_faulty(world, replace(each, text=text), language))
    return {f"planted_{what}_noticed": float(np.mean(found)) for what, found in noticed.items()}


def _faulty(world: World, each: Said, language: LanguageCode) -> bool:
    return any(not good or contradicted for good, contradicted, _ in _slots(world, each, language))


def _first(shown: Lists, user: int) -> tuple[int, Recommendation]:
    at = int(shown.asked.at[user])
    when = None if at == NOW else datetime.fromtimestamp(at, UTC)
    return user, shown.recommender.recommend(user=shown.users[user], k=1, at=when).items[0]


def _sheet(shown: Lists, user: int, item: Recommendation) -> FactSheet:
    catalogue = shown.recommender.catalogue
    return sheet(item, catalogue.table.row(catalogue.index[item.item_id], named=True), shown.users[user])


def _said(shown: Lists, pair: tuple[int, Recommendation], text: str) -> Said:
    user, item = pair
    place = shown.recommender.catalogue.index[item.item_id]
    edges = item.paths[0].edges if item.paths else []
    return Said(user, place, text, _plain(edges[-1].tail) if edges else "")


def _judged(world: World, said: list[Said], language: LanguageCode, seed: int) -> dict[str, Any]:
    """All that is measured of a list of reasons."""
    features = [_features(world, each) for each in said]
    told = {name for each in features for name in each}
    strong = [each.strongest in found for each, found in zip(said, features, strict=True) if each.strongest]
    right = _picked(world, said, lambda each: each, seed)
    columns = {
        "specificity": right,
        "specificity_without_titles": _picked(world, said, lambda each: Said(each.user, each.item, each.rest, ""), seed),
        "floor_generic": _picked(world, said, lambda each: Said(each.user, each.item, GENERIC, ""), seed),
        "floor_shuffled_user": _picked(world, said, _shuffled(said, seed), seed),
    }
    return {
        **_truth(world, said, language),
        **_planted(world, said, language, seed),
        "USR": _unique(said),
        "FMR": float(np.mean(strong)),
        "FCR": len(told) / len(world.features),
        "DIV": _overlap(features, seed),
        "personal": float(np.mean([bool(each.titles) for each in said])),
        "characters": float(np.mean([len(each.text) for each in said])),
        "chance": 1 / JUDGED,
    } | summarised(columns, seed)


def _truth(world: World, said: list[Said], language: LanguageCode) -> dict[str, Any]:
    """How many of the names, numbers and relations in the texts the raw tables support."""
    counts = Counter[str]()
    wrong: list[str] = []
    for each in said:
        for good, contradicted, what in _slots(world, each, language):
            counts["slots"] += 1
            counts["supported"] += good
            counts["contradictions"] += contradicted
            if not good or contradicted:
                wrong.append(f"{what} in: {each.text}")
    return {
        "slots": counts["slots"],
        "claim_precision": counts["supported"] / max(1, counts["slots"]),
        "contradictions": counts["contradictions"],
        "empty": sum(not each.text for each in said),
        "wrong": wrong[:5],
    }


def _slots(world: World, each: Said, language: LanguageCode) -> Iterator[tuple[bool, bool, str]]:
    """Each name and each relation said by a cue: whether it is true, whether the tables say otherwise, and what it is."""
    history = {int(item) for item in world.shown.history(each.user)}
    titles = iter(each.titles)
    for body in re.split(r"(?<=[^A-Z])[.。] ?(?=[A-Z“\d一-鿿]|$)", each.rest):
        seen: set[int] = set()
        for title in islice(titles, body.count("“")):
            nodes = world.names.get(_plain(title), set())
            own = each.item in nodes
            seen |= nodes & history if not own else set()
            yield bool(nodes & history) or own, False, f"title {title}"
        for name, start, end in _found(world, body):
            nodes = world.names[name]
            true = any(world.joined.get((each.item, node)) for node in nodes)
            shared = all(any(world.joined.get((item, node)) for node in nodes) for item in _groups(seen, nodes, world))
            yield true and shared, False, name
            cued = _cued(body, start, end, language)
            held = {relation for node in nodes for relation in world.joined.get((each.item, node), ())}
            if cued:
                yield bool(cued & held), not cued & held, f"{name} {sorted(cued)}"
        spans = [(start, end) for _, start, end in _found(world, body)]
        for number in re.finditer(r"\d+", body):
            if not any(start <= number.start() < end for start, end in spans):
                yield False, True, number[0]


def _groups(seen: set[int], nodes: set[int], world: World) -> list[int]:
    """Of items of one title, one that has the name where any has."""
    titles: dict[str, list[int]] = {}
    for item in sorted(seen):
        titles.setdefault(_plain(world.shown.nodes["name"][item]), []).append(item)
    return [next((item for item in twins if any((item, node) in world.joined for node in nodes)), twins[0]) for twins in titles.values()]


def _found(world: World, body: str) -> list[tuple[str, int, int]]:
    """Names of entities in a text without titles, the longest first, none within another."""
    text = body
    words = list(re.finditer(r"[^\W_一-鿿]+", text))
    spans = [
        (text[a.start() : end], a.start(), end)
        for n, a in enumerate(words)
        for b in words[n : n + LONGEST]
        for end in (b.end(), b.end() + 1)
    ]
    spans += [(name, found.start(), found.end()) for name in world.chinese for found in re.finditer(re.escape(name), text)]
    kept: list[tuple[str, int, int]] = []
    for span in sorted((span for span in spans if span[0] in world.features), key=lambda span: span[1] - span[2]):
        if all(span[2] <= start or span[1] >= end for _, start, end in kept):
            kept.append(span)
    return kept


def _cued(body: str, start: int, end: int, language: LanguageCode) -> set[str]:
    """The relations that the nearest cue claims of a name: before it in the same clause, else after it."""
    cues = CUES[language]
    before, after = body[:start].lower(), body[end:].lower()
    pattern = "|".join(sorted(cues, key=len, reverse=True))
    pattern = rf"\b(?:{pattern})\b" if language == "en" else pattern
    clause = re.split(r" and (?=is|was|has|stars)|，并且", before)[-1]
    if found := re.findall(pattern, clause):
        listed = re.search(rf"(?:{pattern})(?:(?:, | and |、|和)(?:{pattern}))+", clause)
        return {cues[cue] for cue in (found if listed else found[-1:])}
    follows = re.match(rf"\W*(?:{pattern})", after)
    return {cues[found] for found in re.findall(pattern, follows[0])} if follows else set()


def _features(world: World, each: Said) -> set[str]:
    return {name for name, _, _ in _found(world, each.rest)}


def _unique(said: Sequence[Said]) -> float:
    return len({each.text for each in said}) / len(said)


def _overlap(features: list[set[str]], seed: int) -> float:
    """DIV: how many features two texts have in common on average; lower is better."""
    draw = np.random.default_rng(seed)
    left, right = draw.integers(0, len(features), (2, PAIRS))
    apart = left != right
    return float(np.mean([len(features[a] & features[b]) for a, b in zip(left[apart], right[apart], strict=True)]))


def _picked(world: World, said: list[Said], as_read: Callable[[Said], Said], seed: int) -> np.ndarray[Any, Any]:
    """The chance that who reads the text alone picks its user out of 20, by titles of the history, then by what is named."""
    draw, users = np.random.default_rng(seed), len(world.shown.users)
    found = np.empty(len(said))
    for place, each in enumerate(said):
        others = [int(user) for user in draw.permutation(users)[:JUDGED] if user != each.user]
        read = as_read(each)
        nodes = {node for title in read.titles for node in world.names.get(_plain(title), ())}
        named = _features(world, read)
        marks = [_mark(world, nodes, named, user) for user in [each.user, *others[: JUDGED - 1]]]
        found[place] = (marks[0] == max(marks)) / marks.count(max(marks))
    return found


def _mark(world: World, nodes: set[int], named: set[str], user: int) -> tuple[int, float]:
    """How well a text fits a user: titles of theirs, then the share of their history that has what it names."""
    history = [int(item) for item in world.shown.history(user)]
    share = sum(bool(named & world.entities(item)) for item in history) / max(1, len(history)) if named else 0.0
    return len(nodes & set(history)), round(share, 6)


def _shuffled(said: list[Said], seed: int) -> Callable[[Said], Said]:
    """Each text exchanged for another user's."""
    order = np.random.default_rng(seed + 1).permutation(len(said))
    others = {id(each): said[order[(place + 1) % len(said)]] for place, each in zip(order, [said[i] for i in order], strict=True)}
    return lambda each: others[id(each)]


def _plain(name: str) -> str:
    """A name as texts have it."""
    return clean(name)
