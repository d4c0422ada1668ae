"""The hybrid: joined by name, restored in any order, honest about states, the same whoever else asks."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from components import nodes
from components.data.histories import Histories, Ints, merge
from components.errors import DataError
from components.ranking.hybrid import Hybrid, HybridScorer
from components.ranking.linear import ItemLinear, SequentialLinear
from components.ranking.parts import Arrays, Floats, World
from components.ranking.pools import emptied, first_new
from components.ranking.popularity import Popularity
from components.ranking.terms import Terms, standardise

ITEMS = 30


def rows(count: int, length: int, shift: int = 0) -> Histories:
    """Users that walk round a circle of items."""
    items = np.array([(user * 7 + step + shift) % ITEMS for user in range(count) for step in range(length)])
    return Histories(items, np.arange(len(items)), np.arange(0, len(items) + 1, length), np.arange(count))


def world(histories: Histories) -> World:
    nothing = np.zeros((ITEMS, 4), dtype=np.float32)
    return World(histories, np.full(len(histories), -1), nothing, nothing)


def fitted(**settings: object) -> tuple[Hybrid, HybridScorer, World]:
    parts = {"sequential": SequentialLinear(l2=1.0), "item": ItemLinear(l2=1.0), "popularity": Popularity()}
    hybrid = Hybrid(parts=parts, lengths=[3, 10], ages=[1.0], prior=10.0, pool=20, **settings)  # type: ignore[arg-type]
    where = world(rows(60, 5))
    return hybrid, hybrid.fit(where, rows(60, 1, 5), 3)[0], where


def scores(scorer: HybridScorer, histories: Histories) -> tuple[Ints, Floats]:
    items, terms = scorer.rank(histories, None, ITEMS)
    return items, terms.sum(0)


def test_the_part_that_knows_gets_the_weight() -> None:
    _, scorer, _ = fitted(refit=False)
    histories = rows(60, 5)
    unseen = np.ones((60, ITEMS), dtype=bool)
    unseen[histories.users, histories.items] = False
    items, _ = scorer.rank(histories, unseen, 1)
    assert (items[:, 0] == first_new(rows(60, 1, 5))).mean() > 0.9


def test_restored_from_sorted_json_it_ranks_the_same() -> None:
    hybrid, scorer, where = fitted()
    again = nodes.build(json.loads(json.dumps(nodes.plain(hybrid), sort_keys=True)), "ranker")
    assert list(again.parts) != list(hybrid.parts)
    tensors = {name: part.tensors() for name, part in [*scorer.parts.items(), ("hybrid", scorer)]}
    restored = again.restore(tensors, where)
    for one, other in ((restored, scorer), (restored.without("item"), scorer.without("item"))):
        mine, theirs = scores(one, rows(60, 5)), scores(other, rows(60, 5))
        np.testing.assert_array_equal(mine[0], theirs[0])
        np.testing.assert_allclose(mine[1], theirs[1], atol=1e-6)


def test_refit_takes_in_the_validation_events() -> None:
    _, scorer, where = fitted()
    known = merge(where.histories, rows(60, 1, 5))
    np.testing.assert_array_equal(np.sort(scorer.parts["popularity"].tensors()["items"]), np.sort(known.items))
    assert scorer.gate.end == known.times.max() + 1


def test_an_answer_does_not_depend_on_who_else_asks() -> None:
    _, scorer, _ = fitted()
    histories = rows(9, 4)
    items, terms = scorer.rank(histories, None, ITEMS)
    for user in range(9):
        alone = scorer.rank(histories.pick(np.array([user])), None, ITEMS)
        np.testing.assert_array_equal(alone[0][0], items[user])
        np.testing.assert_allclose(alone[1][:, 0], terms[:, user], atol=1e-6)


def test_only_open_items_are_ranked_and_fewer_are_marked() -> None:
    _, scorer, _ = fitted()
    allowed = np.zeros((1, ITEMS), dtype=bool)
    allowed[0, [3, 8]] = True
    items, _ = scorer.rank(rows(5, 4), allowed, 4)
    assert {tuple(sorted(row)) for row in items} == {(-1, -1, 3, 8)}
    nothing, _ = scorer.rank(rows(5, 4), np.zeros((1, ITEMS), dtype=bool), 4)
    assert (nothing == -1).all()


def test_an_item_that_is_asked_for_is_ranked_in_any_case() -> None:
    _, scorer, _ = fitted()
    items, _ = replace(scorer, candidates=2).rank(rows(1, 4), np.zeros((1, ITEMS), dtype=bool), ITEMS, also=np.array([7]))
    assert 7 in items[0]


def test_best_first_equal_scores_by_index() -> None:
    _, scorer, _ = fitted()
    items, terms = scorer.rank(rows(9, 4), None, ITEMS)
    totals = terms.sum(0).astype(np.float32)
    assert (np.diff(totals, axis=1) <= 0).all()
    tied = np.diff(totals, axis=1) == 0
    assert (np.diff(items, axis=1)[tied] > 0).all()


def test_probability_rises_with_the_score_and_is_one() -> None:
    _, scorer, _ = fitted()
    histories = rows(9, 4)
    chance = scorer.probability(histories, scores(scorer, histories)[1])
    assert ((chance >= 0) & (chance <= 1)).all()
    assert (np.diff(chance, axis=1) <= 1e-12).all()


def test_without_a_part_its_terms_weigh_nothing() -> None:
    _, scorer, _ = fitted()
    place = scorer.terms.of("sequential")
    assert (scorer.without("sequential").weights[:, place] == 0).all()
    np.testing.assert_allclose(scorer.without("sequential").weights.sum(1), 1)


def test_states_go_by_length_and_age() -> None:
    _, scorer, _ = fitted()
    day = 86400
    histories = Histories(
        np.zeros(15, dtype=np.int64), np.zeros(15, dtype=np.int64), np.array([0, 0, 1, 4, 15]), at=np.array([1, 1, 2 * day, 1])
    )
    gate = replace(scorer.gate, end=10 * day)
    assert gate.states(histories).tolist() == [0, 1, 2, 5]
    assert gate.states(emptied(histories)).tolist() == [0, 0, 0, 0]
    assert gate.names()[0] == "cold"
    assert len(gate.names()) == gate.count == 7
    assert replace(gate, end=day // 2).states(histories).tolist() == [0, 1, 1, 5], "who asks later than the data end asks then"


def test_constant_scores_say_nothing() -> None:
    assert standardise(np.array([[2.0, 2.0, 2.0], [0.0, 1.0, 2.0]]))[0].tolist() == [0, 0, 0]


def test_nobody_to_judge_is_an_error() -> None:
    hybrid, _, where = fitted()
    empty = Histories(np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(61, np.int64), np.arange(60))
    with pytest.raises(DataError, match="no user has a validation item"):
        hybrid.fit(where, empty, 3)


@dataclass(frozen=True)
class Head:
    """A part that says nothing of the catalogue, and everything of candidates."""

    wanted: Ints

    def score(self, histories: Histories) -> Floats:
        return np.zeros((len(histories), ITEMS))

    def rate(self, histories: Histories, candidates: Ints, z: Floats | None = None) -> tuple[Floats, Floats]:
        return 5.0 + 3.0 * (candidates == self.wanted[histories.who][:, None]), np.zeros((*candidates.shape, 1))

    def tensors(self) -> Arrays:
        return {}


def test_a_head_reranks_what_the_parts_retrieve() -> None:
    hybrid, scorer, _ = fitted(refit=False)
    wanted = (np.arange(60) * 11) % ITEMS
    parts = scorer.parts | {"attention": Head(wanted)}
    asked = rows(60, 5)
    unseen = np.ones((60, ITEMS), dtype=bool)
    unseen[asked.users, asked.items] = False
    fresh = unseen[np.arange(60), wanted]
    joined, held_out = hybrid._join(parts, asked.pick(np.flatnonzero(fresh)), wanted[fresh])  # pyright: ignore[reportPrivateUsage]
    assert joined.terms.names[-1] == "attention head"
    assert held_out > 0.9
    items, _ = joined.rank(asked, unseen, 1)
    assert (items[fresh, 0] == wanted[fresh]).mean() > 0.9
    np.testing.assert_allclose(Terms(parts, joined.terms.spread).at(asked, items, joined.terms.standard(asked)).shape, (5, 60, 1))


class Whole:
    """A part that can be asked about candidates alone, and, where it may, about all."""

    def __init__(self, *, spared: bool) -> None:
        self.spared = spared

    def score(self, histories: Histories) -> Floats:
        assert not self.spared, "nobody draws by it"
        return np.tile(np.arange(ITEMS) ** 1.5, (len(histories), 1))

    def some(self, histories: Histories, candidates: Ints) -> Floats:
        return candidates**1.5

    def moments(self, histories: Histories, known: int | None) -> tuple[Floats, Floats]:
        some = np.arange(ITEMS)[:known] ** 1.5
        return np.full((len(histories), 1), some.mean()), np.full((len(histories), 1), some.std())

    def tensors(self) -> Arrays:
        return {}


def test_a_part_by_which_nobody_draws_is_asked_about_candidates_alone_and_adds_the_same() -> None:
    _, scorer, _ = fitted()
    asked, candidates = rows(9, 4), np.tile([3, 17, 29], (9, 1))
    whole, spared = (replace(scorer.terms, parts=scorer.parts | {"whole": Whole(spared=spared)}) for spared in (False, True))
    needed = np.array([True, True, True, False])
    np.testing.assert_array_equal(
        spared.at(asked, candidates, spared.drawing(asked, needed)), whole.at(asked, candidates, whole.standard(asked))
    )
    retrieval, weights = (
        np.pad(own, [(0, 0), (0, 1)], constant_values=worth) for own, worth in ((scorer.retrieval, 0), (scorer.weights, 9))
    )
    items, terms = replace(scorer, terms=spared, retrieval=retrieval, weights=weights).rank(asked, None, 5)
    assert (items[:, 0] == ITEMS - 1).all()
    assert (terms[3] != 0).all()


def test_a_setting_without_bound_survives_json() -> None:
    hybrid = Hybrid(parts={"item": ItemLinear(decay=float("inf"))}, lengths=[3], ages=[])
    text = json.dumps(nodes.plain(hybrid), allow_nan=False)
    assert nodes.build(json.loads(text), "ranker") == hybrid
