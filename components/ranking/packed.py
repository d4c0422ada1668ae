"""Histories laid end to end in rows of one width, so that next to nothing is computed for padding."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.data.histories import Histories, Ints

PAD = -1


@dataclass(frozen=True)
class Rows:
    """Windows of histories in rows; windows of one row do not see each other.

    Attributes:
        items: int64 (rows, width), oldest first within a window, PAD where there is nothing.
        targets: int64 (rows, width), the item that follows each, PAD where none does.
        times: int64 (rows, width), seconds.
        asked: int64 (rows, width), when the next item is asked for: at its time.
        owner: int64 (rows, width), the window of each place, equal within a window alone; 0 where there is nothing.
    """

    items: Tensor
    targets: Tensor
    times: Tensor
    asked: Tensor
    owner: Tensor

    def __len__(self) -> int:
        return len(self.items)

    def pick(self, rows: Tensor) -> "Rows":
        """Keep the given rows."""
        return Rows(self.items[rows], self.targets[rows], self.times[rows], self.asked[rows], self.owner[rows])

    def to(self, device: torch.device) -> "Rows":
        """Move to a device."""
        return Rows(*(part.to(device) for part in (self.items, self.targets, self.times, self.asked, self.owner)))


def windows(histories: Histories, width: int) -> Rows:
    """Cut each history into windows of `width` events from its end, each event followed by its target, and pack them.

    Histories shorter than two events have no target and are left out.
    """
    inputs = np.maximum(histories.lengths - 1, 0)
    counts = -(-inputs // width)
    user = np.repeat(np.arange(len(histories)), counts)
    back = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    end = histories.offsets[1:][user] - 1 - back * width
    start = np.maximum(histories.offsets[:-1][user], end - width)
    return _lay(histories, (start, end), pack(end - start, width), width)


def recent(histories: Histories, width: int) -> Rows:
    """Lay the last `width` events of each history in a row of its own, right-aligned; the last one has no target."""
    start = np.maximum(histories.offsets[:-1], histories.offsets[1:] - width)
    lengths = histories.offsets[1:] - start
    width = max(1, int(lengths.max(initial=0)))
    return _lay(histories, (start, histories.offsets[1:]), (np.arange(len(histories)), width - lengths), width)


def pack(lengths: Ints, width: int) -> tuple[Ints, Ints]:
    """Place windows in rows, longest first, each into the fullest row that has room: their rows and first columns.

    Windows of one length are placed together, so the work grows with width², not with their number
    (after Krell et al., Efficient Sequence Packing without Cross-contamination, 2021).
    """
    row, column = np.zeros_like(lengths), np.zeros_like(lengths)
    room: list[Ints] = [np.empty(0, dtype=np.int64) for _ in range(width + 1)]
    rows = 0
    for size in np.unique(lengths)[::-1]:
        waiting = np.flatnonzero(lengths == size)
        while len(waiting):
            free = next((free for free in range(size, width) if len(room[free])), width)
            if not len(room[free]):
                fresh = -(-len(waiting) // (width // size))
                room[free] = np.arange(rows, rows + fresh)
                rows += fresh
            chosen, room[free] = room[free][: len(waiting)], room[free][len(waiting) :]
            row[waiting[: len(chosen)]], column[waiting[: len(chosen)]] = chosen, width - free
            room[free - size] = np.concatenate([room[free - size], chosen])
            waiting = waiting[len(chosen) :]
    return row, column


def _lay(histories: Histories, span: tuple[Ints, Ints], places: tuple[Ints, Ints], width: int) -> Rows:
    """Copy the events of each window's span (first, one past the last) to its place (row, first column)."""
    lengths = span[1] - span[0]
    window = np.repeat(np.arange(len(lengths)), lengths)
    event = span[0][window] + np.arange(len(window)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    spot = places[0][window], places[1][window] + event - span[0][window]
    targets, asked = (np.append(part[1:], 0) for part in (histories.items, histories.times))
    last = histories.offsets[1:][histories.lengths > 0] - 1
    targets[last], asked[last] = PAD, histories.at[histories.lengths > 0]
    values = (histories.items[event], PAD), (targets[event], PAD), (histories.times[event], 0), (asked[event], 0), (window + 1, 0)
    return Rows(*(torch.from_numpy(_spread(value, spot, (int(places[0].max(initial=-1)) + 1, width), fill)) for value, fill in values))


def _spread(values: Ints, spot: tuple[Ints, Ints], shape: tuple[int, int], fill: int) -> Ints:
    laid = np.full(shape, fill, dtype=np.int64)
    laid[spot] = values
    return laid
