"""The verb about what is tried on users."""

from typing import Annotated, Any

import typer

from components.errors import ConfigError
from flows.cli.terminal import Json, note, show


def ab(
    challenger: Annotated[str | None, typer.Option(help="The other bundle: its folder, or the beginning of its id in the store.")] = None,
    share: Annotated[float | None, typer.Option(help="The share of users who get it.")] = None,
    slots: Annotated[float | None, typer.Option(help="The share of slots that new items take, at most one of a list; at most 0.1.")] = None,
    fewer: Annotated[int | None, typer.Option(help="An item with fewer events than this is new.")] = None,
    salt: Annotated[str | None, typer.Option(help="Another one deals users anew.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End the experiment.")] = False,
    json: Json = False,
) -> None:
    """Try another bundle, or new items, on some users, and judge it.

    With an option it begins or changes the experiment; a service that runs follows. Without any it says what the event log tells
    of each policy: mean reward of an item shown, by IPS, SNIPS and DR, with 95 % intervals.
    """
    from flows import trying

    given: dict[str, Any] = {"share": share, "slots": slots, "fewer": fewer, "salt": salt}
    changes = {name: value for name, value in given.items() if value is not None}
    if stop:
        if changes or challenger:
            raise ConfigError("--stop: takes no other option")
        trying.end()
        note("the experiment is ended; everybody gets the champion")
    elif changes or challenger:
        begun = trying.begin(changes, challenger)
        note(f"tried from now on: {begun.model_dump_json()}")
    else:
        judge(json)


def judge(json: bool) -> None:
    """Say what the event log tells of the experiment's policies."""
    from flows import report, tables, trying

    found = trying.judge(lambda _: None)
    if json:
        from json import dumps

        print(dumps(found, indent=2))
    elif found is None:
        note("no event log was begun; the service begins one (ZHIJIAN_FEEDBACK)")
    else:
        show(tables.experiment(found))
        note(f"{found['shown']} items shown to {found['users']} users, {found['taken']} taken; written to {report.EXPERIMENT}")
