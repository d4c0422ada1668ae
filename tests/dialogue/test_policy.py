"""The question asked is the one whose answer tells most, and none is asked where it tells little."""

import numpy as np
import pytest

from components.dialogue.acts import Act, Entity, Range
from components.dialogue.lexicon import Lexicon
from components.dialogue.policy import Dialogue, Policy, likely
from components.dialogue.state import Question, State, Turn


@pytest.fixture
def policy(lexicon: Lexicon) -> Policy:
    return Policy(Dialogue(), lexicon)


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
    assert policy.gain("genre", one, np.full(len(one), 1 / len(one))) == ((), 0.0)


def test_what_was_offered_or_is_set_is_not_offered_again(policy: Policy) -> None:
    items = np.arange(400)
    first = policy.question(State(), items)
    assert first is not None
    assert first.name in policy.lexicon.kinds
    assert first.name not in policy.settings.skip
    answer = Act(kind="must", entities=first.entities[:1])
    second = policy.question(State(turns=(Turn(number=1, question=first), Turn(number=2, acts=(answer,)))), items)
    assert second is not None
    assert not {*first.entities} & {*second.entities}
    timed = Act(kind="range", range=Range(name="year", low=1990))
    settled = policy.question(State(turns=(Turn(number=1, acts=(timed,)),)), items)
    assert settled is None or settled.name not in {"decade", "year"}


def test_questions_without_an_answer_have_a_budget(policy: Policy) -> None:
    items = np.arange(400)
    asked = Question(kind="facet", name="genre")
    silent = tuple(Turn(number=n + 1, question=asked) for n in range(policy.settings.budget + 1))
    assert policy.question(State(turns=silent), items) is None
    assert policy.question(State(turns=silent[:-1]), items) is not None
    answer = Act(kind="must", entities=(Entity(kind="genre", value="Drama"),))
    talkative = tuple(turn.but(acts=(answer,)) for turn in silent)
    assert policy.question(State(turns=talkative), items) is not None


def test_few_candidates_are_shown_and_not_asked_about(policy: Policy) -> None:
    assert policy.question(State(), np.arange(policy.settings.k)) is None
    assert policy.question(State(), np.arange(0)) is None


def test_an_answer_speaks_of_what_is_not_shown() -> None:
    chances = likely(100, 5)
    assert chances.sum() == pytest.approx(1)
    assert not chances[:5].any()
    assert (np.diff(chances[5:]) < 0).all()
    assert not likely(3, 5).any()


def test_a_higher_threshold_asks_less(lexicon: Lexicon) -> None:
    assert Policy(Dialogue(gain=9.0), lexicon).question(State(), np.arange(400)) is None
