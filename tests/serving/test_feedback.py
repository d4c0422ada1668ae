"""Between requests and the event log: what is acknowledged is there, whatever dies."""

import asyncio
import random
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from benchmarks.serving_kill import killed
from components.recommend.session import Session
from serving.feedback import WAITING, Feedback, rows, session
from serving.learning import listed
from serving.messages import Event, FeedbackRequest
from serving.store import Listed, Past, Store, StoreError

SECOND = 10**6


class Gone:
    """A log that can't be reached until it is told to be there again."""

    local = True

    def __init__(self, store):
        self.store, self.gone = store, True

    def __getattr__(self, name):
        def call(*arguments):
            if self.gone and name != "close":
                raise StoreError("the feedback store can't be used")
            return getattr(self.store, name)(*arguments)

        return call


class Slow:
    """A log that counts its transactions, and holds each until it may go on."""

    local = True

    def __init__(self, store):
        self.store, self.go, self.sizes = store, threading.Event(), []

    def add(self, rows):
        self.go.wait(10)
        self.sizes.append(len(rows))
        return self.store.add(rows)

    def prepare(self):
        self.store.prepare()

    def close(self):
        self.store.close()


def event(**said):
    return Event(**{"user_id": "u1", "item_id": "i1", "event": "click"} | said)


def with_feedback(store, use):
    async def run():
        feedback = Feedback(store)
        await feedback.start()
        try:
            return await use(feedback)
        finally:
            await feedback.stop()

    return asyncio.run(run())


@pytest.fixture
def plain(tmp_path):
    return Store.open(f"sqlite:///{tmp_path / 'a.sqlite'}")


def test_what_is_told_changes_what_is_known_at_once(url):
    async def use(feedback):
        assert await feedback.session("u1") is None
        assert await feedback.add([event(key="a"), event(key="a"), event(key="b", item_id="i2", event="dismiss")]) == 2
        assert await feedback.add([event(key="a")]) == 0
        return await feedback.session("u1")

    said = with_feedback(Store.open(url), use)
    assert (said.items, said.closed) == (("i1",), frozenset({"i2"}))


def test_what_gathers_is_stored_together(plain):
    slow = Slow(plain)

    async def use(feedback):
        asked = [asyncio.create_task(feedback.add([event(key=str(n))])) for n in range(50)]
        await asyncio.sleep(0)
        slow.go.set()
        return [await one for one in asked]

    assert with_feedback(slow, use) == [1] * 50
    assert sum(slow.sizes) == 50
    assert len(slow.sizes) <= 2


def test_a_key_that_two_bring_at_once_is_new_to_one(plain):
    slow = Slow(plain)

    async def use(feedback):
        asked = [asyncio.create_task(feedback.add([event(key="same"), event(key=str(n))])) for n in range(3)]
        await asyncio.sleep(0)
        slow.go.set()
        return sorted([await one for one in asked])

    assert with_feedback(slow, use) == [1, 1, 2]


def test_nobody_is_told_that_lost_events_are_stored(plain):
    gone = Gone(plain)

    async def use(feedback):
        with pytest.raises(StoreError):
            await feedback.add([event()])
        with pytest.raises(StoreError):
            await feedback.erase("u1")
        assert await feedback.session("u1") is None
        gone.gone = False
        assert await feedback.add([event(key="k")]) == 1
        return await feedback.session("u1")

    assert with_feedback(gone, use).items == ("i1",)


def test_a_log_that_hangs_holds_no_recommendation():
    class Hanging:
        local = False
        release = threading.Event()

        def prepare(self):
            pass

        def past(self, user):
            self.release.wait(10)

        def close(self):
            self.release.set()

    hanging = Hanging()

    async def use(feedback):
        start = asyncio.get_running_loop().time()
        said = [await feedback.session("u1") for _ in range(20)]
        took = asyncio.get_running_loop().time() - start
        hanging.release.set()
        return said, took

    said, took = with_feedback(hanging, use)
    assert said == [None] * 20
    assert took < 5  # one of twenty waits


