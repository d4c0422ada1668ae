"""Verbs that run on: the service, the clock, and what looks whether they can."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from components.errors import BundleError, ConfigError
from flows.cli.terminal import note, show
from flows.settings import BENTO


def doctor(port: Annotated[int, typer.Option(help="The port to serve on.")] = 3000) -> None:
    """Check that this machine and project have what Zhijian needs."""
    from flows import doctor, tables

    found = list(doctor.examine(port))
    show(tables.checks(found))
    if any(check.state == "fail" for check in found):
        raise typer.Exit(1)


def serve(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 3000,
    bundle: Annotated[
        Path | None, typer.Option(help="Serve this bundle with the code here, not the built Bento.", resolve_path=True)
    ] = None,
) -> None:
    """Serve the built Bento over HTTP, and the page."""
    from components import artifacts
    from flows import doctor

    if doctor.serving(port).state != "ok":
        raise ConfigError(f"--port {port}: in use or not allowed; choose another one")
    if bundle:
        artifacts.verify(bundle)
        os.environ["ZHIJIAN_BUNDLE"] = str(bundle)
    elif not BENTO.is_dir():
        raise BundleError(f"{BENTO}: no Bento here; `zhijian retrain` builds one when the gate passes, --bundle serves any bundle")
    note(f"when it is ready, open http://127.0.0.1:{port}")
    what = "serving.service:Zhijian" if bundle else str(BENTO.resolve())  # BentoML looks for a relative path below itself
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", what, "--port", str(port)])  # noqa: S606 - no shell wanted


def schedule(
    cron: Annotated[str | None, typer.Option(help="When, as a cron line; conf/schedule says when nothing is given.")] = None,
    interval: Annotated[float | None, typer.Option(min=1, help="Or how often, in seconds.")] = None,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds that each stage may take.")] = None,
    server_port: Annotated[int, typer.Option(help="Port of the Prefect server, started when PREFECT_API_URL is not set.")] = 4200,
) -> None:
    """Retrain by the clock, as conf/schedule says.

    It goes on until it is interrupted, one run at a time.
    """
    from flows import plan, server

    if cron and interval:
        raise ConfigError("--cron and --interval: give one of them")
    chosen = plan.read(cron, interval, timeout)
    server.use(server_port)
    server.schedule(chosen)


def monitor() -> None:
    """Look once whether a retraining is wanted.

    Where age, new feedback or drift ask for one, the event that starts it is emitted.
    """
    from flows import plan, server, tables

    watch = plan.read().watch
    if watch is None:
        raise ConfigError("schedule.watch: not set, so there is nothing to look at; see conf/schedule")
    server.use()
    from flows.monitor import monitor

    seen = monitor(watch)
    show(tables.triggers(seen.triggers))
    note("a retraining was asked for" if seen.asked else seen.held or "nothing asks for a retraining")
