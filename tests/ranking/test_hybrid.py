"""The hybrid: joined by name, restored in any order, honest about states."""

import json

import numpy as np

from components import nodes
from components.data.histories import Histories, merge
from components.ranking.hybrid import Hybrid, HybridScorer, emptied, first_new, standardise, states
from components.ranking.linear import ItemLinear, SequentialLinear
from components.ranking.parts import World
from components.ranking.popularity import Popularity


def rows(count: int, length: int, shift: int = 0) -> Histories:
    """Users that walk round a circle of 30 items."""
    items = np.array([(user * 7 + step + shift) % 30 for user in range(count) for step in range(length)])
    return Histories(items, np.arange(len(items)), np.arange(0, len(items) + 1, length), np.arange(count))


def fitted(**settings: object) -> tuple[Hybrid, HybridScorer, World]:
    parts = {"sequential": SequentialLinear(l2=1.0), "item": ItemLinear(l2=1.0), "popularity": Popularity()}
    hybrid = Hybrid(parts=parts, bounds=[3, 10], prior=10.0, pool=20, **settings)  # type: ignore[arg-type]
    world = World(rows(60, 5), np.full(60, -1), np.zeros((30, 4), dtype=np.float32), None)
    return hybrid, hybrid.fit(world, rows(60, 1, 5), 3)[0], world


def test_the_part_that_knows_gets_the_weight() -> None:
    _, scorer, _ = fitted(refit=False)
    scores = scorer.score(rows(60, 5))
    scores[rows(60, 5).users, rows(60, 5).items] = -np.inf
    assert (scores.argmax(1) == first_new(rows(60, 1, 5))).mean() > 0.9


def test_restored_from_sorted_json_it_scores_the_same() -> None:
    hybrid, scorer, world = fitted()
    again = nodes.build(json.loads(json.dumps(nodes.plain(hybrid), sort_keys=True)), "ranker")
    assert list(again.parts) != list(hybrid.parts)
    tensors = {name: part.tensors() for name, part in [*scorer.parts.items(), ("hybrid", scorer)]}
    np.testing.assert_allclose(again.restore(tensors, world).score(rows(60, 5)), scorer.score(rows(60, 5)), atol=1e-12)


def test_refit_takes_in_the_validation_events() -> None:
    hybrid, scorer, world = fitted()
    known = merge(world.histories, rows(60, 1, 5))
    expected = hybrid.parts["popularity"].fit(World(known, world.target, world.vectors, None), 0)[0]
    np.testing.assert_array_equal(scorer.parts["popularity"].tensors()["counts"], expected.tensors()["counts"])


def test_terms_sum_to_the_score() -> None:
    _, scorer, _ = fitted()
    np.testing.assert_array_equal(scorer.terms(rows(9, 4)).sum(0), scorer.score(rows(9, 4)))


def test_probability_rises_with_the_score_and_is_one() -> None:
    _, scorer, _ = fitted()
    histories = rows(9, 4)
    scores = scorer.score(histories)
    chance = scorer.probability(histories, scores)
    assert ((chance >= 0) & (chance <= 1)).all()
    order = np.argsort(scores, axis=1)
    assert (np.diff(np.take_along_axis(chance, order, axis=1), axis=1) >= 0).all()


def test_states_go_by_length() -> None:
    lengths = Histories(np.zeros(15, dtype=np.int64), np.arange(15), np.array([0, 0, 1, 4, 15]))
    assert states(lengths, np.array([0, 3, 10])).tolist() == [0, 1, 1, 3]
    assert states(emptied(lengths), np.array([0, 3, 10])).tolist() == [0, 0, 0, 0]


def test_constant_scores_say_nothing() -> None:
    assert standardise(np.array([[2.0, 2.0, 2.0], [0.0, 1.0, 2.0]]))[0].tolist() == [0, 0, 0]
