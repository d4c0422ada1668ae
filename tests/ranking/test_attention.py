"""The attention head: rates candidates as the retrieval at first, learns to rerank, and says what it looked at."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from components.data.histories import Histories
from components.errors import ConfigError
from components.ranking.attention import AttentionHead, AttentionRanker
from components.ranking.parts import Part, Reranker, World
from components.ranking.sequence import SequenceModel
from components.training import Plan

ITEMS, USERS = 14, 80


def histories(rows):
    items = np.array([item for row in rows for item in row], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Histories(items, np.zeros_like(items), offsets, np.arange(len(rows)))


def world(rows, items=ITEMS, **kinds):
    vectors = np.random.default_rng(1).normal(size=(items, 6)).astype(np.float32)
    return World(histories(rows), np.full(len(rows), -1), vectors, vectors, **kinds)


def ranker(epochs=10, length=8, **changes):
    plan = Plan(epochs=epochs, batch=4, rate=0.01)
    sequence = SequenceModel(width=16, layers=1, length=length, dropout=0.0, plan=plan)
    return AttentionRanker(**({"sequence": sequence, "hard": 8, "easy": 8, "sample": 64} | changes))


@pytest.fixture(scope="module")
def ring():
    """Items 0 to 9 follow each other in a ring; the others occur nowhere."""
    rng = np.random.default_rng(3)
    starts, lengths = rng.integers(0, 10, USERS), rng.integers(2, 9, USERS)
    return world([[(start + i) % 10 for i in range(length)] for start, length in zip(starts, lengths, strict=True)])


@pytest.fixture(scope="module")
def trained(ring):
    return ranker().fit(ring, 1)[0]


def everything(histories, items=ITEMS):
    return np.tile(np.arange(items), (len(histories), 1))


def test_at_the_start_the_log_odds_are_the_score_of_the_retrieval():
    torch.manual_seed(0)
    head = AttentionHead(8, 2, torch.ones(3))
    tokens, candidates = torch.randn(2, 4, 8), torch.randn(2, 5, 8)
    there = torch.ones(2, 4, dtype=torch.bool)
    odds, alpha = head((tokens, there), (candidates, head.query(candidates)), torch.randn(2, 5, 3))
    assert torch.allclose(odds, (tokens[:, -1:] @ candidates.transpose(1, 2))[:, 0], atol=1e-6)
    assert torch.allclose(alpha.sum(-1), torch.ones(2, 5))


def test_both_forms_learn_what_follows(trained, ring):
    assert isinstance(ranker(), Part)
    assert isinstance(trained, Reranker)
    wanted = (ring.histories.items[ring.histories.offsets[1:] - 1] + 1) % 10
    odds, _ = trained.rate(ring.histories, everything(ring.histories))
    assert (trained.score(ring.histories).argmax(1) == wanted).mean() > 0.9
    assert (odds.argmax(1) == wanted).mean() > 0.9


def test_a_rating_does_not_show_its_batch_or_the_other_candidates(trained, ring):
    candidates = everything(ring.histories)
    odds, alpha = trained.rate(ring.histories, candidates)
    for user in (0, 7, 42):
        alone = ring.histories.pick(np.array([user]))
        single, shares = trained.rate(alone, candidates[[user], 3:5])
        assert (single.astype(np.float32) == odds[[user], 3:5].astype(np.float32)).all()
        np.testing.assert_allclose(shares[0, :, -int(alone.lengths[0]) :], alpha[user, 3:5, -int(alone.lengths[0]) :], rtol=1e-9)


def test_attention_is_a_share_of_each_event_of_the_history(trained, ring):
    asked = ring.histories.pick(np.array([0, 1, 2]))
    alpha = trained.rate(asked, everything(asked))[1]
    np.testing.assert_allclose(alpha.sum(2), 1.0)
    width = alpha.shape[2] - 1
    for row, length in zip(alpha, asked.lengths, strict=True):
        assert (row[:, 1 : 1 + width - length] == 0).all()
    one = ring.histories.pick(np.array([5]))
    assert trained.attention(one, np.array([3, 4])).shape == (2, 1 + one.lengths[0])


def test_an_empty_history_is_rated_by_the_items_alone(trained):
    odds, alpha = trained.rate(histories([[], [1, 2]]), everything([0, 1]))
    assert np.isfinite(odds).all()
    assert (alpha[0, :, 0] == 1).all()
    assert trained.rate(histories([]), np.empty((0, 4), dtype=np.int64))[0].shape == (0, 4)


def test_restored_it_rates_the_same(trained, ring):
    again = ranker().restore(trained.tensors(), replace(ring, histories=histories([])))
    candidates = everything(ring.histories)
    assert (again.score(ring.histories) == trained.score(ring.histories)).all()
    assert (again.rate(ring.histories, candidates)[0] == trained.rate(ring.histories, candidates)[0]).all()
    assert ranker().refit(trained, ring) is trained


def test_the_same_seed_gives_the_same_bits_also_after_a_kill(ring, tmp_path: Path):
    def weights(epochs, where):
        found = ranker(epochs).fit(replace(ring, checkpoint=where), 5)[0].tensors()
        return {name: value.tobytes() for name, value in found.items()}

    undisturbed = weights(4, None)
    weights(2, tmp_path / "state")
    assert weights(4, tmp_path / "state") == undisturbed


@dataclass(frozen=True)
class Told:
    """A reasoner that knows each user's next item: z's second feature is 100 for it."""

    after: dict[int, int]

    def pairs(self, histories, candidates):
        last = histories.items[np.maximum(histories.offsets[1:] - 1, 0)]
        wanted = np.array([self.after[item] for item in last])
        return np.stack([np.ones(candidates.shape), 100.0 * (candidates == wanted[:, None])], 2).astype(np.float32)


def test_the_head_weighs_what_the_graph_knows():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, ITEMS, (60, 5)).tolist()
    after = {item: (3 * item + 1) % ITEMS for item in range(ITEMS)}
    told = Told(after)
    rows = [[item for start in row[:2] for item in (start, after[start])] for row in rows]
    source = world(rows, reasoner=told)
    scorer = ranker(sequence=replace(ranker().sequence, plan=Plan(epochs=12, batch=4, rate=0.01, decay=0.0))).fit(source, 1)[0]
    asked = histories([[1], [2], [3]])
    z = told.pairs(asked, everything(asked))
    with_z, without = (scorer.rate(asked, everything(asked), given)[0] for given in (z, None))
    gain = with_z - without
    assert (gain.argmax(1) == [after[1], after[2], after[3]]).all()
    again = ranker().restore(scorer.tensors(), source)
    assert (again.rate(asked, everything(asked), z)[0] == with_z).all()


def test_a_feature_far_beyond_its_deviation_does_not_drown_the_others():
    torch.manual_seed(0)
    head = AttentionHead(8, 2, torch.tensor([1e-5, 1.0]))
    head.fact.data[:] = 1.0
    seen = torch.randn(1, 4, 8), torch.ones(1, 4, dtype=torch.bool)
    items = torch.randn(1, 2, 8)
    rare, usual, none = (head(seen, (items, items), torch.tensor([[z, [0.0, 0.0]]]))[0][0, 0] for z in ([0.5, 0.0], [0.0, 1.0], [0.0, 0.0]))
    assert rare - none < 20 * (usual - none)


@dataclass(frozen=True)
class Rounded:
    """A reasoner whose first feature differs by rounding alone."""

    def pairs(self, histories, candidates):
        return np.stack([1e-20 * candidates, 1.0 * (candidates % 2)], 2).astype(np.float32)


def test_what_differs_by_rounding_alone_stays_small(ring):
    scorer = ranker(1).fit(replace(ring, reasoner=Rounded()), 1)[0]
    assert scorer.head.spread[0] == 1.0


@dataclass(frozen=True)
class Ignorant:
    """The reasoner of a graph without an edge: z has no feature."""

    def pairs(self, histories, candidates):
        return np.zeros((*candidates.shape, 0), dtype=np.float32)


ODD = {
    "a graph without edges": world([[1, 2, 3], [2, 3, 4]], reasoner=Ignorant()),
    "one user": world([[1, 2, 3]]),
    "one item": world([[0, 0, 0]], items=1),
    "a long history": world([np.random.default_rng(0).integers(0, ITEMS, 20_000).tolist()]),
    "everything seen": world([list(range(ITEMS))]),
}


@pytest.mark.parametrize("source", ODD.values(), ids=ODD.keys())
def test_odd_worlds_give_finite_ratings(source):
    scorer, _ = ranker(2, length=50).fit(source, 1)
    assert np.isfinite(scorer.rate(source.histories, everything(source.histories, source.items))[0]).all()


def test_heads_must_divide_the_width(ring):
    with pytest.raises(ConfigError, match=r"attention\.heads: 5 does not divide"):
        ranker(heads=5).fit(ring, 1)
