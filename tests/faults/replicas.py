"""A second PostgreSQL on a copy of the first one: a standby that can be promoted, or a backup that is restored."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa

from reconciliation.store.engine import connect, migrate
from tests.database import open_folder, ship_grants
from tests.faults.processes import SMALL, Database, database

STANDBY = "standby"  # the name under which it follows
ANSWER_SECONDS = 20


@contextmanager
def prepared() -> Iterator[Path]:
    """A stopped server of this release with the shipped grants, to be copied: making one takes seconds."""
    with open_folder() as folder:
        with database(folder, SMALL) as server:
            migrate(server.url)
            engine = connect(server.url, pool_size=1)
            ship_grants(engine)
            engine.dispose()
        yield folder / "postgres"


@contextmanager
def copied(cluster: Path) -> Iterator[Path]:
    """A folder with a copy of a stopped server, for `database`."""
    with open_folder() as folder:
        shutil.copytree(cluster, folder / "postgres", ignore=shutil.ignore_patterns("socket", "*.log"))
        owner = cluster.stat()
        for path in (folder / "postgres", *(folder / "postgres").rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        yield folder


@contextmanager
def following(primary: Database, folder: Path, *, is_synchronous: bool) -> Iterator[Database]:
    """A standby in `folder`, a copy of what `primary` began with; a synchronous one holds a COMMIT until it has it."""
    cluster = folder / "postgres" / "cluster"
    (cluster / "standby.signal").touch()
    reached = f"host={primary.folder / 'socket'} port=5432 user=postgres application_name={STANDBY}"
    with (cluster / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"primary_conninfo = '{reached}'\n")
    with database(folder, SMALL) as standby:
        if is_synchronous:
            administer(primary.url, f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
            administer(primary.url, "SELECT pg_reload_conf()")
        wanted = "sync" if is_synchronous else "async"
        follows = f"SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '{wanted}'"
        until(primary.url, follows, 1)
        yield standby


@contextmanager
def restored(folder: Path, *, notices: bool) -> Iterator[Database]:
    """The server of a base copy in `folder`, as after a recovery from an archive; one that was only started again on
    copied files notices nothing."""
    if notices:
        (folder / "postgres" / "cluster" / "recovery.signal").touch()
    with database(folder, {**SMALL, "restore_command": "false"}) as server:
        until(server.url, "SELECT pg_is_in_recovery()", False)
        yield server


def stop_following(standby: Database) -> None:
    """From now on nothing that happens reaches the standby."""
    administer(standby.url, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
    until(standby.url, "SELECT count(*) FROM pg_stat_wal_receiver", 0)


def promote(standby: Database) -> None:
    """Make the standby the server that is written to."""
    administer(standby.url, "SELECT pg_promote()")


def either(*servers: Database) -> str:
    """The URL that leads to the one of the servers that can be written to."""
    url = sa.make_url(servers[0].url).update_query_dict(
        {
            "host": ",".join(str(server.folder / "socket") for server in servers),
            "port": ",".join("5432" for _ in servers),
            "target_session_attrs": "read-write",
        }
    )
    return url.render_as_string(hide_password=False)


def administer(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def until(url: str, query: str, answer: object) -> None:
    """Wait until a query has that answer."""
    deadline = time.monotonic() + ANSWER_SECONDS
    with psycopg.connect(plain(url), autocommit=True) as connection:
        while (found := connection.execute(query).fetchone()) != (answer,):
            assert time.monotonic() < deadline, f"{query}: {found}"
            time.sleep(0.02)


def plain(url: str) -> str:
    """The URL as PostgreSQL's own library reads it."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
