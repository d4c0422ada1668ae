"""The tables of the event log; `migrations` makes them."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData()
NUMBER = BigInteger().with_variant(Integer, "sqlite")  # in SQLite only an INTEGER key counts up by itself
EVENTS = Table(
    "events",
    METADATA,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("user_id", String, nullable=False),
    Column("key", String, nullable=False),  # the same key of a user counts once
    Column("item_id", String, nullable=False),
    Column("event", String, nullable=False),
    Column("value", Float),
    Column("time", BigInteger, nullable=False),  # microseconds since 1970, as all times here
    Column("received", BigInteger, nullable=False),
    Column("request", String),  # the id of the answer that the event is about
    Column("rank", Integer),
    Column("bundle", String),
    Column("propensity", Float),
    UniqueConstraint("user_id", "key", name="events_once"),
    Index("events_of_user", "user_id", "time"),
)
CHANGES = Table(  # what is said of items beside the bundle: the last row of an item says all of it
    "changes",
    METADATA,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("key", String, nullable=False),  # the same key counts once
    Column("item_id", String, nullable=False),
    Column("said", String, nullable=False),  # a hash of the request, to know a key that is given to another one
    Column("patch", String, nullable=False),  # JSON
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("key", name="changes_once"),
    Index("changes_of_item", "item_id", "id"),
)
ERASURES = Table(
    "erasures",
    METADATA,
    Column("user_id", String, primary_key=True),
    Column("at", BigInteger, nullable=False),  # what the user did up to then is to be forgotten
    Column("events", BigInteger, nullable=False),
)
LISTS = Table(
    "lists",  # that an experiment had a part in, as they were answered
    METADATA,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("user_id", String, nullable=False),
    Column("request", String, nullable=False),  # the id of the answer
    Column("time", BigInteger, nullable=False),
    Column("bundle", String, nullable=False),
    Column("arm", String, nullable=False),
    Column("share", Float, nullable=False),  # the probability of that arm
    Column("slot", Float, nullable=False),  # the probability that a slot went to a new item
    Column("new", Integer),  # the rank of the new item, if there is one
    Column("items", Text, nullable=False),  # JSON: ids by rank, and the probability of each to stand there, given the arm
    Column("propensities", Text, nullable=False),
    UniqueConstraint("user_id", "request", name="lists_once"),
)
