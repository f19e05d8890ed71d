"""F3, F11, F13, F25 and F26 where registries follow the feed: killed, full, slow, dead, on bad and silent lines."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psycopg
import pytest
import sqlalchemy as sa

from gateway import watching
from gateway.client import FeedClient, Landed, RejectedByGatewayError, RetryableGatewayError, connect
from observability import telemetry
from reconciliation.errors import RetryableStoreError, StoreFullError
from reconciliation.model import Outcome, OutcomeKind
from reconciliation.store import engine as engines
from reconciliation.store import feed, overview
from tests.database import ship_grants
from tests.faults.following import Registry, sequenced, serving, state, written
from tests.faults.line import Line, line_to
from tests.faults.processes import SMALL, Database, Disk, database, small_disk
from tests.faults.pushing import batches, landed, push
from tests.faults.replicas import copied, plain
from tests.gateway.conftest import Serve, free_port
from tests.reconciliation.store.changes import write

GIVES_UP_AFTER = 400  # attempts


def many_written(engine: sa.Engine, count: int) -> None:
    """So many changes of as many people, not in the feed yet."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                """WITH made AS (
                       INSERT INTO change (change_id, kind, province_code, subject_id, cause)
                       SELECT nextval('change_id_seq'), 'person', '15', 'M' || number, 'CREATED'
                       FROM generate_series(1, :count) number RETURNING change_id, subject_id)
                   INSERT INTO golden_person (change_id, subject_id, full_name, address, provenance)
                   SELECT change_id, subject_id, 'name of ' || subject_id, md5(subject_id), '{}' FROM made"""
            ),
            {"count": count},
        )


def open_transactions(engine: sa.Engine) -> int:
    """Sessions that hold a transaction open, and with it the feed's horizon and what could be vacuumed."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with engine.connect() as connection:
        held = connection.scalar(sa.text(f"{query} AND (state LIKE 'idle in%' OR backend_xmin IS NOT NULL)"))
        return int(held or 0)


async def until_nothing_is_open(engine: sa.Engine) -> None:
    while await asyncio.to_thread(open_transactions, engine):
        await asyncio.sleep(0.02)


async def persist(registry: Registry, *, page_size: int, stop: asyncio.Event | None = None) -> int:
    """Pull and acknowledge, again after every failure, until nothing is left and `stop` is set; return the failures."""
    failures = 0
    while failures < GIVES_UP_AFTER:
        is_last = stop is None or stop.is_set()
        try:
            await registry.catch_up(page_size=page_size)
        except RetryableGatewayError:
            failures += 1
            await asyncio.sleep(0.02)
        else:
            if is_last:
                return failures
    raise AssertionError("the registry never came to the end")


# --- F13 -----------------------------------------------------------------------------------------------------


def test_f13_a_dead_registry_harms_nobody_and_is_seen(serve: Serve, engine: sa.Engine) -> None:
    """It stops in the middle of an answer, and never acknowledges again; another one never calls at all."""
    port = free_port()

    async def run() -> tuple[list[object], Registry, str]:
        async with serve(port=port), line_to(port) as line:
            await asyncio.to_thread(many_written, engine, 500)
            await asyncio.to_thread(sequenced, engine)
            lively, dead = Registry(f"127.0.0.1:{port}"), Registry(f"127.0.0.1:{line.port}", "social-insurance")
            line.replies.bytes_per_second = 2_000
            dying = asyncio.create_task(dead.catch_up(page_size=400, acknowledges=False))
            while not line.replies.carried:
                await asyncio.sleep(0.01)
            line.requests.is_silent = line.replies.is_silent = True
            answers: list[object] = list(await push(f"127.0.0.1:{port}", batches(1, 4)))
            await asyncio.to_thread(written, engine, "after")
            await lively.catch_up(page_size=100)
            await asyncio.wait_for(until_nothing_is_open(engine), 10)
            dying.cancel()
            with telemetry.configure(
                service_name="test", trace_file=None, otlp_endpoint=None, prometheus_port=0
            ) as seen:
                watching.show(await asyncio.to_thread(overview.read, engine, now=datetime.now(UTC)), set())
                return answers, lively, seen.metrics_text()

    answers, lively, metrics = asyncio.run(run())

    assert [type(answer) for answer in answers] == [Landed] * 4
    assert landed(engine) == [1, 2, 3, 4]
    assert lively.applied == list(range(1, 502))
    assert "lienthong_feed_head 501.0" in metrics
    assert 'lienthong_feed_cursor{consumer_id="population"} 501.0' in metrics
    assert 'lienthong_feed_cursor{consumer_id="social-insurance"} 0.0' in metrics, "so far behind, and still shown"
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM pg_replication_slots")) == 0, "no log of writing is kept"


