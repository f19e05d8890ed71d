"""Deaths, officers and predecessors through a real socket: what waits, what lets it go, and whose word does not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from adapters import catalogue
from gateway import server, signing
from gateway.client import IntakeClient, Landed, RejectedByGatewayError, StatusClient, connect
from gateway.settings import Settings
from gateway.v1 import intake_pb2, intake_pb2_grpc, records_pb2
from gateway.wire.faults import read_call_error
from gateway.wire.intake import OfferedSignature
from reconciliation import jobs
from reconciliation.model import BatchFormat, SignatureOutcome, State, UpdateStatus
from reconciliation.store import reconciling, tables
from tests.gateway.authority import Authority
from tests.gateway.batches import JSONL_SOURCE, TYPED_SOURCE, json_lines, outgoing, person
from tests.gateway.conftest import NOW

OFFICER = "spiffe://lienthong/officer/15/lo-van-a"
FIRST, SECOND, THIRD = (f"2025-07-{day}T08:00:00" for day in ("08", "09", "10"))
DIED = date(2025, 7, 8)
RELEASED, REPEATED = SignatureOutcome.RELEASED, SignatureOutcome.REPEATED
NOT_WAITING, INVALID = SignatureOutcome.NOT_WAITING, SignatureOutcome.INVALID


@dataclass
class Register:
    """A gateway that asks officers to sign the deaths of two sources, and the source's side of it."""

    channel: grpc.aio.Channel
    authority: Authority
    engine: sa.Engine
    sequence: int = 0
    officer: signing.Signer = field(init=False)

    def __post_init__(self) -> None:
        self.officer = self.authority.issue(OFFICER)

    async def push(self, *records: dict[str, Any], source_id: str = TYPED_SOURCE) -> Landed:
        people = [
            records_pb2.PersonRecord(**{"full_name": "Lò Thị Mẩy", "unit_code": "02647"} | one) for one in records
        ]
        payload = records_pb2.TypedRecords(persons=people).SerializeToString()
        return await self.push_bytes(payload, BatchFormat.TYPED_RECORDS, source_id=source_id)

    async def push_bytes(self, payload: bytes, format_: BatchFormat, *, source_id: str) -> Landed:
        self.sequence += 1
        batches = [outgoing(self.sequence, payload, format_)]
        (answer,) = [one async for one in IntakeClient(self.channel).push(batches, source_id=source_id, epoch="e1")]
        assert isinstance(answer, Landed)
        return answer

    async def status(self, key: str = "A", source_id: str = TYPED_SOURCE) -> UpdateStatus:
        return await StatusClient(self.channel).by_record(source_id=source_id, source_record_id=key)

    def signed(
        self,
        key: str = "A",
        updated_at: str = SECOND,
        *,
        died_on: date = DIED,
        signer: signing.Signer | None = None,
        source_id: str = TYPED_SOURCE,
    ) -> OfferedSignature:
        claims = {"source_id": source_id, "source_record_id": key, "updated_at": updated_at}
        jws = signing.sign_death(signer or self.officer, **claims, died_on=died_on, now=NOW)
        return OfferedSignature(source_record_id=key, updated_at=updated_at, signature=jws)

    async def submit(self, *offered: OfferedSignature, source_id: str = TYPED_SOURCE) -> list[SignatureOutcome]:
        return await IntakeClient(self.channel).submit_signatures(offered, source_id=source_id)


Run = Callable[[Callable[[Register], Awaitable[Any]]], Any]


