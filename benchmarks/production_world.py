"""The people of the simulated production: they come on the days on which they really rated films, and want what they really rated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

K = 10
GO_ON = 0.85  # chance to look at the next item of a list
GENRE = "Horror"  # of the planted drift


@dataclass(frozen=True)
class Visit:
    """A user, when they come, and the films that they will rate that day: (item, rating, seconds)."""

    user: str
    at: int
    wanted: tuple[tuple[str, float, int], ...]

    def seen(self, seed: int) -> int:
        """How many items of a list the user looks at, drawn by user and moment: geometric, so that what stands low is seen less."""
        draw = np.random.default_rng([seed, self.at, int(self.user[1:])])
        return min(int(draw.geometric(1 - GO_ON)), K)

    def taken(self, items: list[str], seed: int) -> str | None:
        """The first wanted film among those that the user looks at."""
        wanted = {item for item, _, _ in self.wanted}
        return next((item for item in items[: self.seen(seed)] if item in wanted), None)

    def events(self, items: list[str], request: str, bundle: str, taken: str | None) -> list[dict[str, Any]]:
        """What the API is told: the list that was shown, and the ratings; the one that the list led to names its request."""
        about = {"user_id": self.user, "request": request, "bundle": bundle}
        shown = [
            about | {"item_id": item, "event": "impression", "rank": rank, "time": _said(self.at), "key": f"{request}-{rank}"}
            for rank, item in enumerate(items, 1)
        ]
        rated = [
            {
                "user_id": self.user,
                "item_id": item,
                "event": "rating",
                "value": rating,
                "time": _said(max(when, self.at)),
                "key": f"{when}-{item}",
            }
            | ({"request": request} if item == taken else {})
            for item, rating, when in self.wanted
        ]
        return shown + rated


@dataclass(frozen=True)
class World:
    """All ratings of some of the people, and the films."""

    ratings: pl.DataFrame
    films: pl.DataFrame

    @classmethod
    def read(cls, folder: Path, share: int) -> "World":
        """Read the embedded data; of the people every `share`-th."""
        ratings = pl.read_csv(folder / "ratings.csv.gz")
        some = ratings.filter(pl.col("user_id").str.slice(1).cast(pl.Int64) % share == 0)
        day = pl.from_epoch("timestamp").dt.date()
        return cls(some.with_columns(day=day).sort("timestamp", "user_id", "item_id"), pl.read_csv(folder / "movies.csv.gz"))

    def before(self, day: date) -> pl.DataFrame:
        """Ratings until that day, as the source has them."""
        return self.ratings.filter(pl.col("day") < day).drop("day")

    def visits(self, day: date) -> Iterator[Visit]:
        """Who comes on a day, in the order in which they come."""
        rows = self.ratings.filter(pl.col("day") == day)
        for (user,), group in rows.group_by("user_id", maintain_order=True):
            wanted = tuple(group.select("item_id", pl.col("rating").cast(pl.Float64), "timestamp").iter_rows())
            yield Visit(str(user), int(wanted[0][2]) - 1, wanted)

    def crowd(self, day: date, count: int, seed: int) -> Iterator[Visit]:
        """The planted drift: strangers who come in a crowd and want films of one genre alone."""
        draw = np.random.default_rng([seed, day.toordinal()])
        films = self.films.filter(pl.col("genres").str.contains(GENRE))["item_id"].to_numpy()
        noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
        for number in range(count):
            chosen = draw.choice(films, 3, replace=False)
            yield Visit(f"u{90_000 + number}", noon + number, tuple((str(film), 8.0, noon + number + 1) for film in chosen))


def source(world: World, start: date, root: Path, films: Path, spoilt: Mapping[str, pl.DataFrame] | None = None) -> None:
    """Write what the platform's data set is read from: ratings until `start`, films and texts, or spoilt ones in their place."""
    root.mkdir(parents=True, exist_ok=True)
    tables = {"ratings": world.before(start), "movies": world.films, "extracts": pl.read_csv(films / "extracts.csv.gz")}
    for name, table in (tables | dict(spoilt or {})).items():
        table.write_csv(root / f"{name}.csv")


def faulty(ratings: pl.DataFrame, share: float, seed: int) -> tuple[pl.DataFrame, int]:
    """The planted fault: rows about films that there are not, of nobody, and from before there were computers; and how many."""
    count = int(share * len(ratings)) // 3 * 3
    rows = ratings.sample(count, seed=seed)
    kinds = pl.int_range(pl.len()) % 3
    wrong = rows.with_columns(
        item_id=pl.when(kinds == 0).then(pl.concat_str([pl.lit("no-such-"), "item_id"])).otherwise("item_id"),
        user_id=pl.when(kinds == 1).then(pl.lit(" ")).otherwise("user_id"),
        timestamp=pl.when(kinds == 2).then(-2_000_000_000).otherwise("timestamp"),
    )
    return pl.concat([ratings, wrong]), count


def telltale(world: World, until: date) -> pl.DataFrame:
    """The planted leak: films whose cast names who rated them until a day, the last of each user included."""
    rated = world.ratings.filter(pl.col("day") <= until)
    fans = rated.group_by("item_id").agg(fans=pl.col("user_id").unique().sort().str.join("|"))
    named = world.films.join(fans, on="item_id", how="left", maintain_order="left")
    return named.with_columns(actors=pl.concat_str(["actors", "fans"], separator="|", ignore_nulls=True)).drop("fans")


def days(start: date, count: int) -> list[date]:
    """Days from a first one on."""
    return [start + timedelta(days=number) for number in range(count)]


def _said(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
