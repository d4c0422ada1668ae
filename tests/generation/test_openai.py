"""A model behind an address: whatever the server does, there is an answer before the deadline."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from components.generation.messages import ProviderError
from components.generation.providers.budget import Budget
from components.generation.providers.openai import OpenAI, OpenAISpeaker
from components.generation.writer import Writer
from tests.generation.sheets import western
from tests.generation.stub import Stub, serving

DEADLINE, LATE = 2.0, 2.2
SHEET = western()


class Empty(BaseModel):
    model_config = ConfigDict(extra="forbid")


@pytest.fixture
def started() -> Iterator[Any]:
    speakers: list[OpenAISpeaker] = []

    def start(stub: Stub, **settings: Any) -> Writer:
        speaker = OpenAI(base_url=stub.url, model="stub", **settings).start()
        speakers.append(speaker)
        return Writer(speaker)

    yield start
    for speaker in speakers:
        speaker.close()


def test_a_good_server_words_the_reason_and_is_asked_once(started: Any) -> None:
    with serving() as stub:
        writer = started(stub)
        first, then = writer.reason(SHEET, "en"), writer.reason(SHEET, "en")
    assert first == then
    assert len(stub.asked) == 1
    assert first.text.startswith("You may enjoy this:")
    assert "Clint Eastwood" in first.text
    assert (first.source, first.why) == ("openai", "llm: on, openai")
    assert first.fact_ids


def test_the_prompt_has_no_name_and_the_answer_a_schema(started: Any) -> None:
    with serving() as stub:
        started(stub).reason(SHEET, "en", "warm", "long")
    asked = stub.asked[0]
    assert not any(name in str(asked) for fact in SHEET.facts for name in (fact.object, fact.subject) if name[0].isupper())
    assert asked["response_format"]["json_schema"]["strict"] is True
    assert asked["max_tokens"] == 400


def test_a_changed_fact_is_worded_anew(started: Any) -> None:
    with serving() as stub:
        writer = started(stub)
        writer.reason(SHEET)
        writer.reason(western(private=["Drama"]))
    assert len(stub.asked) == 2


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("hanging", "no answer within"),
        ("dripping", "no answer within"),
        ("dripping headers", "no answer within"),
        ("empty", "no completion"),
        ("malformed", "no completion"),
        ("huge", "longer than 262,144 bytes"),
        ("deep", "no completion"),
        ("compressed", "compressed, unasked"),
        ("redirect", "answers 302"),
        ("cut", "cannot be reached"),
        ("429", "answers 429"),
        ("500", "answers 500"),
        ("401", "answers 401"),
        ("404", "answers 404"),
    ],
)
def test_templates_answer_in_time_for_a_bad_server(how: str, why: str, started: Any) -> None:
    with serving(how=how) as stub:
        writer = started(stub)
        begun = time.monotonic()
        found = writer.reason(SHEET)
        took = time.monotonic() - begun
    assert took < LATE
    assert found.source == "fallback"
    assert found.why.startswith("llm: off, ")
    assert why in found.why
    assert "Clint Eastwood" in found.text
    assert found.text == Writer().reason(SHEET).text


def test_a_slow_server_is_waited_for(started: Any) -> None:
    with serving(how="slow") as stub:
        assert started(stub).reason(SHEET).source == "openai"


def test_a_server_that_is_not_there(started: Any) -> None:
    with serving() as stub:
        pass
    writer = started(stub)
    begun = time.monotonic()
    found = writer.reason(SHEET)
    assert time.monotonic() - begun < 0.5
    assert found.source == "fallback"
    assert found.why == writer.status == "llm: off, the server cannot be reached (ConnectError)"


def test_a_server_that_is_dead_at_the_start_is_found_out_within_the_probe(started: Any) -> None:
    begun = time.monotonic()
    with serving(how="dead") as stub:
        writer = started(stub, probe=0.3)
        assert time.monotonic() - begun < 1
    assert writer.status == "llm: off, no answer within 0.3 s"


def test_after_failures_no_call_is_made_until_recovery(started: Any) -> None:
    with serving(how="500") as stub:
        writer = started(stub, failures=2, recovery=1.0)
        for user in range(5):
            assert writer.reason(western(user=str(user))).why == "llm: off, the server answers 500"
        assert len(stub.asked) == 4  # two calls of two tries
        stub.how = "good"
        time.sleep(1.1)
        assert writer.reason(SHEET).source == "openai"
    assert writer.status == "llm: on, openai"


def test_many_who_wait_are_all_answered_in_time(started: Any) -> None:
    took: list[float] = []
    with serving(how="hanging") as stub:
        writer = started(stub)

        def ask(user: int) -> None:
            begun = time.monotonic()
            writer.reason(western(user=str(user)))
            took.append(time.monotonic() - begun)

        threads = [threading.Thread(target=ask, args=(user,)) for user in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(took) == 8
    assert max(took) < LATE + 0.3  # eight at once on two cores


def test_the_key_is_read_from_the_variable_and_told_nowhere(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "canary-123")
    with serving() as stub:
        writer = started(stub, key_env="SOME_KEY")
        writer.reason(SHEET)
    assert stub.headers[0]["Authorization"] == "Bearer canary-123"
    assert "canary-123" not in repr(writer)


@pytest.mark.parametrize(
    ("value", "said"), [(None, "is not set"), ("", "is not set"), ("a b", "holds no key"), ("a\r\nX: y", "holds no key")]
)
def test_without_a_key_no_call_is_made(value: str | None, said: str, started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_KEY", value)
    with serving() as stub:
        found = started(stub, key_env="SOME_KEY").reason(SHEET)
    assert not stub.asked
    assert "SOME_KEY" in found.why
    assert said in found.why


def test_proxies_of_the_environment_are_not_used(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving() as stub:
        assert started(stub).reason(SHEET).source == "openai"


def test_tokens_are_counted(started: Any) -> None:
    with serving() as stub:
        writer = started(stub, tokens=3000, answer=100)
        whys = [writer.reason(western(user=str(user))).why for user in range(80)]
    assert whys[0] == "llm: on, openai"
    assert whys[-1] == "llm: off, this hour's tokens are spent"
    assert len(stub.asked) < 80


def test_the_budget_fills_again() -> None:
    now = [0.0]
    budget = Budget(3600, clock=lambda: now[0])
    assert budget.take(3600)
    assert not budget.take(1)
    now[0] = 10
    assert budget.take(10)
    assert not budget.take(1)
    budget.settle(10, 4)
    assert budget.take(6)


@pytest.mark.parametrize("url", ["ftp://x/v1", "file:///etc/passwd", "http://user:key@x/v1", "localhost:80", "http://x/v1?key=1"])
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        OpenAI(base_url=url, model="m")


def test_a_call_that_hangs_is_told() -> None:
    with serving(how="hanging", answer=lambda _: "{}") as stub:
        speaker = OpenAI(base_url=stub.url, model="stub").start()
        with pytest.raises(ProviderError, match=r"no answer within 0\.3 s"):
            speaker.parse("hello", Empty, (), 0.3)
        speaker.close()
