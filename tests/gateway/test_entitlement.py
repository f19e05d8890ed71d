"""Nobody writes about another province's people or hears of another's updates: the way in, and through a socket."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters import catalogue
from gateway import identity, receiving, server
from gateway.client import connect
from gateway.identity import Caller
from gateway.services.describing import certificate_expiry
from gateway.settings import Settings
from gateway.v1 import (
    feed_pb2,
    feed_pb2_grpc,
    intake_pb2,
    intake_pb2_grpc,
    kinds_pb2,
    records_pb2,
    status_pb2,
    status_pb2_grpc,
)
from gateway.wire.faults import DETAILS_KEY
from reconciliation.model import Batch, BatchFormat
from reconciliation.store import grants, landing, registers, tables
from tests import provinces
from tests.gateway.batches import JSONL_SOURCE, hello, message, people
from tests.gateway.conftest import NOW

EXPORTED_ON = date(2025, 7, 10)
LAO_CAI = "lao-cai.population"
NO_RECEIPT = "018f6f1c-0000-7000-8000-000000000000"


def people_of_every_province() -> bytes:
    """Encoded typed records, one about somebody in each province, in the order of provinces.communes()."""
    return records_pb2.TypedRecords(
        persons=[
            records_pb2.PersonRecord(
                source_record_id=f"of {province_code}",
                updated_at="2025-07-10T08:00:00",
                full_name="Giàng A Páo",
                birth_date="1980",
                unit_code=unit_code,
            )
            for province_code, unit_code in provinces.communes().items()
        ]
    ).SerializeToString()


def test_of_all_pairs_of_provinces_only_the_diagonal_lands(engine: sa.Engine) -> None:
    """34 sources, one a province; each sends records about the people of all 34, in one batch."""
    payload = people_of_every_province()
    order = list(provinces.communes())
    for source in provinces.sources().values():
        batch = Batch(
            source_id=source.source_id,
            epoch="e1",
            sequence=1,
            format=BatchFormat.TYPED_RECORDS,
            sha256=hashlib.sha256(payload).digest(),
            exported_on=EXPORTED_ON,
            payload=payload,
        )
        normalised = receiving.normalise(batch, source=source, stated=34, province_codes=[source.province_code])
        receipt = landing.land(engine, batch, normalised, source=source, now=NOW)
        assert (receipt.accepted, receipt.quarantined) == (1, 33)

    with engine.connect() as connection:
        heads = connection.execute(sa.select(tables.record_head.c.province_code, tables.record_head.c.source_record_id))
        landed = {tuple(row) for row in heads}
        held = connection.execute(
            sa.select(tables.batch.c.province_code, tables.quarantine.c.row, tables.quarantine.c.codes).join(
                tables.batch, tables.batch.c.batch_id == tables.quarantine.c.batch_id
            )
        ).all()
    assert landed == {(code, f"of {code}") for code in order}
    assert {(row.province_code, order[row.row]) for row in held} == {(a, b) for a in order for b in order if a != b}
    assert {row.codes for row in held} == {"NOT_ENTITLED"}
    assert [event.records for event in grants.events(engine, limit=100)] == [33] * 34


# --- through a socket, by certificates ---------------------------------------------------------------------------


def by_metadata(context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
    """Who calls, as a certificate would say it: here the call's metadata do."""
    return Caller(uri=dict(context.invocation_metadata() or ()).get("x-identity"))


