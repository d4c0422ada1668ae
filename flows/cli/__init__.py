"""The command `zhijian`: each verb is one plain function, listed here."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import typer

from components.errors import ConfigError, RequestError, ZhijianError
from flows import settings
from flows.cli.asking import batch_recommend, chat, explain, find, recommend, similar
from flows.cli.champion import history, lineage, promote, rollback
from flows.cli.running import doctor, monitor, schedule, serve
from flows.cli.terminal import fail
from flows.cli.training import report, retrain, search
from flows.cli.trying import ab

P = ParamSpec("P")
VERBS: dict[str, list[Callable[..., None]]] = {  # as `zhijian --help` shows them
    "Make a bundle": [doctor, retrain, report, search],
    "Choose what serves": [promote, rollback, ab, history, lineage],
    "Serve and schedule": [serve, schedule, monitor],
    "Ask a bundle": [recommend, batch_recommend, similar, find, explain, chat],
}


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Give a function what every verb has: the project's root as its folder, a ZhijianError as one line on stderr and a status.

    Statuses: 2 for what was asked or configured wrongly, 1 for anything else.
    """

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            os.chdir(settings.root())
            settings.settle(Path.cwd())
            function(*args, **kwargs)
        except ZhijianError as error:
            fail(str(error), 2 if isinstance(error, (ConfigError, RequestError)) else 1)
        except KeyboardInterrupt:
            fail("interrupted", 130)

    return command


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Personalised recommendation (知荐).")
for panel, functions in VERBS.items():
    for function in functions:
        app.command(rich_help_panel=panel)(verb(function))
