"""Telling people of a run that failed or was refused, in the log and through a block of Prefect by its name."""

import asyncio
from typing import Any

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.logging import get_logger

SUBJECT = "Zhijian"
QUIET = "Busy"  # the name of the state of a run that another one kept from working: no news
SECONDS = 30.0  # a block may take


def alert(text: str, block: str | None) -> None:
    """Log it as an error, and send it through the block, where one is named; one that fails is logged and no more.

    A webhook gets {"subject", "text"} as JSON by its own method; any other block is one that notifies.
    """
    log = get_logger("zhijian.alert")
    log.error(text)
    if block is None:
        return
    try:
        asyncio.run(_send(block, text))
    except Exception as error:  # noqa: BLE001 - whatever a block of others raises, the run's own outcome counts
        log.error("the alert could not be sent through %s: %s", block, error)


def ended(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell of a run that failed, crashed or was cancelled; Prefect calls it."""
    if state.name != QUIET:
        alert(
            f"{flow.name} {flow_run.name}: {state.name}: {state.message or 'no word'}; the champion stays", flow_run.parameters.get("alert")
        )


async def _send(name: str, text: str) -> None:
    async with asyncio.timeout(SECONDS):
        block: Any = await Block.aload(name)
        if isinstance(block, Webhook):
            (await block.call({"subject": SUBJECT, "text": text})).raise_for_status()
        elif isinstance(block, NotificationBlock):
            await block.notify(text, SUBJECT)  # pyright: ignore[reportGeneralTypeIssues]
        else:
            raise TypeError(f"{type(block).__name__} neither calls nor notifies")
