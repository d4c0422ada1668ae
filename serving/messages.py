"""What a request may hold and what an answer of the service looks like, each value bounded."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from components.dialogue.reply import Asked, Chip
from components.generation.messages import Text
from components.generation.wording import LanguageCode, Length, Tone
from components.recommend.experiment import Arm
from components.schema import Answer, By, Explanation, Filters, Item, Message, Neighbour, Peer, Recommendation

Id = Annotated[str, Field(min_length=1, max_length=256)]
Values = Annotated[list[Id], Field(max_length=1000)]
Conditions = Annotated[dict[Id, Values], Field(max_length=32)]
Count = Annotated[int, Field(ge=1, le=100, description="how many items to answer with")]
History = Annotated[list[Id], Field(max_length=1000, description="item ids, oldest first, in place of a user")]
Word = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]  # a database keeps no NUL
Kind = Literal["impression", "click", "purchase", "rating", "like", "dismiss"]

STRICT = ConfigDict(strict=True)


def written(said: object) -> object:
    """Let only text through where a time is wanted."""
    if not isinstance(said, str | datetime):
        raise ValueError("must be a date and time as text")  # a number may count seconds or milliseconds
    return said


def _past(moment: datetime) -> datetime:
    if not datetime(1970, 1, 1, tzinfo=UTC) <= moment <= datetime.now(UTC) + timedelta(days=1):  # clocks may differ by as much
        raise ValueError("must be from 1970 to now")
    return moment


Moment = Annotated[
    AwareDatetime, BeforeValidator(written), Field(strict=False, description="when the user asks, with a time zone; now if not given")
]
When = Annotated[
    AwareDatetime,
    BeforeValidator(written),
    AfterValidator(_past),
    Field(strict=False, description="when it was, with a time zone; now if not given"),
]


class Bounds(Filters):
    """`Filters` with bounded sizes: at most 32 attributes and 1000 values each."""

    model_config = STRICT

    include: Conditions = Field(default_factory=dict[str, list[str]])
    exclude: Conditions = Field(default_factory=dict[str, list[str]])
    items: Values | None = None


class RecommendRequest(Message):
    """Asks for recommendations for a user, or for a history of items, one of the two; or for a profile in words, beside it or alone."""

    model_config = STRICT

    user_id: Id | None = None
    history: History | None = None
    k: Count = 10
    filters: Bounds | None = None
    at: Moment | None = None
    profile: Annotated[str, Field(min_length=1, max_length=1000, description="what the user says of himself")] | None = None


class Recommended(Answer):
    """Recommendations, and the part that an experiment had in them."""

    arm: Arm = Field(description="the user's arm: who has the challenger is asked of another bundle")
    explored: int | None = Field(description="the rank that was given to a new item, if one was")
    propensities: list[float] = Field(description="of each item, the probability that it stood there, given the arm")


class SimilarRequest(Message):
    """Asks for items, or users, that are like an item, or like a user's taste; one of the two."""

    model_config = STRICT

    item_id: Id | None = None
    user_id: Id | None = None
    to: Literal["items", "users"] = Field(default="items", description="what to answer with")
    by: By = Field(default="both", description="by what the catalogue says, by who chose what, or by both and the knowledge graph")
    k: Count = 10


class SearchRequest(Message):
    """Asks for items in words: a title, or what is wanted."""

    model_config = STRICT

    query: Annotated[str, Field(min_length=1, max_length=1000)]
    k: Count = 10
    filters: Bounds | None = None


class Found(Message):
    """What the words name or describe, best first; the score is 1 for a title that is exactly the query."""

    bundle: str
    query: str
    items: list[Neighbour]


class ItemRequest(Message):
    """Asks for one item."""

    model_config = STRICT

    item_id: Id


class Shown(Item):
    """What the catalogue says of an item."""

    bundle: str


class ExplainRequest(Message):
    """Asks why an item gets its score, for a user or for a history; one of the two."""

    model_config = STRICT

    item_id: Id
    user_id: Id | None = None
    history: History | None = None
    language: LanguageCode = "en"
    at: Moment | None = None


class Explained(Explanation):
    """Why an item gets its score, and the same in words."""

    text: Text


