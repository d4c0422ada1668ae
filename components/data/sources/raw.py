"""Reading files that came from outside: text first, then columns, then types; what is wrong is named by file, column and row."""

import codecs
import csv
import difflib
import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from components.errors import DataError
from components.schema import TABLES, table

ROW = "row"
TIME_UNITS = {"s": 1_000_000, "ms": 1000, "us": 1}
FORMATS = ("%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
NAMED = (pl.String, pl.Categorical, pl.Enum, pl.Null)  # beside whole numbers, what a text or an id may be in Parquet
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
                hint = f"; did you mean {near[0]!r}?" if near else "."
                raise DataError(f"{self.path}: no column {column!r}{hint} It has: {', '.join(found)}")
        return self

    def rename(self, names: Mapping[str, str]) -> "Raw":
        """Rename the columns that are there; raises DataError when two get one name."""
        there = {old: new for old, new in names.items() if old in self.frame.columns}
        _once(self.path, [there.get(name, name) for name in self.frame.columns])
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
    """Find the one of the names that is under root; raises DataError that lists what is there when none is, or two are."""
    path = among(root, *names)
    if path is not None:
        return path
    there = ", ".join(sorted(path.name for path in root.iterdir())) if root.is_dir() else "no such folder"
    raise DataError(f"{root / names[0]}: no such file; {root} has: {there}. Set dataset.root to the folder of the data")


def among(root: Path, *names: str) -> Path | None:
    """Find the one of the names that is under root, if any; raises DataError when two are."""
    there = [root / name for name in names if (root / name).is_file()]
    if len(there) > 1:
        raise DataError(f"{there[0]}: {there[1].name} stands beside it, and which of them counts is not known; keep one")
    return there[0] if there else None


def read(path: Path, *, separator: str = ",", header: Sequence[str] | None = None, quoted: bool = True, fallback: str | None = None) -> Raw:
    """Read CSV, CSV.gz, TSV or Parquet.

    Args:
        separator: one or more characters; the latter only without quoting.
        header: names of the columns of a file without a header line.
        quoted: whether fields may stand in double quotes; if not, a quote is a character like others.
        fallback: encoding of files that are not UTF-8.

    Raises:
        DataError: the file is empty, not in its encoding, has NUL bytes, ragged rows, or a column twice or without a name.
    """
    if path.suffix == ".parquet":
        return _numbered(path, _parquet(path))
    data = _content(path, fallback)
    if len(separator) > 1:
        data, separator = data.replace(separator.encode(), b"\x1f"), "\x1f"
    names = list(header) if header else _names(path, data, separator, quoted=quoted)
    body = data if header else data[data.index(b"\n") + 1 :]
    if not body:
        raise DataError(f"{path}: no data row below the header")
    _even(path, body, separator, len(names), above=0 if header else 1, quoted=quoted)
    try:
        frame = pl.read_csv(
            body, separator=separator, has_header=False, new_columns=names, infer_schema=False, quote_char='"' if quoted else None
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not readable as a table ({str(error).splitlines()[-1]}); look for a quote inside a field") from None
    return _numbered(path, frame)


def typed(raw: Raw, name: str, times: Mapping[str, str], rejects: list[pl.DataFrame]) -> pl.DataFrame:
    """Turn string columns into the types of the canonical table `name`; rows with an unreadable cell become rejects.

    Args:
        times: unit of each time column: s, ms, us (numbers) or iso.

    Raises:
        DataError: a column of a Parquet file has a type that does not fit.
    """
    schema, frame = TABLES[name], raw.frame
    _texts(raw, [column for column, dtype in schema.items() if dtype == pl.String and column in frame.columns])
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
            what = f"not a time ({times.get(column, 'iso')})" if isinstance(schema[column], pl.Datetime) else "not a number"
            rows = frame.filter(failed)
            found = {"table": name, "row": rows[ROW], "column": column, "value": rows[column].cast(pl.String), "reason": what}
            rejects.append(pl.DataFrame(found, schema=REJECTS))
            bad |= failed
    try:
        return table(frame.with_columns(**parsed).filter(~bad), schema)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{raw.path}: a column has another type than {name} need ({error})") from None


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
        if isinstance(frame.schema[column], pl.List):
            values = pl.col(column).cast(pl.List(pl.String)).fill_null([])
        else:
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


def _texts(raw: Raw, columns: list[str]) -> None:
    """Refuse ids and texts that are fractions or nested: a float 1.0 is not the id 1."""
    for column in columns:
        dtype = raw.frame.schema[column]
        if not dtype.is_integer() and not isinstance(dtype, NAMED):
            raise DataError(f"{raw.path}: column {column!r} is {dtype}; ids and texts are strings or whole numbers")


def _time(values: pl.Series, unit: str) -> pl.Series:
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        zone = getattr(values.dtype, "time_zone", None)
        stamps = values.cast(pl.Datetime("us", zone))
        return stamps.dt.convert_time_zone("UTC") if zone else stamps.dt.replace_time_zone("UTC")
    text = values.cast(pl.String).str.strip_chars()
    if unit == "iso":
        plain = text.str.replace("T", " ").str.replace("Z$", "+00:00")
        tries = [plain.str.to_datetime(fmt, time_unit="us", time_zone="UTC", strict=False) for fmt in FORMATS]
        return pl.select(pl.coalesce(tries)).to_series()
    number = text.cast(pl.Float64, strict=False)
    sound = number.is_finite().fill_null(False) & (number.abs() * TIME_UNITS[unit] < 4e17).fill_null(False)  # up to the year 14,000
    micros = (number.zip_with(sound, pl.Series([None], dtype=pl.Float64).new_from_index(0, len(number))) * TIME_UNITS[unit]).round()
    return micros.cast(pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _content(path: Path, fallback: str | None) -> bytes:
    """The file as UTF-8 without byte order mark, lines ended by newlines, none of them empty at the end."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not readable ({error})") from None
    if not data.strip():
        raise DataError(f"{path}: the file is empty")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}: the file is UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise DataError(f"{path}: a NUL byte in line {_line(data, data.index(0))}; is it a text file?")
    data = _utf8(path, data.removeprefix(codecs.BOM_UTF8), fallback)
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data.rstrip(b"\r\n") + b"\n"


def _utf8(path: Path, data: bytes, fallback: str | None) -> bytes:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if fallback is not None:
            return data.decode(fallback).encode()
        line = _line(data, error.start)
        raise DataError(f"{path}: not UTF-8 in line {line} (byte {data[error.start]:#04x}); save it as UTF-8") from None
    return data


def _line(data: bytes, place: int) -> int:
    return data[:place].count(b"\n") + 1


def _names(path: Path, data: bytes, separator: str, *, quoted: bool) -> list[str]:
    line = data[: data.index(b"\n")].decode().rstrip("\r")
    found = next(csv.reader([line], delimiter=separator)) if quoted else line.split(separator)
    names = [name.strip() for name in found]
    if "" in names:
        raise DataError(f"{path}: column {names.index('') + 1} of the header has no name")
    _once(path, names)
    return names


def _once(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands twice in the header")


def _even(path: Path, data: bytes, separator: str, width: int, *, above: int, quoted: bool) -> None:
    """Refuse a row with more or fewer fields than the header: polars fills short rows with nulls without a word."""
    signs: np.ndarray[Any, Any] = np.frombuffer(data, np.uint8)
    inside = np.logical_xor.accumulate(signs == ord('"')) if quoted else np.zeros(len(signs), dtype=bool)
    ends = np.flatnonzero((signs == ord("\n")) & ~inside)
    found = np.diff(np.searchsorted(np.flatnonzero((signs == ord(separator)) & ~inside), ends), prepend=0) + 1
    wrong = np.flatnonzero(found != width)
    if not len(wrong) and not inside[-1]:
        return
    open_ = "a quote is not closed, or stands inside a field; " if inside[-1] else ""
    place = wrong[0] if len(wrong) else len(ends)
    start = int(ends[place - 1]) + 1 if place else 0
    what = f"has {found[place]} fields, the header {width}; quote fields that hold {separator!r}" if len(wrong) else "is where it is open"
    blank = data[start : start + 2].startswith((b"\n", b"\r"))
    raise DataError(f"{path}: {open_}line {_line(data, start) + above} {'is empty; remove it' if blank else what}")


def _parquet(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None
    if frame.is_empty():
        raise DataError(f"{path}: no row")
    return frame


def _numbered(path: Path, frame: pl.DataFrame) -> Raw:
    frame = frame.drop(ROW, strict=False)
    rows = pl.int_range(1, len(frame) + 1, eager=True, dtype=pl.Int64).alias(ROW)
    texts = [pl.col(name).replace("", None) for name, dtype in frame.schema.items() if dtype == pl.String]
    return Raw(path, frame.with_columns(texts).select(rows, pl.all()))
