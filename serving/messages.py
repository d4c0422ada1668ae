"""What a request may hold and what an answer of the service looks like, each value bounded."""

from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field

from components.schema import Filters, Message, Neighbour

Id = Annotated[str, Field(min_length=1, max_length=256)]
Values = Annotated[list[Id], Field(max_length=1000)]
Conditions = Annotated[dict[Id, Values], Field(max_length=32)]
Count = Annotated[int, Field(ge=1, le=100, description="how many items to answer with")]
History = Annotated[list[Id], Field(max_length=1000, description="item ids, oldest first, in place of a user")]
Moment = Annotated[AwareDatetime, Field(strict=False, description="when the user asks, with a time zone; now if not given")]

STRICT = ConfigDict(strict=True)


class Bounds(Filters):
    """`Filters` with bounded sizes: at most 32 attributes and 1000 values each."""

    model_config = STRICT

    include: Conditions = Field(default_factory=dict[str, list[str]])
    exclude: Conditions = Field(default_factory=dict[str, list[str]])
    items: Values | None = None


class RecommendRequest(Message):
    """Asks for recommendations for a user, or for a history of items; one of the two."""

    model_config = STRICT

    user_id: Id | None = None
    history: History | None = None
    k: Count = 10
    filters: Bounds | None = None
    at: Moment | None = None


class SimilarRequest(Message):
    """Asks for the items most like one."""

    model_config = STRICT

    item_id: Id
    k: Count = 10


class ExplainRequest(Message):
    """Asks why an item gets its score, for a user or for a history; one of the two."""

    model_config = STRICT

    item_id: Id
    user_id: Id | None = None
    history: History | None = None
    at: Moment | None = None


class Similar(Message):
    """The items most like one, best first."""

    bundle: str
    item_id: str
    items: list[Neighbour]


class Problem(Message):
    """What is wrong with a request, and with which of its fields."""

    error: str
    field: str | None = None
