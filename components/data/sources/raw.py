"""Reading files that came from outside: text first, then columns, then types; what is wrong is named by file, column and row."""

import csv
import difflib
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from components.errors import DataError
from components.schema import TABLES, table

ROW = "row"
TIME_UNITS = {"s": 1_000_000, "ms": 1000, "us": 1}
FORMATS = ("%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d")
REJECTS = {"table": pl.String(), "row": pl.Int64(), "column": pl.String(), "value": pl.String(), "reason": pl.String()}


@dataclass(frozen=True)
class Raw:
    """A file as it came.

    Attributes:
        path: where it lies.
        frame: all columns as strings, null where empty, and `row`, the 1-based number of the data row.
    """

    path: Path
    frame: pl.DataFrame

    def need(self, *columns: str) -> "Raw":
        """Check that columns are there; raises DataError that names the file, the missing one, and those found."""
        found = [name for name in self.frame.columns if name != ROW]
        for column in columns:
            if column not in found:
                near = difflib.get_close_matches(column, found, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise DataError(f"{self.path}: no column {column!r}{hint} It has: {', '.join(found)}")
        return self

    def rename(self, names: Mapping[str, str]) -> "Raw":
        """Rename the columns that are there."""
        there = {old: new for old, new in names.items() if old in self.frame.columns}
        return Raw(self.path, self.frame.rename(there))


@dataclass(frozen=True)
class Read:
    """What a source gave.

    Attributes:
        tables: canonical tables by name, as in `components.schema.TABLES`.
        rejects: cells that could not be read (table, row, column, value, reason); their rows are not in the tables.
        rows: rows of each table's file, kept or not.
        files: paths of each table's files, relative to the root.
    """

    tables: dict[str, pl.DataFrame]
    rejects: pl.DataFrame
    rows: dict[str, int]
    files: dict[str, list[str]]


def find(root: Path, *names: str) -> Path:
    """Find the first of the names under root; raises DataError that lists what is there."""
    for name in names:
        if (root / name).is_file():
            return root / name
    there = ", ".join(sorted(path.name for path in root.iterdir())) if root.is_dir() else "no such folder"
    raise DataError(f"{root / names[0]}: no such file; {root} has: {there}. Set dataset.root to the folder of the data")


def read(path: Path, *, separator: str = ",", header: Sequence[str] | None = None) -> Raw:
    """Read CSV, CSV.gz, TSV or Parquet.

    Args:
        separator: one or more characters; the latter only without quoting.
        header: names of the columns of a file without a header line.

    Raises:
        DataError: the file is empty, not UTF-8, has NUL bytes, ragged rows or a column twice.
    """
    if path.suffix == ".parquet":
        return _numbered(path, _parquet(path))
    text = _text(path)
    if len(separator) > 1:
        text = text.replace(separator, "\t")
        separator = "\t"
    names = list(header) if header else next(csv.reader(io.StringIO(text), delimiter=separator))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands twice in the header")
    try:
        frame = pl.read_csv(
            text.encode(), separator=separator, has_header=header is None, new_columns=names if header else None, infer_schema=False
        )
    except pl.exceptions.PolarsError:
        raise DataError(f"{path}: {_ragged(text, separator, len(names))}") from None
    if frame.is_empty():
        raise DataError(f"{path}: no data row below the header")
    return _numbered(path, frame)


def typed(raw: Raw, name: str, times: Mapping[str, str], rejects: list[pl.DataFrame]) -> pl.DataFrame:
    """Turn string columns into the types of the canonical table `name`; rows with an unreadable cell become rejects.

    Args:
        times: unit of each time column: s, ms, us (numbers) or iso.
    """
    schema, frame = TABLES[name], raw.frame
    parsed: dict[str, pl.Series] = {}
    for column, dtype in schema.items():
        if column in frame.columns and isinstance(dtype, pl.Datetime) and frame[column].dtype != dtype:
            parsed[column] = _time(frame[column], times.get(column, "iso"))
        elif column in frame.columns and isinstance(dtype, pl.Float64):
            number = frame[column].cast(pl.String).str.strip_chars().cast(dtype, strict=False)
            parsed[column] = number.set(~number.is_finite().fill_null(True), None)
    bad = pl.Series("bad", [False]).new_from_index(0, len(frame))
    for column, values in parsed.items():
        failed = values.is_null() & frame[column].is_not_null()
        if failed.any():
            what = "not a time" if isinstance(schema[column], pl.Datetime) else "not a number"
            rows = frame.filter(failed)
            found = {"table": name, "row": rows[ROW], "column": column, "value": rows[column].cast(pl.String), "reason": what}
            rejects.append(pl.DataFrame(found, schema=REJECTS))
            bad |= failed
    return table(frame.with_columns(**parsed).filter(~bad), schema)


def attributes(frame: pl.DataFrame, names: Mapping[str, str], lists: Mapping[str, str]) -> pl.Expr:
    """The (name, value) pairs of columns, in the columns' order.

    Args:
        names: column to attribute name.
        lists: separator of the values, for columns with several.
    """
    parts = []
    for column, name in names.items():
        if column not in frame.columns:
            continue
        values = split(column, lists[column]) if column in lists else pl.concat_list(pl.col(column).cast(pl.String).str.strip_chars())
        kept = values.list.eval(pl.element().filter(pl.element().is_not_null() & (pl.element() != "")))
        parts.append(kept.list.eval(pl.struct(pl.lit(name).alias("name"), pl.element().alias("value"))))
    empty = pl.lit([], dtype=pl.List(pl.Struct({"name": pl.String, "value": pl.String})))
    return (pl.concat_list(parts) if parts else empty).alias("attributes")


def split(column: str, separator: str) -> pl.Expr:
    """The values of a list column: split, stripped, without empty ones; null stays an empty list."""
    parts = pl.col(column).cast(pl.String).str.split(separator).fill_null([])
    return parts.list.eval(pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != ""))


