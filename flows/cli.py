"""The command `zhijian`: one function per verb."""

import dataclasses
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from components.errors import BundleError, ConfigError, RequestError, ZhijianError
from flows import settings

P = ParamSpec("P")
BUNDLE = Path("artifacts/bundle")
BENTO = Path("artifacts/package/bento")
SEARCH = Path("reports/search")
REFUSED = 3

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Personalised recommendation (知荐).")

User = Annotated[str | None, typer.Option("--user", "-u", help="A user's id.")]
History = Annotated[str | None, typer.Option("--history", help="Item ids, oldest first, with commas between.")]
Many = Annotated[int, typer.Option("-k", help="How many.")]
Bundle = Annotated[Path | None, typer.Option("--bundle", help="Another bundle's folder.", resolve_path=True)]
Limit = Annotated[float, typer.Option("--timeout", min=1, help="Seconds that each stage may take.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Make a function a command: run at the project's root, its ZhijianError one line on stderr and a status.

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

    return app.command()(command)


@verb
def doctor(port: Annotated[int, typer.Option(help="The port to serve on.")] = 3000) -> None:
    """Check that this machine and project have what Zhijian needs."""
    from flows import doctor, tables

    found = list(doctor.examine(port))
    show(tables.checks(found))
    if any(check.state == "fail" for check in found):
        raise typer.Exit(1)


@verb
def retrain(
    overrides: Annotated[list[str] | None, typer.Argument(help="Hydra overrides, such as dataset=movielens; they stay in force.")] = None,
    timeout: Limit = 3600,
    reset: Annotated[bool, typer.Option("--reset", help="Drop the overrides in force.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Make the bundle champion when it passes.")] = False,
) -> None:
    """Retrain: run what changed, judge it, package it. Status 0 packaged, 3 refused, 1 failed."""
    from flows import server, stages

    with stages.alone():
        _record(overrides or [], reset=reset)
        server.use()
        from flows import pipeline

        state = pipeline.pipeline(timeout, promote, return_state=True)
    if not state.is_completed():
        fail(state.message or f"the run ended as {state.name}", 1)
    _conclude(state.result())


@verb
def promote(
    without: Annotated[list[str] | None, typer.Option(help="Leave out this criterion of conf/promotion; may be repeated.")] = None,
) -> None:
    """Make the last run's bundle champion, if it is not worse than the one there is. Status 3 where it is refused."""
    from flows import promote, report, tables

    try:
        switch = promote.promote(without=without or [])
    except promote.RefusedError as error:
        if report.PROMOTION.exists() and str(error).startswith("not promoted"):
            show(tables.verdict(report.verdict(report.PROMOTION)))
        fail(str(error), REFUSED)
    else:
        _switched(switch)


@verb
def rollback(to: Annotated[str | None, typer.Option(help="This bundle of the store, by the beginning of its id.")] = None) -> None:
    """Make the champion before this one champion again."""
    from flows import promote

    _switched(promote.rollback(to))


@verb
def history(json: Json = False) -> None:
    """Show every promotion and rollback, the present champion last."""
    from flows import champions, tables

    records = champions.history()
    if json:
        from json import dumps

        print(dumps([dataclasses.asdict(record) for record in records], indent=2))
    elif records:
        show(tables.history(records))
    else:
        note("no bundle was ever promoted; `zhijian promote` promotes the last run's")


@verb
def lineage(
    bundle: Annotated[str, typer.Argument(help="A bundle's id, as every answer names it, or the beginning of it.")],
    json: Json = False,
) -> None:
    """Show what a bundle was made of: commit, data, settings, and what was measured and judged."""
    from flows import lineage, tables

    found = lineage.read(bundle)
    if json:
        from json import dumps

        print(dumps(found, indent=2, ensure_ascii=False))
        return
    for table in tables.lineage(found):
        show(table)


@verb
def search(
    space: Annotated[
        list[str], typer.Argument(help="What may vary: KEY=LOW..HIGH, KEY=LOW..HIGH:log or 'KEY=A|B|C', with keys of ranker.… only.")
    ],
    part: Annotated[str | None, typer.Option(help="Judge this part alone, not the whole hybrid.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many, those of the same search before this one included.")] = 30,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop after so many; a trial under way is ended.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that each trial may take.")] = 600,
) -> None:
    """Search settings of the ranker by NDCG@10 on validation. The same command goes on with a search that was ended."""
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


@verb
def recommend(
    *,
    user: User = None,
    history: History = None,
    k: Many = 10,
    category: Annotated[list[str] | None, typer.Option(help="Only items of this category; may be repeated.")] = None,
    bundle: Bundle = None,
    json: Json = False,
) -> None:
    """Recommend items to a user, or to anyone with a history."""
    from components.recommend import Recommender
    from components.schema import Filters
    from flows import tables

    wanted = Filters.model_validate({"include": {"category": category} if category else {}})
    found = Recommender.load(bundle or BUNDLE).recommend(user=user, history=_ids(history), k=k, filters=wanted)
    if json:
        print(found.model_dump_json(indent=2))
        return
    if found.unknown:
        note(f"not known to this bundle: {', '.join(found.unknown)}")
    if found.source == "popularity":
        note("nothing is known of this user's taste: these are the most popular items")
    show(tables.answer(found))


@verb
def similar(item: Annotated[str, typer.Argument(help="An item's id.")], k: Many = 10, bundle: Bundle = None, json: Json = False) -> None:
    """Find items like one."""
    from components.recommend import Recommender
    from flows import tables

    found = Recommender.load(bundle or BUNDLE).similar(item, k)
    if json:
        print("[" + ",\n ".join(neighbour.model_dump_json() for neighbour in found) + "]")
    else:
        show(tables.neighbours(found))


@verb
def explain(
    item: Annotated[str, typer.Option("--item", "-i", help="An item's id.")],
    user: User = None,
    history: History = None,
    bundle: Bundle = None,
    json: Json = False,
) -> None:
    """Explain an item's score for a user or a history: reason, parts, attention, paths."""
    from components.recommend import Recommender
    from flows import tables

    found = Recommender.load(bundle or BUNDLE).explain(user=user, history=_ids(history), item=item)
    if json:
        print(found.model_dump_json(indent=2))
        return
    note(f"{found.item.title} ({found.item.item_id}), rank {found.item.rank}, score {found.item.score:.4f}")
    note(found.item.reason)
    for table in tables.evidence(found):
        show(table)


@verb
def chat(
    user: User = None,
    language: Annotated[str | None, typer.Option(help="en or zh; the conversation follows you when it is not given.")] = None,
    bundle: Bundle = None,
) -> None:
    """Talk about what you would like, in your own words."""
    from flows import chat

    chat.converse(bundle or BUNDLE, user, language)


@verb
def serve(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 3000,
    bundle: Annotated[
        Path | None, typer.Option(help="Serve this bundle with the code here, not the built Bento.", resolve_path=True)
    ] = None,
) -> None:
    """Serve the built Bento over HTTP."""
    from components import artifacts
    from flows import doctor

    if doctor.serving(port).state != "ok":
        raise ConfigError(f"--port {port}: in use or not allowed; choose another one")
    if bundle:
        artifacts.verify(bundle)
        os.environ["ZHIJIAN_BUNDLE"] = str(bundle)
    elif not BENTO.is_dir():
        raise BundleError(f"{BENTO}: no Bento here; `zhijian retrain` builds one when the gate passes, --bundle serves any bundle")
    what = "serving.service:Zhijian" if bundle else str(BENTO.resolve())  # BentoML looks for a relative path below itself
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", what, "--port", str(port)])  # noqa: S606 - no shell wanted


@verb
def report() -> None:
    """Show the last evaluation and the gate's verdict."""
    from flows import report, tables

    if rows := report.metrics():
        show(tables.metrics(rows))
    found = report.verdict()
    show(tables.verdict(found))
    note("passed" if found.passed else "refused by the gate")
    if report.PAGE.exists():
        note(f"the whole report: {report.PAGE}")


@verb
def schedule(
    cron: Annotated[str | None, typer.Option(help="When, as a cron line; conf/schedule says when nothing is given.")] = None,
    interval: Annotated[float | None, typer.Option(min=1, help="Or how often, in seconds.")] = None,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds that each stage may take.")] = None,
    server_port: Annotated[int, typer.Option(help="Port of the Prefect server, started when PREFECT_API_URL is not set.")] = 4200,
) -> None:
    """Retrain by the clock until interrupted, one run at a time, as conf/schedule says."""
    from flows import plan, server

    if cron and interval:
        raise ConfigError("--cron and --interval: give one of them")
    chosen = plan.read(cron, interval, timeout)
    server.use(server_port)
    server.schedule(chosen)


@verb
def monitor() -> None:
    """Look once whether age, new feedback or drift ask for a retraining, and if so emit the event that starts it."""
    from flows import plan, server, tables

    watch = plan.read().watch
    if watch is None:
        raise ConfigError("schedule.watch: not set, so there is nothing to look at; see conf/schedule")
    server.use()
    from flows.monitor import monitor

    seen = monitor(watch)
    show(tables.triggers(seen.triggers))
    note("a retraining was asked for" if seen.asked else seen.held or "nothing asks for a retraining")


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


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _ids(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _record(overrides: list[str], *, reset: bool) -> None:
    from components import configure

    before = configure.recorded()
    if overrides or reset:
        configure.record(overrides)
    after = configure.recorded()
    if dropped := [line for line in before if line not in after]:
        note(f"overrides dropped: {' '.join(dropped)}")
    note(f"overrides in force: {' '.join(after) or 'none'}")


def _switched(switch: Any) -> None:
    champion = switch.champion
    note(f"champion {champion.number}: bundle {champion.bundle}, {champion.how} at {champion.since}, after {champion.previous or 'none'}")
    note(switch.said or f"git tag {switch.tag}")


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
        _switched(outcome.switch)
    if outcome.refused:
        show(tables.verdict(report.verdict(report.PROMOTION)))
        fail(outcome.refused, REFUSED)
