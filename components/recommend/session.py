"""What a user did since the bundle was made."""

from dataclasses import dataclass, replace

import numpy as np

from components.data.histories import Histories
from components.recommend.catalogue import Catalogue


@dataclass(frozen=True)
class Session:
    """Fresh events of one user.

    Attributes:
        items: ids of items taken, oldest first, each once.
        times: seconds since 1970, when.
        closed: ids of items not to be recommended.
        forgotten: seconds since 1970; what the bundle knows of the user up to then is not used; 0 where all is.
    """

    items: tuple[str, ...] = ()
    times: tuple[int, ...] = ()
    closed: frozenset[str] = frozenset()
    forgotten: int = 0

    def fold(self, asked: Histories, catalogue: Catalogue, end: int) -> Histories:
        """Append to one user's history what came after its last event and before the user asks.

        Args:
            end: seconds since 1970, when the training events end: what is later is taken to be then, as whoever asks later is.
        """
        kept = asked.times > self.forgotten
        items, times = asked.items[kept], asked.times[kept]
        last = times[-1] if len(times) else -1
        fresh = [
            (catalogue.index[item], min(time, end))
            for item, time in zip(self.items, self.times, strict=True)
            if item in catalogue.index and last < time < asked.at[0]
        ]
        added = np.array(fresh, dtype=np.int64).reshape(-1, 2)
        items, times = np.concatenate([items, added[:, 0]]), np.concatenate([times, added[:, 1]])
        who = asked.who if kept.all() else np.array([-1])  # nor are the ties of who is forgotten
        return replace(asked, items=items, times=times, offsets=np.array([0, len(items)]), who=who)
