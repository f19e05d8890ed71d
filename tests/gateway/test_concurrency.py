"""Many push, the provinces are reconciled, and one registry reads all the while: its feed has no gap and no double."""

import asyncio
from typing import Any

import sqlalchemy as sa

from gateway.client import Answer, FeedClient, IntakeClient, Landed, connect
from reconciliation import jobs
from reconciliation.model import BatchFormat
from tests.gateway.batches import outgoing, people, typed
from tests.gateway.conftest import NOW, Serve, free_port
from tests.gateway.test_feed import sequences, unpublished

BATCHES, PEOPLE = 8, 25
SOURCES = {
    "ha-noi.population": ("01", BatchFormat.SOURCE_FILE),
    "lam-dong.population": ("68", BatchFormat.SOURCE_FILE),
    "binh-thuan.population": ("68", BatchFormat.TYPED_RECORDS),
    "lao-cai.population": ("15", BatchFormat.TYPED_RECORDS),
    "yen-bai.population": ("15", BatchFormat.TYPED_RECORDS),
}


async def push(address: str, number: int, source_id: str, format_: BatchFormat) -> list[Answer]:
    first = 10_000 * number
    unit_code = {"01": "00004", "15": "02647", "68": "22918"}[SOURCES[source_id][0]]
    payloads = [
        typed(PEOPLE, first=first + PEOPLE * batch, unit_code=unit_code)
        if format_ is BatchFormat.TYPED_RECORDS
        else people(first + PEOPLE * batch, PEOPLE, ma_xa=unit_code)
        for batch in range(BATCHES)
    ]
    batches = [outgoing(sequence, payload, format_) for sequence, payload in enumerate(payloads, start=1)]
    async with connect(address) as channel:
        return [answer async for answer in IntakeClient(channel).push(batches, source_id=source_id, epoch="e1")]


async def reconcile(engine: sa.Engine, province_code: str, pushing: asyncio.Event) -> None:
    """Again and again while others push, and once after."""
    is_last = False
    while not is_last:
        is_last = pushing.is_set()
        await asyncio.to_thread(jobs.reconcile_records, engine, province_code=province_code, now=NOW)


async def follow(address: str, engine: sa.Engine, reconciled: asyncio.Event) -> list[int]:
    """Every number the registry was given, in the order given, acknowledging as it goes."""
    read: list[int] = []
    async with connect(address) as channel:
        client = FeedClient(channel, consumer_id="population")
        while True:
            is_last = reconciled.is_set() and await asyncio.to_thread(unpublished, engine) == 0
            page = await client.fetch(page_size=37)
            read += sequences(page)
            await client.acknowledge(page.next_cursor)
            if is_last and page.lag == 0:
                return read


def test_a_reader_beside_concurrent_pushes_misses_nothing_and_reads_nothing_twice(
    serve: Serve, engine: sa.Engine
) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"

    async def run() -> tuple[list[list[Answer]], list[int]]:
        async with serve(port=port):
            pushed, reconciled = asyncio.Event(), asyncio.Event()
            following = asyncio.create_task(follow(address, engine, reconciled))
            provinces = sorted({province for province, _ in SOURCES.values()})
            reconciling = [asyncio.create_task(reconcile(engine, code, pushed)) for code in provinces]
            pushing = [push(address, n, source, format_) for n, (source, (_, format_)) in enumerate(SOURCES.items())]
            answers = await asyncio.gather(*pushing)
            pushed.set()
            await asyncio.gather(*reconciling)
            reconciled.set()
            return answers, await following

    answers, read = asyncio.run(run())

    assert all(isinstance(answer, Landed) for batch_answers in answers for answer in batch_answers)
    with engine.connect() as connection:
        published: list[Any] = list(connection.scalars(sa.text("SELECT feed_seq FROM feed_entry ORDER BY 1")))
        changes = connection.scalar(sa.text("SELECT count(*) FROM change"))
        records = connection.scalar(sa.text("SELECT count(*) FROM person_record"))
    assert records == len(SOURCES) * BATCHES * PEOPLE
    assert len(published) == changes > records / 3  # of the rest it is asked whether they are one person
    assert published == list(range(1, len(published) + 1))
    assert read == published
