"""Items that came, changed or went since the bundle was made: kept in the event log's database, and in force at once."""

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from components.errors import RequestError, ZhijianError
from serving.changes import HELD, Change, ItemsChanged, ItemsRequest, Outcome, Patch, hidden, merged, rows
from serving.feedback import Feedback
from serving.live import Live, Watch, kindle, warm
from serving.store import Changed

if TYPE_CHECKING:
    from components.dialogue.conversation import Conversation

LOG = logging.getLogger("zhijian.items")
EVERY = 1.0  # seconds between two looks at what other processes wrote
CALM = 1.0  # seconds that more changes are waited for, before what they make slow work for is begun


@dataclass
class Items:
    """What is said of items beside the bundle; all calls but `settle` come from one event loop.

    Attributes:
        state: what was said of each item, in all changes together.
        version: the number of the last change that is known of.
        speaking: warms up what is asked seldom and makes the conversation that knows of the items, after they are in force.
        complaint: why the last look failed; it is said once.
    """

    watch: Watch
    feedback: Feedback
    clock: Callable[[], float] = time.time
    state: dict[str, Patch] = field(default_factory=dict[str, Patch])
    version: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    speaking: "asyncio.Task[None] | None" = None
    complaint: str = ""

    def settle(self, live: Live) -> Live:
        """Put in force in a bundle that was just loaded what is said beside it; one that can't take items serves without them."""
        ready = self._grown(live)
        return replace(ready, conversation=ready.conversation.grow(ready.recommender)) if _silent(ready) else ready

    async def follow(self) -> None:
        """Put in force what was kept, what other processes change, and what a bundle that was just taken lacks, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Do so once; while the log is gone, or the bundle can't take items, what is in force stays."""
        try:
            async with self.lock:
                await self._read()
                await self._force(self.state)
            self.complaint = ""
        except ZhijianError as error:
            if str(error) != self.complaint:
                LOG.error("items added since the bundle was made are not taken in: %s", error)
            self.complaint = str(error)

    async def change(self, request: ItemsRequest) -> ItemsChanged:
        """Make changes, all or none: kept for good, then in force.

        Raises:
            RequestError: names the field that is wrong.
            StoreError: they can't be kept.
            BundleError: the bundle in force can't take items.
        """
        async with self.lock:
            await self._read()
            state, outcomes, kept = await self._planned(request.items)
            if kept:
                before = self.watch.live
                live = await asyncio.to_thread(grown, before, state)
                await self.feedback.use(self.feedback.store.change, kept)
                self.state = state
                if self.watch.live.recommender is before.recommender:
                    self._swap(live)
                await self._force(state)  # another champion that was taken meanwhile, and the challenger
            return ItemsChanged(bundle=self.watch.live.about.bundle, items=outcomes)

    async def _planned(self, changes: Sequence[Change]) -> tuple[dict[str, Patch], list[Outcome], list[Changed]]:
        """What is said of each item once all changes are made, what becomes of each change, and what is to be kept."""
        live, state, now = self.watch.live, dict(self.state), int(self.clock() * 10**6)
        known = await self.feedback.use(self.feedback.store.keyed, [change.key for change in changes if change.key])
        outcomes, kept = list[Outcome](), list[Changed]()
        for place, change in enumerate(changes):
            digest = hashlib.sha256(json.dumps([change.item_id, change.patch()], sort_keys=True).encode()).hexdigest()
            if change.key and known.get(change.key, digest) != digest:
                raise RequestError(f"items.{place}.key", "was given to another change; give this one a key of its own")
            patch = merged(live.recommender.catalogue, state, change, f"items.{place}")
            new = change.item_id not in live.recommender.catalogue.index and change.item_id not in state
            same = patch == state.get(change.item_id) or (change.key is not None and change.key in known)
            outcomes.append(Outcome(item_id=change.item_id, outcome="unchanged" if same else "added" if new else "changed"))
            if not same:
                state[change.item_id] = patch
                kept.append(Changed(change.key or uuid.uuid4().hex, change.item_id, digest, json.dumps(patch, sort_keys=True), now))
                known |= {change.key: digest} if change.key else {}
        _bounded(live, state)
        return state, outcomes, kept

    async def _read(self) -> None:
        """Take over what the log has that is not known yet."""
        version, fresh = await self.feedback.use(self.feedback.store.changes, self.version)
        self.version = version
        if any(self.state.get(item) != patch for item, patch in fresh.items()):
            self.state = self.state | fresh

    async def _force(self, state: Mapping[str, Patch]) -> None:
        while (before := self.watch.live).state != state:
            live = await asyncio.to_thread(grown, before, state)
            if self.watch.live.recommender is before.recommender:
                self._swap(live)
        while (trial := self.watch.trial).other and trial.other.state != state:
            other = await asyncio.to_thread(self._grown, trial.other)
            if self.watch.trial is trial:
                self.watch.trial = replace(trial, other=other)
                self._begin()

    def _grown(self, live: Live) -> Live:
        """`grown`, or where the bundle can't take items, without them."""
        state = self.state
        try:
            return grown(live, state)
        except ZhijianError as error:
            LOG.error("bundle %s serves without the items added since: %s", live.about.bundle, error)
            return replace(grown(live, {item: {"hidden": True} for item in hidden(state)}), state=state)

    def _swap(self, live: Live) -> None:
        """Put it in force with the conversation that was made last, and have one made that knows what is new."""
        self.watch.live = replace(live, conversation=_hiding(self.watch.live, live.state))
        self._begin()

    def _begin(self) -> None:
        if self.speaking is None or self.speaking.done():
            self.speaking = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        try:
            await self._champion()
            while (other := self.watch.trial.other) and _silent(other):
                talk = await asyncio.to_thread(other.conversation.grow, other.recommender)
                if self.watch.trial.other is other:
                    self.watch.trial = replace(self.watch.trial, other=replace(other, conversation=talk))
        except ZhijianError as error:
            LOG.error("chat knows nothing of the items added since: %s", error)

    async def _champion(self) -> None:
        while _silent(live := self.watch.live):
            await asyncio.sleep(CALM)
            await asyncio.to_thread(warm, (live := self.watch.live).recommender)
            talk = await asyncio.to_thread(live.conversation.grow, live.recommender)
            if self.watch.live.recommender is live.recommender:
                self.watch.live = replace(self.watch.live, conversation=talk)