@pytest.fixture
def run(engine: sa.Engine, tmp_path: Path) -> Run:
    """`run(doing)`: what `doing` returns, given a Register."""
    authority = Authority(tmp_path, NOW)
    known = catalogue.load()
    signing_sources = {name: replace(known.sources[name], officers_sign=True) for name in (TYPED_SOURCE, JSONL_SOURCE)}
    declared = replace(known, sources=known.sources | signing_sources)
    settings = Settings(
        port=0, sequence_seconds=0.05, drain_seconds=5, status_seconds=1e-6, signing_authorities=authority.path
    )

    @asynccontextmanager
    async def serving() -> AsyncIterator[Register]:
        async with (
            server.running(engine, settings, catalogue=declared, clock=lambda: NOW) as gateway,
            connect(gateway.address) as channel,
        ):
            yield Register(channel, authority, engine)

    def running(doing: Callable[[Register], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            async with serving() as register:
                return await doing(register)

        return asyncio.run(whole())

    return running


def alive(key: str = "A", updated_at: str = FIRST, **said: str) -> dict[str, Any]:
    return {"source_record_id": key, "updated_at": updated_at} | said


def dead(key: str = "A", updated_at: str = SECOND, **said: str) -> dict[str, Any]:
    return alive(key, updated_at, died_on=DIED.isoformat()) | said


# --- F8 -----------------------------------------------------------------------------------------------------


def test_versions_that_arrive_3_1_2_end_with_3_and_the_others_are_superseded(run: Run) -> None:
    async def doing(register: Register) -> Any:
        third = await register.push(alive(updated_at=THIRD, follows_updated_at=SECOND))
        waiting = await register.status()
        first = await register.push(alive(updated_at=FIRST))
        second = await register.push(alive(updated_at=SECOND, follows_updated_at=FIRST))
        status = StatusClient(register.channel)
        return waiting, [await status.by_receipt(one.receipt.receipt_id, row=0) for one in (third, first, second)]

    waiting, ended = run(doing)

    assert waiting.state is State.AWAITING_PREDECESSOR
    assert waiting.owner == f"{TYPED_SOURCE}/sender"
    assert [one.state for one in ended] == [State.AWAITING_RECONCILIATION, State.SUPERSEDED, State.SUPERSEDED]
    assert ended[0].cause == "PREDECESSOR_CAME"


def test_a_gap_waits_for_its_own_record_alone_and_goes_on_with_the_deadline(run: Run) -> None:
    async def doing(register: Register) -> Any:
        await register.push(alive("A", THIRD, follows_updated_at=SECOND), alive("B", THIRD), alive("C", FIRST))
        before = [(await register.status(key)).state for key in "ABC"]
        counts = jobs.flag_stuck_updates(register.engine, now=NOW + timedelta(days=5))
        return before, counts, await register.status()

    before, counts, after = run(doing)

    assert before == [State.AWAITING_PREDECESSOR, State.AWAITING_RECONCILIATION, State.AWAITING_RECONCILIATION]
    assert counts["let_go.predecessor_missing"] == 1
    assert (after.state, after.cause) == (State.AWAITING_RECONCILIATION, "PREDECESSOR_MISSING")


# --- officers -----------------------------------------------------------------------------------------------


def test_an_officers_signature_lets_a_death_go_on_once(run: Run) -> None:
    async def doing(register: Register) -> Any:
        await register.push(alive())
        await register.push(dead())
        waiting = await register.status()
        outcomes = [
            await register.submit(register.signed(), register.signed()),
            await register.submit(register.signed()),
        ]
        return waiting, outcomes, await register.status()

    waiting, outcomes, after = run(doing)

    assert (waiting.state, waiting.owner) == (State.AWAITING_SIGNATURE, "15/registrar")
    assert outcomes == [[RELEASED, REPEATED], [REPEATED]]
    assert (after.state, after.cause) == (State.AWAITING_RECONCILIATION, "SIGNED")
    assert after.source_version == waiting.source_version


def test_the_signature_is_kept_as_it_came(run: Run, engine: sa.Engine) -> None:
    async def doing(register: Register) -> OfferedSignature:
        await register.push(dead())
        offered = register.signed()
        await register.submit(offered)
        return offered

    offered = run(doing)

    with engine.connect() as connection:
        (kept,) = connection.execute(sa.select(tables.officer_signature))
    assert (kept.jws, kept.officer, kept.signed_at) == (offered.signature, OFFICER, NOW)


def test_a_signature_that_does_not_hold_changes_nothing(run: Run) -> None:
    async def doing(register: Register) -> Any:
        await register.push(dead())
        issue = register.authority.issue
        good = register.signed()
        others = [
            register.signed(signer=issue("spiffe://lienthong/officer/01/lo-van-a")),
            register.signed(signer=issue("spiffe://lienthong/officer/15/lo/van-a")),
            register.signed(signer=issue("spiffe://lienthong/officer/15/")),
            register.signed(signer=issue(f"spiffe://lienthong/source/{TYPED_SOURCE}")),
            register.signed(signer=issue("spiffe://elsewhere/officer/15/lo-van-a")),
            register.signed(died_on=DIED + timedelta(days=1)),
            register.signed(source_id=JSONL_SOURCE),
            replace(good, updated_at=FIRST),
            replace(good, source_record_id="B"),
            replace(good, signature=good.signature[:-2]),
        ]
        return await register.submit(*others), await register.status()

    outcomes, after = run(doing)

    assert outcomes == [INVALID] * 10
    assert after.state is State.AWAITING_SIGNATURE


def test_a_signature_for_nothing_that_waits_is_not_kept(run: Run, engine: sa.Engine) -> None:
    async def doing(register: Register) -> Any:
        await register.push(alive())
        return await register.submit(register.signed(updated_at=FIRST), register.signed("B"), register.signed())

    assert run(doing) == [NOT_WAITING] * 3
    with engine.connect() as connection:
        assert list(connection.execute(sa.select(tables.officer_signature))) == []


def test_a_signature_that_comes_after_a_newer_version_supersedes_and_asks_for_a_run(run: Run) -> None:
    async def doing(register: Register) -> Any:
        await register.push(alive())
        landed = await register.push(dead())
        await register.push(alive(updated_at=THIRD))
        jobs.reconcile_records(register.engine, province_code="15", now=NOW - timedelta(minutes=1))
        before = reconciling.provinces_with_landings(register.engine, now=NOW)
        outcomes = await register.submit(register.signed())
        after = reconciling.provinces_with_landings(register.engine, now=NOW)
        return (
            before,
            outcomes,
            after,
            await StatusClient(register.channel).by_receipt(landed.receipt.receipt_id, row=0),
        )

    before, outcomes, after, update = run(doing)

    assert (before, outcomes, after) == ([], [RELEASED], ["15"])
    assert (update.state, update.cause) == (State.SUPERSEDED, "LATE_VERSION")


def test_the_moment_of_change_is_read_as_the_source_writes_it(run: Run) -> None:
    async def doing(register: Register) -> Any:
        payload = json_lines([person(1, cap_nhat_luc=SECOND, trang_thai=None)])
        await register.push_bytes(payload, BatchFormat.SOURCE_FILE, source_id=JSONL_SOURCE)
        await register.push(dead("T", SECOND, unit_code="00004"), source_id=JSONL_SOURCE)
        signer = register.authority.issue("spiffe://lienthong/officer/01/tran-thi-b")
        offered = register.signed("T", SECOND, signer=signer, source_id=JSONL_SOURCE)
        return await register.submit(offered, source_id=JSONL_SOURCE)

    assert run(doing) == [RELEASED]


def test_a_request_that_cannot_be_read_is_refused_whole(run: Run) -> None:
    async def doing(register: Register) -> list[str]:
        stub = intake_pb2_grpc.IntakeServiceStub(register.channel)
        one = intake_pb2.OfficerSignature(source_record_id="A", updated_at=SECOND, signature="x")
        asked = [
            {"source_id": "atlantis", "signatures": [one]},
            {"source_id": TYPED_SOURCE},
            {"source_id": TYPED_SOURCE, "signatures": [one] * 1_001},
            {"source_id": TYPED_SOURCE, "signatures": [intake_pb2.OfficerSignature(updated_at=SECOND)]},
            {"source_id": TYPED_SOURCE, "signatures": [intake_pb2.OfficerSignature(source_record_id="A\n")]},
        ]
        reasons = []
        for fields in asked:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.SubmitSignatures(intake_pb2.SubmitSignaturesRequest(**fields), timeout=10)
            reasons.append(read_call_error(caught.value).reason)
        return reasons

    assert run(doing) == ["SOURCE_UNKNOWN", *["FIELD_INVALID"] * 4]


def test_without_authorities_no_signature_lets_anything_go(serve: Any, tmp_path: Path) -> None:
    signer = Authority(tmp_path, NOW).issue(OFFICER)
    claims = {"source_id": TYPED_SOURCE, "source_record_id": "A", "updated_at": SECOND}
    jws = signing.sign_death(signer, **claims, died_on=DIED, now=NOW)

    async def asking() -> list[SignatureOutcome]:
        async with serve() as channel:
            offered = OfferedSignature(source_record_id="A", updated_at=SECOND, signature=jws)
            return await IntakeClient(channel).submit_signatures([offered], source_id=TYPED_SOURCE)

    assert asyncio.run(asking()) == [INVALID]


def test_an_unknown_source_is_told_to_the_client(serve: Any) -> None:
    async def asking() -> str:
        async with serve() as channel:
            offered = OfferedSignature(source_record_id="A", updated_at=SECOND, signature="x")
            with pytest.raises(RejectedByGatewayError) as refused:
                await IntakeClient(channel).submit_signatures([offered], source_id="atlantis")
            return refused.value.fault.reason

    assert asyncio.run(asking()) == "SOURCE_UNKNOWN"
