"""What the verbs print, and the options that several have."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

REFUSED = 3  # the status where a gate said no

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Bundle = Annotated[Path | None, typer.Option("--bundle", help="Another bundle's folder.", resolve_path=True)]


def show(table: Table) -> None:
    """Print a table on stdout, without escape codes in a pipe."""
    Console().print(table)


def note(text: str) -> None:
    """Print a line on stdout as it is."""
    Console(highlight=False).print(text, markup=False, soft_wrap=True)


def fail(text: str, status: int) -> None:
    """Print a message in red on stderr and end with a status."""
    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(status)
