"""One loop for everything that is trained by gradient: seeded by (seed, epoch), stopped early, resumed bit-exactly."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from components import artifacts
from components.errors import DataError
from components.progress import say
from components.schema import node
from components.start import Start

Tensors = dict[str, Tensor]


@node
class Plan:
    """How long and how fast to train.

    `patience` epochs without a better validation score end the training; 0 means never. The learning rate climbs to `rate`
    over the first share `warmup` of all steps, then stays, or falls along a half `cosine` to a fiftieth. A training that goes on
    from earlier weights takes `again` epochs, or as many as any other where that is 0.
    """

    epochs: PositiveInt
    batch: PositiveInt
    rate: PositiveFloat
    decay: float = 0.0
    patience: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1)
    again: NonNegativeInt = 0

    def rate_at(self, done: float) -> float:
        """Learning rate when the share `done` of all steps is done."""
        if done < self.warmup:
            return self.rate * done / self.warmup
        if self.schedule == "constant":
            return self.rate
        rest = (done - self.warmup) / (1 - self.warmup)
        return self.rate * (0.02 + 0.49 * (1 + math.cos(math.pi * rest)))


def fit(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    examples: int,
    plan: Plan,
    *,
    seed: int,
    label: str,
    score: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
    start: Start | None = None,
) -> list[dict[str, float]]:
    """Train `module` in place with AdamW and return its learning curve, one row per epoch.

    Args:
        loss: maps the indices of a batch's examples (int64, at most `plan.batch`) to a scalar.
        score: measured after each epoch, higher is better; the best epoch's weights are kept.
        checkpoint: a folder outside the pipeline's outputs; a killed training goes on from its last whole epoch
            and ends in the same bits, since batches and dropout depend on (seed, epoch) alone.
        start: weights to go on from, for `plan.again` epochs.

    Raises:
        DataError: there is no example, or the loss or its gradient is not finite.
    """
    if not examples:
        raise DataError(f"{label}: nothing to train on; there must be users with at least two events in the training split")
    if start is not None:
        _begin(module, start)
        plan = replace(plan, epochs=plan.again or plan.epochs)
        say(f"{label}: from earlier weights")
    optimizer = torch.optim.AdamW(module.parameters(), lr=plan.rate, weight_decay=plan.decay)
    curve, best = _resume(module, optimizer, checkpoint)
    while len(curve) < plan.epochs and not _done(curve, plan.patience):
        epoch = len(curve)
        torch.manual_seed(seed * 1_000_003 + epoch)
        row = {"epoch": float(epoch), "loss": _epoch(module, optimizer, loss, examples, plan, epoch, label)}
        if score is not None:
            row["score"] = _evaluate(module, score)
        curve.append(row)
        if score is None or row["score"] >= max(past["score"] for past in curve):
            best = _copy(module)
        if checkpoint is not None:
            _save(checkpoint, module, optimizer, best, curve)
        say(f"{label}: epoch {epoch + 1} of {plan.epochs}, " + ", ".join(f"{k} {v:.4f}" for k, v in row.items() if k != "epoch"))
    module.load_state_dict(best)
    module.eval()
    return curve


@torch.no_grad()
def _begin(module: nn.Module, start: Start) -> None:
    """Put earlier weights into a module."""
    for name, own in module.named_parameters():
        if (old := start.tensors.get(name)) is None:
            continue
        there = torch.from_numpy(old).to(own)
        if name in start.rows and there.shape[1:] == own.shape[1:]:
            rows = torch.from_numpy(start.rows[name])
            own[rows >= 0] = there[rows[rows >= 0]]
        elif there.shape == own.shape:
            own.copy_(there)


def _epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Tensor], Tensor],
    examples: int,
    plan: Plan,
    epoch: int,
    label: str,
) -> float:
    module.train()
    total = 0.0
    batches = torch.randperm(examples).split(plan.batch)
    for place, picked in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate_at((epoch + (place + 1) / len(batches)) / plan.epochs)
        value = loss(picked)
        _finite(value, label, "loss")
        optimizer.zero_grad()
        value.backward()  # pyright: ignore[reportUnknownMemberType]
        _finite(nn.utils.clip_grad_norm_(module.parameters(), 1.0), label, "gradient")
        optimizer.step()  # pyright: ignore[reportUnknownMemberType]
        total += value.item() * len(picked)
    return total / examples


def _finite(value: Tensor, label: str, what: str) -> None:
    if not torch.isfinite(value):
        raise DataError(f"{label}: the {what} became {value.item()}; lower the learning rate or look for extreme weights in the data")


def _evaluate(module: nn.Module, score: Callable[[], float]) -> float:
    module.eval()
    with torch.no_grad():
        return score()


def _done(curve: list[dict[str, float]], patience: int) -> bool:
    scores = [row["score"] for row in curve if "score" in row]
    if not patience or not scores:
        return False
    return len(scores) - 1 - scores.index(max(scores)) >= patience


def _copy(module: nn.Module) -> Tensors:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _save(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, best: Tensors, curve: list[dict[str, float]]) -> None:
    moments = {f"{i}.{key}": value for i, state in optimizer.state_dict()["state"].items() for key, value in state.items()}
    parts = {"module": _copy(module), "best": best, "optimizer": moments}
    with artifacts.folder(folder) as aside:
        for name, tensors in parts.items():
            artifacts.write_tensors(aside / f"{name}.safetensors", {key: value.detach().cpu().numpy() for key, value in tensors.items()})
        artifacts.write_json(aside / "curve.json", curve)


def _resume(module: nn.Module, optimizer: torch.optim.Optimizer, folder: Path | None) -> tuple[list[dict[str, float]], Tensors]:
    if folder is None or not folder.exists():
        return [], _copy(module)
    read = {name: _read(folder / f"{name}.safetensors") for name in ("module", "best", "optimizer")}
    module.load_state_dict(read["module"])
    state = optimizer.state_dict()
    state["state"] = {}
    for key, value in read["optimizer"].items():
        index, name = key.split(".", 1)
        state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)
    curve = artifacts.read_json(folder / "curve.json")
    say(f"resuming after epoch {len(curve)}")
    return curve, read["best"]


def _read(path: Path) -> Tensors:
    return {name: torch.from_numpy(value) for name, value in artifacts.read_tensors(path).items()}
