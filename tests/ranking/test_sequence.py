"""The sequence model: learns what follows, computes alike in every batch, and survives odd worlds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from components.data.histories import NOW, Histories
from components.errors import ConfigError, DataError
from components.ranking.parts import Part, World
from components.ranking.sequence import SequenceModel, SequenceScorer, validate
from components.training import Plan

ITEMS, USERS, DAY = 14, 80, 86_400


def histories(rows, times=None, at=None):
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    moments = np.zeros_like(items) if times is None else np.array([t for row in times for t in row], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Histories(items, moments, offsets, np.arange(len(rows)), *([] if at is None else [np.array(at, dtype=np.int64)]))


def world(rows, items=ITEMS, target=None, **kinds):
    vectors = np.random.default_rng(1).normal(size=(items, 6)).astype(np.float32)
    asked = rows if isinstance(rows, Histories) else histories(rows)
    return World(asked, np.full(len(asked), -1) if target is None else np.array(target), vectors, vectors, **kinds)


def model(**changes):
    plan = Plan(**({"epochs": 12, "batch": 4, "rate": 0.01, "schedule": "cosine"} | changes.pop("plan", {})))
    return SequenceModel(**({"width": 16, "layers": 1, "length": 8, "dropout": 0.0, "plan": plan} | changes))


@pytest.fixture(scope="module")
def ring():
    """Items 0 to 9 follow each other in a ring; the others occur nowhere."""
    rng = np.random.default_rng(3)
    rows = [
        [(start + i) % 10 for i in range(length)]
        for start, length in zip(rng.integers(0, 10, USERS), rng.integers(2, 9, USERS), strict=True)
    ]
    return world([row[:-1] for row in rows], target=[row[-1] for row in rows])


@pytest.fixture(scope="module")
def trained(ring):
    return model().fit(ring, 1)[0]


@pytest.mark.parametrize(("loss", "negatives", "epochs"), [("full", 1, 15), ("sampled", 16, 15), ("bce", 16, 20), ("gbce", 8, 40)])
def test_each_loss_learns_what_follows(ring, loss, negatives, epochs):
    scorer, curve = model(loss=loss, negatives=negatives, plan={"epochs": epochs, "rate": 0.02, "schedule": "constant"}).fit(ring, 1)
    best = scorer.score(ring.histories).argmax(1)
    assert (best == ring.target).mean() > 0.9
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_it_is_a_part_and_its_score_is_an_inner_product(trained, ring):
    assert isinstance(model(), Part)
    scores = trained.score(ring.histories)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, trained.states(ring.histories) @ trained.table.T)
    assert trained.table.shape == (ITEMS, 16)


def test_an_answer_does_not_show_the_batch_it_was_computed_in(trained, ring):
    whole = trained.score(ring.histories).astype(np.float32)
    small = replace(trained, places=7).score(ring.histories).astype(np.float32)
    single = np.concatenate([trained.score(ring.histories.pick(np.array([user]))) for user in range(USERS)]).astype(np.float32)
    assert (whole == small).all()
    assert (whole == single).all()


def test_only_the_last_events_are_read(trained):
    long, short = histories([[5] * 50_000 + [1, 2, 3, 4, 5, 6, 7, 8]]), histories([[1, 2, 3, 4, 5, 6, 7, 8]])
    assert (trained.score(long) == trained.score(short)).all()


def test_an_empty_history_scores_nothing_and_no_history_is_no_answer(trained):
    assert (trained.score(histories([[], [1]]))[0] == 0).all()
    assert trained.score(histories([])).shape == (0, ITEMS)


def test_items_unseen_in_training_have_a_vector_from_their_content_alone(trained):
    net = trained.net
    with torch.no_grad():
        content = net.project(net.vectors)
        assert torch.equal(net.table()[10:], content[10:])
        assert not torch.allclose(net.table()[:10], content[:10])


def test_restored_it_scores_the_same(trained, ring):
    again = model().restore(trained.tensors(), replace(ring, histories=histories([])))
    assert (again.score(ring.histories) == trained.score(ring.histories)).all()
    assert all(value.dtype in (np.float32, np.bool_) for value in trained.tensors().values())
    assert model().refit(trained, ring) is trained


def test_the_same_seed_gives_the_same_bits_also_after_a_kill(ring, tmp_path: Path):
    def weights(part, where):
        return {name: value.tobytes() for name, value in part.fit(replace(ring, checkpoint=where), 5)[0].tensors().items()}

    part = model(dropout=0.3, plan={"epochs": 4, "schedule": "constant"})
    undisturbed = weights(part, None)
    weights(replace(part, plan=replace(part.plan, epochs=2)), tmp_path / "state")
    assert weights(part, tmp_path / "state") == undisturbed


def test_it_reads_when_the_user_asks():
    """Before day 500 item 2 follows 0, from then on item 3; both days ask with the same history."""
    rng = np.random.default_rng(2)
    first = rng.integers(1, 1000, 300) * DAY
    rows = [[0, 2 if day < 500 * DAY else 3] for day in first]
    source = world(histories(rows, [[day - DAY, day] for day in first]), items=5)
    scorer = model(plan={"epochs": 10}).fit(source, 1)[0]
    asked = histories([[0]] * 4, [[DAY]] * 4, at=[100 * DAY, 300 * DAY, 900 * DAY, NOW])
    assert scorer.score(asked).argmax(1).tolist() == [2, 2, 3, 3]


ODD = {
    "one user": world([[1, 2, 3]]),
    "one item": world([[0, 0, 0]], items=1),
    "no overlap between users": world([[2 * user, 2 * user + 1] for user in range(7)]),
    "a long history": world([np.random.default_rng(0).integers(0, ITEMS, 100_000).tolist()]),
    "equal times": world(histories([[0, 1, 2]] * 3, [[7, 7, 7]] * 3)),
    "no content": replace(world([[0, 1, 2], [3, 4, 5]]), vectors=np.zeros((ITEMS, 6), dtype=np.float32)),
    "some without content": replace(world([[0, 1, 2], [3, 4, 5]]), vectors=np.eye(ITEMS, 6, dtype=np.float32)),
    "one vector for all": replace(world([[0, 1, 2], [3, 4, 5]]), vectors=np.ones((ITEMS, 6), dtype=np.float32)),
}


@pytest.mark.parametrize("source", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
def test_odd_worlds_give_finite_scores(source, loss):
    scorer, _ = model(loss=loss, negatives=8, length=50, plan={"epochs": 1, "batch": 64}).fit(source, 1)
    assert np.isfinite(scorer.score(source.histories)).all()


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(DataError, match="at least two events"):
        model().fit(world([[1], [2], []]), 1)


def test_wrong_settings_are_refused_by_name(ring):
    with pytest.raises(ConfigError, match=r"sequence\.heads: 3 does not divide"):
        model(heads=3).fit(ring, 1)
    with pytest.raises(ValidationError, match="loss"):
        model(loss="hinge")


def test_validation_is_ndcg_among_unseen_items():
    class Fixed:
        def score(self, histories):
            return np.tile(np.arange(5.0), (len(histories), 1))

        def tensors(self):
            return {}

    # the best unseen item is 3 for the first user (4 is seen), who wants it; the second wants the third best
    asked = World(histories([[4], [0], [1]]), np.array([3, 2, -1]), np.zeros((5, 1)), np.zeros((5, 1)))
    assert validate(Fixed(), asked) == pytest.approx((1 + 1 / np.log2(4)) / 2)
    assert validate(Fixed(), replace(asked, target=np.full(3, -1))) == 0.0


def test_scorers_compute_in_double(trained):
    assert isinstance(trained, SequenceScorer)
    assert {value.dtype for value in trained.net.parameters()} == {torch.float64}
