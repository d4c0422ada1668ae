import numpy as np
import pytest
import torch
from pydantic import ValidationError

from components.data.histories import Histories
from components.errors import ConfigError, DataError
from components.semantic.behaviour import Behaviour, Objective
from components.semantic.bert import MASK, PAD, SEP, join, restore
from components.semantic.probe import Probe
from components.training import Plan

ITEMS, USERS = 12, 60


def histories(rows):
    lengths = [len(row) for row in rows]
    items = np.concatenate([np.array(row, dtype=np.int64) for row in rows])
    return Histories(items, np.arange(len(items)), np.concatenate([[0], np.cumsum(lengths)]), np.arange(len(rows)))


@pytest.fixture(scope="module")
def world():
    """Items 0 to 8 follow each other in a ring; 9, 10 and 11 occur nowhere; the last user has no event."""
    rng = np.random.default_rng(3)
    starts, lengths = rng.integers(0, 9, USERS), rng.integers(3, 8, USERS)
    rows = [[(start + i) % 9 for i in range(length)] for start, length in zip(starts, lengths, strict=True)]
    content = torch.from_numpy(rng.normal(size=(ITEMS, 8)).astype(np.float32))
    return content, histories([row[:-1] for row in rows] + [[]]), histories([row[-1:] for row in rows] + [[]])


def settings(**changes):
    plan = {"epochs": 80, "batch": 16, "rate": 0.005} | changes.pop("plan", {})
    return Behaviour(**({"width": 16, "length": 6, "dropout": 0.0, "plan": Plan(**plan)} | changes))


@pytest.fixture(scope="module")
def trained(world):
    return settings().pretrain(*world, seed=1)[0]


def test_learns_what_follows(world, trained):
    report = Probe.draw(world[1], world[2], 6, 100).report(trained)
    assert report["hit@1"] > 0.95
    assert report["ndcg@10"] > 0.95
    assert report["users"] == USERS


def test_tells_whose_segment_follows():
    """Two tastes that never meet: a stranger's item is of the other taste half the time, so 0.75 can be reached."""
    rng = np.random.default_rng(5)
    rows = [rng.permutation(8) + 8 * (user % 2) for user in range(60)]
    train, valid = histories([row[:-1] for row in rows]), histories([row[-1:] for row in rows])
    shuffled = rng.permutation(60)
    content = torch.from_numpy(rng.normal(size=(16, 8)).astype(np.float32))
    module, _ = settings(mlm=0.1, match=0.1).pretrain(content, train.pick(shuffled), valid.pick(shuffled), seed=1)
    assert Probe.draw(train.pick(shuffled), valid.pick(shuffled), 6, 100).follows(module) > 0.65


def test_a_hard_negative_is_of_the_history_closest_in_content(world):
    content = torch.eye(12)
    content[6:] = content[:6] + 0.1  # items 0 and 6, 1 and 7, … are alike
    module = settings().module(content, world[1])
    rows = torch.tensor([[PAD, 0, 1], [3, 4, 5], [6, 7, 8], [PAD, PAD, 10]])
    objective = Objective(settings(hard=1.0), module, rows, torch.arange(4), torch.ones(12))
    assert objective._closest(rows).tolist() == [2, 3, 0, 1]
    torch.manual_seed(0)
    tokens, kinds, own = objective._lay(rows, torch.ones(4, dtype=torch.long))
    for row, user in ((0, 2), (1, 3), (2, 0), (3, 1)):
        second = {int(token) for token in tokens[row][kinds[row] == 1] if token >= 0}
        assert second <= set(rows[row if own[row] else user].tolist())


def test_repeated_and_old_items_do_not_count_above_the_target(trained):
    probe = Probe(torch.tensor([[PAD, 1, 1, 1, 1, 2]]), torch.tensor([0]), torch.tensor([3]))
    with torch.no_grad():
        ranks = [int(Probe(probe.rows, probe.users, torch.tensor([item]))._ranks(trained, torch.tensor([0]))) for item in range(12)]
    fresh = sorted(ranks[item] for item in range(12) if item not in (1, 2))
    assert fresh == list(range(10))


def test_matches_history_with_what_follows(world, trained):
    rows = torch.from_numpy(world[1].padded(6, PAD)[:USERS])
    with torch.no_grad():
        scores = trained.encode_users(rows) @ trained.encode_items().T
    assert (scores[:, :9].argmax(1).numpy() == world[2].items).mean() > 0.7


