"""Verbs that make a bundle, and tell what came of it."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.champion import switched
from flows.cli.terminal import REFUSED, fail, note, show
from flows.settings import BENTO

SEARCH = Path("reports/search")


def retrain(
    overrides: Annotated[list[str] | None, typer.Argument(help="Hydra overrides, such as dataset=movielens; they stay in force.")] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds that each stage may take.")] = 3600,
    reset: Annotated[bool, typer.Option("--reset", help="Drop the overrides in force.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Make the bundle champion when it passes.")] = False,
    warm: Annotated[bool, typer.Option("--warm", help="Train on from the champion's weights, not from scratch.")] = False,
) -> None:
    """Run what changed, judge the bundle, package it.

    Status 0 packaged, 3 refused, 1 failed.
    """
    from flows import server, stages

    with stages.alone():
        _record(overrides or [], reset=reset)
        server.use()
        from flows import pipeline

        state = pipeline.pipeline(timeout, promote, warm=warm, return_state=True)
    if not state.is_completed():
        fail(state.message or f"the run ended as {state.name}", 1)
    _conclude(state.result())


def report() -> None:
    """Show the last evaluation and the gate's verdict."""
    from flows import report, runs, tables

    if rows := report.metrics():
        show(tables.metrics(rows))
    found = report.verdict()
    show(tables.verdict(found))
    note("passed" if found.passed else "refused by the gate")
    if page := runs.write():
        note(f"the whole report: {page}")


def search(
    space: Annotated[
        list[str], typer.Argument(help="What may vary: KEY=LOW..HIGH, KEY=LOW..HIGH:log or 'KEY=A|B|C', with keys of ranker.… only.")
    ],
    part: Annotated[str | None, typer.Option(help="Judge this part alone, not the whole hybrid.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many, those of the same search before this one included.")] = 30,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop after so many; a trial under way is ended.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that each trial may take.")] = 600,
) -> None:
    """Search settings of the ranker by NDCG@10 on validation.

    The same command goes on with a search that was ended.
    """
    from components import artifacts
    from flows import search, stages, tables
    from flows import trials as pages

    limits = search.Limits(trials, timeout, minutes * 60 if minutes else float("inf"))
    with stages.alone():
        found = search.search(space, part, limits, _tell)
        artifacts.write_json(SEARCH.with_suffix(".json"), dataclasses.asdict(found))
        artifacts.write_text(SEARCH.with_suffix(".html"), pages.render(found))
    show(tables.trials(found.trials, found.now))
    note(f"on validation {found.best:.4f} at best, {found.now:.4f} with the settings in force; the whole search: {SEARCH}.html")
    note(found.command if found.best > found.now else "nothing better than the settings in force was found")


def _record(overrides: list[str], *, reset: bool) -> None:
    from components import configure

    before = configure.recorded()
    if overrides or reset:
        configure.record(overrides)
    after = configure.recorded()
    if dropped := [line for line in before if line not in after]:
        note(f"overrides dropped: {' '.join(dropped)}")
    note(f"overrides in force: {' '.join(after) or 'none'}")


def _conclude(outcome: Any) -> None:
    from flows import report, tables

    show(tables.states(outcome.stages))
    if rows := report.metrics():
        show(tables.metrics(rows))
    show(tables.verdict(report.verdict()))
    if not outcome.passed:
        fail(f"refused by the gate after {outcome.seconds:g} s: nothing was packaged", REFUSED)
    if not outcome.packaged:
        fail(f"the gate passed, but {BENTO} was not built", 1)
    note(f"passed and packaged in {outcome.seconds:g} s: {BENTO}")
    if outcome.switch:
        switched(outcome.switch)
    if outcome.refused:
        show(tables.verdict(report.verdict(report.PROMOTION)))
        fail(outcome.refused, REFUSED)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
