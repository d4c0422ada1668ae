"""Made users for dialogues: what they want, what they say, and how well they were served (protocols D2 to D4).

It knows no dialogue system: a user hears lists and questions and says one of a few things, and what holds is kept by the user's own
book, so that a system is judged by facts and not by what it remembers.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from components.ranking.parts import Floats

Fact = tuple[str, str]  # a kind (genre, person, …) and a value
Facts = frozenset[Fact]
Kind = Literal["open", "named", "none", "unsure", "more", "drop", "refused", "lifted", "since", "liked"]
TIME = "year"  # the kind whose values are years


@dataclass(frozen=True)
class Said:
    """What a user says in a turn.

    Attributes:
        kind: open: recommend something; named: it is to have the facts; none: it has none of the facts, an answer; unsure: no
            answer; more: none of these; drop: yes, give up that condition; refused: nothing that has the facts; lifted: the facts
            are no condition any more; since: of the year or later; liked: the items, and on without the facts.
    """

    kind: Kind
    facts: tuple[Fact, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """What a user is shown in a turn: items, best first, and the answers that a question offers, if one is asked.

    Attributes:
        stuck: nothing fits, and giving up a condition is offered.
    """

    items: tuple[str, ...]
    options: tuple[Fact, ...] = ()
    stuck: bool = False


@dataclass(frozen=True)
class Session:
    """A dialogue, turn by turn: what was said, and what was shown upon it."""

    said: tuple[Said, ...] = ()
    shown: tuple[Shown, ...] = ()


class Talk(Protocol):
    """One dialogue with a system."""

    def say(self, said: Said) -> Shown:
        """Take what a user says."""
        ...


class User(Protocol):
    """Someone who talks: a function of the dialogue so far."""

    def reply(self, session: Session) -> Said | None:
        """What is said next; None: nothing more is wanted."""
        ...


@dataclass(frozen=True)
class Noise:
    """How often an answer is wrong, or `don't know`."""

    wrong: float = 0.0
    unsure: float = 0.0


@dataclass(frozen=True)
class Seeker:
    """Knows the facts of one item and not its title, answers questions, and takes the item when it is shown (D2).

    Asked about values, the user names one that the item has, each alike, or says that it has none. A value that would give the title
    away is not said.
    """

    target: str
    title: str
    facts: Facts
    seed: tuple[int, ...]
    noise: Noise = Noise()

    def reply(self, session: Session) -> Said | None:
        """The answer; None once the item is shown."""
        last, draw = session.shown[-1], _draw(self.seed, session)
        if self.target in last.items:
            return None
        return Said("drop") if last.stuck else _answer(last.options, self.facts, self.title, draw, self.noise)


@dataclass(frozen=True)
class Critic:
    """Refuses a fact of the first item shown that the wanted one lacks, until that is shown (D3); kinds are drawn alike."""

    target: str
    facts: Mapping[str, Facts]
    seed: tuple[int, ...]

    def reply(self, session: Session) -> Said | None:
        """The critique; None once the item is shown."""
        items = session.shown[-1].items
        if self.target in items:
            return None
        refused = {fact for said in session.said for fact in said.facts}
        lacking = self.facts.get(items[0], frozenset()) - self.facts[self.target] - refused if items else frozenset[Fact]()
        fact = _drawn(_draw(self.seed, session), [fact for fact in lacking if fact[0] != TIME])
        return Said("refused", (fact,)) if fact else Said("more")


@dataclass(frozen=True)
class Taster:
    """Likes several items and takes any of them; having found what was described, goes on to the others (D4)."""

    likes: tuple[str, ...]
    facts: Mapping[str, Facts]
    seed: tuple[int, ...]

    def reply(self, session: Session) -> Said | None:
        """The answer; None once all are found."""
        last = session.shown[-1]
        before = {item for shown in session.shown[:-1] for item in shown.items}
        left = [item for item in self.likes if item not in before]
        hits = tuple(item for item in last.items if item in left)
        left = [item for item in left if item not in hits]
        conditions = tuple(sorted(booked(session.said).named))
        if not left:
            return None
        if hits:
            return Said("liked", conditions, hits)
        if last.stuck or not last.items:
            return Said("lifted", conditions) if conditions else Said("more")
        known = frozenset[Fact]().union(*(self.facts[item] for item in left))
        return _answer(last.options, known, "", _draw(self.seed, session), Noise())


@dataclass(frozen=True)
class Wanderer:
    """Sets, lifts and adds conditions at random about what is shown, to test that all are obeyed (D3)."""

    facts: Mapping[str, Facts]
    seed: tuple[int, ...]

    def reply(self, session: Session) -> Said | None:
        """The next condition; None where nothing is left to give up."""
        draw, book, items = _draw(self.seed, session), booked(session.said), session.shown[-1].items
        if not items:
            return Said("lifted", tuple(sorted(book.named))) if book.named else None
        about = self.facts.get(items[int(draw.integers(len(items)))], frozenset())
        fact = _drawn(draw, [fact for fact in about if fact[0] != TIME])
        year = next((fact for fact in sorted(about) if fact[0] == TIME), None)
        gone = _drawn(draw, book.refused)
        choice = draw.random()
        if choice < 0.55 and fact:
            return Said("refused" if choice < 0.4 else "named", (fact,))
        if choice < 0.7 and gone:
            return Said("lifted", (gone,))
        return Said("since", (year,)) if choice < 0.75 and year else Said("more")


def converse(talk: Talk, user: User, budget: int) -> Session:
    """Let a user talk until nothing more is wanted, `budget` turns at most; the first turn is `open`."""
    session, said = Session(), Said("open")
    while said is not None and len(session.said) < budget:
        session = Session((*session.said, said), (*session.shown, talk.say(said)))
        said = user.reply(session)
    return session


@dataclass(frozen=True)
class Book:
    """Conditions that were said and not taken back."""

    named: Facts = frozenset()
    refused: Facts = frozenset()
    since: float = -np.inf

    def after(self, said: Said) -> "Book":
        """The conditions after one more turn, the latest word counting."""
        facts = frozenset(said.facts)
        if said.kind == "named":
            return replace(self, named=self.named | facts, refused=self.refused - facts)
        if said.kind in {"refused", "none"}:
            return replace(self, named=self.named - facts, refused=self.refused | facts)
        if said.kind in {"lifted", "liked"}:
            return replace(self, named=self.named - facts, refused=self.refused - facts)
        return replace(self, since=max(self.since, *(float(year) for _, year in facts))) if said.kind == "since" else self

    def broken(self, facts: Facts) -> bool:
        """Whether an item of these facts breaks a condition."""
        years = [float(value) for kind, value in facts if kind == TIME]
        late = self.since == -np.inf or min(years, default=-np.inf) >= self.since
        return not (self.named <= facts and late) or bool(self.refused & facts)


def booked(said: Sequence[Said]) -> Book:
    """What a user's words add up to."""
    book = Book()
    for each in said:
        book = book.after(each)
    return book


