"""A registry pulls, acknowledges and reports through a real socket; cursors are its own and nobody can make one."""

import asyncio
from datetime import date
from typing import Any

import grpc
import pyarrow as pa
import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from gateway import caps
from gateway.client import FeedClient, IntakeClient, Page, RejectedByGatewayError, StatusClient
from gateway.v1 import feed_pb2, feed_pb2_grpc
from gateway.wire.faults import read_call_error
from reconciliation import jobs
from reconciliation.model import Outcome, OutcomeKind, State
from reconciliation.store import feed
from tests.gateway.batches import JSONL_SOURCE, outgoing, people
from tests.gateway.conftest import NOW, Serve

HA_NOI = "01"


async def publish(channel: grpc.aio.Channel, engine: sa.Engine, count: int = 6) -> None:
    """Push people, reconcile them, and give the changes their places."""
    pushing = IntakeClient(channel).push([outgoing(1, people(0, count))], source_id=JSONL_SOURCE, epoch="e1")
    answers = [answer async for answer in pushing]
    assert len(answers) == 1
    await asyncio.to_thread(jobs.reconcile_records, engine, province_code=HA_NOI, now=NOW)
    while await asyncio.to_thread(unpublished, engine):
        await asyncio.to_thread(feed.sequence, engine)


def unpublished(engine: sa.Engine) -> int:
    """How many changes have no place in the feed yet."""
    with engine.connect() as connection:
        query = "SELECT count(*) FROM change WHERE change_id NOT IN (SELECT change_id FROM feed_entry)"
        return int(connection.scalar(sa.text(query)) or 0)


def sequences(page: Page) -> list[int]:
    return sorted(number for table in page.tables.values() for number in table["feed_seq"].to_pylist())


def test_a_registry_pulls_acknowledges_and_reports_and_each_update_is_where_it_says(
    serve: Serve, engine: sa.Engine
) -> None:
    async def state(status: StatusClient, number: int) -> State:
        found = await status.by_record(source_id=JSONL_SOURCE, source_record_id=f"P{number:07d}")
        return found.state

    async def run() -> dict[str, Any]:
        async with serve() as channel:
            await publish(channel, engine)
            client, status = FeedClient(channel, consumer_id="population"), StatusClient(channel)
            seen: dict[str, Any] = {"page": await client.fetch(), "again": await client.fetch()}
            page = seen["page"]
            seen["before"] = await state(status, 1)
            seen["moved"] = await client.acknowledge(page.next_cursor)
            seen["moved again"] = await client.acknowledge(page.next_cursor)
            seen["pulled"] = await state(status, 1)
            outcomes = [Outcome(feed_seq=number, kind=OutcomeKind.APPLIED) for number in sequences(page)[:-1]]
            outcomes.append(Outcome(feed_seq=sequences(page)[-1], kind=OutcomeKind.REFUSED, reason="NAME_DIFFERS"))
            seen["recorded"] = await client.report(outcomes)
            seen["recorded again"] = await client.report(outcomes)
            seen["states"] = [await state(status, number) for number in range(6)]
            seen["rest"] = await client.fetch()
            seen["position"] = await client.position()
            seen["replay"] = await client.fetch(seen["position"].beginning_cursor)
        return seen

    seen = asyncio.run(run())

    page = seen["page"]
    assert sequences(page) == list(range(1, page.changes + 1))
    assert page.tables[RecordKind.PERSON].num_rows == 6
    assert (page.lag, page.head) == (0, page.changes)
    assert seen["again"].tables == page.tables
    assert seen["before"] is State.AWAITING_PULL
    assert (seen["moved"], seen["moved again"]) == (6, 0)
    assert seen["pulled"] is State.AWAITING_OUTCOME
    assert (seen["recorded"], seen["recorded again"]) == (page.changes, 0)
    assert seen["states"].count(State.APPLIED) == 5
    assert seen["states"].count(State.AWAITING_STEWARD) == 1
    assert (seen["rest"].changes, seen["rest"].tables) == (0, {})
    assert seen["position"].acknowledged == seen["position"].head == page.changes
    assert seen["replay"].tables == page.tables