def test_unseen_items_have_no_residual_and_unseen_users_no_token(trained):
    with torch.no_grad():
        before = trained.embed(), trained.encode_users(torch.tensor([[1, 2]]), torch.tensor([USERS]))
        bare = trained.norm(trained.fusion(trained.content))
        stranger = trained.encode_users(torch.tensor([[1, 2]]))
    assert torch.equal(before[0][9:], bare[9:])
    assert not torch.allclose(before[0][:9], bare[:9])
    assert torch.equal(before[1], stranger)
    assert trained.encode_items().shape == (ITEMS, 16)


def test_double_precision_does_not_show_the_batch(world, trained):
    module = restore(trained.tensors(), trained.about(), world[0].numpy()).double()
    rows = torch.from_numpy(world[1].padded(6, PAD))
    users = torch.arange(len(rows))
    with torch.no_grad():
        together = module.encode_users(rows, users)
        alone = torch.cat([module.encode_users(rows[i : i + 1], users[i : i + 1]) for i in range(len(rows))])
        wide = module.encode_users(torch.nn.functional.pad(rows, (9, 0), value=PAD), users)
        items = torch.cat([module.encode_items(torch.tensor([i])) for i in range(ITEMS)])
        assert (module.encode_items() - items).abs().max() < 1e-12
    assert together.dtype == torch.float64
    assert (together - alone).abs().max() < 1e-12
    assert (together - wide).abs().max() < 1e-12


