"""The event log: each event once, in SQLite or PostgreSQL, synced before it is said to be stored."""

import dataclasses
import json
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.event import listen
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError, SQLAlchemyError

from components.errors import ConfigError, ZhijianError
from serving.tables import CHANGES, ERASURES, EVENTS, LISTS

if TYPE_CHECKING:  # what is loaded by name or path; named here, a Bento carries it
    import psycopg_binary as psycopg_binary  # noqa: PLC0414 - pyright wants it so

    from serving import migrations as migrations  # noqa: PLC0414

T = TypeVar("T")
SAID = ("click", "purchase", "rating", "like", "dismiss")  # what tells of a taste; an impression does not
REMEMBERED = 1000  # newest events of a user that a recommendation looks at
PATIENCE = 3  # seconds
BEHIND = 100  # changes looked at again: in PostgreSQL one may be seen after another that has a higher number
LOCK = 0x7A686A  # the number of the lock under which PostgreSQL is migrated
_ONE = threading.Lock()  # Alembic keeps in a module what it works on
PRAGMAS = (f"busy_timeout={PATIENCE * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")


class StoreError(ZhijianError):
    """The event log can't be reached, or can't keep what it is given."""


@dataclass(frozen=True)
class Row:
    """An event as it is kept; times in microseconds since 1970."""

    user_id: str
    key: str
    item_id: str
    event: str
    time: int
    received: int
    value: float | None = None
    request: str | None = None
    rank: int | None = None
    bundle: str | None = None
    propensity: float | None = None


@dataclass(frozen=True)
class Listed:
    """A list as it was answered in an experiment; the columns of the table `lists`."""

    user_id: str
    request: str
    time: int
    bundle: str
    arm: str
    share: float
    slot: float
    new: int | None
    items: str
    propensities: str


@dataclass(frozen=True)
class Changed:
    """A change of an item as it is kept: `patch`, JSON, is all that is said of the item from then on; `at` as the times of a Row."""

    key: str
    item_id: str
    said: str
    patch: str
    at: int


@dataclass(frozen=True)
class Past:
    """What the log knows of a user.

    Attributes:
        events: (item, event, time), oldest first, the newest `REMEMBERED`; time in microseconds since 1970.
        erased: until when all is to be forgotten, microseconds since 1970; 0 where nothing is.
    """

    events: list[tuple[str, str, int]] = dataclasses.field(default_factory=list[tuple[str, str, int]])
    erased: int = 0