def test_f13_a_registry_that_comes_back_late_has_missed_nothing(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> tuple[Registry, Registry]:
        port = free_port()
        async with serve(port=port):
            quick, slow = (Registry(f"127.0.0.1:{port}", name) for name in ("population", "social-insurance"))
            for part in range(6):
                await asyncio.to_thread(written, engine, *(f"{part}-{number}" for number in range(5)))
                await quick.catch_up()
                if part == 1:
                    await slow.catch_up(page_size=3)
            await slow.catch_up(page_size=4)
            return quick, slow

    quick, slow = asyncio.run(run())

    assert quick.applied == slow.applied == list(range(1, 31))
    assert slow.holding == state(engine, "social-insurance")


# --- F3 ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def writing(engine: sa.Engine, total: int) -> AsyncIterator[asyncio.Event]:
    """Somebody who writes `total` changes, one transaction each, and again what is not known to be there."""
    done = asyncio.Event()

    def one(number: int) -> None:
        with engine.begin() as connection:
            there = connection.scalar(
                sa.text("SELECT count(*) FROM change WHERE subject_id = :subject"), {"subject": f"W{number}"}
            )
            if not there:
                write(connection, f"W{number}", full_name=f"W{number}")

    async def surely(call: Callable[..., None], *arguments: object) -> None:
        while True:
            try:
                return await asyncio.to_thread(call, *arguments)
            except RetryableStoreError:
                await asyncio.sleep(0.02)

    async def all_of_them() -> None:
        for number in range(total):
            await surely(one, number)
        await surely(sequenced, engine)
        done.set()

    task = asyncio.create_task(all_of_them())
    yield done
    await task


async def report_all(registry: Registry, pulling: "asyncio.Task[int]") -> int:
    """Report what was applied as often as the answer is not known; return how many were called new."""
    recorded, told = 0, 0
    async with connect(registry.address) as channel:
        client = FeedClient(channel, consumer_id=registry.consumer_id)
        while not (pulling.done() and told == len(registry.applied)):
            await asyncio.sleep(0.01)
            try:
                acknowledged = (await client.position()).acknowledged
                due = [number for number in registry.applied[told:] if number <= acknowledged][:20]
                if due:
                    outcomes = [Outcome(feed_seq=number, kind=OutcomeKind.APPLIED) for number in due]
                    recorded += await client.report(outcomes)
                    told += len(due)
            except RetryableGatewayError:
                continue
    return recorded


@pytest.mark.parametrize("seed", [3])
def test_f3_a_postgres_killed_at_any_moment_breaks_no_promise_of_the_feed(cluster: Path, seed: int) -> None:
    """While changes are written, sequenced, pulled, acknowledged and reported, three times."""
    dice = random.Random(seed)

    async def run(postgres: Database, engine: sa.Engine) -> tuple[Registry, int]:
        async with serving(engine, sequence_seconds=0.01) as address, writing(engine, 60) as done:
            registry = Registry(address)
            pulling = asyncio.create_task(persist(registry, page_size=2, stop=done))
            reporting = asyncio.create_task(report_all(registry, pulling))
            for _ in range(3):
                await asyncio.sleep(dice.uniform(0.05, 0.3))
                await asyncio.to_thread(postgres.kill)
                await asyncio.to_thread(postgres.start)
            await pulling
            return registry, await reporting

    with copied(cluster) as folder, database(folder, SMALL) as postgres:
        engine = engines.connect(postgres.url, pool_size=10)
        registry, recorded = asyncio.run(asyncio.wait_for(run(postgres, engine), 60))
        held, head = state(engine), feed.head(engine)
        acknowledged = feed.cursor_of(engine, consumer_id="population")
        with engine.connect() as connection:
            outcomes = list(connection.scalars(sa.text("SELECT feed_seq FROM feed_outcome ORDER BY 1")))
        engine.dispose()

    assert head.epoch == 1, "the same server all the time"
    assert registry.applied == outcomes == list(range(1, 61))
    assert acknowledged == head
    assert registry.holding == held
    assert recorded <= 60, "a report whose answer was lost is not called new again"


# --- F11 -----------------------------------------------------------------------------------------------------


def test_f11_a_full_disk_stops_the_sequencer_and_nothing_is_lost_when_there_is_room_again() -> None:
    async def run(disk: Disk, engine: sa.Engine, url: str) -> tuple[Registry, list[str], int]:
        async with serving(engine, sequence_seconds=0.01) as address:
            registry = Registry(address)
            await asyncio.to_thread(written, engine, "a", "b", "c")
            with psycopg.connect(plain(url)) as holder:
                holder.execute("SELECT pg_current_xact_id()")  # the feed waits for it
                await asyncio.to_thread(many_written, engine, 4_000)
                with psycopg.connect(plain(url), autocommit=True) as keeper:
                    keeper.execute("CHECKPOINT")  # one that came later would give blocks back
                disk.fill()
                holder.rollback()
            with pytest.raises(StoreFullError):
                # Again and again: the gateway's own sequencer works on the same, and a second one has nothing to do.
                await asyncio.to_thread(sequenced, engine)
            told = [await told_of(registry.catch_up()) for _ in range(2)]
            read = len(registry.applied)
            disk.free()
            await asyncio.to_thread(sequenced, engine)
            await registry.catch_up(page_size=2_000)
            return registry, told, read

    with small_disk(150) as disk:
        if not disk.is_small:
            pytest.skip("no file system can be mounted here")
        with database(disk.folder, SMALL) as postgres:
            engines.migrate(postgres.url)
            engine = engines.connect(postgres.url, pool_size=10)
            ship_grants(engine)
            registry, told, read = asyncio.run(run(disk, engine, postgres.url))
            head = feed.head(engine)
            engine.dispose()

    assert set(told) <= {"", "STORE_FULL"}, "an acknowledgement has room or is told that there is none"
    assert read == 3, "what was in the feed can be read all the while"
    assert registry.applied[-1] == head.sequence == 4_003
    assert sorted(set(registry.applied)) == list(range(1, 4_004))


async def told_of(call: Coroutine[object, object, None]) -> str:
    """Why a call was refused or failed; empty when it was not."""
    try:
        await call
    except (RetryableGatewayError, RejectedByGatewayError) as error:
        return error.fault.reason
    return ""


# --- F25 and F26 ---------------------------------------------------------------------------------------------


# 800 ms, 64 kbit/s and a dropout of 30 s every minute, the first ones with a reset, fifty times shorter.
SHORTER = 50
RESETS = 3


async def disturb(line: Line, pulling: "asyncio.Task[int]") -> None:
    """Be a bad line until the pull is over."""
    for way in (line.requests, line.replies):
        way.latency_seconds, way.jitter_seconds = 0.4 / SHORTER, 0.2 / SHORTER
        way.bytes_per_second, way.slice_bytes = 64_000 / 8 * SHORTER, 1_400
    dropouts = 0
    while not (await asyncio.wait({pulling}, timeout=30 / SHORTER))[0]:
        dropouts += 1
        line.requests.is_held = line.replies.is_held = True
        await asyncio.sleep(30 / SHORTER)
        line.requests.is_held = line.replies.is_held = False
        if dropouts <= RESETS:
            line.reset()


def test_f25_on_a_bad_line_a_registry_gets_all_and_little_twice(serve: Serve, engine: sa.Engine) -> None:
    port = free_port()

    async def run() -> tuple[Registry, Registry, int, int, int]:
        async with serve(port=port), line_to(port) as good, line_to(port, seed=25) as bad:
            await asyncio.to_thread(many_written, engine, 3_000)
            await asyncio.to_thread(sequenced, engine)
            even, uneven = Registry(f"127.0.0.1:{good.port}"), Registry(f"127.0.0.1:{bad.port}")
            await even.catch_up(page_size=150, acknowledges=False)
            pulling = asyncio.create_task(persist(uneven, page_size=150))
            await disturb(bad, pulling)
            return even, uneven, good.replies.carried, bad.replies.taken, bad.connections

    even, uneven, payload, sent, connections = asyncio.run(run())

    assert uneven.applied == even.applied == list(range(1, 3_001))
    assert uneven.holding == even.holding
    assert connections > 1, "it was cut off and went on from its cursor"
    assert sent <= 1.3 * payload


async def until_connected(client: FeedClient) -> None:
    """Call until there is an answer."""
    for _ in range(GIVES_UP_AFTER):
        with suppress(RetryableGatewayError):
            await client.position()
            return
        await asyncio.sleep(0.02)


def test_f26_a_registry_whose_line_goes_silent_asks_again_and_nothing_was_moved(
    serve: Serve, engine: sa.Engine
) -> None:
    """A Fetch and an Acknowledge end at their deadline; whether the gateway heard them is all one."""
    port = free_port()

    async def run() -> tuple[list[grpc.StatusCode], list[int], Registry]:
        async with serve(port=port), line_to(port) as line:
            await asyncio.to_thread(written, engine, *"abcdef")
            registry = Registry(f"127.0.0.1:{line.port}")
            codes: list[grpc.StatusCode] = []
            positions: list[int] = []
            async with connect(registry.address) as channel:
                client = FeedClient(channel, consumer_id="population", deadline_seconds=0.4)
                page = await client.fetch(page_size=2)
                registry.take(page)
                for ways, call in (
                    ((line.requests, line.replies), lambda: client.fetch(page.next_cursor)),
                    ((line.requests,), lambda: client.acknowledge(page.next_cursor)),
                    ((line.replies,), lambda: client.acknowledge(page.next_cursor)),
                ):
                    await until_connected(client)
                    for way in ways:
                        way.is_silent = True
                    with pytest.raises(RetryableGatewayError) as caught:
                        await call()
                    codes.append(caught.value.fault.code)
                    line.reset()
                    line.heal()
                    positions.append(feed.cursor_of(engine, consumer_id="population").sequence)
            await asyncio.wait_for(until_nothing_is_open(engine), 10)
            await registry.catch_up()
            return codes, positions, registry

    codes, positions, registry = asyncio.run(run())

    assert set(codes) <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
    assert positions == [0, 0, 2], "heard or not heard, it stands at one of the two"
    assert registry.applied == [1, 2, 3, 4, 5, 6]
    assert registry.holding == state(engine)
