"""Words that name nothing mean the genre that they lie closest to, where one is asked for; small talk means none."""

import pytest
import yaml

from components import nodes
from components.dialogue.acts import Act
from components.dialogue.lexicon import Lexicon
from components.dialogue.linking import Linker
from components.dialogue.meaning import Meaning
from components.dialogue.names import Names
from components.dialogue.state import State
from components.dialogue.understanding import Understanding
from components.semantic.text import TextEncoder
from tests.dialogue.conftest import ROOT


@pytest.fixture(scope="module")
def heard(lexicon: Lexicon) -> Understanding:
    names = Names(lexicon)
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["converse"]["query"]["encoder"]
    encoder = nodes.build(section, "encoder")
    assert isinstance(encoder, TextEncoder)
    return Understanding(Linker(names, Meaning(names, encoder)))


def values(acts: tuple[Act, ...], *kinds: str) -> set[str]:
    return {entity.value for act in acts if act.kind in kinds for entity in act.entities}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("a terrifying film", "must", "Horror"),
        ("something eerie", "must", "Horror"),
        ("anything amusing", "must", "Comedy"),
        ("no gangsters", "never", "Crime"),
        ("football movies", "must", "Sport"),
    ],
)
def test_a_word_that_names_nothing_is_the_genre_closest_to_it(heard: Understanding, text: str, kind: str, value: str) -> None:
    assert values(heard.read(text, State()), kind) == {value}


def test_what_is_only_rather_close_is_asked_about(heard: Understanding) -> None:
    [act] = heard.read("something unknown", State())
    assert act.kind == "unclear"
    assert [entity.value for entity in act.entities] == ["Mystery"]


@pytest.mark.parametrize(
    "text",
    [
        "my sister plays football",
        "I want to play football tonight",
        "I love you",
        "tell me a joke",
        "some coffee please",
        "what a terrible day",
        "something beautiful",
        "a good movie",
        "I want a girlfriend",
        "no money",
        "my mother is in hospital",
    ],
)
def test_small_talk_and_vague_words_are_no_condition(heard: Understanding, text: str) -> None:
    assert values(heard.read(text, State()), "must", "never", "wish", "unclear") == set()


def test_without_an_encoder_nothing_is_guessed(lexicon: Lexicon) -> None:
    names = Names(lexicon)
    acts = Understanding(Linker(names, Meaning(names, None))).read("a terrifying film", State())
    assert values(acts, "must", "wish", "unclear") == set()
