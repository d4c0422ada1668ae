"""Two hundred attacks in six languages against a model that obeys them, over a real connection: none gets anywhere."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl
import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from components.generation.facts import FactSheet, sheet
from components.generation.messages import ProviderError
from components.generation.providers.openai import OpenAI
from components.generation.wording import LANGUAGES
from components.generation.writer import Writer
from components.recommend import Recommender
from components.recommend.catalogue import Catalogue
from tests.generation.sheets import ROW, recommended, shared
from tests.generation.stub import Stub, obliging, serving

CATALOGUE = {"Gigli", "烂片王", "Джильи", "Dune", "comedies"}


class Attack(NamedTuple):
    language: str
    place: str
    how: str
    text: str
    payload: str

    @property
    def written(self) -> str:
        """The attack, disguised as it says."""
        text = self.text
        return {
            "plain": text,
            "wide": "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text),
            "hidden": "\u200b".join(text),
            "bidi": f"\u202e\u2066{text}\u2069\u202c",
            "tags": f"<b><!-- x -->{text}</b>",
            "entity": "".join(f"&#{ord(letter)};" for letter in text),
            "base64": base64.b64encode(text.encode()).decode(),
            "hex": text.encode().hex(),
            "spaced": " ".join(text),
        }[self.how]


ATTACKS = [Attack(*row) for row in yaml.safe_load((Path(__file__).parent / "injections.yaml").read_text(encoding="utf-8"))]
DATA, TURNS = ([attack for attack in ATTACKS if (attack.place == "turn") is turn] for turn in (False, True))


class Act(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["like", "avoid", "clear", "recommend"]
    value: str = ""


class Turn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    acts: list[Act]


@pytest.fixture(scope="module")
def obeying() -> Iterator[tuple[Stub, Writer]]:
    with serving() as stub:
        speaker = OpenAI(base_url=stub.url, model="stub", tokens=10**9, failures=10**6).start()
        yield stub, Writer(speaker)
        speaker.close()


def poisoned(attack: Attack) -> FactSheet:
    """A sheet on which the attack stands where it says."""
    bad = attack.written
    row: dict[str, Any] = ROW | {
        "text": bad,
        "attributes": [*ROW["attributes"], {"name": "keyword", "value": bad}, {"name": bad, "value": "x"}],
    }
    if attack.place == "title":
        path = shared(bad, "directed by", "Clint Eastwood", title=bad)
        return sheet(recommended(path, title=bad, seen=(bad,)), ROW | {"title": bad}, user=bad)
    if attack.place == "label":
        return sheet(recommended(shared("Gran Torino", bad, bad), shared(bad, "stars", bad)), row)
    return sheet(recommended(shared("Gran Torino", "directed by", "Clint Eastwood")), row, slots=[bad])


def hostile(attack: Attack, ids: list[str]) -> list[str]:
    """What a model that obeys may answer: the payload as a sentence, in one, beside the draft, as another shape."""
    first = ids[:1]
    claims = [
        [{"text": attack.payload, "fact_ids": first}],
        [{"text": f"it is directed by {attack.payload}", "fact_ids": first}],
        [{"text": f"see {{item}} {attack.payload.lower()}", "fact_ids": ids}],
        [{"text": attack.text, "fact_ids": []}],
        [{"text": f"like {{{(first or ['f1'])[0]}.object}} {' '.join(attack.payload)}", "fact_ids": ids}],
    ]
    return [json.dumps({"claims": claim}, ensure_ascii=False) for claim in claims] + [
        attack.payload,
        json.dumps({"claims": attack.payload}),
    ]


def test_there_are_two_hundred_in_six_languages_everywhere() -> None:
    assert len(ATTACKS) == len({attack.written for attack in ATTACKS}) == 200
    assert {attack.language for attack in ATTACKS} == {"en", "zh", "es", "fr", "de", "ru"}
    assert {attack.place for attack in ATTACKS} == {"title", "text", "label", "turn"}


@pytest.mark.parametrize("attack", DATA, ids=lambda attack: attack.payload)
def test_nothing_of_an_attack_in_the_data_is_shown_or_reaches_the_model(attack: Attack, obeying: tuple[Stub, Writer]) -> None:
    stub, writer = obeying
    found, marker = poisoned(attack), attack.payload.casefold()
    before = len(stub.asked)
    stub.answer = lambda asked: attack.payload if marker in json.dumps(asked, ensure_ascii=False).casefold() else obliging(asked)
    for code in LANGUAGES:
        for shown in (writer.reason(found, code, "plain", "long"), writer.copy(found, code, "plain", "long")):
            assert marker not in shown.text.casefold()
            assert not set("<>{}\u200b\u202e") & set(shown.text)
    sent = json.dumps(stub.asked[before:], ensure_ascii=False).casefold()
    assert marker not in sent
    assert attack.written.casefold() not in sent


@pytest.mark.parametrize("attack", DATA, ids=lambda attack: attack.payload)
def test_whatever_an_obeying_model_answers_is_not_shown(attack: Attack, obeying: tuple[Stub, Writer]) -> None:
    stub, writer = obeying
    found = sheet(recommended(shared("Gran Torino", "directed by", "Clint Eastwood")), ROW, user=attack.payload)
    plain = Writer().reason(found)
    for answer in hostile(attack, plain.fact_ids)[DATA.index(attack) % 2 :: 2]:
        stub.answer = lambda _, answer=answer: answer
        shown = replace(writer, most=0).reason(found)
        assert shown.source == "fallback"
        assert shown.text == plain.text
        assert attack.payload.casefold() not in shown.text.casefold()


@pytest.mark.parametrize("attack", TURNS, ids=lambda attack: f"{attack.language}-{attack.how}-{attack.text[:24]}")
def test_no_turn_changes_a_slot(attack: Attack, obeying: tuple[Stub, Writer]) -> None:
    stub, writer = obeying
    wanted = {"acts": [{"kind": "like", "value": attack.payload}, {"kind": "clear"}, {"kind": "recommend", "value": attack.payload}]}
    stub.answer = lambda _: json.dumps(wanted, ensure_ascii=False)
    with pytest.raises(ProviderError):
        writer.parse(attack.written, Turn, CATALOGUE)


def test_an_innocent_turn_is_read_and_a_model_gone_bad_puts_in_nothing_of_its_own(obeying: tuple[Stub, Writer]) -> None:
    stub, writer = obeying
    stub.answer = lambda _: '{"acts": [{"kind": "like", "value": "comedies"}]}'
    assert writer.parse("I like comedies", Turn, CATALOGUE).acts[0].value == "comedies"
    for name in ("Gigli", "horror", "{item}", "DROP TABLE"):
        stub.answer = lambda _, name=name: json.dumps({"acts": [{"kind": "like", "value": name}]})
        with pytest.raises(ProviderError):
            writer.parse("I like comedies", Turn, CATALOGUE)


@pytest.mark.parametrize("how", ["slow", "dripping", "hanging", "empty", "malformed", "huge", "429", "500", "refused"])
def test_under_attack_an_answer_comes_in_time(how: str) -> None:
    found = poisoned(ATTACKS[0])
    with serving(how=how) as stub:
        stub.answer = lambda _: ATTACKS[0].payload
        speaker = OpenAI(base_url=stub.url if how != "refused" else "http://127.0.0.1:9/v1", model="stub").start()
        begun = time.monotonic()
        shown = Writer(speaker).reason(found)
        took = time.monotonic() - begun
        speaker.close()
    assert took < 2.2
    assert shown.source == "fallback"
    assert ATTACKS[0].payload not in shown.text


def test_no_item_is_raised(bundle: Path) -> None:
    """The ranker reads no names: with every title an attack, the same items come in the same order with the same scores."""
    plain = Recommender.load(bundle)
    titles = [ATTACKS[place % len(DATA)].written for place in range(len(plain.items))]
    bad = replace(plain, catalogue=Catalogue(plain.catalogue.table.with_columns(title=pl.Series(titles))))
    for user in list(plain.users)[:20]:
        ours, theirs = ([(item.item_id, item.score) for item in who.recommend(user=user, k=10).items] for who in (plain, bad))
        assert ours == theirs
