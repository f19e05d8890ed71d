"""A registry is sent what is published as it is published, and knows silence from a broken line."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from adapters import catalogue
from adapters.canonical import RecordKind
from gateway import server
from gateway.client import Bookmark, FeedClient, Page, RejectedByGatewayError, RetryableGatewayError, connect
from gateway.services import feed_streams
from gateway.settings import Settings
from reconciliation.entitlements import read_grants
from reconciliation.store import feed, feed_pages, tables
from tests.gateway.certificates import Certified
from tests.gateway.conftest import NOW, Serve
from tests.reconciliation.store.changes import published, write

POPULATION = "population"
SOON = {"watch_bookmark_seconds": 0.1, "grants_seconds": 0.05}
LIMIT = 30.0  # seconds that nothing here takes


def numbers(answers: list[Page | Bookmark]) -> list[int]:
    """The feed_seq of all changes, as they came."""
    return [
        number
        for one in answers
        if isinstance(one, Page)
        for number in one.tables[RecordKind.PERSON]["feed_seq"].to_pylist()
    ]


async def until(stream: AsyncGenerator[Page | Bookmark], *, sequence: int) -> list[Page | Bookmark]:
    """What comes until the change `sequence` has come."""
    seen: list[Page | Bookmark] = []
    async with asyncio.timeout(LIMIT):
        async for one in stream:
            seen.append(one)
            if sequence in numbers([one]):
                return seen
    return seen


async def rest(stream: AsyncGenerator[Page | Bookmark]) -> list[Page | Bookmark]:
    """What comes until the stream ends."""
    async with asyncio.timeout(LIMIT):
        return [one async for one in stream]


def test_changes_come_as_they_are_published_once_and_in_order(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[Page | Bookmark]:
        async with serve(**SOON) as channel:
            async with aclosing(FeedClient(channel, consumer_id=POPULATION).stream()) as stream:
                seen = []
                for number, subjects in enumerate((["a"], ["b", "c"], ["d"])):
                    await asyncio.to_thread(write_all, engine, subjects)
                    seen += await until(stream, sequence=[1, 3, 4][number])
                return seen

    assert numbers(asyncio.run(run())) == [1, 2, 3, 4]


def write_all(engine: sa.Engine, subjects: list[str]) -> None:
    """One change each, for the gateway to publish."""
    with engine.begin() as connection:
        for subject in subjects:
            write(connection, subject, full_name=subject)


def test_a_silent_feed_is_told_from_a_broken_line_by_bookmarks(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[Page | Bookmark]:
        published(engine, "a", "b")
        async with serve(**SOON) as channel, asyncio.timeout(LIMIT):
            client, seen = FeedClient(channel, consumer_id=POPULATION), []
            async with aclosing(client.stream()) as stream:
                async for one in stream:
                    seen.append(one)
                    if len(seen) == 4:
                        break
            bookmark = seen[-1]
            resumed = await client.fetch(bookmark.next_cursor)
            return [*seen, resumed]

    page, *bookmarks, resumed = asyncio.run(run())

    assert isinstance(page, Page)
    assert [type(one) for one in bookmarks] == [Bookmark] * 3
    for one in bookmarks:
        assert isinstance(one, Bookmark)
        assert (one.head, one.as_of, one.is_last) == (2, NOW, False)
    assert isinstance(resumed, Page)
    assert (resumed.changes, resumed.lag) == (0, 0)


@pytest.mark.parametrize("begin", [0, 1, 4, 7])
def test_a_stream_goes_on_from_any_cursor(serve: Serve, engine: sa.Engine, begin: int) -> None:
    async def run() -> list[Page | Bookmark]:
        published(engine, *"abcdefg")
        async with serve(**SOON) as channel:
            client = FeedClient(channel, consumer_id=POPULATION)
            cursor = (await client.position()).beginning_cursor
            if begin:
                cursor = (await client.fetch(cursor, page_size=begin)).next_cursor
            return await rest(client.stream(cursor, until_current=True))

    answers = asyncio.run(run())

    assert numbers(answers) == list(range(begin + 1, 8))
    last = answers[-1]
    assert isinstance(last, Bookmark)
    assert last.is_last


def test_a_large_pull_comes_in_pages_that_join_and_fit_into_messages(
    serve: Serve, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_streams, "FIRST_STRETCH", 7)
    monkeypatch.setattr(feed_streams, "_MESSAGE_BYTES", 4_000)

    async def run() -> list[Page | Bookmark]:
        published(engine, *(f"s{number}" for number in range(300)))
        async with serve(**SOON) as channel:
            return await rest(FeedClient(channel, consumer_id=POPULATION).stream(until_current=True))

    answers = asyncio.run(run())

    assert numbers(answers) == list(range(1, 301))
    assert len(answers) > 10
    assert max(one.changes for one in answers if isinstance(one, Page)) < 100


def test_a_page_whose_rows_weigh_more_than_others_is_parted_again(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[Page | Bookmark]:
        published(engine, *(f"s{number}" for number in range(1_500)))
        await asyncio.to_thread(wide, engine, 400, kibibytes=16)
        async with serve(**SOON) as channel:
            stream = FeedClient(channel, consumer_id=POPULATION).stream(until_current=True)
            fetched = [page async for page in FeedClient(channel, consumer_id=POPULATION).pages(page_size=10_000)]
            return [*await rest(stream), *fetched]

    assert numbers(asyncio.run(run())) == [*range(1, 1_901)] * 2


def test_a_slow_reader_holds_nothing_but_its_own_stream(
    serve: Serve, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_streams, "FIRST_STRETCH", 50)
    monkeypatch.setattr(feed_streams, "MAX_STRETCH", 50)
    read: list[int] = []
    changes = feed_pages.changes

    def counted(connection: sa.Connection, granted: Any, within: Any) -> Any:
        read.append(within.upto)
        return changes(connection, granted, within)

    async def run() -> tuple[int, int, int]:
        await asyncio.to_thread(wide, engine, 2_000)
        async with serve(store_threads=1, **SOON) as channel, asyncio.timeout(LIMIT):
            client = FeedClient(channel, consumer_id=POPULATION)
            monkeypatch.setattr(feed_pages, "changes", counted)
            async with aclosing(client.stream()) as slow:
                first = await anext(slow)
                assert isinstance(first, Page)
                settled = -1
                while settled != len(read):  # until the gateway has read all that it will
                    settled = len(read)
                    await asyncio.sleep(0.3)
                held = max(read)
                quick = [one.changes async for one in client.pages(page_size=1_000)]
                seen = [first, *await until(slow, sequence=2_000)]
            return held, sum(quick), len(numbers(seen))

    held, quick, slow = asyncio.run(run())

    assert held < 1_000, "a reader that does not read is not read for"
    assert (quick, slow) == (2_000, 2_000)


def wide(engine: sa.Engine, count: int, *, kibibytes: int = 8) -> None:
    """So many changes of 8 KiB each, or of more, which the line does not take at once."""
    with engine.begin() as connection:
        ids = [connection.scalar(sa.select(tables.change_id_sequence.next_value())) for _ in range(count)]
        one = {"kind": "person", "province_code": "15", "cause": "NEW"}
        connection.execute(
            tables.change.insert(), [{"change_id": number, "subject_id": f"w{number}"} | one for number in ids]
        )
        part = sa.func.generate_series(1, 32 * kibibytes).table_valued(sa.column("n", sa.Integer)).render_derived()
        hashed = sa.func.md5(sa.cast(tables.change.c.change_id, sa.Text) + "/" + sa.cast(part.c.n, sa.Text))
        noise = sa.select(sa.func.string_agg(hashed, "")).select_from(part).scalar_subquery()  # nothing to compress
        rows = sa.select(tables.change.c.change_id, tables.change.c.subject_id, sa.literal("{}"), noise).where(
            tables.change.c.change_id >= min(ids)
        )
        golden = tables.golden_tables[RecordKind.PERSON]
        connection.execute(golden.insert().from_select(["change_id", "subject_id", "provenance", "address"], rows))
    assert feed.sequence(engine) == count


def test_one_registry_has_so_many_streams_and_no_more(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> tuple[str, bool, list[int]]:
        published(engine, "a")
        async with serve(watches_per_consumer=2, **SOON) as channel, asyncio.timeout(LIMIT):
            client = FeedClient(channel, consumer_id=POPULATION)
            async with aclosing(client.stream()) as one, aclosing(client.stream()) as two:
                await anext(one), await anext(two)
                with pytest.raises(RetryableGatewayError) as third:
                    await anext(client.stream())
                another = await rest(FeedClient(channel, consumer_id="social-insurance").stream(until_current=True))
            while True:  # the places are free again once the gateway has seen the end of their streams
                try:
                    return third.value.fault.reason, isinstance(await anext(client.stream()), Page), numbers(another)
                except RetryableGatewayError:
                    await asyncio.sleep(0.02)

    assert asyncio.run(run()) == ("STREAMS_EXHAUSTED", True, [1])


def test_a_gateway_that_drains_ends_its_streams_between_two_answers_and_the_client_goes_on(
    engine: sa.Engine,
) -> None:
    published(engine, "a", "b")
    settings = Settings(port=0, sequence_seconds=0.05, drain_seconds=20, **SOON)

    async def run() -> tuple[list[int], str, float, list[int]]:
        running = server.running(engine, settings, catalogue=catalogue.load(), clock=lambda: NOW)
        gateway = await running.__aenter__()
        async with connect(gateway.address) as channel:
            stream = FeedClient(channel, consumer_id=POPULATION).stream()
            seen = await until(stream, sequence=2)
            began = asyncio.get_running_loop().time()
            ending = asyncio.create_task(running.__aexit__(None, None, None))
            with pytest.raises(RetryableGatewayError) as ended:
                await rest(stream)
            await ending
            seconds = asyncio.get_running_loop().time() - began
        async with server.running(engine, settings, catalogue=catalogue.load(), clock=lambda: NOW) as again:
            async with connect(again.address) as channel:
                resumed = FeedClient(channel, consumer_id=POPULATION).stream(seen[-1].next_cursor, until_current=True)
                return numbers(seen), ended.value.fault.reason, seconds, numbers(await rest(resumed))

    seen, reason, seconds, resumed = asyncio.run(run())

    assert (seen, reason, resumed) == ([1, 2], "DRAINING", [])
    assert seconds < settings.drain_seconds


def test_a_stream_ends_by_itself_before_its_connection_is_cut(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[Page | Bookmark]:
        published(engine, "a")
        async with serve(connection_age_seconds=0.4, **SOON | {"watch_bookmark_seconds": 60}) as channel:
            return await rest(FeedClient(channel, consumer_id=POPULATION).stream())

    page, bookmark = asyncio.run(run())

    assert isinstance(page, Page)
    assert isinstance(bookmark, Bookmark)
    assert bookmark.is_last
    assert bookmark.next_cursor == page.next_cursor


def test_the_client_watches_over_streams_that_end_and_misses_nothing(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[Page | Bookmark]:
        async with serve(connection_age_seconds=0.2, **SOON) as channel:
            async with aclosing(FeedClient(channel, consumer_id=POPULATION).watch()) as watching:
                seen = []
                for number in range(1, 8):
                    await asyncio.to_thread(write_all, engine, [f"s{number}"])
                    seen += await until(watching, sequence=number)
                return seen

    answers = asyncio.run(run())

    assert numbers(answers) == list(range(1, 8))
    assert any(isinstance(one, Bookmark) and one.is_last for one in answers)


def test_a_grant_that_ends_or_shrinks_while_a_stream_is_open_holds_at_once(serve: Serve, engine: sa.Engine) -> None:
    def grant(*, fields: tuple[str, ...] | None = None, until: date | None = None) -> None:
        ours = [one for one in read_grants() if one.consumer_id != POPULATION]
        for one in read_grants():
            if one.consumer_id == POPULATION:
                about = {"fields": fields or one.fields} if one.kind is RecordKind.PERSON else {}
                ours.append(type(one)(**{**vars(one), **about, "granted_until": until}))
        feed.grant(engine, ours)

    async def run() -> tuple[list[set[str]], str]:
        async with serve(clock=lambda: datetime.now(UTC), **SOON) as channel:
            stream = FeedClient(channel, consumer_id=POPULATION).stream()
            columns = []
            for number, fields in ((1, None), (2, ("sex",))):
                await asyncio.to_thread(grant, fields=fields)
                await asyncio.sleep(0.2)  # longer than grants may be old
                await asyncio.to_thread(write_all, engine, [f"s{number}"])
                page = (await until(stream, sequence=number))[-1]
                assert isinstance(page, Page)
                columns.append(set(page.tables[RecordKind.PERSON].column_names))
            await asyncio.to_thread(grant, until=(datetime.now(UTC) - timedelta(days=2)).date())
            with pytest.raises(RejectedByGatewayError) as ended:
                await rest(stream)
            return columns, ended.value.fault.reason

    (before, after), reason = asyncio.run(run())

    assert {"full_name", "address", "previous_address"} <= before
    assert after - {"feed_seq", "subject_id", "cause", "replaced_by", "traceparent"} == {"sex", "previous_sex"}
    assert reason == "CONSUMER_UNKNOWN"


def test_a_revoked_certificate_ends_its_streams(serve: Serve, engine: sa.Engine, certified: Certified) -> None:
    async def run() -> tuple[str, grpc.StatusCode]:
        published(engine, "a")
        credentials = certified.consumer(POPULATION)
        now = lambda: datetime.now(UTC)  # noqa: E731
        async with serve(tls=certified, credentials=credentials, clock=now, **SOON) as channel:
            stream = FeedClient(channel, consumer_id=POPULATION).stream()
            await until(stream, sequence=1)
            certified.revoke(credentials)
            with pytest.raises((RejectedByGatewayError, RetryableGatewayError)) as ended:
                await rest(stream)
            return ended.value.fault.reason, ended.value.fault.code

    assert asyncio.run(run()) == ("CERTIFICATE_REVOKED", grpc.StatusCode.UNAUTHENTICATED)