def gathered(rejects: list[pl.DataFrame]) -> pl.DataFrame:
    """All rejects, by table, row and column."""
    return pl.concat([pl.DataFrame(schema=REJECTS), *rejects]).sort("table", "row", "column")


def _time(values: pl.Series, unit: str) -> pl.Series:
    text = values.cast(pl.String).str.strip_chars()
    if unit == "iso":
        plain = text.str.replace("T", " ").str.replace("Z$", "+00:00")
        tries = [plain.str.to_datetime(fmt, time_unit="us", time_zone="UTC", strict=False) for fmt in FORMATS]
        return tries[0].zip_with(tries[0].is_not_null(), tries[1].zip_with(tries[1].is_not_null(), tries[2]))
    number = text.cast(pl.Float64, strict=False)
    sound = number.is_finite().fill_null(False) & (number.abs() * TIME_UNITS[unit] < 4e17).fill_null(False)  # up to the year 14,000
    micros = (number.zip_with(sound, pl.Series([None], dtype=pl.Float64).new_from_index(0, len(number))) * TIME_UNITS[unit]).round()
    return micros.cast(pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _text(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: not readable ({error})") from None
    if not data.strip():
        raise DataError(f"{path}: the file is empty")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise DataError(f"{path}: a NUL byte in line {line}; is it a text file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}: not UTF-8 in line {line} (byte {data[error.start]:#04x}); save it as UTF-8") from None


def _ragged(text: str, separator: str, width: int) -> str:
    for row in (lines := csv.reader(io.StringIO(text), delimiter=separator)):
        if row and len(row) != width:
            return f"line {lines.line_num} has {len(row)} fields, the header {width}; quote fields that hold {separator!r}"
    return "not readable as a table with quotes; look for an unclosed quote"


def _parquet(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None
    if frame.is_empty():
        raise DataError(f"{path}: no row")
    return frame


def _numbered(path: Path, frame: pl.DataFrame) -> Raw:
    rows = pl.int_range(1, len(frame) + 1, eager=True, dtype=pl.Int64).alias(ROW)
    texts = [pl.col(name).replace("", None) for name, dtype in frame.schema.items() if dtype == pl.String]
    return Raw(path, frame.drop(ROW, strict=False).with_columns(texts).select(rows, pl.all()))