def test_only_the_last_items_count(trained):
    long = torch.tensor([[5, 6, 7, 8, 0, 1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(trained.encode_users(long), trained.encode_users(long[:, -6:]))


def test_empty_histories_and_empty_batches(trained):
    with torch.no_grad():
        cold = trained.encode_users(torch.full((2, 3), PAD))
        none = trained.encode_users(torch.zeros((1, 0), dtype=torch.int64))
        assert trained.encode_users(torch.zeros((0, 4), dtype=torch.int64)).shape == (0, 16)
        assert trained.encode_items(torch.zeros(0, dtype=torch.int64)).shape == (0, 16)
    assert torch.isfinite(cold).all()
    assert torch.allclose(cold[0], none[0], atol=1e-6)


def test_round_trip(world, trained):
    again = restore(trained.tensors(), trained.about(), world[0].numpy())
    rows = torch.from_numpy(world[1].padded(6, PAD))
    with torch.no_grad():
        assert torch.equal(again.encode_users(rows), trained.encode_users(rows))
        assert torch.equal(again.encode_items(), trained.encode_items())


def test_killed_training_ends_in_the_same_bits(world, tmp_path, monkeypatch):
    small = settings(dropout=0.2, plan={"epochs": 4})
    whole, curve = small.pretrain(*world, seed=5)
    real, calls = Objective.loss, []

    def dying(self, picked):
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return real(self, picked)

    monkeypatch.setattr(Objective, "loss", dying)
    with pytest.raises(KeyboardInterrupt):
        small.pretrain(*world, seed=5, checkpoint=tmp_path / "checkpoint")
    resumed, curve_resumed = small.pretrain(*world, seed=5, checkpoint=tmp_path / "checkpoint")
    assert len(calls) < 10 + 4 * 4
    assert curve == curve_resumed
    assert all(np.array_equal(value, resumed.tensors()[name]) for name, value in whole.tensors().items())


def test_same_seed_same_bits_other_seed_other_bits(world):
    one, two, three = (settings(plan={"epochs": 1}).pretrain(*world, seed=seed)[0].tensors() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(one["residual"], three["residual"])


def test_sampled_softmax_learns_too(world):
    module, curve = settings(full=1, negatives=8, view=0.0).pretrain(*world, seed=1)
    assert np.isfinite([row["loss"] for row in curve]).all()
    assert Probe.draw(world[1], world[2], 6, 100).measure(module)["hit@1"] > 0.7


def test_sampled_softmax_estimates_the_full_one(world, trained):
    states, items = torch.randn(40, 16), torch.randint(9, (40,))
    estimate = [Objective(settings(full=1, negatives=512), trained, *[torch.zeros(0)] * 3)._mlm(states, items) for _ in range(30)]
    exact = Objective(settings(), trained, *[torch.zeros(0)] * 3)._mlm(states, items)
    assert torch.stack(estimate).mean().item() == pytest.approx(exact.item(), rel=0.15)


def test_without_validation_events(world):
    nobody = histories([[]] * (USERS + 1))
    module, curve = settings(plan={"epochs": 1}).pretrain(world[0], world[1], nobody, seed=1)
    assert "score" not in curve[0]
    assert Probe.draw(world[1], nobody, 6, 10).report(module) == {}


def test_histories_of_one_event(world):
    module, curve = settings(plan={"epochs": 2}).pretrain(world[0], histories([[i % 9] for i in range(30)]), histories([[]] * 30), seed=1)
    assert np.isfinite(curve[-1]["loss"])
    assert torch.isfinite(module.encode_items()).all()


def test_no_training_event_is_refused(world):
    with pytest.raises(DataError, match="training split has no event"):
        settings().pretrain(world[0], histories([[]]), histories([[1]]), seed=1)


def test_heads_must_divide_width(world):
    with pytest.raises(ConfigError, match=r"behaviour\.heads"):
        settings(heads=3).pretrain(*world, seed=1)
    with pytest.raises(ValidationError):
        settings(width=-1)


def test_join_lays_segments_without_gaps():
    first, second = torch.tensor([[PAD, 1, 2], [PAD, PAD, 3]]), torch.tensor([[PAD, 4], [PAD, PAD]])
    tokens, kinds = join(first, second)
    assert tokens.tolist() == [[1, 2, SEP, 4, SEP], [PAD, PAD, PAD, 3, SEP]]
    assert kinds.tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]
    assert MASK not in tokens


@pytest.fixture(scope="module")
def told():
    """Two tastes that never meet; all but every fifth user say which one is theirs, the last two without having done anything."""
    rng = np.random.default_rng(5)
    rows = [rng.permutation(8) + 8 * (user % 2) for user in range(60)] + [[], []]
    profiles = torch.zeros(62, 4)
    profiles[torch.arange(62), torch.arange(62) % 2] = 1.0
    profiles[:60:5] = 0.0
    train, valid = histories([row[:-1] for row in rows]), histories([row[-1:] for row in rows])
    content = torch.from_numpy(rng.normal(size=(16, 8)).astype(np.float32))
    module, _ = settings(dropout=0.1, plan={"epochs": 40}).pretrain(content, train, valid, seed=1, profiles=profiles)
    return module, profiles, train, valid, content


def taste(scores):
    """The share of the first taste among the eight best items."""
    return (scores.topk(8, dim=1).indices < 8).double().mean(1)


def test_a_new_user_is_placed_by_profile_alone_history_alone_or_both(told):
    module, profiles, *_ = told
    nobody, items = torch.full((2, 1), PAD), module.encode_items()
    with torch.no_grad():
        said = taste(module.encode_users(nobody, profiles=profiles[60:]) @ items.T)
        done = taste(module.encode_users(torch.tensor([[1, 2, 3], [11, 12, 13]])) @ items.T)
        both = taste(module.encode_users(torch.tensor([[1, 2, 3], [11, 12, 13]]), profiles=profiles[60:]) @ items.T)
        known = taste(module.encode_users(nobody, torch.tensor([60, 61])) @ items.T)
    for found in (said, done, both, known):
        assert found[0] > 0.8
        assert found[1] < 0.2


def test_who_has_no_profile_is_encoded_as_where_nobody_has_one(told):
    module, _, train, *_ = told
    rows, users = torch.from_numpy(train.padded(6, PAD)), torch.arange(62)
    silent = restore(module.tensors(), module.about(), told[4].numpy())
    with torch.no_grad():
        loud = module.encode_users(rows, users)
        assert torch.equal(loud[:60:5], silent.encode_users(rows, users)[:60:5])
        assert not torch.allclose(loud[1], silent.encode_users(rows, users)[1], atol=1e-3)
        assert torch.equal(module.encode_users(rows), silent.encode_users(rows))


def test_without_profiles_nothing_is_learned_of_them(world, trained):
    nothing = torch.zeros(USERS + 1, 4)
    module, _ = settings(plan={"epochs": 1}).pretrain(*world, seed=1, profiles=nothing)
    plain, _ = settings(plan={"epochs": 1}).pretrain(*world, seed=1)
    assert module.tensors().keys() == trained.tensors().keys()
    assert all(np.array_equal(value, plain.tensors()[name]) for name, value in module.tensors().items())
    assert "profile" not in module.about()


def test_what_a_profile_alone_foretells_is_measured_beside_a_stranger(told):
    module, _, train, valid, _ = told
    report = Probe.draw(train, valid, 6, 100).report(module)
    assert report["profiles"] == 48
    assert report["profile_ndcg@10"] > report["stranger_ndcg@10"] + 0.1
