"""Simulated users on a tiny world: what they answer, when they are served, and what their book says was broken."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from components.evaluation.simulator import (
    Book,
    Critic,
    Facts,
    Noise,
    Said,
    Seeker,
    Session,
    Shown,
    Taster,
    Wanderer,
    booked,
    converse,
    coverage,
    found,
    leaked,
    retention,
    served,
    violations,
)

GENRES = ("comedy", "drama", "horror")
FACTS: dict[str, Facts] = {
    f"i{n:02d}": frozenset({("genre", GENRES[n % 3]), ("decade", f"{1980 + 10 * (n % 4)}s"), ("year", str(1980 + 10 * (n % 4) + n % 10))})
    for n in range(24)
}
OPTIONS = tuple(("genre", genre) for genre in GENRES[:2])


@dataclass
class Shelf:
    """A system that obeys (or does not): lists two items that fit and were not shown, and asks about the genre."""

    obeys: bool = True
    said: list[Said] = field(default_factory=list[Said])
    shown: list[str] = field(default_factory=list[str])

    def say(self, said: Said) -> Shown:
        self.said.append(said)
        book = booked(self.said) if self.obeys else Book()
        items = [item for item, facts in FACTS.items() if item not in self.shown and not book.broken(facts)][:2]
        self.shown += items
        return Shown(tuple(items), OPTIONS if len(self.said) < 3 else ())


def heard(*shown: Shown, said: Sequence[Said] = ()) -> Session:
    return Session((*said, *[Said("more")] * (len(shown) - len(said))), shown)


def seeker(target: str = "i05", noise: Noise | None = None, title: str = "Some Title") -> Seeker:
    return Seeker(target, title, FACTS[target], (1, 2), noise or Noise())


def test_a_seeker_answers_truly_and_takes_the_target() -> None:
    assert seeker("i04").reply(heard(Shown(("i00",), OPTIONS))) == Said("named", (("genre", "drama"),))
    assert seeker("i05").reply(heard(Shown(("i00",), OPTIONS))) == Said("none", OPTIONS)
    assert seeker().reply(heard(Shown(("i00",)))) == Said("more")
    assert seeker().reply(heard(Shown((), stuck=True))) == Said("drop")
    assert seeker().reply(heard(Shown(("i00", "i05"), OPTIONS))) is None


def test_noise_is_as_often_as_said() -> None:
    said = [Seeker("i04", "", FACTS["i04"], (seed,), Noise(0.2, 0.1)).reply(heard(Shown(("i00",), OPTIONS))) for seed in range(1000)]
    wrong = sum(each == Said("named", (("genre", "comedy"),)) for each in said)
    unsure = sum(each == Said("unsure") for each in said)
    assert 160 < wrong < 240
    assert 70 < unsure < 130
    assert wrong + unsure + sum(each == Said("named", (("genre", "drama"),)) for each in said) == 1000


def test_a_wrong_answer_where_all_options_are_true_denies_them() -> None:
    assert seeker("i04", Noise(wrong=1)).reply(heard(Shown(("i00",), OPTIONS[1:]))) == Said("none", OPTIONS[1:])


def test_the_title_is_never_said() -> None:
    options = (("person", "Lincoln Smith"), ("genre", "drama"))
    facts = FACTS["i04"] | {options[0]}
    for seed in range(20):
        told = Seeker("i04", "Lincoln", facts, (seed,)).reply(heard(Shown(("i00",), options)))
        assert told == Said("named", (("genre", "drama"),))
        assert Seeker("i04", "Lincoln", facts, (seed,)).reply(heard(Shown(("i00",), options[:1]))) == Said("unsure")
        assert Seeker("i05", "Lincoln", FACTS["i05"], (seed,)).reply(heard(Shown(("i00",), options[:1]))) == Said("unsure")


@pytest.mark.parametrize(
    ("text", "title", "says"),
    [
        ("i want Toy Story, please", "toy story", True),
        ("a story with a toy", "Toy Story", False),
        ("upwards", "Up", False),
        ("没有", "有", False),
        ("anything", "", False),
        ("Amélie!", "AMÉLIE", True),
    ],
)
def test_leaks(text: str, title: str, *, says: bool) -> None:
    assert leaked(text, title) is says


def test_a_dialogue_ends_when_the_user_is_served_or_the_budget_is_spent() -> None:
    session = converse(Shelf(), seeker("i05"), 10)
    turn, place = found(session, "i05")
    assert len(session.said) == turn < 10
    assert session.shown[-1].items[int(place) - 1] == "i05"
    assert session.said[0] == Said("open")
    assert len(converse(Shelf(obeys=False), seeker("i23"), 3).said) == 3
    assert found(converse(Shelf(obeys=False), seeker("i23"), 3), "i23") == (np.inf, np.inf)


def test_answers_find_more_than_silence() -> None:
    def success(*, obeys: bool) -> float:
        turns = [found(converse(Shelf(obeys), seeker(item), 4), item)[0] for item in FACTS]
        return float(np.isfinite(turns).mean())

    assert success(obeys=True) > success(obeys=False)


def test_the_same_seed_says_the_same() -> None:
    assert converse(Shelf(), Wanderer(FACTS, (3,)), 15) == converse(Shelf(), Wanderer(FACTS, (3,)), 15)
    assert converse(Shelf(), Wanderer(FACTS, (3,)), 15) != converse(Shelf(), Wanderer(FACTS, (4,)), 15)


def test_a_critique_names_what_the_target_lacks_and_nothing_twice() -> None:
    for seed in range(10):
        session = converse(Shelf(), Critic("i23", FACTS, (seed,)), 20)
        refused = [fact for said in session.said for fact in said.facts]
        assert refused
        assert not set(refused) & FACTS["i23"]
        assert len(set(refused)) == len(refused)
        assert np.isfinite(found(session, "i23")[0])
        assert violations(session, FACTS)[0] == 0


def test_what_is_broken_is_counted_by_the_users_own_book() -> None:
    refused = ("genre", "comedy")
    session = heard(Shown(("i00",)), Shown(("i00", "i01")), Shown(("i03",)), said=[Said("open"), Said("refused", (refused,)), Said("more")])
    assert violations(session, FACTS) == (2, 4)
    assert retention(session, FACTS, 1) == (0, 1)
    lifted = heard(Shown(("i01",)), Shown(("i00",)), said=[Said("refused", (refused,)), Said("lifted", (refused,))])
    assert violations(lifted, FACTS) == (0, 2)
    assert retention(lifted, FACTS, 1) == (0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_system_that_obeys_breaks_nothing_and_one_that_does_not_is_caught(seed: int) -> None:
    kept = converse(Shelf(), Wanderer(FACTS, (seed,)), 20)
    assert violations(kept, FACTS)[0] == 0
    assert retention(kept, FACTS, 1)[0] == retention(kept, FACTS, 1)[1]
    deaf = [converse(Shelf(obeys=False), Wanderer(FACTS, (seed, more)), 20) for more in range(5)]
    assert sum(violations(session, FACTS)[0] for session in deaf) > 0


def test_the_latest_word_counts() -> None:
    genre, decade = ("genre", "drama"), ("decade", "1980s")
    assert booked([Said("refused", (genre,)), Said("named", (genre,))]) == Book(named=frozenset({genre}))
    assert booked([Said("named", (genre, decade)), Said("none", (genre,))]) == Book(frozenset({decade}), frozenset({genre}))
    assert booked([Said("since", (("year", "1990"),)), Said("since", (("year", "1985"),))]).since == 1990
    late = Book(since=1990)
    assert late.broken(FACTS["i00"])
    assert not late.broken(FACTS["i01"])
    assert late.broken(frozenset({genre}))


def test_metrics_of_a_budget() -> None:
    turns, places = np.array([1.0, 1.0, 4.0, 9.0, np.inf]), np.array([1.0, 3.0, 2.0, 1.0, np.inf])
    rows = served(turns, places, 5)
    assert rows["SR"].tolist() == [1, 1, 1, 0, 0]
    assert rows["turns"].tolist() == [1, 1, 4, 5, 5]
    late, soon = 1 / np.log2(6), 1 / np.log2(5)
    assert rows["hDCG"] == pytest.approx([1, 1 / np.log2(3) + (1 - 1 / np.log2(3)) / 2, late + (soon - late) / np.log2(3), 0, 0])


def test_a_taster_takes_any_like_and_goes_on_without_the_conditions() -> None:
    user = Taster(("i01", "i05"), FACTS, (1,))
    drama = ("genre", "drama")
    assert user.reply(heard(Shown(("i00",), OPTIONS))) == Said("named", (drama,))
    found_one = heard(Shown(("i00",)), Shown(("i01",), OPTIONS), said=[Said("open"), Said("named", (drama,))])
    assert user.reply(found_one) == Said("liked", (drama,), ("i01",))
    assert user.reply(heard(Shown(("i01",)), Shown((), stuck=True), said=[Said("open"), Said("named", (drama,))])) == Said(
        "lifted", (drama,)
    )
    assert user.reply(heard(Shown(("i01",)), Shown(("i05",)))) is None
    session = converse(Shelf(), user, 12)
    assert coverage(session, user.likes, 12) == (1.0, 2 / len(session.shown))
    assert coverage(session, user.likes, 1) == (sum(item in session.shown[0].items for item in user.likes) / 2, pytest.approx(1.0))
