"""The BentoML service: each endpoint is one call of the recommender that `evaluate` measured."""

import functools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import bentoml
from pydantic import BaseModel
from starlette.responses import Response

from components import artifacts
from components.errors import BundleError, RequestError
from components.schema import Answer, Explanation
from serving.guard import Guard, Limits, problem
from serving.messages import ExplainRequest, RecommendRequest, Similar, SimilarRequest

Q = TypeVar("Q", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)
SCHEMAS = {"/recommend": RecommendRequest, "/similar": SimilarRequest, "/explain": ExplainRequest}
ENVIRONMENT = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def bundle() -> Path:
    """Find the bundle to serve: ZHIJIAN_BUNDLE, else the one that the Bento carries, else the pipeline's own."""
    carried = Path(__file__).parents[1] / "bundle"
    if said := os.environ.get("ZHIJIAN_BUNDLE"):
        return Path(said)
    return carried if carried.is_dir() else Path("artifacts/bundle")


def answering(call: Callable[[Any, Q], M]) -> Callable[[Any, Q], Awaitable[M]]:
    """Answer with what `call` returns, or with the problem that it names.

    The call runs inline: a thread would fight with the event loop for the interpreter, and lose most under overload.
    """

    @functools.wraps(call)
    async def answer(self: Any, request: Q, /) -> Any:
        try:
            said = call(self, request)
        except RequestError as error:
            return _refuse(error)
        return Response(said.model_dump_json(), media_type="application/json")

    return answer


def _refuse(error: RequestError) -> Response:
    status = 404 if error.field == "item_id" else 400  # of an item, all that can be wrong is that there is none
    return problem(status, str(error).removeprefix(f"{error.field}: "), error.field)


@bentoml.service(envs=[{"name": name, "value": "1"} for name in ENVIRONMENT], traffic={"timeout": 30})
class Zhijian:
    """Personalised recommendations: for a user or a history, like an item, and why."""

    def __init__(self) -> None:
        from components.recommend import Recommender  # late: the process that only supervises needs no model

        self.recommender = Recommender.load(bundle())
        self.recommender.recommend(history=[], k=1)  # what is made at the first call is made before the service is ready

    @bentoml.on_deployment
    @staticmethod
    def verify() -> None:
        """Refuse to start with a bundle that does not match its manifest."""
        try:
            artifacts.verify(bundle())
        except BundleError as error:
            raise SystemExit(f"serving: {error}") from None

    @bentoml.api(route="/recommend")
    @answering
    def recommend(self, request: RecommendRequest, /) -> Answer:
        """Recommend items to a user, or to whoever has this history."""
        return self.recommender.recommend(request.user_id, request.history, request.k, request.filters, request.at)

    @bentoml.api(route="/similar")
    @answering
    def similar(self, request: SimilarRequest, /) -> Similar:
        """Find the items most like one."""
        found = self.recommender.similar(request.item_id, request.k)
        return Similar(bundle=self.recommender.bundle, item_id=request.item_id, items=found)

    @bentoml.api(route="/explain")
    @answering
    def explain(self, request: ExplainRequest, /) -> Explanation:
        """Say why an item gets its score."""
        return self.recommender.explain(request.item_id, request.user_id, request.history, request.at)


Zhijian.add_asgi_middleware(Guard, schemas=SCHEMAS, limits=Limits.read())  # pyright: ignore[reportArgumentType]