@pytest.fixture
def certified(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`async with certified() as channel`: a gateway that knows its callers, at a time that a test may move."""
    monkeypatch.setattr(identity, "caller", by_metadata)

    @asynccontextmanager
    async def serving(clock: Callable[[], datetime] = lambda: NOW) -> AsyncIterator[grpc.aio.Channel]:
        settings = Settings(port=0, sequence_seconds=0.05, drain_seconds=5)
        async with (
            server.running(engine, settings, catalogue=catalogue.load(), clock=clock) as gateway,
            connect(gateway.address) as channel,
        ):
            yield channel

    return serving


REQUEST = ("x-request-id", "0190a6c2-0000-7000-8000-000000000001")  # else every answer would have its own


def as_(source_id: str) -> tuple[tuple[str, str], ...]:
    return (("x-identity", f"spiffe://lienthong/source/{source_id}"), REQUEST)


def as_registry(consumer_id: str) -> tuple[tuple[str, str], ...]:
    return (("x-identity", f"spiffe://lienthong/consumer/{consumer_id}"), REQUEST)


async def push(
    channel: grpc.aio.Channel, speaker: str, named: str, *batches: intake_pb2.PushRequest
) -> list[intake_pb2.PushResponse]:
    call = intake_pb2_grpc.IntakeServiceStub(channel).Push(iter([hello(named), *batches]), metadata=as_(speaker))
    return [answer async for answer in call]


async def told(asking: Any) -> tuple[grpc.StatusCode, str | None, bytes]:
    """All that a caller hears of a refusal."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asking
    details = dict(refused.value.trailing_metadata() or ()).get(DETAILS_KEY)
    assert isinstance(details, bytes)
    return refused.value.code(), refused.value.details(), details


def typed(sequence: int, payload: bytes) -> intake_pb2.PushRequest:
    return message(sequence, payload, format=intake_pb2.BATCH_FORMAT_TYPED_RECORDS)


def test_a_source_lands_its_own_people_and_no_others(certified: Callable[..., Any]) -> None:
    payload = people_of_every_province()
    sample = ["15", "01", "79", "96"]

    async def run() -> dict[str, intake_pb2.Receipt]:
        async with certified() as channel:
            found = {}
            for code in sample:
                source_id = provinces.sources()[code].source_id
                _, answer = await push(channel, source_id, source_id, typed(1, payload))
                found[code] = answer.receipt
            return found

    receipts = asyncio.run(run())

    rows = {code: number for number, code in enumerate(provinces.communes())}
    for code, receipt in receipts.items():
        assert (receipt.accepted, receipt.quarantined) == (1, 33)
        assert {one.row for one in receipt.findings} == set(rows.values()) - {rows[code]}
        assert {(one.code, one.column, one.seen) for one in receipt.findings} == {("NOT_ENTITLED", "", "")}


def test_a_source_cannot_speak_for_another_nor_learn_whether_it_exists(certified: Callable[..., Any]) -> None:
    async def run() -> list[tuple[grpc.StatusCode, str | None, bytes]]:
        async with certified() as channel:
            intake = intake_pb2_grpc.IntakeServiceStub(channel)
            feed = feed_pb2_grpc.FeedServiceStub(channel)
            named = [JSONL_SOURCE, "yen-bai.population", "atlantis.population"]
            pushed = [await told(push(channel, LAO_CAI, one)) for one in named]
            asked = [
                await told(
                    intake.DescribeSource(
                        intake_pb2.DescribeSourceRequest(source_id=one), metadata=as_(LAO_CAI), timeout=9
                    )
                )
                for one in named
            ]
            pulled = [
                await told(feed.Fetch(feed_pb2.FetchRequest(consumer_id=one), metadata=who, timeout=9))
                for one, who in [
                    ("population", as_registry("social-insurance")),
                    ("atlantis", as_registry("social-insurance")),
                    ("population", as_(LAO_CAI)),
                ]
            ]
            return pushed + asked + pulled

    answers = asyncio.run(run())

    assert len(set(answers)) == 1
    assert answers[0][0] is grpc.StatusCode.PERMISSION_DENIED
    assert b"NOT_ENTITLED" in answers[0][2]


def test_a_registry_that_is_who_it_says_is_served(certified: Callable[..., Any]) -> None:
    async def run() -> int:
        async with certified() as channel:
            feed = feed_pb2_grpc.FeedServiceStub(channel)
            who = {"metadata": as_registry("population"), "timeout": 9}
            page = await feed.Fetch(feed_pb2.FetchRequest(consumer_id="population"), **who)
            await feed.Acknowledge(
                feed_pb2.AcknowledgeRequest(consumer_id="population", cursor=page.next_cursor), **who
            )
            found = await feed.GetCursor(feed_pb2.GetCursorRequest(consumer_id="population"), **who)
            return int(found.head_sequence)

    assert asyncio.run(run()) == 0


def test_receipts_and_records_of_others_look_like_unknown_ones(certified: Callable[..., Any]) -> None:
    async def run() -> dict[str, Any]:
        async with certified() as channel:
            batches = (message(1, people(0, 2)), message(2, people(5, 2, id="")))
            _, good, bad = await push(channel, JSONL_SOURCE, JSONL_SOURCE, *batches)
            stub = status_pb2_grpc.StatusServiceStub(channel)

            def by_receipt(receipt_id: str, who: str) -> Any:
                row = status_pb2.ReceiptRow(receipt_id=receipt_id, row=0)
                return stub.GetUpdateStatus(
                    status_pb2.GetUpdateStatusRequest(receipt_row=row), metadata=as_(who), timeout=9
                )

            def by_record(source_id: str, who: str) -> Any:
                record = status_pb2.SourceRecord(source_id=source_id, source_record_id="P0000000")
                return stub.GetUpdateStatus(
                    status_pb2.GetUpdateStatusRequest(source_record=record), metadata=as_(who), timeout=9
                )

            def findings(receipt_id: str, who: str) -> Any:
                return stub.ListFindings(
                    status_pb2.ListFindingsRequest(receipt_id=receipt_id), metadata=as_(who), timeout=9
                )

            return {
                "own": [
                    (await by_receipt(good.receipt.receipt_id, JSONL_SOURCE)).status.source_record_id,
                    (await by_record(JSONL_SOURCE, JSONL_SOURCE)).status.source_record_id,
                    len((await findings(bad.receipt.receipt_id, JSONL_SOURCE)).findings) > 0,
                ],
                "others": [
                    await told(by_receipt(good.receipt.receipt_id, LAO_CAI)),
                    await told(by_receipt(NO_RECEIPT, LAO_CAI)),
                    await told(by_record(JSONL_SOURCE, LAO_CAI)),
                    await told(by_record("atlantis", LAO_CAI)),
                ],
                "findings": [
                    (await findings(bad.receipt.receipt_id, LAO_CAI)).SerializeToString(),
                    (await findings(NO_RECEIPT, LAO_CAI)).SerializeToString(),
                ],
            }

    seen = asyncio.run(run())

    assert seen["own"] == ["P0000000", "P0000000", True]
    assert len(set(seen["others"])) == 1
    assert seen["others"][0][0] is grpc.StatusCode.NOT_FOUND
    assert seen["findings"] == [b"", b""]


def test_a_grant_that_is_taken_away_ends_an_open_push_within_the_interval_and_one_given_needs_no_restart(
    certified: Callable[..., Any], engine: sa.Engine
) -> None:
    times = [NOW]

    async def run() -> list[str]:
        async with certified(lambda: times[-1]) as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            call = stub.Push(metadata=as_(JSONL_SOURCE))

            async def said(request: intake_pb2.PushRequest) -> str:
                await call.write(request)
                answer = await call.read()
                return str(answer.WhichOneof("message"))

            seen = [await said(hello()), await said(message(1, people(0, 1)))]
            await asyncio.to_thread(registers.sources.revoke, engine, JSONL_SOURCE, by="tester", now=NOW)
            times.append(NOW + timedelta(seconds=Settings().grants_seconds))
            seen.append(await said(message(2, people(1, 1))))
            given = (await asyncio.to_thread(registers.sources.history, engine, JSONL_SOURCE))[-1].grant
            await asyncio.to_thread(registers.sources.give, engine, given, by="tester", now=NOW)
            times.append(times[-1] + timedelta(seconds=Settings().grants_seconds))
            seen.append(await said(message(2, people(1, 1))))
            await call.done_writing()
            return seen

    assert asyncio.run(run()) == ["welcome", "receipt", "refusal", "receipt"]


def test_a_grant_that_was_taken_away_a_moment_ago_stops_at_the_database(
    certified: Callable[..., Any], engine: sa.Engine
) -> None:
    async def run() -> intake_pb2.PushResponse:
        async with certified() as channel:
            await push(channel, JSONL_SOURCE, JSONL_SOURCE)
            await asyncio.to_thread(registers.sources.revoke, engine, JSONL_SOURCE, by="tester", now=NOW)
            _, answer = await push(channel, JSONL_SOURCE, JSONL_SOURCE, message(1, people(0, 1)))
            return answer

    answer = asyncio.run(run())

    assert answer.WhichOneof("message") == "refusal"
    assert b"NOT_ENTITLED" in answer.refusal.status.SerializeToString()
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.batch)) == 0


