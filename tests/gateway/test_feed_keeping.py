"""A registry sets itself back, learns how far behind it is, and takes a snapshot that the feed continues."""

import asyncio
import hashlib
import json
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from pyarrow import parquet

from adapters.canonical import RecordKind
from gateway import client as registry_client
from gateway.client import (
    Downloaded,
    FeedClient,
    Page,
    RejectedByGatewayError,
    RetryableGatewayError,
    SnapshotDamagedError,
)
from gateway.services import feed_snapshots
from reconciliation import jobs
from reconciliation.entitlements import read_grants
from reconciliation.errors import StoreFullError
from reconciliation.store import feed, tables
from tests.gateway.certificates import Certified
from tests.gateway.conftest import NOW, Serve
from tests.reconciliation.store.changes import published, write

POPULATION, INSURANCE = "population", "social-insurance"


def test_a_registry_sets_itself_back_and_reads_the_same_again(
    serve: Serve, engine: sa.Engine, certified: Certified
) -> None:
    async def run() -> tuple[tuple[int, int], Page, Page]:
        published(engine, *"abcd")
        shown = certified.consumer(POPULATION)
        async with serve(tls=certified, credentials=shown, clock=_now) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            first = await client.fetch(page_size=2)
            before = await client.fetch(first.next_cursor)
            await client.acknowledge(before.next_cursor)
            moved = await client.replay(first.next_cursor, reason="our disk was lost")
            return moved, before, await client.fetch()

    moved, before, again = asyncio.run(run())

    assert moved == (4, 2)
    assert again.tables == before.tables
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.feed_replay)).mappings().one()
    assert (row["asked_by"], row["why"]) == ("spiffe://lienthong/consumer/population", "our disk was lost")
    assert (row["from_seq"], row["to_seq"], row["consumer_id"]) == (4, 2, POPULATION)


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("reason", ["", "two\nlines", "x" * 201])
def test_a_replay_without_a_reason_that_can_be_kept_is_refused(serve: Serve, engine: sa.Engine, reason: str) -> None:
    async def run() -> str:
        published(engine, "a")
        async with serve() as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            with pytest.raises(RejectedByGatewayError) as refused:
                await client.replay((await client.position()).beginning_cursor, reason=reason)
            return refused.value.fault.reason

    assert asyncio.run(run()) == "FIELD_INVALID"


