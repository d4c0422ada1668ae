"""Utterances of the grammar, templates held out from writing the rules included, lead to the right state."""

import pytest

from components.dialogue.acts import Act
from components.dialogue.grammar import RULES, equal, examples, templates
from components.dialogue.slots import Slots
from components.dialogue.state import State, Turn
from components.dialogue.understanding import Understanding


def accuracy(understanding: Understanding, language: str, part: str, count: int) -> float:
    right = 0
    for example in examples(understanding.lexicon, language, part, count, seed=5):  # pyright: ignore[reportArgumentType]
        before = Slots()
        if example.rule == "lift":
            before = before.after((Act(kind="never", entities=example.acts[0].entities),))
        state = State(turns=(Turn(number=1, acts=before.acts(), shown=tuple(understanding.lexicon.catalogue.ids[:5])),))
        acts = understanding.read(example.text, state)
        command = [act.kind for act in example.acts if act.kind in {"more", "undo", "restart"}]
        right += equal(before.after(acts), example.slots(before)) and (not command or [act.kind for act in acts] == command)
    return right / count


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("part", ["dev", "held"])
def test_state_accuracy(understanding: Understanding, language: str, part: str) -> None:
    assert accuracy(understanding, language, part, 600) >= 0.95


def test_every_rule_has_templates_of_both_parts_in_both_languages() -> None:
    for parts in templates().values():
        assert set(parts["dev"]) <= set(RULES)
        assert set(parts["held"]) <= set(RULES)
        assert set(parts["dev"]) - {"never_star"} <= set(parts["held"])
        dev = {text for texts in parts["dev"].values() for text in texts}
        assert not dev & {text for texts in parts["held"].values() for text in texts}
