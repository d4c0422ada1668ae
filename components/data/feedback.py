"""What people did since the source was written: the event log's tables, joined with the source's."""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from components import artifacts
from components.data.sources.raw import Read
from components.schema import INTERACTIONS, ITEMS, Schema, table

ERASED: Schema = {"user_id": pl.String(), "at": pl.Datetime("us", "UTC")}


@dataclass(frozen=True)
class Feedback:
    """What `zhijian retrain` took from the event log.

    Attributes:
        place: the folder that it lies in.
        interactions: user_id, item_id, timestamp, event, weight; oldest first.
        items: items added or changed while serving, with the canonical columns that it has.
        erased: user_id, at; what a user did until then may not be learned from.
    """

    place: Path
    interactions: pl.DataFrame
    items: pl.DataFrame
    erased: pl.DataFrame

    @classmethod
    def read(cls, place: Path) -> "Feedback":
        """Read the folder; a table that is not there is empty. Raises DataError for one that is damaged."""
        schemas = {"interactions": INTERACTIONS, "items": ITEMS, "erased": ERASED}
        there = {name: place / f"{name}.parquet" for name in schemas}
        found = {name: artifacts.read_table(path) if path.exists() else pl.DataFrame() for name, path in there.items()}
        return cls(place, **{name: table(found[name], schema) for name, schema in schemas.items()})


def join(source: Read, feedback: Feedback, share: float) -> tuple[Read, dict[str, int]]:
    """Forget the erased, change and add items, and append what was done, numbered on from the source's last row.

    Args:
        share: of all interactions, what one user may have by feedback; of the rest the oldest are left out. Training counts an
            interaction once, whatever its weight. Among few users, twice an equal share is allowed.

    Returns:
        the source as if it had come so, and how many rows were forgotten, left out, added.
    """
    kept, forgotten = _forget(source, feedback.erased)
    done = _forgotten(feedback.interactions, feedback.erased)
    allowed = _within(kept.tables["interactions"], done, share)
    joined = _append(_overlay(kept, feedback), "interactions", _timed(kept, allowed), feedback.place)
    counts = {"forgotten": forgotten, "left_out": len(done) - len(allowed), "interactions": len(allowed), "items": len(feedback.items)}
    return joined, counts


def _forgotten(rows: pl.DataFrame, erased: pl.DataFrame) -> pl.DataFrame:
    """The rows without those of erased users that are no younger than the erasure, or of no known time."""
    joined = rows.join(erased, on="user_id", how="left", maintain_order="left")
    old = pl.col("at").is_not_null() & (pl.col("timestamp") <= pl.col("at")).fill_null(True)
    return joined.filter(~old).drop("at")


def _forget(source: Read, erased: pl.DataFrame) -> tuple[Read, int]:
    """The source without what is to be forgotten, and how many interactions that were."""
    kept = source.tables | {"interactions": _forgotten(source.tables["interactions"], erased)}
    if "users" in kept:
        kept["users"] = kept["users"].filter(~pl.col("user_id").is_in(erased["user_id"].implode()).fill_null(False))
    gone = {name: len(source.tables[name]) - len(frame) for name, frame in kept.items()}
    rows = {name: count - gone[name] for name, count in source.rows.items()}
    return replace(source, tables=kept, rows=rows), gone["interactions"]


def _within(known: pl.DataFrame, done: pl.DataFrame, share: float) -> pl.DataFrame:
    """The newest of each user's feedback, as many as leave the user within the share."""
    have = known["user_id"].value_counts(name="have")
    counts = pl.concat([known.select("user_id"), done.select("user_id")])["user_id"].value_counts()["count"]
    room = pl.lit(_most(counts, share)) - pl.col("have").cast(pl.Int64).fill_null(0)
    place = pl.int_range(pl.len()).reverse().over("user_id")  # from the newest
    return done.join(have, on="user_id", how="left", maintain_order="left").filter(place < room).drop("have")


def _most(counts: pl.Series, share: float) -> int:
    """The largest count that is at most the share of what is left when nobody has more."""
    share = max(share, 2 / max(len(counts), 1))
    most = int(counts.sum())
    while (bound := int(share * float(counts.clip(upper_bound=most).sum()))) < most:
        most = bound
    return most


def _timed(source: Read, done: pl.DataFrame) -> pl.DataFrame:
    """Feedback has times; beside a source without any, where the rows are the order, it has none either."""
    times = source.tables["interactions"]["timestamp"]
    return done.with_columns(timestamp=pl.lit(None, INTERACTIONS["timestamp"])) if times.is_null().all() else done


def _overlay(source: Read, feedback: Feedback) -> Read:
    """Items as they were changed while serving, in place of the source's, and those that are new; what was not told stays."""
    if feedback.items.is_empty():
        return source
    items, ids = source.tables["items"], feedback.items["item_id"]
    before = items.unique("item_id", keep="first")
    joined = feedback.items.drop("row").join(before, on="item_id", maintain_order="left", suffix="_before")
    told = (pl.coalesce(name, f"{name}_before").alias(name) for name in ITEMS if name not in ("row", "item_id"))
    changed = joined.select("row", "item_id", *told).select(ITEMS.keys())
    untouched = items.filter(~pl.col("row").is_in(changed["row"].implode()))
    overlaid = replace(source, tables=source.tables | {"items": pl.concat([untouched, changed]).sort("row")})
    return _append(overlaid, "items", feedback.items.filter(~ids.is_in(items["item_id"].implode())), feedback.place)


def _append(source: Read, name: str, rows: pl.DataFrame, place: Path) -> Read:
    if rows.is_empty():
        return source
    frame = source.tables[name]
    rejected = source.rejects.filter(pl.col("table") == name)["row"]
    last = max(source.rows[name], *(int(column.max() or 0) for column in (frame["row"], rejected)))  # pyright: ignore[reportArgumentType]
    numbered = rows.with_columns(row=pl.int_range(last + 1, last + 1 + len(rows), dtype=pl.Int64))
    return replace(
        source,
        tables=source.tables | {name: pl.concat([frame, numbered])},
        rows=source.rows | {name: source.rows[name] + len(rows)},
        files=source.files | {name: [*source.files[name], str(place / f"{name}.parquet")]},
    )
