"""Connections with time limits, and the one place where a lost database becomes an error of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from reconciliation.errors import FatalStoreError, RetryableStoreError

# What the rest of the house passes around without knowing what it is made of.
Engine = sa.Engine
Connection = sa.Connection

LOCK_SECONDS = 10
STATEMENT_SECONDS = 60


def connect(url: str, *, pool_size: int = 8, statement_seconds: int = STATEMENT_SECONDS) -> sa.Engine:
    """An engine whose sessions give up waiting for locks and statements in time.

    A lost or unreachable database raises RetryableStoreError, whatever statement noticed it.
    """
    limits = {
        "lock_timeout": f"{LOCK_SECONDS}s",
        "statement_timeout": f"{statement_seconds}s",
        "timezone": "UTC",
    }
    options = " ".join(f"-c {name}={value}" for name, value in limits.items())
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": options, "application_name": "lienthong", "connect_timeout": 10},
        execution_options={"preserve_rowcount": True},  # INSERT … SELECT counts what it wrote
        hide_parameters=True,  # an error text with parameters would carry people's data
    )

    @sa.event.listens_for(engine, "handle_error")
    def _wrap(context: sa.engine.ExceptionContext) -> None:
        if isinstance(context.sqlalchemy_exception, sa.exc.OperationalError | sa.exc.InterfaceError):
            raise RetryableStoreError(unavailable(context.original_exception)) from context.original_exception

    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that commits when the context ends well."""
    with engine.begin() as connection:
        yield connection


def unavailable(error: BaseException | None) -> str:
    """What a lost database is called to the outside: the kind of error, never its text, which may quote data."""
    return f"The database did not answer ({type(error).__name__}). Next: send the same again; nothing is lost."


def migrate(url: str) -> None:
    """Bring the database at `url` to this release's schema. Safe to run at every start, and by several at once."""
    engine = connect(url, pool_size=1)
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")
    finally:
        engine.dispose()


def alembic_config(connection: sa.Connection) -> Config:
    """Alembic's configuration, bound to `connection` so that migrations run in its transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def require_schema(engine: sa.Engine) -> None:
    """Raise FatalStoreError unless the database has this release's schema."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  only a start checks this
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        expected = ScriptDirectory.from_config(alembic_config(connection)).get_current_head()
    if present != expected:
        raise FatalStoreError(
            f"The database is at revision {present}, this release needs {expected}. Next: run `lienthong migrate`."
        )
