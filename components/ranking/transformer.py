"""A causal transformer over histories, and the table of the items' vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.data.histories import Ints
from components.ranking.packed import Rows
from components.ranking.parts import Floats

NEAR, DISTANCES, GAPS = 16, 48, 40  # distances below NEAR have a bucket each, later ones four an octave; gaps one an octave of seconds


@dataclass(frozen=True)
class Form:
    """What decides the sizes of all weights, and the dropout."""

    items: int
    content: int
    width: int
    layers: int
    heads: int
    dropout: float
    gaps: bool


class SequenceNet(nn.Module):
    """u = the state at the last event; v_j = P c_j + r_j; the score is u·v_j.

    c_j is what is known of the item before; r_j is learned, and zero for items unseen in training. Blocks are pre-norm with
    SwiGLU (Shazeer, 2020). Attention is causal within a history and has learned biases for the distance and, with `gaps`,
    for the time between two events (as HSTU, Zhai et al., ICML 2024). An event also carries when the next one is asked for:
    a vector of that time of the calendar, interpolated between quantiles of the training events' times, and one of the
    time that passes until then.

    Args:
        vectors: float32 (items, content); a zero row where nothing is known of an item.
        seen: bool (items,), whether an item occurs in training.
        calendar: float32 (bins,), ascending times in seconds, at least two.
        scales: what the parts of `vectors` were scaled by, from what is known of an item before.
    """

    vectors: Tensor
    seen: Tensor
    calendar: Tensor

    def __init__(self, form: Form, vectors: Tensor, seen: Tensor, calendar: Tensor, scales: "Sequence[Scale]" = ()) -> None:
        super().__init__()
        self.form, self.scales = form, tuple(scales)
        self.register_buffer("vectors", vectors, persistent=False)
        self.register_buffer("seen", seen)
        self.register_buffer("calendar", calendar)
        self.timed = form.gaps and len(calendar) > 2
        self.project = nn.Linear(form.content, form.width, bias=False)
        nn.init.normal_(self.project.weight, std=0.1 * form.content**-0.5)
        self.residual = nn.Parameter(torch.randn(form.items, form.width) * 0.02)
        self.season = nn.Parameter(torch.zeros(len(calendar), form.width))
        self.pause = nn.Parameter(torch.zeros(GAPS, form.width))
        self.distance = nn.Parameter(torch.zeros(form.heads, DISTANCES))
        self.gap = nn.Parameter(torch.zeros(form.heads, GAPS))
        self.blocks = nn.ModuleList(Block(form.width, form.heads, form.dropout) for _ in range(form.layers))
        self.norm = nn.RMSNorm(form.width)
        self.drop = nn.Dropout(form.dropout)

    def table(self) -> Tensor:
        """Vectors v of all items, (items, width)."""
        return self.project(self.vectors) + self.residual * self.seen[:, None]

    def vectors_of(self, known: Sequence[Floats], items: Tensor) -> Tensor:
        """Vectors v of items, (n, width), given anew what is known of each, in the order of `scales`; those behind the table are new."""
        scaled = [scale(part) for scale, part in zip(self.scales, known, strict=True)]
        facts = torch.cat(scaled, 1).to(self.project.weight.dtype)
        old = items < self.form.items
        place = torch.where(old, items, 0)
        return self.project(facts) + self.residual[place] * (self.seen[place] & old)[:, None]

    def forward(self, rows: Rows, table: Tensor) -> Tensor:
        """Encode rows to states, (rows, width of the rows, width)."""
        x = functional.embedding(rows.items.clamp(min=0), table)
        asked = torch.minimum(rows.asked, rows.times.clamp(min=int(self.calendar[-1])))
        x = self.drop(x + self._season(asked) + functional.embedding(_octaves(asked - rows.times), self.pause))
        bias = self._bias(rows)
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)

    def _season(self, times: Tensor) -> Tensor:
        """The calendar's vector at each time, interpolated; what is beyond the calendar counts as its edge."""
        moments, edges = times.to(torch.float64), self.calendar.to(torch.float64)
        left = (torch.searchsorted(edges, moments, right=True) - 1).clamp(0, len(edges) - 2)
        share = ((moments - edges[left]) / (edges[left + 1] - edges[left])).clamp(0, 1).to(self.season.dtype)[..., None]
        return torch.lerp(functional.embedding(left, self.season), functional.embedding(left + 1, self.season), share)

    def _bias(self, rows: Rows) -> Tensor:
        """What is added to the logits of attention, (rows, heads, query, key); a place sees its window up to itself."""
        apart, before = _apart(rows.items.shape[1], rows.items.device)
        bias = self.distance[:, apart][None]
        if self.timed:
            between = functional.embedding(_octaves(rows.times[:, :, None] - rows.times[:, None, :]), self.gap.T)
            bias = bias + between.permute(0, 3, 1, 2)
        visible = (rows.owner[:, :, None] == rows.owner[:, None, :]) & before
        return bias.masked_fill(~visible[:, None], -torch.inf)


