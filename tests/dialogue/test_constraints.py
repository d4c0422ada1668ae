"""Slots close items; the mask and the fact by fact check agree; the condition that frees most is found."""

import random

import numpy as np
import pytest

from components.dialogue.acts import Act, Entity, Range
from components.dialogue.constraints import Constraints
from components.dialogue.lexicon import Lexicon
from components.dialogue.slots import Slots

KINDS = ("genre", "person", "decade")


@pytest.fixture(scope="module")
def constraints(lexicon: Lexicon) -> Constraints:
    return Constraints(lexicon)


def genre(value: str) -> Entity:
    return Entity(kind="genre", value=value)


def slots(*acts: Act) -> Slots:
    return Slots().after(acts)


def drawn(rng: random.Random, lexicon: Lexicon, keys: list[tuple[str, str, str]]) -> Act:
    kind = rng.choice(["must", "never", "wish", "range", "judge"])
    if kind == "range":
        low = rng.randint(1920, 2013)
        return Act(kind="range", range=Range(name="year", low=low, high=rng.choice([None, rng.randint(low, 2013)]), out=rng.random() < 0.5))
    if kind == "judge":
        return Act(kind="judge", items=tuple(rng.choices(lexicon.catalogue.ids, k=rng.randint(0, 3))), how="disliked")
    chosen = rng.choices([key for key in keys if key[0] == "genre"] if rng.random() < 0.5 else keys, k=rng.randint(1, 3))
    return Act(kind=kind, entities=tuple(Entity(kind=key[0], value=key[1], relation=key[2]) for key in chosen))


def test_what_is_open_breaks_nothing_and_what_is_closed_breaks_something(constraints: Constraints) -> None:
    rng, lexicon = random.Random(5), constraints.lexicon
    keys = sorted(lexicon.members)
    for _ in range(100):
        made = slots(*(drawn(rng, lexicon, keys) for _ in range(rng.randint(0, 4))))
        broken = np.array([bool(constraints.broken(made, item)) for item in lexicon.catalogue.ids])
        assert np.array_equal(constraints.mask(made), ~broken), made


def test_a_choice_is_met_by_any_and_conditions_by_all(constraints: Constraints) -> None:
    has = [{fact[1] for fact in facts if fact[0] == "genre"} for facts in constraints.lexicon.has]
    either = constraints.mask(slots(Act(kind="must", entities=(genre("Horror"), genre("Comedy")))))
    both = constraints.mask(slots(Act(kind="must", entities=(genre("Horror"),)), Act(kind="must", entities=(genre("Comedy"),))))
    assert [bool(each & {"Horror", "Comedy"}) for each in has] == either.tolist()
    assert [{"Horror", "Comedy"} <= each for each in has] == both.tolist()


def test_an_item_without_the_number_is_not_within_but_may_be_outside(lexicon: Lexicon) -> None:
    years = lexicon.numbers["year"].copy()
    years[:5] = np.nan
    partly = Constraints(Lexicon(lexicon.catalogue, lexicon.pairs, {"year": years}, lexicon.weight))
    within = partly.mask(slots(Act(kind="range", range=Range(name="year", low=1900))))
    outside = partly.mask(slots(Act(kind="range", range=Range(name="year", low=2100, out=True))))
    assert not within[:5].any()
    assert within[5:].all()
    assert outside.all()


def test_a_relation_counts(constraints: Constraints) -> None:
    eastwood = [Entity(kind="person", value="Clint Eastwood", relation=relation) for relation in ("", "stars", "directed by")]
    any_, stars, directs = (set(np.flatnonzero(constraints.lexicon.mask([each]))) for each in eastwood)
    assert stars | directs == any_
    assert stars != directs


def test_passed_items_are_closed(constraints: Constraints) -> None:
    item = constraints.lexicon.catalogue.ids[7]
    assert not constraints.mask(Slots(), (item,))[7]
    assert constraints.broken(Slots(), item, (item,)) == ["passed"]
    assert constraints.broken(Slots(), "tt-none") == ["unknown"]


def test_the_condition_that_frees_most_is_offered(constraints: Constraints) -> None:
    made = slots(
        Act(kind="must", entities=(genre("Western"),)),
        Act(kind="must", entities=(genre("Documentary"),)),
        Act(kind="never", entities=(genre("War"),)),
    )
    assert not constraints.mask(made).any()
    chips, count = constraints.relaxation(made)
    assert [made.entries[chip] for chip in chips] == [(genre("Western"),)]
    assert count == int(constraints.mask(made.without(chips)).sum()) > 0


def test_where_one_is_not_enough_the_fewest_are_offered(constraints: Constraints) -> None:
    made = slots(*(Act(kind="must", entities=(genre(value),)) for value in ("Horror", "Western", "Musical", "Short")))
    chips, count = constraints.relaxation(made)
    assert len(chips) == 2
    assert count == int(constraints.mask(made.without(chips)).sum()) > 0


def test_where_nothing_is_left_at_all_nothing_is_offered(constraints: Constraints) -> None:
    assert constraints.relaxation(Slots(), constraints.lexicon.catalogue.ids) == ([], 0)
