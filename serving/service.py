"""The BentoML service: each endpoint is one call of the recommender that `evaluate` measured, or of the event log."""

import asyncio
import functools
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import bentoml
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Receive, Scope, Send

from components.errors import BundleError, RequestError, ZhijianError
from components.recommend.experiment import Arm, Experiment
from serving import dealing, logs, metrics, papers, site, talk, traces
from serving.changes import ItemsChanged, ItemsRequest
from serving.feedback import Feedback
from serving.guard import Guard, Limits, problem
from serving.items import Items
from serving.keys import Ring
from serving.live import EVERY, Live, Watch, load, prepare, ranked
from serving.messages import (
    ChatReply,
    ChatRequest,
    Copied,
    CopyRequest,
    Erased,
    EraseRequest,
    Explained,
    ExplainRequest,
    FeedbackRequest,
    Found,
    ItemRequest,
    Recommended,
    RecommendRequest,
    SearchRequest,
    Shown,
    Similar,
    SimilarRequest,
    Stored,
)
from serving.openapi import document
from serving.options import Options, count
from serving.routes import OPEN, ROUTES
from serving.store import Store, StoreError
from serving.together import Together

if TYPE_CHECKING:
    from components.recommend.session import Session

Q = TypeVar("Q", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
ENVIRONMENT = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
LOG = logging.getLogger("zhijian.service")


def answering(call: Callable[[Any, Q], Awaitable[M]]) -> Callable[[Any, Q], Awaitable[M]]:
    """Answer with what `call` returns, or with the problem that it names.

    What is computed is computed inline: a thread would fight with the event loop for the interpreter, and lose most under overload.
    """

    @functools.wraps(call)
    async def answer(self: Any, request: Q, /) -> Any:
        try:
            said = await call(self, request)
            with metrics.stage("write"):
                return Response(said.model_dump_json(), media_type="application/json")
        except RequestError as error:
            return _refuse(error)
        except (StoreError, BundleError) as error:
            return problem(503, str(error))

    return answer


async def _spoken(live: Live, call: Callable[[], T]) -> T:
    """Call what may wait for a model's words in a thread, where there is such a model; else inline."""
    return call() if live.conversation.writer.speaker.idle else await asyncio.to_thread(call)


def _told(reply: ChatReply) -> None:
    if reply.items:
        metrics.recommended(reply.source)
    _wordless(reply.provider)


def _wordless(source: str) -> None:
    """Count what rules or templates had to say in place of a model that failed."""
    if source == "fallback":
        metrics.fell_back("model")


def _refuse(error: RequestError) -> Response:
    status = 404 if error.field == "item_id" else 400  # of an item, all that can be wrong is that there is none
    return problem(status, str(error).removeprefix(f"{error.field}: "), error.field)


@bentoml.service(
    envs=[{"name": name, "value": "1"} for name in ENVIRONMENT],
    traffic={"timeout": 30},
    workers=count(os.environ, "ZHIJIAN_WORKERS", 1),
    logging={"access": {"enabled": False}},  # our own says more, and nobody's name
    metrics={"enabled": False},  # they would have a series for each path that anybody makes up
    tracing={"excluded_urls": "."},  # spans that nobody collects are not made; ours are in traces.py
)
class Zhijian:
    """Personalised recommendations: for a user or a history, like an item, and why; and what users did with them."""

    def __init__(self) -> None:
        logs.settle()
        options = Options.read()
        prepare()
        self.watch = Watch.start(options)
        self.feedback = Feedback(Store.open(options.feedback))
        self.items = Items(self.watch, self.feedback)
        self.watch.loading = lambda folder, champion: self.items.settle(load(folder, champion))
        self.together = Together(ranked)
        self.tasks: list[asyncio.Task[None]] = []
        metrics.serving(self.watch.live.about)
        if options.keys is None:
            LOG.warning("no keys are configured (ZHIJIAN_KEYS): only this machine is answered")

    @bentoml.on_deployment
    @staticmethod
    def verify() -> None:
        """Refuse to start with nothing that can be served, or with settings that are wrong; fix the paths for the workers."""
        options = Options.read()
        try:
            Watch.check(options)
            Experiment.read(options.experiment)
            Store.open(options.feedback)
            with traces.span("start"):  # a wrong switch is said now
                pass
            if options.keys:
                Ring(options.keys).read()
        except ZhijianError as error:
            raise SystemExit(f"serving: {error}") from None
        os.environ.update(options.say())

    @bentoml.on_startup
    async def begin(self) -> None:
        """Open the event log, begin the experiment, and look for the next champion from now on."""
        await self.feedback.start()
        await self.items.look()
        await self.watch.consider()
        self.tasks = [asyncio.create_task(self.watch.follow()), asyncio.create_task(self.items.follow()), asyncio.create_task(self._age())]

    @bentoml.on_shutdown
    async def end(self) -> None:
        """Store what was accepted, and let go of everything."""
        for task in self.tasks:
            task.cancel()
        await self.feedback.stop()
        metrics.leave()

    @bentoml.api(route="/recommend")
    @answering
    async def recommend(self, request: RecommendRequest, /) -> Recommended:
        """Recommend items to a user, or to whoever has this history."""
        session = await self._session(request.user_id)
        trial, (live, arm) = self.watch.trial, self._live(request.user_id)
        with metrics.stage("rank"):
            answer = await self.together.ask((live, request, session))
        metrics.recommended(answer.source)
        logs.note("source", answer.source)
        with metrics.stage("deal"):
            dealt = dealing.deal(live, request, session, answer, trial.experiment)
        metrics.dealt(arm, explored=dealt.new is not None)
        if request.user_id is not None and (trial.other or trial.experiment.slots):
            self.feedback.expose(dealing.listed(request.user_id, arm, dealt, trial.experiment))
        return dealing.recommended(dealt, arm)

    @bentoml.api(route="/similar")
    @answering
    async def similar(self, request: SimilarRequest, /) -> Similar:
        """Find the items, or users, most like an item or a user."""
        session = await self._session(request.user_id)
        erased = await self.feedback.forgotten() if request.to == "users" else frozenset[str]()
        known, about = self._live(request.user_id)[0].recommender, (request.item_id, request.k, request.by, request.user_id, session)
        with metrics.stage("similar"):
            items = known.similar(*about) if request.to == "items" else []
            users = known.peers(*about, without=erased) if request.to == "users" else []
        asked = {"item_id": request.item_id, "user_id": request.user_id}
        return Similar(bundle=known.bundle, **asked, by=request.by, items=items, users=users)

    @bentoml.api(route="/search")
    @answering
    async def search(self, request: SearchRequest, /) -> Found:
        """Find items in words."""
        known = self._live(None)[0].recommender
        with metrics.stage("search"):
            items = known.search(request.query, request.k, request.filters)
        return Found(bundle=known.bundle, query=request.query, items=items)

    @bentoml.api(route="/items/show")
    @answering
    async def show(self, request: ItemRequest, /) -> Shown:
        """Give what the catalogue says of an item."""
        known = self._live(None)[0].recommender
        return Shown(bundle=known.bundle, **vars(known.show(request.item_id)))

    @bentoml.api(route="/items")
    @answering
    async def change(self, request: ItemsRequest, /) -> ItemsChanged:
        """Add, change or hide items; they are kept for good, and the next request finds them so."""
        with metrics.stage("items"):
            return await self.items.change(request)

    @bentoml.api(route="/explain")
    @answering
    async def explain(self, request: ExplainRequest, /) -> Explained:
        """Say why an item gets its score."""
        session = await self._session(request.user_id)
        live, _ = self._live(request.user_id)
        with metrics.stage("explain"):
            found = live.recommender.explain(request.item_id, request.user_id, request.history, request.at, session=session)
        text = await _spoken(live, lambda: talk.worded(live, request, found.item))
        _wordless(text.source)
        return Explained(**vars(found), text=text)

    @bentoml.api(route="/chat")
    @answering
    async def chat(self, request: ChatRequest, /) -> ChatReply:
        """Take one turn of a conversation."""
        session = await self._session(request.user_id)
        live, _ = self._live(request.user_id)
        with metrics.stage("chat"):
            reply = await _spoken(live, lambda: talk.chat(live.conversation, request, session))
        logs.note("source", reply.source)
        _told(reply)
        return reply

    @bentoml.api(route="/chat/stream")
    async def stream(self, request: ChatRequest, /) -> Any:
        """Take one turn of a conversation, and give its parts as server-sent events."""
        live, _ = self._live(request.user_id)  # now, as the headers name it
        return StreamingResponse(self._pieces(live, request), media_type="text/event-stream", headers={"cache-control": "no-store"})

    @bentoml.api(route="/promote-copy")
    @answering
    async def promote(self, request: CopyRequest, /) -> Copied:
        """Promote an item by what is true of it."""
        session = await self._session(request.user_id)
        live, _ = self._live(request.user_id)
        with metrics.stage("copy"):
            copied = await _spoken(live, lambda: talk.copy(live, request, session))
        _wordless(copied.text.source)
        return copied

    @bentoml.api(route="/feedback")
    @answering
    async def give_feedback(self, request: FeedbackRequest, /) -> Stored:
        """Keep events; they are synced when this is answered."""
        with metrics.stage("store"):
            stored = await self.feedback.add(request.events)
        for event in request.events:
            metrics.told(event.event)
        return Stored(stored=stored, repeated=len(request.events) - stored)

    @bentoml.api(route="/users/erase")
    @answering
    async def erase(self, request: EraseRequest, /) -> Erased:
        """Forget a user: the events are gone, and what the bundle knows is not used any more."""
        events = await self.feedback.erase(request.user_id)
        logs.note("user", logs.hashed(request.user_id))
        LOG.warning("erased a user", extra={"facts": {"user": logs.hashed(request.user_id), "events": events}})
        return Erased(user_id=request.user_id, events=events)

    def state(self) -> dict[str, Any]:
        """What readiness says: the bundle in force, one that was refused, and whether the event log can be reached."""
        models = self.watch.models()
        refused = models.refused.model_dump() if models.refused else None
        return {"bundle": models.served.bundle, "refused": refused, "feedback": self.feedback.there}

    def _live(self, user: str | None) -> tuple[Live, Arm]:
        """The bundle that a user is asked of, and the user's arm; both are said in the answer's headers and in the log."""
        live, arm = self.watch.choose(user)
        logs.note("bundle", live.recommender.bundle)
        logs.note("arm", arm)
        return live, arm

    async def _session(self, user: str | None) -> "Session | None":
        """What the event log knows of a user."""
        if user is None:
            return None
        logs.note("user", logs.hashed(user))
        with metrics.stage("session"):
            return await self.feedback.session(user)

    async def _pieces(self, live: Live, request: ChatRequest) -> AsyncIterator[str]:
        yield ": thinking\n\n"
        try:
            session = await self._session(request.user_id)
            reply = await _spoken(live, lambda: talk.chat(live.conversation, request, session))
        except RequestError as error:
            yield talk.problem(error)
            return
        _told(reply)
        for piece in talk.pieces(reply):
            yield piece

    async def _age(self) -> None:
        while True:
            metrics.aged((datetime.now(UTC) - self.watch.live.about.since).total_seconds())
            await asyncio.sleep(EVERY)


class Ready:
    """ASGI middleware: answers /readyz with what is served; a worker listens only once it can answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == "/readyz":
            await JSONResponse(_running().state())(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _running() -> Any:
    return bentoml.get_current_service()


async def models(_: Request) -> Response:
    """Say which bundle is served, since when, and what was refused."""
    return Response(_running().watch.models().model_dump_json(), media_type="application/json")


async def written(_: Request) -> Response:
    """Give what is written down of the bundle that is served."""
    known = _running().watch.live.recommender
    found = await asyncio.to_thread(papers.gather, known.bundle, known.about.get("curves", {}), OPTIONS)
    return Response(found.model_dump_json(), media_type="application/json")


async def measured(_: Request) -> Response:
    """Give what Prometheus asks for."""
    return Response(await asyncio.to_thread(metrics.page), media_type=metrics.KIND)


async def interface(_: Request) -> Response:
    """Give the OpenAPI document."""
    return JSONResponse(document(ROUTES, _running().watch.live.about.bundle, keys=KEYS is not None))


OPTIONS = Options.read()
KEYS = OPTIONS.keys
PAPERS = [Path("/models", models), Path("/models/papers", written), Path("/metrics", measured), Path("/docs.json", interface)]
Zhijian.mount_asgi_app(Starlette(routes=[*PAPERS, *site.routes(OPTIONS)]), path="/")
Zhijian.add_asgi_middleware(logs.Journal, paths=[*ROUTES, *OPEN])  # pyright: ignore[reportArgumentType]
Zhijian.add_asgi_middleware(Guard, routes=ROUTES, limits=Limits.read(), ring=Ring(KEYS) if KEYS else None)  # pyright: ignore[reportArgumentType]
Zhijian.add_asgi_middleware(Ready)  # pyright: ignore[reportArgumentType]
