"""Between requests and the event log: what has gathered is stored together, and a log that is gone stops no recommendation."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from serving import metrics
from serving.messages import Event
from serving.store import Listed, Past, Row, Store, StoreError

if TYPE_CHECKING:
    from components.recommend.session import Session

T = TypeVar("T")
LOG = logging.getLogger("zhijian.feedback")
TOGETHER = 1000  # requests in one transaction at most
WAITING = 10_000  # events that may wait for one
PAUSE = 1.0  # seconds until a log that failed is looked into again
PATIENCE = 0.5  # seconds that a recommendation waits for it
SECOND = 10**6  # microseconds


@dataclass
class Waiting:
    """Events of one request, and whom to tell."""

    rows: list[Row]
    done: "asyncio.Future[int]"


@dataclass
class Feedback:
    """The event log as the service uses it; all calls come from one event loop."""

    store: Store
    clock: Callable[[], float] = time.time
    waiting: "asyncio.Queue[Waiting]" = field(default_factory=asyncio.Queue[Waiting])
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "feedback"))
    events: int = 0
    listed: list[Listed] = field(default_factory=list[Listed])
    writer: "asyncio.Task[None] | None" = None
    lister: "asyncio.Task[None] | None" = None
    closed_until: float = 0.0
    ready: bool = False

    @property
    def there(self) -> bool:
        """Whether the log could be reached when last it was needed."""
        return self.ready and time.monotonic() >= self.closed_until

    async def start(self) -> None:
        """Make the log ready, if it can be reached, and store from now on what is given."""
        self.writer = asyncio.create_task(self._write())
        try:
            await self._prepare()
        except StoreError as error:
            LOG.error("%s; feedback is refused until it is back", error)

    async def stop(self) -> None:
        """Store what still waits, and close the log."""
        await self.waiting.join()
        if self.lister:
            await self.lister
        if self.writer:
            self.writer.cancel()
        self.threads.shutdown()
        self.store.close()

    async def add(self, events: Sequence[Event]) -> int:
        """Keep events; when this returns they are synced. Gives how many were new; raises StoreError."""
        if self.events + len(events) > WAITING:
            raise StoreError("too many events wait to be stored")
        waiting = Waiting(rows(events, int(self.clock() * SECOND)), asyncio.get_running_loop().create_future())
        self.events += len(events)
        self.waiting.put_nowait(waiting)
        return await waiting.done

    def expose(self, listed: Listed) -> None:
        """Keep, soon, a list that an experiment had a part in; nobody waits for it, and where too many wait it is left out, and counted."""
        if len(self.listed) >= WAITING:
            metrics.fell_back("exposures")
            return
        self.listed.append(listed)
        if self.lister is None or self.lister.done():
            self.lister = asyncio.create_task(self._list())

    async def session(self, user: str) -> "Session | None":
        """What the log knows of a user; nothing while it is gone, and then nobody waits for it twice."""
        if not self.there:
            metrics.fell_back("session")
            return None
        try:
            return session(await self._past(user))
        except (StoreError, TimeoutError) as error:
            self.closed_until = time.monotonic() + PAUSE
            metrics.fell_back("session")
            LOG.warning("recommending without the feedback store: %s", error or type(error).__name__)
            return None

    async def erase(self, user: str) -> int:
        """Delete what a user did, and have the rest forgotten; gives how many events there were; raises StoreError."""
        await self._prepare()
        self.listed = [one for one in self.listed if one.user_id != user]
        if self.lister:  # it may be writing one of them
            await asyncio.shield(self.lister)
        return await self._threaded(self.store.erase, user, int(self.clock() * SECOND))

    async def forgotten(self) -> frozenset[str]:
        """Who asked to be forgotten; raises StoreError."""
        return frozenset(await self.use(self.store.forgotten))

    async def use(self, call: Callable[..., T], *arguments: object) -> T:
        """Call the store in a thread, once it is ready; raises StoreError."""
        await self._prepare()
        return await self._threaded(call, *arguments)

    async def _past(self, user: str) -> Past:
        if self.store.local:
            return self.store.past(user)  # quicker than the way to another thread
        return await asyncio.wait_for(self._threaded(self.store.past, user), PATIENCE)

    async def _prepare(self) -> None:
        if not self.ready:
            await self._threaded(self.store.prepare)
            self.ready = True

    async def _threaded(self, call: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call, *arguments)

    async def _list(self) -> None:
        while self.listed:
            lists, self.listed = self.listed, []
            try:
                await self._prepare()
                await self._threaded(self.store.expose, lists)
            except StoreError as error:
                metrics.fell_back("exposures")
                LOG.warning("lists of an experiment were not kept: %s", error)

    async def _write(self) -> None:
        while True:
            gathered = [await self.waiting.get()]
            while len(gathered) < TOGETHER and not self.waiting.empty():
                gathered.append(self.waiting.get_nowait())
            await self._commit(gathered)
            for waiting in gathered:
                self.events -= len(waiting.rows)
                self.waiting.task_done()

    async def _commit(self, gathered: list[Waiting]) -> None:
        """Store in one transaction what has gathered; a key is new to the first of those that bring it."""
        try:
            await self._prepare()
            new = await self._threaded(self.store.add, [row for waiting in gathered for row in waiting.rows])
        except Exception as error:  # noqa: BLE001 - whatever it was, whoever waits must be told
            said = error if isinstance(error, StoreError) else StoreError(f"the events can't be stored ({type(error).__name__})")
            LOG.error("%s", said)
            for waiting in gathered:
                _tell(waiting, said)
            return
        for waiting in gathered:
            mine = {(row.user_id, row.key) for row in waiting.rows} & new
            new -= mine
            _tell(waiting, len(mine))


def rows(events: Sequence[Event], now: int) -> list[Row]:
    """Give events their times and keys: without a time it is `now`, microseconds since 1970; without a key, one of what they say."""
    found: list[Row] = []
    for event in events:
        when = now if event.time is None else round(event.time.timestamp() * SECOND)
        said = "\0".join([event.item_id, event.event, str(when), str(event.value), str(event.request)])
        key = event.key or hashlib.sha256(said.encode()).hexdigest()
        rest = (event.value, event.request, event.rank, event.bundle, event.propensity)
        found.append(Row(event.user_id, key, event.item_id, event.event, when, now, *rest))
    return found


def session(past: Past) -> "Session | None":
    """What the log knows of a user as the recommender takes it: each item once, where it came last; None if nothing is known."""
    from components.recommend.session import Session  # late, as it brings the models along

    last = {item: (event, when) for item, event, when in past.events}
    order = {item: None for item, _, _ in reversed(past.events)}
    taken = [(item, last[item][1] // SECOND) for item in reversed(order) if last[item][0] != "dismiss"]
    closed = [item for item, (event, _) in last.items() if event == "dismiss"]
    if not past.events and not past.erased:
        return None
    return Session(tuple(item for item, _ in taken), tuple(when for _, when in taken), frozenset(closed), past.erased // SECOND)


def _tell(waiting: Waiting, said: "int | StoreError") -> None:
    if waiting.done.done():  # whoever waited went away
        return
    if isinstance(said, StoreError):
        waiting.done.set_exception(said)
    else:
        waiting.done.set_result(said)
