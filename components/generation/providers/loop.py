"""Calls that end when they must."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar

from components.generation.messages import ProviderError

V = TypeVar("V")
GRACE = 0.1  # seconds after the deadline in which a call is cut loose


class Loop:
    """An event loop on a thread of its own, on which a call can be ended at any moment, whatever it waits for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="provider", daemon=True)
        self._thread.start()

    def run(self, call: Coroutine[Any, Any, V], seconds: float) -> V:
        """Run a call to its end, or to the deadline's; raises ProviderError then."""
        waiting = asyncio.run_coroutine_threadsafe(_within(call, seconds), self._loop)
        try:
            return waiting.result(seconds + GRACE)
        except Late:
            waiting.cancel()
            raise ProviderError(f"no answer within {seconds:.1f} s") from None

    def close(self) -> None:
        """Stop the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


async def _within(call: Coroutine[Any, Any, V], seconds: float) -> V:
    async with asyncio.timeout(seconds):
        return await call
