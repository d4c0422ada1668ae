from datetime import UTC, datetime, timedelta

import pytest

from components import artifacts
from flows import champions, triggers
from flows.triggers import Watch

NOW = datetime(2026, 3, 29, 2, 30, tzinfo=UTC)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    since = (NOW - timedelta(days=6)).isoformat()
    champion = {"bundle": "b", "folder": "b/bundle", "since": since, "previous": None, "number": 1, "how": "promoted"}
    artifacts.write_json(champions.STORE / champions.POINTER, champion)
    return tmp_path


@pytest.mark.parametrize(("age", "fired"), [(7, [False]), (6, [True]), (5, [True]), (None, [])])
def test_a_champion_grows_old(here, age, fired):
    found = triggers.look(Watch(age=age), NOW)
    assert [trigger.fired for trigger in found] == fired
    assert all(trigger.reason == "the champion is 6.0 days old" for trigger in found)


def test_without_a_champion_nothing_is_asked_for(here):
    (champions.STORE / champions.POINTER).unlink()
    assert triggers.look(Watch(age=1), NOW) == []


def test_after_it_was_asked_for_it_is_quiet(here):
    watch = Watch(quiet=6, budget=100)
    assert triggers.held(watch, NOW) == ""
    triggers.note(NOW)
    assert triggers.held(watch, NOW + timedelta(hours=5.9)) == "quiet until 2026-03-29T08:30+00:00: one was asked for before"
    assert triggers.held(watch, NOW + timedelta(hours=6)) == ""


def test_a_loop_is_ended_by_the_budget(here):
    watch, time, asked = Watch(quiet=1, budget=3), NOW, []
    for _ in range(10 * 24):
        if not triggers.held(watch, time):
            triggers.note(time)
            asked.append(time)
        time += timedelta(hours=1)
    assert len(asked) == 6
    assert all(later - earlier >= timedelta(days=7) for earlier, later in zip(asked, asked[3:], strict=False))
    assert "the budget of 3 in seven days is spent until " in triggers.held(watch, asked[-1] + timedelta(hours=2))
