"""F28: a gateway is stopped, overtaken by another, and goes on: what it does late is refused or changes nothing."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
import sqlalchemy as sa

from gateway.client import Answer, Landed
from gateway.v1.intake_pb2 import PushResponse
from reconciliation.store.engine import connect
from tests.database import clean
from tests.faults.pushing import attempt, batches, landed, push, stored_records
from tests.nemesis.world import Gateway, World, world

LAO_CAI = "lao-cai.population"


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world() as one:
        yield one


@asynccontextmanager
async def two_gateways(
    place: World, *, failpoint: str = "", options: str = "", **variables: str
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """The first one armed, and its sessions with `options` of PostgreSQL; both with `variables` of the environment."""
    clean(place.url)
    first, second = Gateway(place), Gateway(place)
    try:
        await asyncio.gather(first.start(failpoint, options=options, **variables), second.start(**variables))
        yield first, second
    finally:
        for gateway in (first, second):
            gateway.signal(signal.SIGCONT)
            await gateway.kill()


async def end_well(gateway: Gateway) -> None:
    """SIGTERM, and wait until everything it had begun is over."""
    gateway.signal(signal.SIGTERM)
    await gateway.ended()


def address(gateway: Gateway) -> str:
    return f"127.0.0.1:{gateway.port}"


def engine_of(place: World) -> sa.Engine:
    return connect(place.url, pool_size=2)


@pytest.mark.parametrize(
    ("failpoint", "replayed"), [("before_commit:1:pause", False), ("after_commit_before_receipt:1:pause", True)]
)
def test_f28_a_zombie_writes_nothing_a_second_time(place: World, failpoint: str, replayed: bool) -> None:
    one = batches(1, 1)

    async def run() -> tuple[PushResponse | object, list[Answer], list[Answer]]:
        async with two_gateways(place, failpoint=failpoint) as (zombie, other):
            trying = asyncio.create_task(attempt(address(zombie), one[0], seconds=60))
            while not zombie.is_stopped:
                await asyncio.sleep(0.02)
            overtaking = await push(address(other), one)
            zombie.signal(signal.SIGCONT)
            late = await trying
            again = await push(address(other), one)
            await end_well(zombie)
            return late, overtaking, again

    late, (overtaking,), (again,) = asyncio.run(run())
    engine = engine_of(place)
    there, records = landed(engine), stored_records(engine)
    engine.dispose()

    assert isinstance(overtaking, Landed)
    assert isinstance(again, Landed)
    assert isinstance(late, PushResponse)
    assert overtaking.receipt.replayed is replayed
    assert late.receipt.receipt_id == str(overtaking.receipt.receipt_id) == str(again.receipt.receipt_id)
    assert (there, records) == ([1], 2)


def dsn_of(place: World) -> str:
    return sa.make_url(place.url).set(drivername="postgresql").render_as_string(hide_password=False)


def test_f28_a_zombie_inside_its_transaction_is_fenced_off_and_refused(place: World) -> None:
    """PostgreSQL ends the session of a transaction whose process hangs, here after 4 s. Then the other may land, and
    what the zombie commits late is refused."""
    one = batches(1, 1)

    async def run() -> tuple[PushResponse | object, list[Answer]]:
        async with two_gateways(place, options="-c idle_in_transaction_session_timeout=4s") as (zombie, other):
            async with await psycopg.AsyncConnection.connect(dsn_of(place)) as holder:
                await holder.execute("LOCK TABLE record_head IN ACCESS EXCLUSIVE MODE")
                trying = asyncio.create_task(attempt(address(zombie), one[0], seconds=90))
                await until_somebody_waits(dsn_of(place), "record_head")
                zombie.signal(signal.SIGSTOP)
                await holder.rollback()
            overtaking = await push(address(other), one)
            zombie.signal(signal.SIGCONT)
            late = await trying
            await end_well(zombie)
            return late, overtaking

    late, (overtaking,) = asyncio.run(run())
    engine = engine_of(place)
    there, records = landed(engine), stored_records(engine)
    engine.dispose()

    assert isinstance(overtaking, Landed)
    assert not overtaking.receipt.replayed
    assert not isinstance(late, PushResponse)
    assert (there, records) == ([1], 2)


def test_f28_a_zombie_inside_its_copy_is_ended_by_the_others_and_refused(place: World) -> None:
    """No limit of PostgreSQL ends a COPY whose sender hangs: other gateways do, here after 8 s. Until then it holds up
    the sources that it was landing, and no others."""
    one = batches(1, 1)

    async def run() -> tuple[list[Answer], bool, list[Answer], PushResponse | object, list[Answer]]:
        async with two_gateways(place, LIENTHONG_COPY_STALL_SECONDS="8") as (zombie, other):
            async with await psycopg.AsyncConnection.connect(dsn_of(place)) as holder:
                await holder.execute("LOCK TABLE person_record IN ACCESS EXCLUSIVE MODE")
                trying = asyncio.create_task(attempt(address(zombie), one[0], seconds=90))
                await until_somebody_waits(dsn_of(place), "person_record")
                zombie.signal(signal.SIGSTOP)
                await holder.rollback()
            waiting = asyncio.create_task(push(address(other), one))
            of_another = await push(address(other), batches(1, 1, source_id=LAO_CAI), source_id=LAO_CAI, epoch="e2")
            has_landed = waiting.done()
            overtaking = await waiting
            assert zombie.is_stopped
            zombie.signal(signal.SIGCONT)
            late = await trying
            return of_another, has_landed, overtaking, late, await push(address(zombie), batches(2, 1))

    (of_another,), has_landed, (answer,), late, (after,) = asyncio.run(run())
    engine = engine_of(place)
    there, records = landed(engine), stored_records(engine)
    engine.dispose()

    assert isinstance(of_another, Landed)
    assert not has_landed
    assert isinstance(answer, Landed)
    assert not answer.receipt.replayed
    assert not isinstance(late, PushResponse)
    assert isinstance(after, Landed)
    assert (there, records) == ([1, 2], 6)


async def until_somebody_waits(dsn: str, table: str) -> None:
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND relation = %s::regclass"
        " AND query ~ '^(COPY|INSERT)|; *COPY|arrived|came|asked'"
    )
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            found = await (await connection.execute(waiting, [table])).fetchone()
            if found != (0,):
                return
            await asyncio.sleep(0.02)
