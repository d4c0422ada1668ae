"""What the event log tells the next training: interactions, exposures with what came of them, and whom to forget."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from components import artifacts
from components.errors import ZhijianError
from components.schema import ITEMS, table
from serving.changes import said
from serving.options import Options
from serving.store import Store
from serving.tables import ERASURES, EVENTS, LISTS

WEIGHTS = {"click": 1.0, "like": 2.0, "purchase": 3.0}  # a rating weighs what it says
WITHIN = 24 * 3600 * 10**6  # microseconds: what comes later is not an answer to the impression
TIME = pl.Datetime("us", "UTC")
_SHOWN, _DONE = EVENTS.alias("shown"), EVENTS.alias("done")


def interactions(store: Store) -> pl.DataFrame:
    """Give what counts as an interaction: user_id, item_id, timestamp, event, weight; oldest first. Raises StoreError."""
    weight = sa.case(*((EVENTS.c.event == event, weight) for event, weight in WEIGHTS.items()), else_=EVENTS.c.value)
    columns = (EVENTS.c.user_id, EVENTS.c.item_id, EVENTS.c.time.label("timestamp"), EVENTS.c.event, weight.label("weight"))
    query = sa.select(*columns).where(EVENTS.c.event.in_([*WEIGHTS, "rating"])).order_by(EVENTS.c.time, EVENTS.c.id)
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "event": pl.String, "weight": pl.Float64}
    return _table(store, query, schema, "timestamp")


def exposures(store: Store) -> pl.DataFrame:
    """Give each impression and whether a click, like, purchase or rating of that item followed within a day; oldest first.

    Columns: user_id, item_id, timestamp, request, rank, bundle, propensity, taken; and of what an experiment had a part in: arm, share
    (the probability of the arm), slot (the probability that a slot went to a new item), new (whether this one did); null elsewhere.
    What an impression does not say of its rank, bundle and propensity is what was answered. An event that names a request answers
    only impressions of that request. Raises StoreError.
    """
    same = sa.and_(
        _DONE.c.user_id == _SHOWN.c.user_id,
        _DONE.c.item_id == _SHOWN.c.item_id,
        _DONE.c.event.in_([*WEIGHTS, "rating"]),
        _DONE.c.time.between(_SHOWN.c.time, _SHOWN.c.time + WITHIN),
        sa.or_(_DONE.c.request.is_(None), _DONE.c.request == _SHOWN.c.request),
    )
    taken = sa.exists().where(same).correlate(_SHOWN)
    columns = [_SHOWN.c[name] for name in ("user_id", "item_id", "time", "request", "rank", "bundle", "propensity")]
    query = sa.select(*columns, taken.label("taken")).where(_SHOWN.c.event == "impression").order_by(_SHOWN.c.time, _SHOWN.c.id)
    names = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "request": pl.String}
    numbers = {"rank": pl.Int64, "bundle": pl.String, "propensity": pl.Float64, "taken": pl.Boolean}
    shown = _table(store, query, {**names, **numbers}, "timestamp")
    told = shown.join(listed(store), on=["user_id", "request", "item_id"], how="left", maintain_order="left")
    known = [pl.coalesce(name, f"{name}_listed").alias(name) for name in ("rank", "bundle", "propensity")]
    return told.with_columns(known).drop([f"{name}_listed" for name in ("rank", "bundle", "propensity")])


def listed(store: Store) -> pl.DataFrame:
    """Give what stood in lists of an experiment, an item a row. Raises StoreError."""
    columns = [LISTS.c[name] for name in ("user_id", "request", "time", "bundle", "arm", "share", "slot", "new", "items", "propensities")]
    words = dict.fromkeys(("bundle_listed", "arm"), pl.String) | dict.fromkeys(("share", "slot"), pl.Float64)
    schema = {"user_id": pl.String, "request": pl.String, "time": pl.Int64, **words, "new": pl.Int64}
    found = _table(store, sa.select(*columns), schema | dict.fromkeys(("items", "propensities"), pl.String), "time")
    items, chances = pl.col("items").str.json_decode(pl.List(pl.String)), pl.col("propensities").str.json_decode(pl.List(pl.Float64))
    rows = found.with_columns(item_id=items, propensity_listed=chances).with_columns(
        rank_listed=pl.int_ranges(1, pl.col("item_id").list.len() + 1)
    )
    placed = rows.explode("item_id", "propensity_listed", "rank_listed").with_columns(new=pl.col("new").eq_missing(pl.col("rank_listed")))
    return placed.drop("time", "items", "propensities")


def erased(store: Store) -> pl.DataFrame:
    """Give whom to forget: user_id, at; what the user did until then may not enter a bundle. Raises StoreError."""
    query = sa.select(ERASURES.c.user_id, ERASURES.c.at).order_by(ERASURES.c.user_id)
    return _table(store, query, {"user_id": pl.String, "at": pl.Int64}, "at")


def items(store: Store) -> pl.DataFrame:
    """Give what was said of items that were added or changed, the canonical columns; null where nothing was. Raises StoreError."""
    _, state = store.changes()
    told = [{"item_id": item, **said(patch)} for item, patch in sorted(state.items()) if patch.keys() - {"hidden"}]
    return table(pl.DataFrame(told, ITEMS), ITEMS).drop("row")


LEARNED = {"interactions": interactions, "items": items, "erased": erased}  # what training reads
TABLES = LEARNED | {"exposures": exposures}


def export(store: Store, out: Path, names: Sequence[str] = tuple(LEARNED)) -> dict[str, int]:
    """Write tables as Parquet into a folder, which replaces what stood there; gives their rows."""
    tables = {name: TABLES[name](store) for name in names}
    with artifacts.folder(out) as aside:
        for name, rows in tables.items():
            artifacts.write_table(aside / f"{name}.parquet", rows)
    return {name: rows.height for name, rows in tables.items()}


def _table(store: Store, query: sa.Select[tuple[object, ...]], schema: Mapping[str, type[pl.DataType]], time: str) -> pl.DataFrame:
    rows = [tuple(row) for row in store.read(query)]
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col(time).cast(TIME))


def main() -> None:
    """`python -m serving.learning OUT [TABLE …]`: export from the service's store; what training reads where no table is named."""
    out, *names = sys.argv[1:]
    if unknown := set(names) - set(TABLES):
        raise SystemExit(f"learning: no table {', '.join(sorted(unknown))}; there are: {', '.join(TABLES)}")
    try:
        store = Store.open(Options.read().feedback)
        if store.file and not store.file.exists():
            sys.stdout.write("no event log was begun, so there is nothing to export\n")
            return
        store.prepare()
        counts = export(store, Path(out), names or tuple(LEARNED))
    except ZhijianError as error:
        raise SystemExit(f"learning: {error}") from None
    sys.stdout.write(", ".join(f"{count} {name}" for name, count in counts.items()) + "\n")


if __name__ == "__main__":
    main()