def test_a_registry_hears_how_far_it_is_behind_in_changes_and_in_time(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[tuple[int, timedelta]]:
        published(engine, *"abc")
        with engine.begin() as connection:
            connection.execute(tables.feed_entry.update().values(published_at=NOW - timedelta(hours=2)))
        async with serve() as channel:
            client, seen = FeedClient(channel, consumer_id=POPULATION), []
            for size in (2, 1):
                position = await client.position()
                seen.append((position.lag, position.lag_age))
                await client.acknowledge((await client.fetch(page_size=size)).next_cursor)
            position = await client.position()
            return [*seen, (position.lag, position.lag_age)]

    assert asyncio.run(run()) == [(3, timedelta(hours=2)), (1, timedelta(hours=2)), (0, timedelta(0))]


def test_whoever_is_older_than_the_purge_is_told_to_take_a_snapshot_by_every_call(
    serve: Serve, engine: sa.Engine, tmp_path: Path
) -> None:
    async def run() -> tuple[list[str], list[int]]:
        _history(engine)
        async with serve(snapshot_folder=tmp_path) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            old = await client.fetch(page_size=1)
            await client.acknowledge((await client.fetch()).next_cursor)
            await FeedClient(channel, consumer_id=INSURANCE).acknowledge(
                (await FeedClient(channel, consumer_id=INSURANCE).fetch()).next_cursor
            )
            later = NOW + timedelta(days=36_500)
            counts = await asyncio.to_thread(jobs.purge_feed, engine, now=later, keep_days=1)
            assert counts["changes"] == 2
            reasons = []
            for call in (
                lambda: client.fetch(old.next_cursor),
                lambda: anext(client.stream(old.next_cursor)),
                lambda: client.replay(old.next_cursor, reason="again"),
            ):
                with pytest.raises(RejectedByGatewayError) as expired:
                    await call()
                reasons.append(expired.value.fault.reason)
            await asyncio.to_thread(jobs.publish_snapshot, engine, consumer_id=POPULATION, folder=tmp_path, now=NOW)
            taken = await registry_client.download(client, tmp_path / "ours")
            await asyncio.to_thread(follow_with, engine, "e", place=5)
            rest = await client.fetch(taken.cursor)
            return reasons, rest.tables[RecordKind.PERSON]["feed_seq"].to_pylist()

    reasons, rest = asyncio.run(run())

    assert reasons == ["CURSOR_EXPIRED"] * 3
    assert rest == [5]


def follow_with(engine: sa.Engine, subject: str, *, place: int) -> None:
    """One more change, published by whoever is the first to: the gateway that runs, or we."""
    with engine.begin() as connection:
        write(connection, subject, full_name=subject)
    while feed.head(engine).sequence < place:
        feed.sequence(engine)


def _history(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        first = write(connection, "A", full_name="one")
        second = write(connection, "A", cause="CORRECTED", previous=first, full_name="two")
        write(connection, "A", cause="CORRECTED", previous=second, full_name="three")
        write(connection, "B", full_name="b")
    assert feed.sequence(engine) == 4


# --- snapshots -----------------------------------------------------------------------------------------------


async def snapshot(engine: sa.Engine, folder: Path, consumer_id: str = POPULATION) -> None:
    await asyncio.to_thread(jobs.publish_snapshot, engine, consumer_id=consumer_id, folder=folder, now=NOW)


def test_a_snapshot_is_downloaded_with_its_hashes_and_the_consumers_fields_only(
    serve: Serve, engine: sa.Engine, tmp_path: Path
) -> None:
    async def run() -> dict[str, Downloaded]:
        _history(engine)
        async with serve(snapshot_folder=tmp_path) as channel:
            taken = {}
            for consumer_id in (POPULATION, INSURANCE):
                await snapshot(engine, tmp_path, consumer_id)
                client = FeedClient(channel, consumer_id=consumer_id)
                taken[consumer_id] = await registry_client.download(client, tmp_path / "ours" / consumer_id)
            return taken

    taken = asyncio.run(run())

    granted = {(one.consumer_id, one.kind): set(one.fields) for one in read_grants()}
    for consumer_id, one in taken.items():
        assert one.feed_sequence == 4
        assert set(one.files) == {kind for name, kind in granted if name == consumer_id}
        for kind, path in one.files.items():
            schema = parquet.read_schema(path)
            assert set(schema.names) == {"subject_id", "feed_seq"} | granted[consumer_id, kind]
            assert schema.metadata[b"feed_seq"] == b"4"
    persons = parquet.read_table(taken[POPULATION].files[RecordKind.PERSON]).to_pylist()
    assert [(row["subject_id"], row["full_name"]) for row in persons] == [("A", "three"), ("B", "b")]


def test_a_download_that_was_cut_off_goes_on_where_it_ended(
    serve: Serve, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_snapshots, "PIECE_BYTES", 100)
    offsets: list[int] = []
    read = feed_snapshots._piece

    def counted(folder: Path, consumer_id: str, snapshot_id: str, name: str, offset: int) -> bytes:
        offsets.append(offset)
        return read(folder, consumer_id, snapshot_id, name, offset)

    monkeypatch.setattr(feed_snapshots, "_piece", counted)

    async def run() -> None:
        _history(engine)
        await snapshot(engine, tmp_path)
        async with serve(snapshot_folder=tmp_path) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            told = await client.snapshot()
            person = next(one for one in told.files if one.name == "person.parquet")
            begun = tmp_path / "ours" / told.snapshot_id / "person.parquet.part"
            begun.parent.mkdir(parents=True)
            async with aclosing(client.snapshot_file(told.snapshot_id, person.name)) as pieces:
                begun.write_bytes(await anext(pieces) + await anext(pieces))
            offsets.clear()
            taken = await registry_client.download(client, tmp_path / "ours")
            data = taken.files[RecordKind.PERSON].read_bytes()
            assert hashlib.sha256(data).digest() == person.sha256
            assert len(data) == person.size_bytes
            sent = list(offsets)
            await registry_client.download(client, tmp_path / "ours")
            assert offsets == sent, "what is whole is not sent again"
            assert sent.count(0) == 1, "the households' file was not begun"
            assert 200 in sent

    asyncio.run(run())


def test_a_snapshot_that_is_being_read_is_not_cleared_away(
    serve: Serve, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_snapshots, "PIECE_BYTES", 100)
    clear = partial(jobs.purge_snapshots, engine, folder=tmp_path, newest=1, keep_days=1)

    async def run() -> list[int]:
        _history(engine)
        await snapshot(engine, tmp_path)
        async with serve(snapshot_folder=tmp_path, clock=lambda: NOW, snapshot_hold_hours=48) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            told = await client.snapshot()
            published(engine, "z")
            await asyncio.to_thread(
                jobs.publish_snapshot, engine, consumer_id=POPULATION, folder=tmp_path, now=NOW + timedelta(hours=1)
            )
            async with aclosing(client.snapshot_file(told.snapshot_id, "person.parquet")) as pieces:
                await anext(pieces)
                held = await asyncio.to_thread(clear, now=NOW + timedelta(hours=47))
                file = next(one for one in told.files if one.name == "person.parquet")
                assert 100 + sum([len(piece) async for piece in pieces]) == file.size_bytes
            gone = await asyncio.to_thread(clear, now=NOW + timedelta(hours=48))
            with pytest.raises(RejectedByGatewayError) as refused:
                await anext(client.snapshot_file(told.snapshot_id, "person.parquet"))
            assert refused.value.fault.reason == "SNAPSHOT_UNKNOWN"
            assert (await client.snapshot()).snapshot_id != told.snapshot_id
            return [held["held"], held["gone"], gone["held"], gone["gone"]]

    assert asyncio.run(run()) == [1, 0, 0, 1]


def test_a_registry_reads_on_where_its_hold_cannot_be_noted(
    serve: Serve, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreFullError("The disk is full. Next: make room.")

    monkeypatch.setattr(feed_snapshots.snapshot_holds, "hold", full)

    async def run() -> Downloaded:
        _history(engine)
        await snapshot(engine, tmp_path)
        async with serve(snapshot_folder=tmp_path) as channel:
            return await registry_client.download(FeedClient(channel, consumer_id=POPULATION), tmp_path / "ours")

    assert asyncio.run(run()).feed_sequence == 4


def test_a_file_that_came_damaged_is_found_and_not_kept(serve: Serve, engine: sa.Engine, tmp_path: Path) -> None:
    async def run() -> None:
        _history(engine)
        await snapshot(engine, tmp_path)
        file = next(tmp_path.rglob("person.parquet"))
        whole = file.read_bytes()
        file.write_bytes(whole[:100] + b"?" + whole[101:])
        async with serve(snapshot_folder=tmp_path) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            with pytest.raises(SnapshotDamagedError):
                await registry_client.download(client, tmp_path / "ours")
            assert list((tmp_path / "ours").rglob("person*")) == []
            file.write_bytes(whole)
            await registry_client.download(client, tmp_path / "ours")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("snapshot_id", "file"),
    [
        ("1-000000000004", "household.parquet/../person.parquet"),
        ("1-000000000004", "../../social-insurance/1-000000000004/person.parquet"),
        ("../social-insurance/1-000000000004", "person.parquet"),
        ("1-000000000004", "manifest.json"),
        ("1-000000000004", "insurance.parquet"),
        ("1-000000000005", "person.parquet"),
        ("..", "person.parquet"),
    ],
)
def test_nothing_but_the_files_of_ones_own_snapshots_is_to_be_had(
    serve: Serve, engine: sa.Engine, tmp_path: Path, snapshot_id: str, file: str
) -> None:
    async def run() -> str:
        _history(engine)
        await snapshot(engine, tmp_path)
        await snapshot(engine, tmp_path, INSURANCE)
        async with serve(snapshot_folder=tmp_path) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            with pytest.raises(RejectedByGatewayError) as refused:
                await anext(client.snapshot_file(snapshot_id, file))
            return refused.value.fault.reason

    assert asyncio.run(run()) == "SNAPSHOT_UNKNOWN"


@pytest.mark.parametrize(
    "narrowed",
    [{"fields": ("unit_code",)}, {"province_codes": ("15",)}],
    ids=["fewer fields", "one province"],
)
def test_a_snapshot_of_more_than_is_granted_today_is_not_handed_out(
    serve: Serve, engine: sa.Engine, tmp_path: Path, narrowed: dict[str, tuple[str, ...]]
) -> None:
    async def reason(client: FeedClient, file: bool) -> str:
        with pytest.raises(RejectedByGatewayError) as refused:
            await (anext(client.snapshot_file("1-000000000004", "person.parquet")) if file else client.snapshot())
        return refused.value.fault.reason

    async def run() -> list[str]:
        _history(engine)
        await snapshot(engine, tmp_path)
        feed.grant(engine, [replace(one, **narrowed) for one in read_grants() if one.consumer_id == POPULATION])
        async with serve(snapshot_folder=tmp_path) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            refused = [await reason(client, file=False), await reason(client, file=True)]
            await asyncio.to_thread(follow_with, engine, "z", place=5)
            await snapshot(engine, tmp_path)
            return [*refused, (await client.snapshot()).snapshot_id]

    assert asyncio.run(run()) == ["SNAPSHOT_UNKNOWN", "SNAPSHOT_UNKNOWN", "1-000000000005"]


def test_a_snapshot_that_was_not_finished_is_none(serve: Serve, engine: sa.Engine, tmp_path: Path) -> None:
    async def run() -> tuple[str, str]:
        _history(engine)
        left = tmp_path / POPULATION / ".1-000000000009.77.part"
        left.mkdir(parents=True)
        (left / "manifest.json").write_text(json.dumps({}))
        (tmp_path / POPULATION / "1-000000000008").mkdir()
        async with serve(snapshot_folder=tmp_path) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            with pytest.raises(RejectedByGatewayError) as refused:
                await client.snapshot()
            await snapshot(engine, tmp_path)
            return refused.value.fault.reason, (await client.snapshot()).snapshot_id

    assert asyncio.run(run()) == ("SNAPSHOT_UNKNOWN", "1-000000000004")


def test_downloads_count_among_the_streams_of_a_registry(serve: Serve, engine: sa.Engine, tmp_path: Path) -> None:
    async def run() -> str:
        _history(engine)
        await snapshot(engine, tmp_path)
        async with serve(snapshot_folder=tmp_path, watches_per_consumer=1) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            async with aclosing(client.stream()) as open_one:
                await anext(open_one)
                with pytest.raises(RetryableGatewayError) as refused:
                    await anext(client.snapshot_file("1-000000000004", "person.parquet"))
            return refused.value.fault.reason

    assert asyncio.run(run()) == "STREAMS_EXHAUSTED"
