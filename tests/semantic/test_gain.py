"""The benchmark of what pretraining buys, on a made-up world."""

from pathlib import Path

import numpy as np
import pytest

from components.data.histories import Dataset, Histories
from components.ranking.parts import World
from components.ranking.sequence import SequenceModel
from components.semantic.behaviour import Behaviour
from components.training import Plan

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ITEMS = 12


def histories(rows):
    lengths = [len(row) for row in rows]
    return Histories(np.concatenate(rows), np.arange(sum(lengths)) + 1, np.concatenate([[0], np.cumsum(lengths)]), np.arange(len(rows)))


@pytest.fixture
def gain(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import semantic_gain

    return semantic_gain


@pytest.fixture
def trial(gain):
    """Items follow each other in a ring; half of the forty users have four events before the test, the others seven."""
    from knowledge_worlds import Setting

    rng = np.random.default_rng(3)
    rows = [(rng.integers(ITEMS) + np.arange(5 + 3 * (user % 2))) % ITEMS for user in range(40)]
    parts = [histories([row[cut] for row in rows]) for cut in (slice(None, -2), slice(-2, -1), slice(-1, None))]
    content = rng.normal(size=(ITEMS, 6)).astype(np.float32)
    data = Dataset([f"i{item:02}" for item in range(ITEMS)], [f"u{user:02}" for user in range(40)], *parts)
    setting = Setting(World(data.train, np.full(40, -1), content, content), data, None, {})
    behaviour = Behaviour(width=8, layers=1, length=6, plan=Plan(epochs=1, batch=16, rate=0.005))
    model = SequenceModel(width=8, layers=1, length=6, plan=Plan(epochs=2, batch=8, rate=0.01, patience=1))
    return gain.Trial(setting, behaviour, model)


def test_each_side_has_figures_for_all_and_for_short_histories_beside_neither(gain, trial, monkeypatch):
    monkeypatch.setattr(gain, "RATES", (1.0, 2.0))
    found = gain.run(trial, ["neither", "both"], [1, 2])
    assert {name: question["users"] for name, question in found["questions"].items()} == {
        "all": 40,
        "the last 5 events alone": 40,
        "at most 5 events": 20,
    }
    figures = found["questions"]["all"]["figures"]["NDCG@10"]
    assert len(figures["both"]["seeds"]) == 2
    assert figures["both"]["ahead"]["difference"] == pytest.approx(figures["both"]["mean"] - figures["neither"]["mean"])
    assert "ahead" not in figures["neither"]
    assert all(chosen["rate"] in (1.0, 2.0) and len(chosen["validation"]) == 2 for chosen in found["chosen"].values())


def test_sides_differ_in_the_item_vectors_alone(gain, trial):
    vectors = {side: trial.vectors(side, 1) for side in gain.SIDES}
    assert {own.shape for own in vectors.values()} == {(ITEMS, 8)}
    assert len({own.tobytes() for own in vectors.values()}) == len(gain.SIDES)
    one, two = (trial.train(vectors["both"], 1.0, 1)[1] for _ in range(2))
    assert one == two


def test_what_was_seen_is_not_listed_and_only_the_last_events_are_known(gain, trial):
    known, seen, _ = trial.questions["the last 5 events alone"]
    assert known.lengths.max() == 5
    assert all(np.array_equal(known.pick(np.array([u])).items, seen.pick(np.array([u])).items[-5:]) for u in range(40))
    scorer, _ = trial.train(trial.vectors("neither", 1), 1.0, 1)
    lists = gain.ranked(scorer, known, seen)
    for user, shown in enumerate(lists):
        fresh = shown[: ITEMS - seen.lengths[user]]
        assert not set(fresh) & set(seen.pick(np.array([user])).items)