def test_pages_join_without_a_gap_whatever_their_size(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[list[int]]:
        async with serve() as channel:
            await publish(channel, engine, 7)
            client = FeedClient(channel, consumer_id="population")
            return [
                [number async for page in client.pages(page_size=size) for number in sequences(page)]
                for size in (1, 2, 3, 100)
            ]

    one, *others = asyncio.run(run())

    assert one == list(range(1, len(one) + 1))
    assert len(one) >= 7
    assert all(other == one for other in others)


def test_a_registry_sees_only_the_fields_it_was_granted(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> dict[str, pa.Table]:
        async with serve() as channel:
            await publish(channel, engine)
            return {
                consumer_id: (await FeedClient(channel, consumer_id=consumer_id).fetch()).tables[RecordKind.PERSON]
                for consumer_id in ("population", "social-insurance")
            }

    tables = asyncio.run(run())

    assert "address" in tables["population"].column_names
    assert "address" not in tables["social-insurance"].column_names
    assert "previous_address" not in tables["social-insurance"].column_names


def test_both_compressions_say_the_same(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> list[feed_pb2.FetchResponse]:
        async with serve() as channel:
            await publish(channel, engine)
            stub = feed_pb2_grpc.FeedServiceStub(channel)
            return [
                await stub.Fetch(feed_pb2.FetchRequest(consumer_id="population", compression=compression), timeout=10)
                for compression in (feed_pb2.COMPRESSION_UNSPECIFIED, feed_pb2.COMPRESSION_LZ4_FRAME, 77)
            ]

    plain, lz4, unheard_of = asyncio.run(run())

    tables = [pa.ipc.open_stream(answer.kinds[0].arrow_stream).read_all() for answer in (plain, lz4, unheard_of)]
    assert tables[0] == tables[1] == tables[2]
    assert plain.kinds[0].arrow_stream != lz4.kinds[0].arrow_stream


def test_cursors_are_opened_only_for_whom_they_were_sealed(serve: Serve, engine: sa.Engine) -> None:
    async def reason(channel: grpc.aio.Channel, cursor: str, consumer_id: str = "population") -> str:
        try:
            await FeedClient(channel, consumer_id=consumer_id).fetch(cursor)
        except RejectedByGatewayError as error:
            return error.fault.reason
        return ""

    async def run() -> dict[str, str]:
        async with serve() as channel:
            await publish(channel, engine)
            cursor = (await FeedClient(channel, consumer_id="population").fetch()).next_cursor
            changed = cursor[:-6] + ("A" if cursor[-6] != "A" else "B") + cursor[-5:]
            found = {
                "whole": await reason(channel, cursor),
                "changed": await reason(channel, changed),
                "cut": await reason(channel, cursor[:-1]),
                "another's": await reason(channel, cursor, "social-insurance"),
                "made up": await reason(channel, "AQAAAAAAAAABAAAAAAAAAAU"),
                "no consumer": await reason(channel, cursor, "atlantis"),
                "no name": await reason(channel, cursor, ""),
                "a name with a NUL": await reason(channel, cursor, "population\x00"),
            }
            await asyncio.to_thread(_begin_anew, engine)
            found["another epoch"] = await reason(channel, cursor)
            return found

    assert asyncio.run(run()) == {
        "whole": "",
        "changed": "CURSOR_INVALID",
        "cut": "CURSOR_INVALID",
        "another's": "CURSOR_INVALID",
        "made up": "CURSOR_INVALID",
        "no consumer": "CONSUMER_UNKNOWN",
        "no name": "CONSUMER_UNKNOWN",
        "a name with a NUL": "CONSUMER_UNKNOWN",
        "another epoch": "CURSOR_EPOCH",
    }


def _begin_anew(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE feed_head SET epoch = epoch + 1"))


def test_a_consumer_without_a_grant_is_unknown(serve: Serve) -> None:
    async def run() -> str:
        async with serve() as channel:
            with pytest.raises(RejectedByGatewayError) as caught:
                await FeedClient(channel, consumer_id="atlantis").fetch()
            return caught.value.fault.reason

    assert asyncio.run(run()) == "CONSUMER_UNKNOWN"


def test_a_report_that_is_not_whole_counts_for_nothing(serve: Serve, engine: sa.Engine) -> None:
    applied, refused = feed_pb2.OUTCOME_KIND_APPLIED, feed_pb2.OUTCOME_KIND_REFUSED
    reports = {
        "no kind": [feed_pb2.ChangeOutcome(feed_sequence=1)],
        "no sequence": [feed_pb2.ChangeOutcome(kind=applied)],
        "beyond 63 bits": [feed_pb2.ChangeOutcome(kind=applied, feed_sequence=2**64 - 1)],
        "reason with a line break": [feed_pb2.ChangeOutcome(feed_sequence=1, kind=refused, reason="a\nb")],
        "reason in words": [feed_pb2.ChangeOutcome(feed_sequence=1, kind=refused, reason="Nguyễn Văn A sai tên")],
        "refusal without reason": [
            feed_pb2.ChangeOutcome(feed_sequence=1, kind=applied),
            feed_pb2.ChangeOutcome(feed_sequence=2, kind=refused),
        ],
        "not acknowledged": [feed_pb2.ChangeOutcome(feed_sequence=10**6, kind=applied)],
        "too many": [feed_pb2.ChangeOutcome(feed_sequence=1, kind=applied)] * (caps.MAX_OUTCOMES + 1),
    }

    async def run() -> tuple[dict[str, str], int]:
        async with serve() as channel:
            await publish(channel, engine)
            client = FeedClient(channel, consumer_id="population")
            await client.acknowledge((await client.fetch()).next_cursor)
            stub = feed_pb2_grpc.FeedServiceStub(channel)
            reasons = {}
            for name, outcomes in reports.items():
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.Report(feed_pb2.ReportRequest(consumer_id="population", outcomes=outcomes), timeout=10)
                reasons[name] = read_call_error(caught.value).reason
            return reasons, await client.report([Outcome(feed_seq=1, kind=OutcomeKind.APPLIED)])

    reasons, recorded = asyncio.run(run())

    assert reasons == dict.fromkeys(reports, "FIELD_INVALID") | {
        "refusal without reason": "OUTCOME_INVALID",
        "not acknowledged": "OUTCOME_INVALID",
    }
    assert recorded == 1


def test_a_registry_that_has_not_cut_over_gets_units_in_former_codes_with_a_mark(
    serve: Serve, engine: sa.Engine
) -> None:
    async def run() -> tuple[Page, Page]:
        async with serve() as channel:
            await publish(channel, engine)
            client = FeedClient(channel, consumer_id="population")
            return await client.fetch(), await client.fetch(former_units_on=date(2025, 6, 30))

    plain, projected = asyncio.run(run())

    assert projected.next_cursor
    assert sequences(projected) == sequences(plain)
    persons = projected.tables[RecordKind.PERSON]
    assert set(persons.column_names) - set(plain.tables[RecordKind.PERSON].column_names) == {
        f"{prefix}former_unit_{name}" for prefix in ("", "previous_") for name in ("code", "is_exact", "candidates")
    }
    for row in persons.to_pylist():
        assert row["former_unit_is_exact"] == (row["former_unit_code"] is not None)
        assert len(row["former_unit_candidates"]) > 1, "Ba Đình was made of several"


def test_former_units_of_today_or_later_are_refused(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> RejectedByGatewayError:
        async with serve() as channel:
            await publish(channel, engine, count=1)
            with pytest.raises(RejectedByGatewayError) as caught:
                await FeedClient(channel, consumer_id="population").fetch(former_units_on=NOW.date())
            return caught.value

    assert "former_units_on" in str(asyncio.run(run()))
