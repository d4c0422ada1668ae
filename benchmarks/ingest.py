"""A million interactions from CSV to splits: seconds and peak memory of each stage. `python benchmarks/ingest.py [ROWS]`.

The data is made, with one bad row in a thousand: bad dates, unknown items, repeated events, missing users.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from measure import clone, commit, measure, record

USERS, ITEMS, SEED = 50_000, 20_000, 17
STAGES = ("configure", "data.ingest", "data.validate", "data.split")
TARGET = {"seconds": 60, "peak_mb": 2048}


def make(root: Path, rows: int) -> None:
    """Write interactions.csv.gz and items.csv.gz: popularity falls as 1 / rank, as do the users' lengths of history."""
    root.mkdir(parents=True)
    draw = np.random.default_rng(SEED)
    seconds = draw.integers(1_500_000_000, 1_700_000_000, rows)
    frame = pl.DataFrame({"user": _zipf(draw, USERS, rows), "item": _zipf(draw, ITEMS, rows), "seconds": seconds})
    events = frame.select(
        user_id=pl.format("u{}", pl.col("user").cast(pl.String).str.zfill(6)),
        item_id=pl.format("i{}", pl.col("item").cast(pl.String).str.zfill(6)),
        timestamp=pl.from_epoch("seconds").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        event=pl.lit("click"),
        weight=pl.lit("1"),
    )
    _write(root / "interactions.csv.gz", _spoil(events))
    item = pl.int_range(ITEMS, eager=True).cast(pl.String).str.zfill(6)
    about = {"title": "Film " + item, "text": "A film about the number " + item + ".", "categories": "Drama|Comedy", "year": "1999"}
    _write(root / "items.csv.gz", pl.select(item_id="i" + item, **{key: _literal(value) for key, value in about.items()}))


def main(rows: int) -> None:
    """Measure, record, and fail where the target is missed."""
    with clone() as project:
        make(project / "made", rows)
        (project / "conf" / "overrides.yaml").write_text(json.dumps(["dataset=tables", "dataset.root=made"]))
        stages, measured = {name: _stage(name, project) for name in STAGES}, commit(project)
        validation: dict[str, Any] = json.loads((project / "artifacts/validate/validation.json").read_text())
    total = {"seconds": round(sum(row["seconds"] for row in stages.values()), 2), "peak_mb": max(row["peak_mb"] for row in stages.values())}
    data = {"interactions": rows, "users": USERS, "items": ITEMS, "seed": SEED, "form": "csv.gz, ISO times, 1 bad row in 1000"}
    counts = {name: {key: table[key] for key in ("rows", "kept", "quarantined")} for name, table in validation.items()}
    record("ingest", measured, {"data": data, "stages": stages, "total": total, "target": TARGET, "counts": counts})
    print(json.dumps(stages | {"total": total}, indent=2))
    if rows == 1_000_000 and any(total[key] > most for key, most in TARGET.items()):
        raise SystemExit(f"missed the target {TARGET}")


def _stage(name: str, project: Path) -> dict[str, Any]:
    ended = measure(sys.executable, "-m", f"components.{name}", cwd=project)
    if ended.status:
        raise SystemExit(f"{name} failed:\n{ended.output}")
    return {"seconds": ended.seconds, "peak_mb": ended.peak_mb}


def _zipf(draw: np.random.Generator, size: int, rows: int) -> np.ndarray[Any, Any]:
    weights = 1 / np.arange(10, size + 10)
    return draw.permutation(size)[draw.choice(size, rows, p=weights / weights.sum())]


def _spoil(events: pl.DataFrame) -> pl.DataFrame:
    place = pl.int_range(pl.len()) % 4000
    wrong = {"timestamp": (0, "yesterday"), "item_id": (1000, "nosuch"), "user_id": (2000, None)}
    spoilt = [pl.when(place == at).then(pl.lit(value)).otherwise(pl.col(column)).alias(column) for column, (at, value) in wrong.items()]
    again = [pl.when(place == 3000).then(pl.col(column).shift(1)).otherwise(pl.col(column)).alias(column) for column in events.columns]
    return events.with_columns(again).with_columns(spoilt)


def _literal(value: str | pl.Series) -> pl.Series | pl.Expr:
    return pl.lit(value) if isinstance(value, str) else value


def _write(path: Path, frame: pl.DataFrame) -> None:
    with gzip.open(path, "wb", compresslevel=4) as file:
        frame.write_csv(file)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
