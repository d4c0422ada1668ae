"""The sequence model: a causal transformer trained to tell each event's next item, retrieving by inner product."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from components.data.histories import Histories, Ints, spaced
from components.errors import ConfigError
from components.ranking import losses
from components.ranking.packed import PAD, Rows, recent, windows
from components.ranking.parts import Arrays, Floats, Scorer, World
from components.ranking.transformer import Form, Scale, SequenceNet, quantiles
from components.schema import node
from components.training import Plan, fit


@dataclass(frozen=True)
class SequenceScorer:
    """A net that scores; in float64 the batch an answer is computed in does not show in it once it is rounded to float32.

    Attributes:
        net: the net, in float64 when it serves.
        length: how many of a history's last events are read.
        places: about how many events are encoded at a time.
        grown: float64 (items, width), the vectors v of a catalogue that is larger than the net's own; the net's own when None.
    """

    net: SequenceNet
    length: int
    places: int = 2**14
    grown: Floats | None = None

    def grow(self, world: World, told: Ints) -> "SequenceScorer":
        """Of a new item all is known but what only training tells."""
        with torch.inference_mode():
            rows = self.net.vectors_of((world.vectors[told], world.content[told]), torch.from_numpy(told))
        table = np.concatenate([self.table, np.zeros((world.items - len(self.table), self.table.shape[1]))])
        table[told] = rows.numpy()
        return replace(self, grown=table)

    @cached_property
    def table(self) -> Floats:
        """Vectors v of the items, float64 (items, width)."""
        if self.grown is not None:
            return self.grown
        with torch.inference_mode():
            return self.net.table().cpu().numpy()

    def states(self, histories: Histories) -> Floats:
        """Vectors u of the users, float64 (users, width); zero for an empty history."""
        states = np.zeros((len(histories), self.net.form.width))
        for users, some in self.parts(histories):
            states[users] = self.tokens(some)[0][:, -1].cpu().numpy()
        return states * (histories.lengths > 0)[:, None]

    def score(self, histories: Histories) -> Floats:
        """Score the catalogue: float64 (users, items)."""
        return self.states(histories) @ self.table.T

    def tokens(self, histories: Histories) -> tuple[Tensor, Tensor]:
        """The states at the last events, (users, n, width), right-aligned, and where there is one, bool (users, n); encoded once."""
        return histories.once(self.net, "tokens", lambda: self._encoded(histories))

    def parts(self, histories: Histories) -> Iterator[tuple[Ints, Histories]]:
        """Users in parts of about `places` events, and their histories; few are one part, the histories themselves."""
        for users in self.blocks(histories, self.places):
            yield users, histories if len(users) == len(histories) else histories.pick(users)

    def tensors(self) -> Arrays:
        """All weights, float32."""
        return single(self.net)

    def blocks(self, histories: Histories, places: int) -> list[Ints]:
        """Users in blocks of like length, about `places` events each; few are one block, in their order."""
        lengths = np.clip(histories.lengths, 1, self.length)
        if lengths.sum() < places:
            return [np.arange(len(lengths))] if len(lengths) else []
        order = np.argsort(lengths, kind="stable")
        block = np.cumsum(lengths[order]) // places
        return np.split(order, np.flatnonzero(np.diff(block)) + 1)

    def _encoded(self, histories: Histories) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            rows = recent(histories, self.length).to(self.net.calendar.device)
            return self.net(rows, self._table), rows.items != PAD

    @cached_property
    def _table(self) -> Tensor:
        return torch.from_numpy(self.table).to(self.net.calendar.device)


@dataclass(frozen=True)
class Objective:
    """What is minimised: the loss of rows picked from all training rows.

    Attributes:
        net: trained in place.
        rows: all packed windows.
        criterion: the loss of states against targets.
        device: where it is computed.
    """

    net: SequenceNet
    rows: Rows
    criterion: losses.NextItem
    device: torch.device

    def encode(self, picked: Tensor) -> tuple[Rows, Tensor, Tensor]:
        """Rows, their states (rows, width of the rows, width) and the item table."""
        rows, table = self.rows.pick(picked).to(self.device), self.net.table()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return rows, self.net(rows, table).float(), table

    def loss(self, rows: Rows, states: Tensor, table: Tensor) -> Tensor:
        """Mean loss over all places that have a target."""
        asked = rows.targets != PAD
        return self.criterion(states[asked], table, rows.targets[asked])


@node
class SequenceModel:
    """Trained with every event's successor as a target; `plan.batch` counts rows of `length` packed events.

    `negatives` items are drawn for a batch by their counts to the power `skew`, for all losses but `full`; `calibration` is
    t of gBCE; `bins` is how many moments the calendar has; with `gaps` attention sees the time between events.
    """

    width: PositiveInt = 64
    layers: PositiveInt = 2
    heads: PositiveInt = 2
    length: PositiveInt = 50
    dropout: float = Field(0.2, ge=0, lt=1)
    loss: losses.Name = "full"
    negatives: PositiveInt = 512
    skew: float = Field(0.5, ge=0, le=1)
    calibration: float = Field(0.75, ge=0, le=1)
    bins: PositiveInt = 64
    gaps: bool = False
    plan: Plan

    def fit(self, world: World, seed: int) -> tuple[Scorer, list[dict[str, float]]]:
        """Train; the epoch kept is the best by NDCG@10 of the validation items of at most 1,000 users."""
        torch.manual_seed(seed)
        aim = self.objective(world)
        curve = fit(
            aim.net,
            lambda picked: aim.loss(*aim.encode(picked)),
            len(aim.rows),
            self.plan,
            seed=seed,
            label="sequence",
            score=(lambda: validate(SequenceScorer(aim.net, self.length), world)) if (world.target >= 0).any() else None,
            checkpoint=world.checkpoint,
            start=world.start({"residual": "items"}),
        )
        return SequenceScorer(aim.net.cpu().double().eval(), self.length), curve

    def refit(self, scorer: Scorer, world: World) -> Scorer:
        """Keep the scorer: it reads new events from the history."""
        return scorer

    def restore(self, tensors: Arrays, world: World) -> SequenceScorer:
        """Make the scorer from its tensors."""
        net = self.net(world, torch.from_numpy(tensors["seen"]), torch.from_numpy(tensors["calendar"]))
        net.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
        return SequenceScorer(net.double().eval(), self.length)

    def objective(self, world: World) -> Objective:
        """An untrained net and what it is trained on, on a GPU if there is one."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        counts = torch.from_numpy(np.bincount(world.histories.items, minlength=world.items))
        weight = counts.clamp(min=1).float() ** self.skew
        share = (weight / weight.sum()).to(device)
        criterion = losses.NextItem(self.loss, share, self.negatives, self.calibration, half=device.type == "cuda")
        net = self.net(world, counts > 0, quantiles(world.histories.times, self.bins)).to(device)
        return Objective(net, windows(world.histories, self.length), criterion, device)

    def net(self, world: World, seen: Tensor, calendar: Tensor) -> SequenceNet:
        """An untrained net; raises ConfigError when `heads` does not divide `width`."""
        if self.width % self.heads:
            raise ConfigError(f"sequence.heads: {self.heads} does not divide sequence.width, {self.width}")
        known = (world.vectors, world.content)
        scales = [Scale.of(part) for part in known]
        vectors = torch.cat([scale(part) for scale, part in zip(scales, known, strict=True)], 1)
        form = Form(world.items, vectors.shape[1], self.width, self.layers, self.heads, self.dropout, self.gaps)
        return SequenceNet(form, vectors, seen, calendar, scales)


def validate(scorer: Scorer, world: World, most: int = 1000) -> float:
    """NDCG@10 of the validation items of at most `most` users, evenly spaced, among the items they have not seen."""
    users = np.flatnonzero(world.target >= 0)
    if not len(users):
        return 0.0
    users = users[spaced(len(users), most)]
    histories, target = world.histories.pick(users), world.target[users]
    scores = scorer.score(histories)
    scores[histories.users, histories.items] = -np.inf
    rank = (scores > scores[np.arange(len(users)), target][:, None]).sum(1)
    return float(np.where(rank < 10, 1 / np.log2(rank + 2), 0).mean())


def single(net: torch.nn.Module) -> Arrays:
    """A module's tensors, float32."""
    return {name: value.float().numpy() if value.is_floating_point() else value.numpy() for name, value in net.state_dict().items()}
