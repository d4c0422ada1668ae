"""The tables of the event log; `migrations` makes them."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, UniqueConstraint

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
ERASURES = Table(
    "erasures",
    METADATA,
    Column("user_id", String, primary_key=True),
    Column("at", BigInteger, nullable=False),  # what the user did up to then is to be forgotten
    Column("events", BigInteger, nullable=False),
)
