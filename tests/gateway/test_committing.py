"""Who waits shares a commit; no source starves, holds up or spoils another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from gateway import workers
from gateway.committing import GROUP_BATCHES, SHARED_RECORDS, Committer
from gateway.failpoints import Failpoints
from reconciliation.errors import RetryableStoreError
from reconciliation.model import Receipt
from reconciliation.store import landing, tables
from reconciliation.store.engine import connect
from reconciliation.store.landing import Arrival
from tests.gateway.conftest import NOW
from tests.reconciliation.store.landings import batch, normalised, rows, source

FIRST, SECOND = "yen-bai.population", "lao-cai.population"


def arrival(source_id: str, sequence: int, *, held: int = 0, records: int = 1) -> Arrival:
    keys = [f"{sequence}", *(f"{sequence}.{number}" for number in range(1, records))]
    table = rows(RecordKind.PERSON, *({"source_record_id": key} for key in keys))
    held_rows = [{"row": 1, "source_record_id": "Q", "codes": ["DATE_INVALID"], "raw": b"q"}] * held
    one = batch(sequence, source_id=source_id, payload=f"{source_id} {sequence}".encode())
    return Arrival(one, normalised(table, held_rows), source(source_id))


@asynccontextmanager
async def committing(engine: sa.Engine) -> AsyncIterator[Committer]:
    pools = workers.start(engine, store_threads=4, column_threads=1)
    try:
        yield Committer(pools, clock=lambda: NOW, failpoints=Failpoints(None))
    finally:
        pools.shutdown()


def run(engine: sa.Engine, work: Callable[[Committer], Awaitable[object]]) -> object:
    async def running() -> object:
        async with committing(engine) as committer:
            return await asyncio.wait_for(work(committer), 60)

    return asyncio.run(running())


def ledger(engine: sa.Engine) -> list[tuple[str, int]]:
    """(source, sequence) in the order of landing."""
    query = sa.select(tables.batch.c.source_id, tables.batch.c.sequence).order_by(tables.batch.c.batch_id)
    with engine.connect() as connection:
        return [(source_id, sequence) for source_id, sequence in connection.execute(query)]


def commits(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(DISTINCT xmin::text) FROM batch")) or 0)


def test_what_waits_at_once_is_committed_at_once_and_each_has_its_own_receipt(engine: sa.Engine) -> None:
    group = [arrival(source_id, number) for number in range(1, 6) for source_id in (FIRST, SECOND)]

    async def work(committer: Committer) -> list[Receipt]:
        return await asyncio.gather(*(committer.land(one) for one in group))

    receipts = run(engine, work)

    assert [(one.source_id, one.sequence) for one in receipts] == [(a.batch.source_id, a.batch.sequence) for a in group]
    assert commits(engine) == 1


def test_a_flood_of_one_source_starves_no_other(engine: sa.Engine) -> None:
    async def work(committer: Committer) -> None:
        flood = [committer.put(arrival(FIRST, number)) for number in range(1, GROUP_BATCHES + 50)]
        await committer.land(arrival(SECOND, 1))
        waiting = sum(not one.done() for one in flood)
        await asyncio.gather(*flood)
        assert waiting >= 50

    run(engine, work)

    order = ledger(engine)
    assert order.index((SECOND, 1)) <= 1
    assert [number for source_id, number in order if source_id == FIRST] == list(range(1, GROUP_BATCHES + 50))


def test_a_source_that_is_held_up_holds_up_no_other(engine: sa.Engine) -> None:
    async def work(committer: Committer) -> None:
        with engine.connect() as holding:
            landing.take_turns(holding, [FIRST])
            waits = [committer.put(arrival(FIRST, number)) for number in (1, 2)]
            await committer.land(arrival(SECOND, 1))
            waits.append(committer.put(arrival(FIRST, 3)))
            await committer.land(arrival(SECOND, 2))
            assert not any(one.done() for one in waits)
            holding.rollback()
        await asyncio.gather(*waits)

    run(engine, work)

    assert ledger(engine) == [(SECOND, 1), (SECOND, 2), (FIRST, 1), (FIRST, 2), (FIRST, 3)]


def test_who_comes_while_another_lands_does_not_wait_for_it(engine: sa.Engine) -> None:
    async def work(committer: Committer) -> None:
        with engine.connect() as holding:
            landing.take_turns(holding, [FIRST])
            waits = committer.put(arrival(FIRST, 1))
            await asyncio.sleep(0)  # it has begun, alone
            await committer.land(arrival(SECOND, 1))
            assert not waits.done()
            holding.rollback()
        await waits

    run(engine, work)

    assert ledger(engine) == [(SECOND, 1), (FIRST, 1)]


def test_much_that_waits_is_shared_out_by_source_and_stays_in_each_ones_order(engine: sa.Engine) -> None:
    half = SHARED_RECORDS // 4
    group = [arrival(one, number, records=half) for number in (1, 2) for one in (FIRST, SECOND)]

    async def work(committer: Committer) -> list[Receipt]:
        return await asyncio.gather(*(committer.land(one) for one in group))

    receipts = run(engine, work)

    assert [(one.source_id, one.sequence) for one in receipts] == [(a.batch.source_id, a.batch.sequence) for a in group]
    assert commits(engine) == 2
    for source_id in (FIRST, SECOND):
        assert [number for one, number in ledger(engine) if one == source_id] == [1, 2]


def test_what_the_database_refuses_is_told_to_its_sender_alone(engine: sa.Engine) -> None:
    async def work(committer: Committer) -> list[object]:
        group = [arrival(FIRST, 1), arrival(FIRST, 2, held=2), arrival(SECOND, 1)]
        return await asyncio.gather(*(committer.land(one) for one in group), return_exceptions=True)

    told = run(engine, work)

    assert [isinstance(one, Receipt) for one in told] == [True, False, True]
    assert ledger(engine) == [(FIRST, 1), (SECOND, 1)]


def test_who_has_gone_is_left_out(engine: sa.Engine) -> None:
    async def work(committer: Committer) -> None:
        gone = committer.put(arrival(FIRST, 1))
        gone.cancel()
        await committer.land(arrival(FIRST, 2))

    run(engine, work)

    assert ledger(engine) == [(FIRST, 2)]


def test_without_the_database_nobody_behind_overtakes() -> None:
    nowhere = connect("postgresql+psycopg://nobody@127.0.0.1:1/none", pool_size=1)

    async def work(committer: Committer) -> list[object]:
        flood = [committer.put(arrival(FIRST, number)) for number in range(1, GROUP_BATCHES + 3)]
        return await asyncio.gather(*flood, return_exceptions=True)

    told = run(nowhere, work)

    assert len(told) == GROUP_BATCHES + 2
    assert all(isinstance(one, RetryableStoreError) for one in told)


@pytest.mark.parametrize("pause", [0, 1])
def test_a_committer_that_was_idle_begins_again(engine: sa.Engine, pause: int) -> None:
    async def work(committer: Committer) -> None:
        await committer.land(arrival(FIRST, 1))
        for _ in range(pause):
            await asyncio.sleep(0)
        await committer.land(arrival(FIRST, 2))

    run(engine, work)

    assert commits(engine) == 2
