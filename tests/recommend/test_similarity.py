"""Items and users compared with one another, by content, behaviour and both."""

import numpy as np
import pytest

from components.data.histories import Histories
from components.errors import RequestError
from components.recommend import Recommender
from components.recommend.retrieval import directions
from components.recommend.session import Session
from components.recommend.similarity import Similarity


@pytest.fixture(scope="module")
def recommender(bundle) -> Recommender:
    return Recommender.load(bundle)


def test_cosines_by_hand() -> None:
    histories = Histories(np.array([0, 1, 0, 1, 2, 0]), np.zeros(6, dtype=np.int64), np.array([0, 2, 5, 6, 6]))
    unit = directions(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 0.0]]))
    similarity = Similarity(unit, unit, histories)
    behaviour, content = similarity.space("behaviour"), similarity.space("content")
    assert behaviour.items(behaviour.direction(np.array([0]))) == pytest.approx([1, 2 / np.sqrt(6), 1 / np.sqrt(3), 0])
    assert content.items(content.direction(np.array([1]))) == pytest.approx([0, 1, 1, 0])
    assert content.users(content.direction(np.array([0]))) == pytest.approx([1 / np.sqrt(2), 1 / np.sqrt(5), 1, 0])
    for space in (behaviour, content):
        assert space.users(space.direction(np.array([0, 1, 2])))[1] == pytest.approx(1)
        assert not space.items(space.direction(np.array([3]))).any()


def test_a_genre_keeps_to_itself_by_behaviour(recommender: Recommender) -> None:
    by = "behaviour"
    for item in ("i000", "i001", "i002"):
        own = int(item[1:]) % 3
        assert {int(near.item_id[1:]) % 3 for near in recommender.similar(item, 5, by)} == {own}
        assert {int(peer.user_id[1:]) % 3 for peer in recommender.peers(item, 5, by)} == {own}
    near = recommender.similar(user="u004", k=5, by=by)
    assert {int(item.item_id[1:]) % 3 for item in near} == {1}
    peers = recommender.peers(user="u004", k=20, by=by)
    assert {int(peer.user_id[1:]) % 3 for peer in peers} == {1}


@pytest.mark.parametrize("by", ["content", "behaviour", "both"])
def test_nobody_is_like_himself_and_nothing_that_was_chosen_is_found(recommender: Recommender, by: str) -> None:
    near = recommender.similar(user="u004", k=60, by=by)
    assert near
    assert not {item.item_id for item in near} & {recommender.items[i] for i in recommender.histories.pick(np.array([4])).items}
    peers = recommender.peers(user="u004", k=90, by=by)
    assert len(peers) == 89
    assert "u004" not in {peer.user_id for peer in peers}
    assert [peer.score for peer in peers] == sorted((peer.score for peer in peers), reverse=True)
    assert recommender.peers(user="u004", k=90, by=by, without=frozenset({peers[0].user_id}))[0].user_id == peers[1].user_id


def test_a_stranger_is_what_was_done_since(recommender: Recommender) -> None:
    session = Session(("i000",), (1_700_000_000,))
    near = recommender.similar(user="new", session=session)
    assert [item.item_id for item in near] == [item.item_id for item in recommender.similar("i000")]
    assert recommender.peers(user="new", session=session) == recommender.peers("i000")


def test_what_is_wrong_is_named(recommender: Recommender) -> None:
    for asked, field in (({}, "user_id"), ({"item": "i000", "user": "u000"}, "user_id"), ({"user": "new"}, "user_id")):
        with pytest.raises(RequestError, match=field):
            recommender.similar(**asked)
    with pytest.raises(RequestError, match="item_id: no item 'x'"):
        recommender.peers("x")
    with pytest.raises(RequestError, match="by: is one of content, behaviour, both"):
        recommender.similar("i000", by="magic")