@dataclass(frozen=True)
class Store:
    """The event log in a database.

    Attributes:
        file: the database file of SQLite; while it is gone, the store is.
    """

    engine: Engine
    file: Path | None = None

    @classmethod
    def open(cls, url: str) -> "Store":
        """Take a database by its URL, without speaking to it yet: `sqlite:////path` or `postgresql://user@host/name`.

        Raises:
            ConfigError: the URL is none, or one of another kind of database.
        """
        try:
            said = sa.make_url(url)
            kind = said.get_backend_name()
            if kind == "sqlite" and said.database:
                return cls(_sqlite(Path(said.database)), Path(said.database))
            if kind == "postgresql":
                return cls(_postgresql(said))
        except (ArgumentError, NoSuchModuleError):
            pass  # an error that quotes the URL would show its password
        raise ConfigError("the feedback store must be sqlite:////PATH or postgresql://USER@HOST/NAME")

    @property
    def local(self) -> bool:
        """Whether a look-up takes no network, and so no thread."""
        return self.file is not None

    def prepare(self) -> None:
        """Make the database what this version needs; several may start at once. Raises StoreError."""
        from alembic import command  # late: the process that only supervises migrates nothing
        from alembic.config import Config
        from alembic.util.exc import CommandError

        if self.file:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.touch()
        with self._transaction(lock=True) as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
            try:
                with _ONE:
                    command.upgrade(config, "head")
            except CommandError as error:
                raise StoreError(f"the feedback store was made by another version ({error})") from error

    def add(self, rows: Iterable[Row]) -> set[tuple[str, str]]:
        """Keep what is not there yet, all or nothing, synced; gives (user, key) of what was new. Raises StoreError."""
        values = [dataclasses.asdict(row) for row in sorted(rows, key=lambda row: (row.user_id, row.key))]  # one order: no deadlock
        insert = sqlite.insert if self.local else postgresql.insert
        once = insert(EVENTS).on_conflict_do_nothing(index_elements=["user_id", "key"]).returning(EVENTS.c.user_id, EVENTS.c.key)

        def write(connection: Connection) -> set[tuple[str, str]]:
            return {(user, key) for user, key in connection.execute(once, values)}

        return self._again(write) if values else set()

    def expose(self, lists: Sequence[Listed]) -> None:
        """Keep lists that were answered, each request once. Raises StoreError."""
        insert = (sqlite.insert if self.local else postgresql.insert)(LISTS)
        once = insert.on_conflict_do_nothing(index_elements=["user_id", "request"])
        values = [dataclasses.asdict(one) for one in sorted(lists, key=lambda one: (one.user_id, one.request))]
        self._again(lambda connection: connection.execute(once, values))

    def past(self, user: str) -> Past:
        """Look up what a user did, and what is to be forgotten. Raises StoreError."""
        if "\0" in user:  # no database keeps it, so nobody is called so
            return Past()
        with self._transaction() as connection:
            events = connection.execute(_PAST, {"user": user}).all()
            erased = connection.execute(_ERASED, {"user": user}).scalar()
        return Past([(item, event, time) for item, event, time in reversed(events)], erased or 0)

    def erase(self, user: str, at: int) -> int:
        """Delete all events of a user and write down that what was until `at` is to be forgotten; gives how many there were."""

        def write(connection: Connection) -> int:
            count = connection.execute(sa.delete(EVENTS).where(EVENTS.c.user_id == user)).rowcount
            connection.execute(sa.delete(LISTS).where(LISTS.c.user_id == user))
            insert = (sqlite.insert if self.local else postgresql.insert)(ERASURES).values(user_id=user, at=at, events=count)
            again = {"at": insert.excluded.at, "events": ERASURES.c.events + insert.excluded.events}
            connection.execute(insert.on_conflict_do_update(index_elements=["user_id"], set_=again))
            return count

        count = self._again(write)
        if self.local:  # what was deleted is overwritten in the file, but stands in the journal until that is emptied
            with self._transaction() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def change(self, rows: Sequence[Changed]) -> None:
        """Keep changes of items, synced, all or none; a key that is there already stays what it was. Raises StoreError."""
        insert = (sqlite.insert if self.local else postgresql.insert)(CHANGES)
        once = insert.on_conflict_do_nothing(index_elements=["key"])
        self._again(lambda connection: connection.execute(once, [dataclasses.asdict(row) for row in rows]))

    def changes(self, since: int = 0) -> tuple[int, dict[str, Any]]:
        """The number of the last change, and what is said of each item that changed after `since`. Raises StoreError."""
        last = sa.select(sa.func.max(CHANGES.c.id)).group_by(CHANGES.c.item_id)
        query = sa.select(CHANGES.c.id, CHANGES.c.item_id, CHANGES.c.patch)
        found = self.read(query.where(CHANGES.c.id.in_(last), CHANGES.c.id > since - BEHIND).order_by(CHANGES.c.id))
        return max([since, *(row.id for row in found)]), {row.item_id: json.loads(row.patch) for row in found}

    def keyed(self, keys: Sequence[str]) -> dict[str, str]:
        """Which of these keys were given to a change already, and what it said. Raises StoreError."""
        rows = self.read(sa.select(CHANGES.c.key, CHANGES.c.said).where(CHANGES.c.key.in_(keys))) if keys else []
        return {row.key: row.said for row in rows}

    def forgotten(self) -> list[str]:
        """Everyone whose events were deleted. Raises StoreError."""
        return [user for (user,) in self.read(sa.select(ERASURES.c.user_id))]

    def read(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """Ask a question of one's own. Raises StoreError."""
        with self._transaction() as connection:
            return connection.execute(query).all()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def _again(self, write: Callable[[Connection], T]) -> T:
        """Do it in a transaction, and once more where a connection was lost: an event counts once however often it is sent."""
        try:
            with self._transaction() as connection:
                return write(connection)
        except LostError:
            with self._transaction() as connection:
                return write(connection)

    @contextmanager
    def _transaction(self, *, lock: bool = False) -> Generator[Connection]:
        try:
            with self.engine.begin() as connection:
                if lock:
                    connection.exec_driver_sql("BEGIN IMMEDIATE" if self.local else f"SELECT pg_advisory_xact_lock({LOCK})")
                yield connection
        except SQLAlchemyError as error:
            lost = isinstance(error, DBAPIError) and error.connection_invalidated
            raise (LostError if lost else StoreError)(f"the feedback store can't be used ({type(error).__name__})") from error


class LostError(StoreError):
    """The connection was lost; the next attempt takes another one."""


_PAST = (
    sa.select(EVENTS.c.item_id, EVENTS.c.event, EVENTS.c.time)
    .where(EVENTS.c.user_id == sa.bindparam("user"), EVENTS.c.event.in_([sa.literal_column(f"'{event}'") for event in SAID]))
    .order_by(EVENTS.c.time.desc(), EVENTS.c.id.desc())
    .limit(REMEMBERED)
)
_ERASED = sa.select(ERASURES.c.at).where(ERASURES.c.user_id == sa.bindparam("user"))


def _sqlite(path: Path) -> Engine:
    url = sa.URL.create("sqlite", database=f"file:{path.absolute()}", query={"mode": "rw", "uri": "true"})  # never made by the way
    engine = sa.create_engine(url, connect_args={"timeout": PATIENCE}, hide_parameters=True)

    def settle(connection: Any, record: Any) -> None:
        record.info["file"] = path.stat().st_ino
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def check(_connection: Any, record: Any, _proxy: Any) -> None:  # a file that was taken away still takes, and loses, all
        if not path.exists() or path.stat().st_ino != record.info["file"]:
            raise DisconnectionError

    listen(engine, "connect", settle)
    listen(engine, "checkout", check)
    return engine


def _postgresql(url: sa.URL) -> Engine:
    import psycopg  # late: who keeps events in SQLite needs no driver

    arguments = {"connect_timeout": PATIENCE, "options": f"-c statement_timeout={PATIENCE * 1000} -c synchronous_commit=on"}
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"), module=psycopg, connect_args=arguments, pool_timeout=PATIENCE, hide_parameters=True
    )