class Block(nn.Module):
    """Attention, then SwiGLU, both pre-norm and gated."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.RMSNorm(width), nn.RMSNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(2 * width, width, bias=False)
        self.drop = nn.Dropout(dropout)
        for layer in (self.out, self.down):
            nn.init.normal_(layer.weight, std=0.02)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Map (rows, places, width) with `bias` on the logits of attention."""
        query, key, value = self.mix(self.first(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = x + self.drop(self.out(attended.transpose(1, 2).flatten(-2)))
        inner, gate = self.up(self.second(x)).chunk(2, -1)
        return x + self.drop(self.down(functional.silu(gate) * inner))


@dataclass(frozen=True)
class Scale:
    """What vectors are centred and divided by, taken of those that the net was trained on."""

    centre: Floats
    spread: float

    @classmethod
    def of(cls, vectors: Floats) -> "Scale":
        """The mean of the vectors that are not 0, and the root of their mean square around it; (d,)."""
        known = vectors[vectors.any(axis=1)]
        if not len(known):
            return cls(np.zeros(vectors.shape[1], dtype=vectors.dtype), 1.0)
        centre = known.mean(0)
        return cls(centre, float(np.sqrt(np.square(known - centre).mean())) or 1.0)

    def __call__(self, vectors: Floats) -> Tensor:
        """Centre and divide; what is zero stays zero: float32 (items, d)."""
        known = np.asarray(vectors.any(axis=1))
        return torch.from_numpy((np.where(known[:, None], vectors - self.centre, 0.0) / self.spread).astype(np.float32))


def quantiles(times: Ints, bins: int) -> Tensor:
    """At most `bins` ascending moments with about as many events between any two, and at least two moments."""
    moments = np.unique(np.quantile(times, np.linspace(0, 1, bins)).astype(np.float32)) if len(times) else np.zeros(1, dtype=np.float32)
    if len(moments) < 2:
        moments = np.array([moments[0], max(moments[0] + 1, np.nextafter(moments[0], np.float32(np.inf)))], dtype=np.float32)
    return torch.from_numpy(moments)


@cache
def _apart(width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Of each place and each other in a row: the bucket of their distance, int64 (width, width); and whether the other is not later."""
    with torch.inference_mode(mode=False):  # training may need them next
        place = torch.arange(width, device=device)
        apart = place[:, None] - place
        far = NEAR + (torch.log2(apart.clamp(min=NEAR) / NEAR) * 4).long()
        return torch.where(apart < NEAR, apart.clamp(min=0), far).clamp(max=DISTANCES - 1), apart >= 0


def _octaves(seconds: Tensor) -> Tensor:
    return torch.log2(seconds.clamp(min=0).to(torch.float32) + 1).long().clamp(max=GAPS - 1)
