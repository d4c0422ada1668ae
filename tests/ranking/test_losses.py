import numpy as np
import pytest
import torch
from torch.nn import functional

from components.ranking.losses import NextItem, full

N, D, ITEMS = 37, 8, 23


@pytest.fixture
def made():
    torch.manual_seed(4)
    states, table = torch.randn(N, D, requires_grad=True), torch.randn(ITEMS, D, requires_grad=True)
    return states, table, torch.randint(ITEMS, (N,))


def even(items=ITEMS):
    return torch.full((items,), 1 / items)


@pytest.mark.parametrize("chunk", [1, 10, 1000])
def test_the_full_softmax_is_cross_entropy_in_value_and_gradient(made, chunk):
    states, table, targets = made
    expected = functional.cross_entropy(states @ table.T, targets)
    wanted = torch.autograd.grad(expected, [states, table])
    value = full(states, table, targets, chunk=chunk, half=False)
    found = torch.autograd.grad(3 * value, [states, table])
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, 3 * other, atol=1e-6)


def test_half_precision_is_near(made):
    states, table, targets = made
    value, half = (full(states, table, targets, chunk=10, half=flag) for flag in (False, True))
    assert half.item() == pytest.approx(value.item(), rel=0.02)


def test_large_scores_stay_finite(made):
    states, table, targets = made
    value = full(1e4 * states, table, targets, chunk=10, half=False)
    assert torch.isfinite(value)
    assert all(torch.isfinite(part).all() for part in torch.autograd.grad(value, [states, table]))


def test_with_all_items_drawn_evenly_the_sampled_softmax_nears_the_full_one(made):
    states, table, targets = made
    torch.manual_seed(0)
    sampled = NextItem("sampled", even(), 200_000)(states, table, targets)
    # the target is there for certain and is masked among the drawn: the same sum as the full softmax
    assert sampled.item() == pytest.approx(functional.cross_entropy(states @ table.T, targets).item(), rel=0.01)


def test_the_correction_makes_up_for_how_items_are_drawn(made):
    states, table, targets = made
    share = torch.arange(1.0, ITEMS + 1) / torch.arange(1.0, ITEMS + 1).sum()
    torch.manual_seed(0)
    sampled = NextItem("sampled", share, 200_000)(states, table, targets)
    assert sampled.item() == pytest.approx(functional.cross_entropy(states @ table.T, targets).item(), rel=0.01)


def test_gbce_is_bce_at_calibration_0_and_discounts_the_positive_by_the_share_drawn_at_1(made):
    states, table, targets = made
    values = {}
    for name, calibration in (("bce", 0.0), ("gbce", 0.0), ("gbce", 1.0)):
        torch.manual_seed(0)
        values[name, calibration] = NextItem(name, even(), 1, calibration)(states, table, targets).item()
    positive = functional.softplus(-(states * table[targets]).sum(1)).mean().item()
    assert 2 * values["gbce", 0.0] == pytest.approx(values["bce", 0.0], rel=1e-5)
    assert 2 * (values["gbce", 0.0] - values["gbce", 1.0]) == pytest.approx((1 - 1 / (ITEMS - 1)) * positive, rel=1e-4)


@pytest.mark.parametrize("name", ["bce", "gbce", "sampled", "full"])
def test_each_loss_learns_the_target_and_a_catalogue_of_one_item_is_no_trouble(name):
    torch.manual_seed(0)
    table = torch.eye(6)
    states = torch.zeros(6, 6, requires_grad=True)
    criterion = NextItem(name, even(6), 64)
    for _ in range(50):
        (gradient,) = torch.autograd.grad(criterion(states, table, torch.arange(6)), states)
        states = (states - 5 * gradient).detach().requires_grad_()
    assert (states.detach().argmax(1).numpy() == np.arange(6)).all()
    single = NextItem(name, even(1), 4)(torch.randn(3, 2), torch.randn(1, 2), torch.zeros(3, dtype=torch.int64))
    assert torch.isfinite(single)