def violations(session: Session, facts: Mapping[str, Facts]) -> tuple[int, int]:
    """How many shown items broke a condition said by then, and how many were shown."""
    broken = [booked(session.said[: turn + 1]).broken(facts[item]) for turn, shown in enumerate(session.shown) for item in shown.items]
    return sum(broken), len(broken)


def retention(session: Session, facts: Mapping[str, Facts], later: int) -> tuple[int, int]:
    """Of refusals that still stand some turns later, how many the list of that turn keeps, and how many there are."""
    kept = total = 0
    for turn, said in enumerate(session.said[: max(len(session.said) - later, 0)]):
        standing = booked(session.said[: turn + later + 1]).refused
        items = session.shown[turn + later].items
        for fact in said.facts if said.kind in {"refused", "none"} and items else ():
            total += fact in standing
            kept += fact in standing and not any(fact in facts[item] for item in items)
    return kept, total


def found(session: Session, target: str) -> tuple[float, float]:
    """Turn and place at which an item was first shown, from 1; infinity where it never was."""
    for turn, shown in enumerate(session.shown, 1):
        if target in shown.items:
            return float(turn), float(shown.items.index(target) + 1)
    return np.inf, np.inf


def served(turns: Floats, places: Floats, budget: int) -> dict[str, Floats]:
    """Measure sessions within a budget: float64 (users,) by name.

    SR = 1[turn ≤ T]; turns = min(turn, T); hDCG = 1 / log2(t + 2) + (1 / log2(t + 1) − 1 / log2(t + 2)) / log2(p + 1) of a success
    in turn t at place p (Deng et al., SIGIR 2021), at most 1.
    """
    success = turns <= budget
    turn, place = np.where(success, turns, 1.0), np.where(success, places, 1.0)
    late, soon = 1 / np.log2(turn + 2), 1 / np.log2(turn + 1)
    gain = late + (soon - late) / np.log2(place + 1)
    return {"SR": success.astype(np.float64), "turns": np.minimum(turns, budget), "hDCG": np.where(success, gain, 0.0)}


def coverage(session: Session, likes: Sequence[str], budget: int) -> tuple[float, float]:
    """Share of the likes that were shown within a budget, and how many that is per turn."""
    shown = session.shown[:budget]
    hits = len({item for each in shown for item in each.items} & set(likes))
    return hits / len(likes), hits / len(shown)


def leaked(text: str, title: str) -> bool:
    """Whether a text says a title, word by word."""
    words, wanted = _words(text), _words(title)
    return bool(wanted) and any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))


def _answer(options: Sequence[Fact], facts: Facts, title: str, draw: np.random.Generator, noise: Noise) -> Said:
    if not options:
        return Said("more")
    chance = draw.random()
    true = [fact for fact in options if fact in facts]
    if chance < noise.wrong:
        false = _drawn(draw, [fact for fact in options if fact not in facts and not leaked(fact[1], title)])
        return Said("named", (false,)) if false else Said("none", tuple(options))
    if chance < noise.wrong + noise.unsure:
        return Said("unsure")
    if not true:
        return Said("unsure") if any(leaked(value, title) for _, value in options) else Said("none", tuple(options))
    fact = _drawn(draw, [fact for fact in true if not leaked(fact[1], title)])
    return Said("named", (fact,)) if fact else Said("unsure")


def _drawn(draw: np.random.Generator, facts: Sequence[Fact] | Facts) -> Fact | None:
    """One of the facts: a kind, each alike, then a value of it."""
    kinds = sorted({kind for kind, _ in facts})
    if not kinds:
        return None
    chosen = kinds[int(draw.integers(len(kinds)))]
    own = sorted(fact for fact in facts if fact[0] == chosen)
    return own[int(draw.integers(len(own)))]


def _draw(seed: tuple[int, ...], session: Session) -> np.random.Generator:
    return np.random.default_rng([*seed, len(session.said)])


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in unicodedata.normalize("NFKC", text).casefold()).split()