def test_a_source_is_told_what_it_may_send(certified: Callable[..., Any], engine: sa.Engine) -> None:
    given = replace(
        grants.standing(engine).sources[JSONL_SOURCE],
        province_codes=("01", "15"),
        granted_until=date(2025, 12, 31),
        signature_required=False,
    )
    registers.sources.give(engine, given, by="tester", now=NOW)

    async def run() -> list[intake_pb2.DescribeSourceResponse]:
        async with certified() as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            asked = intake_pb2.DescribeSourceRequest(source_id=JSONL_SOURCE)
            before = await stub.DescribeSource(asked, metadata=as_(JSONL_SOURCE), timeout=9)
            await push(channel, JSONL_SOURCE, JSONL_SOURCE, message(1, people(0, 1)))
            return [before, await stub.DescribeSource(asked, metadata=as_(JSONL_SOURCE), timeout=9)]

    before, after = asyncio.run(run())

    source = catalogue.load().sources[JSONL_SOURCE]
    assert before.kind == kinds_pb2.RECORD_KIND_PERSON
    assert list(before.province_codes) == ["01", "15"]
    assert (before.dialect, list(before.columns)) == (source.dialect.name, list(source.dialect.source_columns))
    assert (before.signature_required, before.granted_until.year) == (False, 2025)
    assert before.legal_reference == "Luật Căn cước 26/2023/QH15"
    assert before.caller_identity == f"spiffe://lienthong/source/{JSONL_SOURCE}"
    assert not before.HasField("last_landed_at")
    assert after.last_landed_at.ToDatetime(tzinfo=UTC) == NOW == after.server_time.ToDatetime(tzinfo=UTC)


def test_the_day_on_which_a_certificate_ends_is_read_from_what_the_connection_shows() -> None:
    ends = datetime(2025, 10, 1, 8, 0, tzinfo=UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made up")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    shown = SimpleNamespace(auth_context=lambda: {"x509_pem_cert": [made.public_bytes(serialization.Encoding.PEM)]})
    hidden = SimpleNamespace(auth_context=dict)

    assert certificate_expiry(shown) == ends  # type: ignore[arg-type]
    assert certificate_expiry(hidden) is None  # type: ignore[arg-type]
