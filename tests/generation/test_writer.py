"""The writer decides, has it worded, checks, and always answers."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import pytest

from components.generation.facts import sheet
from components.generation.messages import Claim, ProviderError, S, Task
from components.generation.phrases import phrases
from components.generation.providers.templates import Templates
from components.generation.wording import LANGUAGES
from components.generation.writer import Writer
from tests.generation.sheets import ROW, recommended, western


@dataclass
class Scripted:
    """Says what it is told to, in turn."""

    script: list[Callable[[Task], list[Claim]]]
    asked: list[float] = field(default_factory=list)
    name: str = "scripted"
    idle: str = ""

    def word(self, task: Task, deadline: float) -> list[Claim]:
        self.asked.append(deadline)
        return self.script[min(len(self.asked), len(self.script)) - 1](task)

    def parse(self, utterance: str, schema: type[S], names: Collection[str], deadline: float) -> S:
        raise ProviderError("nothing to read")


def good(task: Task) -> list[Claim]:
    opening = "see this: " if task.language == "en" else "来看："
    return [Claim(text=opening + claim.text, fact_ids=claim.fact_ids) for claim in phrases(task)]


def bad(task: Task) -> list[Claim]:
    return [Claim(text="the best film ever", fact_ids=[])]


def broken(task: Task) -> list[Claim]:
    raise ProviderError("it is broken")


def test_by_default_templates_speak() -> None:
    found = Writer.start(Templates()).reason(western())
    assert (found.source, found.why) == ("templates", "llm: off, no model is configured")
    assert "Clint Eastwood" in found.text
    assert set(found.fact_ids) <= {fact.fact_id for fact in western().facts}


def test_what_is_refused_is_asked_for_once_more() -> None:
    speaker = Scripted([bad, good])
    found = Writer(speaker).reason(western())
    assert (found.source, len(speaker.asked)) == ("scripted", 2)
    assert speaker.asked[1] <= speaker.asked[0] <= 2.0


def test_what_is_refused_twice_gives_way_to_the_template() -> None:
    speaker = Scripted([bad])
    found = Writer(speaker).reason(western())
    assert (found.source, len(speaker.asked)) == ("fallback", 2)
    assert found.why == "llm: off, what scripted said was refused: claims what it may not: best"
    assert found.text == Writer().reason(western()).text


def test_a_failure_is_not_kept_and_a_success_is() -> None:
    speaker = Scripted([broken, good, broken])
    writer = Writer(speaker)
    assert [writer.reason(western()).source for _ in range(3)] == ["fallback", "scripted", "scripted"]


def test_what_is_kept_is_bounded() -> None:
    speaker = Scripted([good])
    writer = Writer(speaker, most=2)
    for user in ("a", "b", "c", "a"):
        writer.reason(western(user=user))
    assert len(speaker.asked) == 4


def test_each_setting_is_kept_apart() -> None:
    speaker = Scripted([good])
    writer = Writer(speaker)
    texts = {writer.reason(western(), code, tone).text for code in LANGUAGES for tone in ("plain", "warm")}
    assert (len(texts), len(speaker.asked)) == (4, 4)


@pytest.mark.parametrize("code", LANGUAGES)
def test_promotion(code) -> None:
    found = Writer().copy(western(), code, length="long")
    assert "Unforgiven" in found.text
    assert len(found.fact_ids) > 3


@pytest.mark.parametrize("code", LANGUAGES)
def test_with_nothing_known_a_reason_is_empty_and_a_promotion_names_the_item(code) -> None:
    bare = sheet(recommended())
    assert Writer().reason(bare, code).text == ""
    assert "Unforgiven" in Writer().copy(bare, code).text


def test_long_names_do_not_break_a_text() -> None:
    row = ROW | {"attributes": [{"name": "actor", "value": "x" * 500}, {"name": "director", "value": "y " * 300}]}
    found = Writer().copy(sheet(recommended(), row), "en", "plain", "long")
    assert found.text


def test_a_turn_can_not_be_read_without_a_model() -> None:
    with pytest.raises(ProviderError, match="no model is configured"):
        Writer().parse("hello", Claim)
