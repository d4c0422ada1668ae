"""The question asked is the one whose answer tells most, and none is asked where it tells little."""

import numpy as np
import pytest

from components.dialogue.acts import Act, Entity, Range
from components.dialogue.lexicon import Lexicon
from components.dialogue.policy import Dialogue, Policy
from components.dialogue.state import Question, State, Turn


@pytest.fixture
def policy(lexicon: Lexicon) -> Policy:
    return Policy(Dialogue(), lexicon)


def even(items: np.ndarray) -> np.ndarray:
    return np.full(len(items), 1 / len(items))


def brute(lexicon: Lexicon, kind: str, offered: tuple[Entity, ...], items: np.ndarray, chances: np.ndarray) -> float:
    """Mutual information of item and answer from their joint table."""
    joint = np.zeros((len(items), len(offered) + 1))
    for row, item in enumerate(items):
        own = [place for place, entity in enumerate(offered) if (kind, entity.value, "") in lexicon.has[item]]
        for place in own or [len(offered)]:
            joint[row, place] += chances[row] / (len(own) or 1)
    there = joint > 0
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    return float((joint[there] * np.log2(joint[there] / independent[there])).sum())


@pytest.mark.parametrize("kind", ["genre", "decade", "person"])
def test_the_gain_is_the_mutual_information(policy: Policy, kind: str) -> None:
    draw = np.random.default_rng(1)
    items = draw.choice(2414, 150, replace=False)
    chances = draw.dirichlet(np.full(150, 0.5))
    offered, gain = policy.gain(kind, items, chances)
    assert gain == pytest.approx((1 - policy.settings.unsure) * brute(policy.lexicon, kind, offered, items, chances))
    assert 2 <= len(offered) <= policy.settings.options


def test_where_all_candidates_agree_nothing_is_asked(policy: Policy) -> None:
    horror = np.flatnonzero(policy.lexicon.mask([Entity(kind="genre", value="Horror")]))
    one = horror[
        [
            (policy.lexicon.has[item] & {("genre", value, "") for value in policy.lexicon.kinds["genre"]}) == {("genre", "Horror", "")}
            for item in horror
        ]
    ]
    assert policy.gain("genre", one, even(one)) == ((), 0.0)


def test_what_is_settled_or_was_asked_is_not_asked_again(policy: Policy) -> None:
    items = np.arange(200)
    first = policy.question(State(), items, even(items))
    assert first is not None
    assert first.name in policy.lexicon.kinds
    assert first.name not in policy.settings.skip
    asked = State(turns=(Turn(number=1, question=first),))
    second = policy.question(asked, items, even(items))
    assert second is not None
    assert second.name != first.name
    must = Act(kind="must", entities=(Entity(kind="genre", value="Horror"),))
    timed = Act(kind="range", range=Range(name="year", low=1990))
    settled = policy.question(State(turns=(Turn(number=1, acts=(must, timed)),)), items, even(items))
    assert settled is None or settled.name not in {"genre", "decade", "year"}


def test_questions_have_a_budget(policy: Policy) -> None:
    items = np.arange(200)
    turns = tuple(Turn(number=n + 1, question=Question(kind="facet", name=str(n))) for n in range(policy.settings.budget))
    assert policy.question(State(turns=turns), items, even(items)) is None
    assert policy.question(State(turns=turns[:-1]), items, even(items)) is not None


def test_few_candidates_are_shown_and_not_asked_about(policy: Policy) -> None:
    items = np.arange(policy.settings.k)
    assert policy.question(State(), items, even(items)) is None
    assert policy.question(State(), np.arange(50), np.zeros(50)) is None


def test_a_higher_threshold_asks_less(lexicon: Lexicon) -> None:
    items = np.arange(200)
    assert Policy(Dialogue(gain=9.0), lexicon).question(State(), items, even(items)) is None
