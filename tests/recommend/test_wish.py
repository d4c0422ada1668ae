"""A wish leans the ranking and closes items; without one nothing changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.recommend import Recommender
from components.recommend.policy import Policy
from components.recommend.rules import Pin
from components.recommend.wish import Wish

HISTORY = ["i000", "i003", "i006"]


@pytest.fixture(scope="module")
def recommender(bundle: Path) -> Recommender:
    return Recommender.load(bundle)


def wish(recommender: Recommender, leaning: dict[str, float], closed: tuple[str, ...] = ()) -> Wish:
    size, index = len(recommender.items), recommender.catalogue.index
    leans, allowed = np.zeros(size), np.ones(size, dtype=bool)
    for item, value in leaning.items():
        leans[index[item]] = value
    allowed[[index[item] for item in closed]] = False
    return Wish(leans, allowed)


def ids(answer) -> list[str]:
    return [item.item_id for item in answer.items]


def test_a_wish_for_nothing_changes_nothing_but_that_it_is_said(recommender: Recommender) -> None:
    plain, asked = (recommender.recommend(history=HISTORY, k=10, wish=own) for own in (None, wish(recommender, {})))
    assert [(item.item_id, item.score) for item in plain.items] == [(item.item_id, item.score) for item in asked.items]
    assert all(item.parts["wish"] == 0 for item in asked.items)
    assert all("wish" not in item.parts for item in plain.items)
    assert asked.source == plain.source == "hybrid"


def test_leaning_reaches_what_no_part_would_have_drawn(recommender: Recommender) -> None:
    narrow = replace(recommender, scorer=replace(recommender.scorer, candidates=3))
    last = ids(recommender.recommend(history=HISTORY, k=50))[-1]
    answer = narrow.recommend(history=HISTORY, k=3, wish=wish(recommender, {last: 50.0}))
    assert ids(answer)[0] == last
    assert answer.items[0].parts["wish"] == 50.0


def test_what_is_not_allowed_is_not_shown_whatever_it_leans_to(recommender: Recommender) -> None:
    first = ids(recommender.recommend(history=HISTORY, k=3))
    asked = wish(recommender, {first[0]: 50.0}, tuple(first))
    assert not set(first) & set(ids(recommender.recommend(history=HISTORY, k=20, wish=asked)))
    pinned = recommender.under(Policy(rules=[Pin(name="pin", items=[first[0]])]))
    assert first[0] not in ids(pinned.recommend(history=HISTORY, k=20, wish=asked))


def test_who_only_talks_is_answered_from_the_dialogue(recommender: Recommender) -> None:
    answer = recommender.recommend(history=[], k=3, wish=wish(recommender, {"i031": 50.0}))
    assert (answer.source, ids(answer)[0]) == ("dialogue", "i031")
    assert recommender.recommend(history=[], k=3, wish=wish(recommender, {}, ("i031",))).source == "popularity"


def test_the_shortlist_is_what_is_recommended(recommender: Recommender) -> None:
    asked = wish(recommender, {"i030": 3.0}, ("i009",))
    items, chances = recommender.shortlist(10, asked, history=HISTORY)
    answer = recommender.recommend(history=HISTORY, k=10, wish=asked)
    assert [recommender.items[item] for item in items] == ids(answer)
    assert chances.tolist() == [item.score for item in answer.items]


def test_a_wish_is_part_of_the_explanation(recommender: Recommender) -> None:
    asked = wish(recommender, {"i030": 3.0})
    assert recommender.explain("i030", history=HISTORY, wish=asked).item.parts["wish"] == 3.0
