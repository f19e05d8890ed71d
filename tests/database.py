"""A real PostgreSQL for the tests: the embedded one, or the one LIENTHONG_DATABASE_URL names. One database a test."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from reconciliation.entitlements import read_grants
from reconciliation.store import embedded, feed
from reconciliation.store.engine import connect, migrate

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server_url() -> Iterator[sa.URL]:
    """The URL of a server on which databases may be created."""
    with ExitStack() as stack:
        url = os.environ.get("LIENTHONG_DATABASE_URL")
        if url is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lienthong-test-"))
            Path(folder).chmod(0o755)
            url = stack.enter_context(embedded.running(Path(folder) / "postgres")).url("postgres")
        yield sa.make_url(url)


@pytest.fixture(scope="session")
def template(server_url: sa.URL) -> str:
    """The name of a migrated database with the shipped registries, to be copied."""
    name = f"template_{os.getpid()}"
    url = _create(server_url, name)
    migrate(url)
    engine = connect(url, pool_size=1)
    feed.grant(engine, read_grants())
    engine.dispose()
    return name


@pytest.fixture
def database_url(server_url: sa.URL, template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield _create(server_url, name, template=template)
    _administer(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on this test's own database."""
    engine = connect(database_url, pool_size=24)
    yield engine
    engine.dispose()


def _create(server: sa.URL, name: str, *, template: str = "template0") -> str:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    _administer(server, statement)
    return server.set(database=name).render_as_string(hide_password=False)


def _administer(server: sa.URL, statement: sql.Composed) -> None:
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)
