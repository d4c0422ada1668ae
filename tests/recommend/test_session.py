"""What a user did since the bundle was made counts at once."""

from datetime import UTC, datetime

import numpy as np
import pytest

from components.recommend import Recommender
from components.recommend.session import Session

NEW = Session(("i000", "i003", "i006"), (1_700_000_000, 1_700_000_001, 1_700_000_002))


@pytest.fixture(scope="module")
def recommender(bundle):
    return Recommender.load(bundle)


def ids(answer):
    return [item.item_id for item in answer.items]


def test_a_new_users_events_are_the_whole_history(recommender):
    answer = recommender.recommend("new", session=NEW)
    assert ids(answer) == ids(recommender.recommend(history=list(NEW.items)))
    assert (answer.source, answer.unknown, answer.user_id) == ("hybrid", ["new"], "new")


def test_a_known_users_events_are_appended(recommender):
    user = next(iter(recommender.users))
    place = np.array([recommender.users[user]])
    seen = [recommender.items[item] for item in recommender.histories.pick(place).items]
    fresh = next(item for item in recommender.items if item not in seen and int(item[1:]) % 3 != int(seen[0][1:]) % 3)
    answer = recommender.recommend(user, session=Session((fresh,), (1_700_000_000,)))
    assert fresh not in ids(answer)
    assert ids(answer) != ids(recommender.recommend(user))
    assert answer.unknown == []


def test_what_the_bundle_knows_already_is_not_counted_twice(recommender):
    user = next(iter(recommender.users))
    known = recommender.histories.pick(np.array([recommender.users[user]]))
    old = Session(tuple(recommender.items[item] for item in known.items), tuple(int(time) for time in known.times))
    assert recommender.recommend(user, session=old) == recommender.recommend(user)


def test_an_empty_session_changes_nothing(recommender):
    for user in ("new", *list(recommender.users)[:3]):
        assert recommender.recommend(user, session=Session()) == recommender.recommend(user)
        assert recommender.explain("i001", user, session=Session()) == recommender.explain("i001", user)


def test_a_dismissed_item_is_closed(recommender):
    user = next(iter(recommender.users))
    best, *rest = ids(recommender.recommend(user, k=11))
    assert ids(recommender.recommend(user, session=Session(closed=frozenset({best, "unheard of"})))) == rest


def test_items_nobody_knows_are_left_out(recommender):
    odd = Session(("unheard of", *NEW.items), (1, *NEW.times))
    assert recommender.recommend("new", session=odd) == recommender.recommend("new", session=NEW)
    assert recommender.recommend("new", session=Session(("unheard of",), (1,))).source == "popularity"


def test_what_comes_after_the_moment_of_asking_does_not_count(recommender):
    at = datetime.fromtimestamp(NEW.times[1], UTC)
    half = Session(NEW.items[:1], NEW.times[:1])
    assert recommender.recommend("new", at=at, session=NEW) == recommender.recommend("new", at=at, session=half)


def test_a_forgotten_user_is_a_stranger(recommender):
    user = next(iter(recommender.users))
    answer = recommender.recommend(user, session=Session(forgotten=2_000_000_000))
    assert ids(answer) == ids(recommender.recommend("stranger"))
    assert answer.source == "popularity"
    after = Session(NEW.items, tuple(time + 400_000_000 for time in NEW.times), forgotten=2_000_000_000)
    assert ids(recommender.recommend(user, session=after)) == ids(recommender.recommend("new", session=NEW))


def test_an_explanation_goes_by_the_same_history(recommender):
    first = recommender.recommend("new", session=NEW).items[0]
    found = recommender.explain(first.item_id, "new", session=NEW).item
    assert (found.rank, found.score, found.reason) == (1, first.score, first.reason)


def test_what_was_dismissed_stands_before_no_item_that_is_explained(recommender):
    best, second = ids(recommender.recommend("u000", k=2))
    dismissed = Session(closed=frozenset({best}))
    assert recommender.explain(second, "u000", session=dismissed).item.rank == 1
    assert recommender.explain(best, "u000", session=dismissed).item.rank == 1, "its own place, among what is open"
