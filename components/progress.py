"""Progress that people see: a bar in a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.progress import track as bar

T = TypeVar("T")
EVERY = 5.0  # seconds between two lines in a log


def say(message: str) -> None:
    """Tell what a stage is doing, on stderr, at once."""
    print(message, file=sys.stderr, flush=True)


def track(values: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield the values while showing how far along they are."""
    size = total if total is not None else len(values) if isinstance(values, Sized) else None
    if sys.stderr.isatty():
        yield from bar(values, label, total=size)
        return
    said = time.monotonic()
    for done, value in enumerate(values, 1):
        yield value
        if time.monotonic() - said > EVERY:
            said = time.monotonic()
            say(f"{label}: {done}" + (f" of {size}" if size else ""))
