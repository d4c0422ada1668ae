"""The made-up world of operations.py: people go through the films of a genre in order and now and then leave it; and what can go wrong."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

GENRES = ("Horror", "Comedy", "Drama")
DAY = 86_400
START = 1_600_000_000
FILMS, PEOPLE, DAYS, SEED = 60, 400, 60, 3
CUTS = (52, 55)  # days up to which the two clones know the world
ASTRAY = 0.3  # chance that a film is not the next of the user's genre
PAUSE = DAY / 3  # seconds between two films of a user, on average


@dataclass(frozen=True)
class World:
    """interactions.csv (user_id, item_id, timestamp, event, weight) and items.csv."""

    interactions: pl.DataFrame
    items: pl.DataFrame

    def until(self, day: int) -> "World":
        """What was there by that day."""
        return replace(self, interactions=self.interactions.filter(pl.col("timestamp") < START + day * DAY))

    def after(self, day: int) -> pl.DataFrame:
        """What came from that day on, as the service is told of it."""
        return _told(self.interactions.filter(pl.col("timestamp") >= START + day * DAY))

    def write(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.interactions.write_csv(folder / "interactions.csv")
        self.items.write_csv(folder / "items.csv")


def others(seed: int) -> World:
    """The same world with other people in it."""
    world = made(seed)
    return replace(world, interactions=world.interactions.with_columns(user_id=pl.format("p{}{}", pl.lit(seed), "user_id")))


def made(seed: int = SEED) -> World:
    """The world on its last day: of each user 6 to 18 films, as far as the days allow."""
    draw = np.random.default_rng(seed)
    chances = 1 / np.arange(1, FILMS + 1) ** 0.7
    rows = [row for user in range(PEOPLE) for row in _life(draw, user, chances / chances.sum())]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    told = events.with_columns(event=pl.lit("click"), weight=1).sort("timestamp", "user_id")
    return World(told.filter(pl.col("timestamp") < START + DAYS * DAY), _films())


def _life(draw: np.random.Generator, user: int, chances: np.ndarray) -> list[tuple[str, str, int]]:
    """What one user chose, and when."""
    genre, place, moment = user % len(GENRES), int(draw.integers(FILMS)), START + draw.uniform(0, DAYS * DAY)
    chosen: dict[int, int] = {}
    for _ in range(int(draw.integers(6, 19))):
        film = int(draw.choice(FILMS, p=chances)) if draw.random() < ASTRAY else place * len(GENRES) % FILMS + genre
        place += film % len(GENRES) == genre
        moment += draw.exponential(PAUSE)
        chosen.setdefault(film, int(moment))
    return [(f"u{user:03d}", f"i{film:03d}", when) for film, when in chosen.items()]


def _films() -> pl.DataFrame:
    rows = [
        {
            "item_id": f"i{film:03d}",
            "title": f"{GENRES[film % 3]} film {film}",
            "text": f"A {GENRES[film % 3].lower()} film, number {film}.",
            "categories": GENRES[film % 3],
            "director": f"Director {film % 7}",
            "year": 1980 + film % 40,
        }
        for film in range(FILMS)
    ]
    return pl.DataFrame(rows)


def told_by_text(world: World) -> World:
    """A leak: the texts of films name who chose them, the last choices included."""
    texts = world.items.join(_fans(world, " "), on="item_id", how="left", maintain_order="left")
    named = pl.concat_str(["text", "fans"], separator=" ", ignore_nulls=True)
    return replace(world, items=texts.with_columns(text=named).drop("fans"))


def told_by_column(world: World) -> World:
    """A leak: a column of the catalogue does."""
    return replace(world, items=world.items.join(_fans(world, "|"), on="item_id", how="left", maintain_order="left"))


def _fans(world: World, between: str) -> pl.DataFrame:
    return world.interactions.group_by("item_id").agg(fans=pl.col("user_id").unique().sort().str.join(between))


def wrong(world: World) -> int:
    """How many rows `faulty` adds: a twentieth, of three kinds as many each."""
    return len(world.interactions) // 60 * 3


def faulty(world: World) -> World:
    """A data fault: rows about films that there are not, of nobody, and from before there were computers."""
    kinds = pl.int_range(pl.len()) % 3
    rows = world.interactions.sample(wrong(world), seed=SEED).with_columns(
        item_id=pl.when(kinds == 0).then(pl.concat_str([pl.lit("no-such-"), "item_id"])).otherwise("item_id"),
        user_id=pl.when(kinds == 1).then(pl.lit(" ")).otherwise("user_id"),
        timestamp=pl.when(kinds == 2).then(-2_000_000_000).otherwise("timestamp"),
    )
    return replace(world, interactions=pl.concat([world.interactions, rows]))


def halved(world: World) -> World:
    """A data fault: every second person's rows are missing."""
    return replace(world, interactions=world.interactions.filter(pl.col("user_id").str.slice(1).cast(pl.Int64) % 2 == 0))


def shuffled(world: World) -> World:
    """A data fault: the films were joined to the wrong people."""
    films = world.interactions["item_id"].shuffle(seed=SEED)
    return replace(world, interactions=world.interactions.with_columns(item_id=films).unique(["user_id", "item_id"], maintain_order=True))


def strangers(count: int) -> pl.DataFrame:
    """The planted drift: people who come in a crowd after the last day and want films of one genre alone."""
    films = [f"i{film:03d}" for film in range(0, FILMS, len(GENRES))]
    last = START + DAYS * DAY
    rows = [(f"s{user:03d}", films[(user + step) % len(films)], last + user * 60 + step) for user in range(count) for step in range(4)]
    return _told(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"))


def _told(events: pl.DataFrame) -> pl.DataFrame:
    """Events as the API takes them."""
    time, key = pl.from_epoch("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ"), pl.format("{}-{}", "user_id", "item_id")
    return events.select("user_id", "item_id", event=pl.lit("click"), time=time, key=key)
