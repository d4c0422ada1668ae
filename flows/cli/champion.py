"""Verbs about what serves: promotion, rollback, and where a bundle came from."""

import dataclasses
from typing import Annotated, Any

import typer

from flows.cli.terminal import REFUSED, Json, fail, note, show


def promote(
    without: Annotated[list[str] | None, typer.Option(help="Leave out this criterion of conf/promotion; may be repeated.")] = None,
) -> None:
    """Make the last run's bundle champion, if it is no worse.

    Status 3 where it is refused.
    """
    from flows import promote, report, tables

    try:
        switch = promote.promote(without=without or [])
    except promote.RefusedError as error:
        if report.PROMOTION.exists() and str(error).startswith("not promoted"):
            show(tables.verdict(report.verdict(report.PROMOTION)))
        fail(str(error), REFUSED)
    else:
        switched(switch)


def rollback(to: Annotated[str | None, typer.Option(help="This bundle of the store, by the beginning of its id.")] = None) -> None:
    """Make the champion before this one champion again."""
    from flows import promote

    switched(promote.rollback(to))


def history(json: Json = False) -> None:
    """Show every promotion and rollback."""
    from flows import champions, tables

    records = champions.history()
    if json:
        from json import dumps

        print(dumps([dataclasses.asdict(record) for record in records], indent=2))
    elif records:
        show(tables.history(records))
    else:
        note("no bundle was ever promoted; `zhijian promote` promotes the last run's")


def lineage(
    bundle: Annotated[str, typer.Argument(help="A bundle's id, as every answer names it, or the beginning of it.")],
    json: Json = False,
) -> None:
    """Show what a bundle was made of, measured and judged by."""
    from flows import lineage, tables

    found = lineage.read(bundle)
    if json:
        from json import dumps

        print(dumps(found, indent=2, ensure_ascii=False))
        return
    for table in tables.lineage(found):
        show(table)


def switched(switch: Any) -> None:
    """Tell of a switch that was made."""
    champion = switch.champion
    note(f"champion {champion.number}: bundle {champion.bundle}, {champion.how} at {champion.since}, after {champion.previous or 'none'}")
    note(switch.said or f"git tag {switch.tag}")
