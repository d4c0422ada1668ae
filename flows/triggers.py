"""What asks for a retraining before its time: age, new feedback, a worse hit rate, drift; held back by a quiet period and a budget."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt

from components import artifacts
from components.data.histories import Ints, spaced
from components.errors import DataError
from components.evaluation.online import Window, change
from flows import champions
from flows.champions import Champion
from flows.settings import STATE

if TYPE_CHECKING:
    from components.evaluation.drift import Drift

ASKED = Path(STATE) / "asked.json"  # when a retraining was asked for
WEEK = timedelta(days=7)
PEOPLE = 200  # users whose scores are compared


class Watch(BaseModel):
    """When to ask for a retraining; what is None is not looked at.

    Attributes:
        events: a Parquet file of new events: user_id, item_id, timestamp (UTC), in place of the service's own log; those after the
            champion's last are new.
        age: days since the champion was promoted.
        volume: new events, as a share of those that the champion was made of.
        rate: by how much of it the online hit rate, the share of lists of which something was taken, must surely have dropped.
        window: over which days.
        psi, ks: bounds of a drift; `least` events on each side are needed to speak of one.
        quiet: hours after a retraining was asked for in which none is asked for again.
        budget: how many may be asked for in any seven days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: Path | None = None
    age: PositiveFloat | None = 7
    volume: PositiveFloat | None = 0.05
    rate: PositiveFloat | None = 0.2
    window: Window = Window()
    psi: PositiveFloat | None = 0.2
    ks: PositiveFloat | None = 0.15
    least: PositiveInt = 500
    quiet: NonNegativeFloat = 6
    budget: PositiveInt = 7
    every: PositiveFloat = 3600

    @property
    def reads_log(self) -> bool:
        """Whether anything that is looked at is in the service's own log."""
        return self.rate is not None or (self.events is None and (self.volume, self.psi, self.ks) != (None, None, None))


@dataclass(frozen=True)
class Trigger:
    """One reason that was looked at: its value and bound, and whether it asks for a retraining."""

    name: str
    value: float
    bound: float
    fired: bool
    reason: str


def look(watch: Watch, now: datetime, log: Path | None = None) -> list[Trigger]:
    """Look at every reason; none where nothing was ever promoted.

    Args:
        log: a folder with `interactions` and `exposures` of the service's log; None where there is none.

    Raises:
        DataError: a table can't be read.
    """
    champion = champions.current()
    if champion is None:
        return []
    found = list(_age(watch, champion, now))
    if log and (watch.rate is not None):
        found += _rate(watch.rate, watch.window, artifacts.read_table(log / "exposures.parquet"))
    events = watch.events or (log / "interactions.parquet" if log else None)
    return found + (list(_events(watch, champion, artifacts.read_table(events))) if events else [])


def held(watch: Watch, now: datetime) -> str:
    """Why no retraining may be asked for now; nothing where one may."""
    times = sorted(datetime.fromisoformat(time) for time in _asked())
    recent = [time for time in times if now - time < WEEK]
    if times and now - times[-1] < timedelta(hours=watch.quiet):
        return f"quiet until {(times[-1] + timedelta(hours=watch.quiet)).isoformat(timespec='minutes')}: one was asked for before"
    if len(recent) >= watch.budget:
        return f"the budget of {watch.budget} in seven days is spent until {(recent[0] + WEEK).isoformat(timespec='minutes')}"
    return ""


def note(now: datetime) -> None:
    """Record that a retraining was asked for."""
    kept = [time for time in _asked() if now - datetime.fromisoformat(time) < WEEK]
    artifacts.write_json(ASKED, [*kept, now.isoformat()])


def _asked() -> list[str]:
    return artifacts.read_json(ASKED) if ASKED.exists() else []


def _age(watch: Watch, champion: Champion, now: datetime) -> Iterator[Trigger]:
    if watch.age is not None:
        days = (now - datetime.fromisoformat(champion.since)) / timedelta(days=1)
        yield Trigger("age", days, watch.age, days >= watch.age, f"the champion is {days:.1f} days old")


def _rate(bound: float, window: Window, exposures: pl.DataFrame) -> Iterator[Trigger]:
    found = change(exposures, window)
    if found is not None:
        reason = f"the hit rate went from {found.before:.2%} of {found.lists[0]} lists to {found.now.value:.2%} of {found.lists[1]}"
        said = f"{reason}; surely at most {found.now.high:.2%}"
        yield Trigger("online hit rate, drop", found.drop, bound, found.surely(bound), said)


def _events(watch: Watch, champion: Champion, events: pl.DataFrame) -> Iterator[Trigger]:
    from components.recommend import Recommender

    if events.is_empty() or (watch.volume, watch.psi, watch.ks) == (None, None, None):
        return
    recommender = Recommender.load(champions.STORE / champion.folder)
    before, new = _sides(recommender, events)
    if watch.volume is not None:
        share = len(new) / max(len(before), 1)
        said = f"{len(new)} new events, {share:.1%} of the champion's {len(before)}"
        yield Trigger("volume", share, watch.volume, share >= watch.volume, said)
    items = artifacts.read_table(champions.STORE / champion.folder / "items.parquet")
    for one in _drifts(watch, recommender, items, before.tail(max(len(new), watch.least)), new):
        yield Trigger(f"drift: {one.name} ({one.measure})", one.value, one.bound, one.drifted, one.reason)


def _drifts(watch: Watch, recommender: Any, items: pl.DataFrame, latest: pl.DataFrame, new: pl.DataFrame) -> list["Drift"]:
    """Of categories and popularity, of embeddings, and of the champion's scores."""
    from components.evaluation import drift

    looked = {"PSI": watch.psi, "KS": watch.ks}
    bounds = drift.Bounds(watch.psi or np.inf, watch.ks or np.inf, watch.least)
    found = drift.drifts(items, latest, new, bounds)
    found += drift.embeddings(recommender.content, _places(recommender, latest), _places(recommender, new), bounds)
    found += drift.scores(_scores(recommender, latest), _scores(recommender, new), bounds)
    return [one for one in found if looked[one.measure] is not None]


def _places(recommender: Any, events: pl.DataFrame) -> Ints:
    """The items' places in the catalogue, of those that it has."""
    index = recommender.catalogue.index
    places = events["item_id"].replace_strict(list(index), list(index.values()), default=None, return_dtype=pl.Int64)
    return places.drop_nulls().to_numpy()


def _sides(recommender: Any, events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The champion's own events in the order of time, and those that came after its last."""
    if missing := {"user_id", "item_id", "timestamp"} - set(events.columns):
        raise DataError(f"events: no column {', '.join(sorted(missing))}; give user_id, item_id and timestamp")
    before = recommender.events.sort("seconds", maintain_order=True).select("user_id", "item_id")
    last = datetime.fromtimestamp(int(recommender.histories.times.max(initial=0)), UTC)
    new = events.filter(pl.col("timestamp") > last).sort("timestamp", "user_id", "item_id")
    return before, new.select("user_id", "item_id")


def _scores(recommender: Any, events: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What the champion would give the users of these events now."""
    users = events["user_id"].unique().sort()
    return recommender.batch(users.gather(spaced(len(users), PEOPLE)).to_list(), 10)["score"].to_numpy()
