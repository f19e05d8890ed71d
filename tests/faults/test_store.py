"""F3 and F11: a PostgreSQL that is killed in the middle of a COMMIT, and one whose disk is full."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import psycopg
import pytest
import sqlalchemy as sa

from adapters import catalogue
from gateway import server
from gateway.client import Answer, Landed
from gateway.settings import Settings
from gateway.v1.intake_pb2 import PushResponse
from gateway.wire.faults import Fault, read_status
from reconciliation.store.engine import connect, migrate
from tests.database import open_folder, ship_grants
from tests.faults.processes import SMALL, Database, database, small_disk
from tests.faults.pushing import attempt, batches, landed, push, stored_records
from tests.gateway.conftest import NOW

HELD = 4_217  # the advisory lock that a COMMIT is made to wait for
SLOW_COMMIT = f"""
    CREATE FUNCTION hold_the_commit() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock({HELD}); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER held AFTER INSERT ON batch DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION hold_the_commit();"""


@contextmanager
def prepared(postgres: Database) -> Iterator[sa.Engine]:
    """An engine on a database of this release."""
    migrate(postgres.url)
    engine = connect(postgres.url, pool_size=8)
    ship_grants(engine)
    yield engine
    engine.dispose()


@asynccontextmanager
async def serving(engine: sa.Engine) -> AsyncIterator[str]:
    settings = Settings(port=0, sequence_seconds=0.05, drain_seconds=5)
    async with server.running(engine, settings, catalogue=catalogue.load(), clock=lambda: NOW) as gateway:
        yield gateway.address


def plain(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def until_a_commit_waits(url: str) -> None:
    """Wait until somebody is inside COMMIT."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'advisory'"
    async with await psycopg.AsyncConnection.connect(plain(url), autocommit=True) as connection:
        while True:
            found = await (await connection.execute(waiting)).fetchone()
            if found != (0,):
                return
            await asyncio.sleep(0.02)


def fault_of(answer: PushResponse | Fault) -> Fault:
    if isinstance(answer, Fault):
        return answer
    assert answer.HasField("refusal"), answer
    return read_status(answer.refusal.status)


def test_f3_a_postgres_killed_in_the_middle_of_a_commit_loses_nothing_that_was_acknowledged() -> None:
    first, second = batches(1, 3), batches(4, 3)

    async def run(postgres: Database, engine: sa.Engine) -> tuple[list[Answer], Fault, list[Answer]]:
        async with serving(engine) as address:
            acknowledged = await push(address, first)
            with psycopg.connect(plain(postgres.url)) as holder:
                holder.execute(SLOW_COMMIT)
                holder.commit()
                holder.execute("SELECT pg_advisory_lock(%s)", [HELD])
                pushing = asyncio.create_task(push(address, second))
                await until_a_commit_waits(postgres.url)
                await asyncio.to_thread(postgres.kill)
                holder.close()
            fault = fault_of(await attempt(address, batches(9, 1)[0], epoch="e2"))
            await asyncio.to_thread(postgres.start)
            return acknowledged, fault, await pushing

    with open_folder() as folder, database(folder, SMALL) as postgres, prepared(postgres) as engine:
        acknowledged, fault, answers = asyncio.run(run(postgres, engine))
        there, records = landed(engine), stored_records(engine)

    assert all(isinstance(answer, Landed) for answer in [*acknowledged, *answers])
    assert records == 12
    assert there == [1, 2, 3, 4, 5, 6]
    assert not any(answer.receipt.replayed for answer in answers if isinstance(answer, Landed))
    assert (fault.code, fault.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert fault.retry_seconds is not None


def test_f11_a_full_disk_is_said_and_nothing_is_lost_when_there_is_room_again() -> None:
    small, big = batches(1, 1), batches(2, 3, people=4_000)

    async def run(disk: Any, engine: sa.Engine) -> tuple[Fault, list[int], list[Answer]]:
        async with serving(engine) as address:
            await push(address, small)
            disk.fill()
            fault = fault_of(await attempt(address, big[0], seconds=60))
            meanwhile = landed(engine)
            pushing = asyncio.create_task(push(address, big))
            await attempt(address, big[1], seconds=60)
            disk.free()
            return fault, meanwhile, await pushing

    with small_disk(150) as disk:
        if not disk.is_small:
            pytest.skip("no file system can be mounted here")
        with database(disk.folder, SMALL) as postgres, prepared(postgres) as engine:
            fault, meanwhile, answers = asyncio.run(run(disk, engine))
            there = landed(engine)

    assert fault.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert fault.reason == "STORE_FULL"
    assert fault.retry_seconds is not None
    assert meanwhile == [1]
    assert all(isinstance(answer, Landed) for answer in answers)
    assert there == [1, 2, 3, 4]