def test_too_many_waiting_are_refused(plain):
    slow = Slow(plain)

    async def use(feedback):
        many = [event(key=str(n)) for n in range(1000)]
        asked = [asyncio.create_task(feedback.add(many)) for _ in range(WAITING // 1000)]
        await asyncio.sleep(0)
        with pytest.raises(StoreError, match="too many"):
            await feedback.add([event(key="more")])
        slow.go.set()
        assert sum([await one for one in asked]) == 1000
        return await feedback.add([event(key="more")])

    assert with_feedback(slow, use) == 1


def test_events_without_a_key_count_once_when_they_say_the_same():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    one, two, other, rated = rows([event(time=at), event(time=at), event(), event(event="rating", value=3.0, time=at)], 7 * SECOND)
    assert one.key == two.key
    assert len({one.key, other.key, rated.key}) == 3
    assert (one.time, one.received, other.time) == (1_767_225_600 * SECOND, 7 * SECOND, 7 * SECOND)


def test_a_session_has_each_item_once_where_it_came_last():
    events = [("a", "click", 1), ("b", "like", 2), ("a", "like", 3), ("c", "dismiss", 4), ("d", "dismiss", 5), ("d", "like", 6)]
    events += [("e", "like", 7), ("e", "dismiss", 8)]
    said = session(Past([(item, what, when * SECOND) for item, what, when in events]))
    assert said == Session(("b", "a", "d"), (2, 3, 6), frozenset({"c", "e"}))
    assert session(Past()) is None
    assert session(Past([], 5 * SECOND)) == Session(forgotten=5)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("events.0.event", {"event": "stare"}),
        ("events.0.value", {"event": "rating"}),
        ("events.0.value", {"value": 1.0}),
        ("events.0.user_id", {"user_id": "a\0"}),
        ("events.0.key", {"key": ""}),
        ("events.0.time", {"time": "1969-12-31T23:59:59Z"}),
        ("events.0.time", {"time": "2100-01-01T00:00:00Z"}),
        ("events.0.time", {"time": "2026-01-01T00:00:00"}),
        ("events.0.time", {"time": 0}),
        ("events.0.rank", {"rank": 0}),
        ("events.0.propensity", {"propensity": 0.0}),
        ("events.0.surprise", {"surprise": 1}),
    ],
)
def test_a_wrong_event_is_refused_by_name(field, said):
    body = {"events": [{"user_id": "u1", "item_id": "i1", "event": "click"} | said]}
    with pytest.raises(ValidationError) as error:
        FeedbackRequest.model_validate(body)
    assert ".".join(map(str, error.value.errors()[0]["loc"])) == field


def test_kill_9_of_four_writers_loses_nothing_acknowledged(url):
    draw = random.Random(3)
    for run in range(3):
        outcome = killed(url, run, draw.randrange(1, 60))
        assert outcome.acknowledged >= 1
        assert (outcome.lost, outcome.torn) == (0, 0)


def test_kill_9_of_postgresql_itself_loses_nothing_acknowledged(cluster):
    def end(writers):
        cluster.stop(signal.SIGKILL)
        for writer in writers:
            writer.kill()
        cluster.start()

    outcome = killed(cluster.url, 0, 40, end)
    assert outcome.acknowledged >= 40
    assert (outcome.lost, outcome.torn) == (0, 0)


LIST = Listed("u1", "r1", 5, "b", "champion", 1.0, 0.0, None, '["i1"]', "[1.0]")


def test_lists_of_an_experiment_are_kept_and_none_of_who_was_erased_meanwhile(plain):
    async def use(feedback):
        for user in ("u1", "u2", "u1"):
            feedback.expose(replace(LIST, user_id=user))
        await feedback.erase("u1")
        feedback.expose(replace(LIST, user_id="u3"))

    with_feedback(plain, use)
    assert sorted(listed(plain)["user_id"]) == ["u2", "u3"]


def test_a_log_that_is_gone_loses_lists_and_nothing_else(plain):
    gone = Gone(plain)

    async def use(feedback):
        feedback.expose(LIST)
        await asyncio.sleep(0)
        gone.gone = False
        await feedback.lister
        feedback.expose(replace(LIST, user_id="u2"))

    with_feedback(gone, use)
    assert set(listed(plain)["user_id"]) <= {"u1", "u2"}
    assert "u2" in set(listed(plain)["user_id"])