def grown(live: Live, state: Mapping[str, Patch]) -> Live:
    """A bundle in force with what is said of items beside it, ready to recommend; raises BundleError for one that can't take items.

    Its conversation shows nothing that is hidden, but knows of nothing that is new; that takes seconds.
    """
    recommender = live.recommender.grow(rows(live.recommender.catalogue, state))
    if recommender.catalogue.hidden != hidden(state):
        recommender = recommender.hide(hidden(state))
    if recommender is not live.recommender:
        kindle(recommender)
    return replace(live, recommender=recommender, conversation=_hiding(live, state), state=dict(state))


def _hiding(live: Live, state: Mapping[str, Patch]) -> "Conversation":
    talk = live.conversation
    return talk if talk.recommender.catalogue.hidden == hidden(state) else talk.hide(hidden(state))


def _silent(live: Live) -> bool:
    """Whether the conversation does not know what the catalogue says now."""
    return live.conversation.recommender.catalogue.table is not live.recommender.catalogue.table


def _bounded(live: Live, state: Mapping[str, Patch]) -> None:
    index = live.recommender.catalogue.index
    added = sum(index.get(item, live.about.items) >= live.about.items for item in state)
    if added > HELD:
        raise RequestError("items", f"would make {added} items that the bundle lacks, and {HELD} are allowed; retrain to take them in")
