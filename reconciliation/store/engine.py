"""Connections with time limits, and the one place where a lost database becomes an error of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from reconciliation.errors import FatalStoreError, RetryableStoreError, StoreFullError, UnreachableStoreError
from reconciliation.store import arrays, bounding

# What the rest of the house passes around without knowing what it is made of.
Engine = sa.Engine
Connection = sa.Connection

NO_ROOM = "The database has no room left. Next: keep what you have and send it later; nothing is lost."

APPLICATION = "lienthong"  # by which the database shows our sessions
_DRIVERS = {"postgresql", "postgresql+psycopg"}
WRITTEN = "Next: write it as postgresql+psycopg://USER@HOST/DATABASE."
LOCK_SECONDS = 10
STATEMENT_SECONDS = 60
# A transaction of a process that hangs holds its locks, and the feed's horizon with them.
IDLE_SECONDS = 60

# What passes by itself: the server gone or restarting, a time limit, a deadlock, a standby not yet promoted.
_PASSING = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
# No room left: on the disk, in memory, or within a limit that an operator set.
_FULL = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory, psycopg.errors.ConfigurationLimitExceeded)


def connect(url: str, *, pool_size: int = 8, statement_seconds: int = STATEMENT_SECONDS) -> sa.Engine:
    """An engine whose sessions give up waiting for locks and statements in time.

    A lost or unreachable database raises RetryableStoreError, whatever statement noticed it; so does waiting too long
    for one of the `pool_size` connections. The URL's own `options` stay in force beside these limits.
    Raises FatalStoreError when `url` is no address of a PostgreSQL.
    """
    given = _address(url).normalized_query.get("options", ())
    limits = {
        "lock_timeout": f"{LOCK_SECONDS}s",
        "statement_timeout": f"{statement_seconds}s",
        "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
        "timezone": "UTC",
    }
    options = " ".join([*(f"-c {name}={value}" for name, value in limits.items()), *given])
    engine = sa.create_engine(
        url,
        poolclass=_Pool,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": options, "application_name": APPLICATION, "connect_timeout": 10},
        execution_options={"preserve_rowcount": True},  # INSERT … SELECT counts what it wrote
        hide_parameters=True,  # an error text with parameters would carry people's data
    )

    @sa.event.listens_for(engine, "handle_error")
    def _wrap(context: sa.engine.ExceptionContext) -> None:
        if context.is_pre_ping:
            return  # the pool notices that a connection is gone, and takes another
        if is_full(context.original_exception):
            raise StoreFullError(NO_ROOM) from context.original_exception
        if context.is_disconnect or is_passing(context.original_exception):
            raise RetryableStoreError(unavailable(context.original_exception)) from context.original_exception

    @sa.event.listens_for(engine, "connect")
    def _teach(driver: psycopg.Connection, _: object) -> None:
        arrays.teach(driver)

    bounding.attach(engine, statement_seconds=statement_seconds, lock_seconds=LOCK_SECONDS)
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that commits when the context ends well."""
    with engine.begin() as connection:
        yield connection


class _Pool(sa.pool.QueuePool):
    """A pool whose connections being all in use is one more way in which the database does not answer."""

    def connect(self) -> sa.pool.PoolProxiedConnection:
        try:
            return super().connect()
        except sa.exc.TimeoutError as error:
            raise RetryableStoreError(unavailable(error)) from error


def _address(url: str) -> sa.URL:
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise FatalStoreError(f"LIENTHONG_DATABASE_URL is no address. {WRITTEN}") from error
    if address.get_backend_name() != "postgresql" or address.drivername not in _DRIVERS:
        raise FatalStoreError(f"LIENTHONG_DATABASE_URL begins with {address.drivername}. {WRITTEN}")
    return address


def is_full(error: BaseException) -> bool:
    """Whether the driver's `error` says that the database has no room left."""
    return isinstance(error, _FULL)


def is_passing(error: BaseException) -> bool:
    """Whether the driver's `error` says that the same may go well later."""
    return isinstance(error, _PASSING)


def unavailable(error: BaseException | None) -> str:
    """What a lost database is called to the outside: the kind of error, never its text, which may quote data."""
    return f"The database did not answer ({type(error).__name__}). Next: send the same again; nothing is lost."


def migrate(url: str) -> None:
    """Bring the database at `url` to this release's schema. Safe at every start, and for several processes at once.

    Raises FatalStoreError when a later release has been there before, UnreachableStoreError when it cannot be had.
    """
    engine = connect(url, pool_size=1)
    try:
        with _first_contact(engine) as connection, connection.begin():
            command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise FatalStoreError(
            "The database is at a revision that this release does not know. Next: run the release that made it."
        ) from error
    finally:
        engine.dispose()


@contextmanager
def _first_contact(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection for whoever starts something: what fails names the place and the cause, to be corrected there."""
    place = engine.url.render_as_string(hide_password=True)
    try:
        connection = engine.connect()
    except RetryableStoreError as error:
        # Nothing was asked yet, so that the driver's first line is about the server, the user and the database alone.
        said = (str(error.__cause__).splitlines() or [""])[0].rpartition("failed: ")[2]
        raise UnreachableStoreError.not_reached(place, said) from error
    with connection:
        try:
            yield connection
        except RetryableStoreError as error:
            if isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction):
                raise UnreachableStoreError.only_read(place) from error
            raise


def alembic_config(connection: sa.Connection) -> Config:
    """Alembic's configuration, bound to `connection` so that migrations run in its transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def require_schema(engine: sa.Engine) -> None:
    """Raise FatalStoreError unless the database has this release's schema, UnreachableStoreError without one."""
    with _first_contact(engine) as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        scripts = ScriptDirectory.from_config(alembic_config(connection))
    expected = scripts.get_current_head()
    if present == expected:
        return
    is_behind = present is None or present in {script.revision for script in scripts.walk_revisions()}
    next_step = "run `lienthong migrate`" if is_behind else "run the release that made it"
    raise FatalStoreError(f"The database is at revision {present}, this release needs {expected}. Next: {next_step}.")