class ChatRequest(Message):
    """Takes one turn of a conversation: says something, removes one chip, or takes a turn back (0: the last one)."""

    model_config = STRICT

    utterance: Annotated[str, Field(max_length=100_000)] | None = None
    remove: Id | None = Field(default=None, description="the id of a chip")
    undo: Annotated[int, Field(ge=0, le=10_000)] | None = Field(default=None, description="the number of a turn; 0 is the last")
    state: Annotated[str, Field(max_length=150_000)] | None = Field(default=None, description="as the last reply gave it")
    user_id: Id | None = Field(default=None, description="whose history counts too; the same in all turns")
    language: LanguageCode | None = Field(default=None, description="of a new conversation; it follows the user if not given")
    at: Moment | None = None


class ChatReply(Message):
    """What is said in a turn: the text, then the items, then the question; and what the next turn needs."""

    bundle: str
    text: str
    items: list[Recommendation] = Field(description="recommended, best first, each with its reason")
    question: Asked | None
    chips: list[Chip] = Field(description="all that is remembered, in words; each can be removed by its id")
    source: str = Field(description="hybrid, dialogue or popularity, where items are recommended; else dialogue")
    provider: str = Field(description="who understood the words: rules, or a model; fallback: rules in place of a model that failed")
    state: str


class CopyRequest(Message):
    """Asks for a text that promotes an item, to a user, to who has a history, or to anyone."""

    model_config = STRICT

    item_id: Id
    user_id: Id | None = None
    history: History | None = None
    language: LanguageCode = "en"
    tone: Tone = "plain"
    length: Length = "medium"


class Copied(Message):
    """A promotional text, with the facts that it rests on."""

    bundle: str
    item_id: str
    text: Text


class Event(Message):
    """What a user did with an item, or that it was shown to them."""

    model_config = STRICT

    user_id: Word
    item_id: Word
    event: Kind
    value: float | None = Field(
        default=None, validate_default=True, ge=-1e6, le=1e6, allow_inf_nan=False, description="of a rating: how good; of nothing else"
    )
    time: When | None = None
    key: Word | None = Field(default=None, description="a user's events with the same key count once; without one, those that say the same")
    request: Word | None = Field(default=None, description="x-request-id of the answer that it is about")
    rank: Count | None = Field(default=None, description="the item's rank there")
    bundle: Word | None = Field(default=None, description="the bundle of that answer")
    propensity: float | None = Field(default=None, gt=0, le=1, description="how probable it was that the item was shown there")

    @field_validator("value", mode="after")
    @classmethod
    def _rated(cls, value: float | None, info: ValidationInfo) -> float | None:
        if (info.data.get("event") == "rating") != (value is not None):
            raise ValueError("a rating, and nothing else, has a value")
        return value


class FeedbackRequest(Message):
    """Tells of events."""

    model_config = STRICT

    events: Annotated[list[Event], Field(min_length=1, max_length=1000)]


class Stored(Message):
    """How many events are now kept for good, and how many had been kept before."""

    stored: int
    repeated: int


class EraseRequest(Message):
    """Asks that a user be forgotten."""

    model_config = STRICT

    user_id: Word


class Erased(Message):
    """How many events of the user are gone; what the bundle knows of the user is used no more."""

    user_id: str
    events: int


class Served(Message):
    """A bundle in force."""

    bundle: str
    since: AwareDatetime = Field(description="when it became champion; where there is no champion, when it was loaded")
    loaded: AwareDatetime
    number: int | None = Field(description="the number of its promotion; null where there is no champion")
    items: int
    users: int
    metrics: dict[str, float] = Field(description="what it scored on its test, where that is written down beside it")


class RefusedBundle(Message):
    """A bundle that was not taken, and why."""

    bundle: str
    number: int
    reason: str


class Tried(Message):
    """An experiment on users."""

    challenger: Served | None = Field(description="the other bundle")
    share: float = Field(description="of users, who get the challenger")
    slots: float = Field(description="of all slots, how many go to new items")
    fewer: int = Field(description="an item with fewer events than this is new")
    salt: str


class Models(Message):
    """What is served, what was refused since, and what is tried on users."""

    served: Served
    refused: RefusedBundle | None
    experiment: Tried | None = None
    wrong: str | None = Field(default=None, description="why the experiment that is asked for is not the one that is made")


class Similar(Message):
    """The items, or the users, most like an item or a user, best first."""

    bundle: str
    item_id: str | None
    user_id: str | None
    by: By
    items: list[Neighbour]
    users: list[Peer]


class Problem(Message):
    """What is wrong with a request, and with which of its fields."""

    error: str
    field: str | None = None
