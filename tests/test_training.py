"""The training loop: the same bits again, also after a kill; the best epoch is kept; a broken loss is an error."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from components.errors import DataError
from components.start import Start
from components.training import Plan, fit


class KilledError(Exception):
    pass


def train(epochs: int = 6, checkpoint: Path | None = None, kill: int = 10**9, scores: list[float] | None = None, **more):
    torch.manual_seed(1)
    inputs, targets = torch.randn(64, 5), torch.randn(64, 1)
    net = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.3), nn.Linear(8, 1))
    calls = iter(range(10**9))
    left = iter(scores or [])

    def loss(picked: Tensor) -> Tensor:
        if next(calls) == kill:
            raise KilledError
        return (net(inputs[picked]) - targets[picked]).square().mean()

    plan = Plan(**({"epochs": epochs, "batch": 16, "rate": 0.01, "decay": 0.01} | more))
    score = (lambda: next(left)) if scores else None
    return net, fit(net, loss, 64, plan, seed=7, label="test", score=score, checkpoint=checkpoint)


def weights(net: nn.Module) -> list[list[float]]:
    return [value.flatten().tolist() for value in net.state_dict().values()]


def test_it_learns_and_the_same_seed_gives_the_same_bits() -> None:
    first, curve = train(30)
    second, _ = train(30)
    assert weights(first) == weights(second)
    assert curve[-1]["loss"] < curve[0]["loss"]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("kill", [1, 4, 9, 13, 22])
def test_killed_at_any_moment_it_ends_in_the_same_bits(tmp_path: Path, kill: int, schedule: str) -> None:
    undisturbed, curve = train(schedule=schedule, warmup=0.2)
    with pytest.raises(KilledError):
        train(checkpoint=tmp_path / "state", kill=kill, schedule=schedule, warmup=0.2)
    resumed, again = train(checkpoint=tmp_path / "state", schedule=schedule, warmup=0.2)
    assert weights(resumed) == weights(undisturbed)
    assert again == curve


def test_the_best_epoch_is_kept_and_patience_ends_the_training() -> None:
    best, _ = train(epochs=2, scores=[0.1, 0.9])
    net, curve = train(epochs=6, scores=[0.1, 0.9, 0.3, 0.2, 0.1, 0.0], patience=2)
    assert [row["score"] for row in curve] == [0.1, 0.9, 0.3, 0.2]
    assert weights(net) == weights(best)


def test_a_loss_that_is_no_number_is_an_error() -> None:
    net = nn.Linear(1, 1)
    with pytest.raises(DataError, match="the loss became nan"):
        fit(
            net,
            lambda picked: net(torch.zeros(len(picked), 1)).sum() * float("nan"),
            4,
            Plan(epochs=1, batch=2, rate=0.1),
            seed=0,
            label="x",
        )


def test_nothing_to_train_on_is_an_error() -> None:
    net = nn.Linear(1, 1)
    with pytest.raises(DataError, match="nothing to train on"):
        fit(net, lambda _: net(torch.zeros(1, 1)).sum(), 0, Plan(epochs=1, batch=2, rate=0.1), seed=0, label="x")


def test_a_gradient_that_is_no_number_is_an_error() -> None:
    net = nn.Linear(1, 1)
    plan = Plan(epochs=1, batch=2, rate=0.1)
    with pytest.raises(DataError, match="x: the gradient became"):
        fit(net, lambda picked: (net(torch.zeros(len(picked), 1)) * 0).square().sum().sqrt(), 4, plan, seed=0, label="x")


def test_the_rate_climbs_and_falls_along_a_cosine() -> None:
    plan = Plan(epochs=1, batch=1, rate=0.5, schedule="cosine", warmup=0.2)
    assert [plan.rate_at(done) for done in (0.1, 0.2, 0.6, 1.0)] == pytest.approx([0.25, 0.5, 0.255, 0.01])
    assert Plan(epochs=1, batch=1, rate=0.5).rate_at(0.01) == 0.5
    assert Plan(epochs=1, batch=1, rate=0.5, warmup=0.5).rate_at(0.75) == 0.5


def test_from_earlier_weights_it_goes_on_and_new_rows_begin_as_ever() -> None:
    torch.manual_seed(3)
    old = {"table": np.arange(6, dtype=np.float32).reshape(3, 2), "head": np.full(2, 7, dtype=np.float32), "wide": np.ones(5)}
    start = Start(old, {"table": np.array([2, -1, 0, 1])})

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head, self.wide = nn.Parameter(torch.zeros(4, 2)), nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))

    net, seen = Net(), list[list[list[float]]]()

    def loss(_: Tensor) -> Tensor:
        seen.append(net.table.tolist())
        return (net.table.sum() + net.head.sum() + net.wide.sum()) * 0

    plan = Plan(epochs=9, again=2, batch=4, rate=0.1)
    assert len(fit(net, loss, 4, plan, seed=1, label="test", start=start)) == 2
    assert seen[0] == [[4, 5], [0, 0], [0, 1], [2, 3]]
    assert net.head.tolist() == [7, 7]
    assert net.wide.tolist() == [0, 0, 0], "of another shape"
    assert len(fit(Net(), loss, 4, plan, seed=1, label="test")) == 9
