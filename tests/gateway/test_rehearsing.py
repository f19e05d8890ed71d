"""A push that is only validated: the same answers as a real one, and nothing of it anywhere afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from gateway import caps
from gateway.client import IntakeClient, Landed, Outgoing, Refused, RejectedByGatewayError, Validated
from gateway.v1 import intake_pb2, intake_pb2_grpc
from reconciliation.store.tables import metadata
from tests.gateway.batches import JSONL_SOURCE, message, outgoing, people
from tests.gateway.conftest import Serve, Spawn, free_port
from tests.gateway.terminal import lienthong


async def push(channel: grpc.aio.Channel, batches: list[Outgoing], *, validate_only: bool) -> list[Any]:
    client = IntakeClient(channel, give_up_seconds=10)
    answers = client.push(batches, source_id=JSONL_SOURCE, epoch="e1", validate_only=validate_only)
    return [answer async for answer in answers]


def stored(engine: sa.Engine) -> dict[str, int]:
    """How many rows each table of the registry holds."""
    with engine.connect() as connection:
        return {
            name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }


def batches() -> list[Outgoing]:
    mixed = people(0, 2, ma_xa="4") + people(2, 3).replace(b'"id": "P0000003"', b'"id": null', 1)
    return [outgoing(1, mixed), outgoing(2, b""), outgoing(3, people(10, 2))]


def test_a_rehearsal_answers_as_a_push_would_and_stores_nothing(serve: Serve, engine: sa.Engine) -> None:
    async def run() -> tuple[list[Any], dict[str, int], list[Any]]:
        async with serve() as channel:
            rehearsed = await push(channel, batches(), validate_only=True)
            left = stored(engine)
            return rehearsed, left, await push(channel, batches(), validate_only=False)

    before = stored(engine)
    rehearsed, left, landed = asyncio.run(run())

    assert left == before
    assert [type(answer) for answer in rehearsed] == [Validated, Refused, Validated]
    assert [type(answer) for answer in landed] == [Landed, Refused, Landed]
    first, receipt = rehearsed[0].rehearsed, landed[0].receipt
    assert (first.received, first.usable, first.quarantined) == (5, 4, 1)
    assert (receipt.received, receipt.accepted, receipt.quarantined) == (5, 4, 1)
    assert rehearsed[0].findings == landed[0].findings
    assert first.findings == receipt.findings
    assert rehearsed[1].fault.reason == landed[1].fault.reason == "EMPTY_BATCH"
    assert stored(engine) != before


def test_a_rehearsal_takes_no_sequence_and_meets_none(serve: Serve, engine: sa.Engine) -> None:
    """What landed under a number is validated again all the same, and other bytes under it are no clash."""

    async def run() -> tuple[list[Any], list[Any]]:
        async with serve() as channel:
            await push(channel, [outgoing(1, people(0, 3))], validate_only=False)
            held = stored(engine)
            other = await push(channel, [outgoing(1, people(5, 4)), outgoing(7, people(9, 1))], validate_only=True)
            assert stored(engine) == held
            return other, await push(channel, [outgoing(2, people(5, 4))], validate_only=False)

    other, landed = asyncio.run(run())

    assert [(answer.sequence, answer.rehearsed.received) for answer in other] == [(1, 4), (7, 1)]
    assert [(answer.sequence, answer.receipt.replayed) for answer in landed] == [(2, False)]


def test_the_receipt_of_a_rehearsal_has_no_id_and_no_time(serve: Serve) -> None:
    hello = intake_pb2.PushRequest(hello=intake_pb2.Hello(source_id=JSONL_SOURCE, epoch="e1", validate_only=True))

    async def run() -> list[intake_pb2.PushResponse]:
        async with serve() as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            sent = [hello, message(1, people(0, 3, ma_xa="4")), message(2, people(3, 3), sha256=b"\x00" * 32)]
            return [answer async for answer in stub.Push(iter(sent), timeout=60)]

    welcome, answer, refusal = asyncio.run(run())

    assert welcome.welcome.validate_only
    assert welcome.welcome.last_durable_sequence == 0
    assert (answer.receipt.receipt_id, answer.receipt.HasField("landed_at")) == ("", False)
    assert (answer.receipt.received, answer.receipt.accepted, len(answer.receipt.findings)) == (3, 3, 3)
    assert [code.code for code in answer.receipt.codes] == ["LEADING_ZERO_MISSING"]
    assert refusal.HasField("refusal")


def test_findings_of_a_rehearsal_are_capped_as_a_receipt_caps_them(serve: Serve) -> None:
    async def run() -> list[Any]:
        async with serve() as channel:
            return await push(
                channel, [outgoing(1, people(0, caps.RECEIPT_FINDINGS + 5, ma_xa="4"))], validate_only=True
            )

    (answer,) = asyncio.run(run())

    assert len(answer.findings) == caps.RECEIPT_FINDINGS
    assert answer.rehearsed.findings == caps.RECEIPT_FINDINGS + 5


def test_files_are_validated_from_the_terminal_and_nothing_lands(
    spawn: Spawn, engine: sa.Engine, tmp_path: Path
) -> None:
    (tmp_path / "2025-07-10.jsonl").write_bytes(people(0, 3, ma_xa="4"))
    (tmp_path / "2025-07-11.jsonl").write_bytes(b"")
    port, before = free_port(), stored(engine)
    words = ("push", JSONL_SOURCE, tmp_path, "--address", f"127.0.0.1:{port}")

    with spawn(port):
        told = lienthong(*words, "--validate-only", "--json")
        said = lienthong(*words, "--validate-only")
        unnamed = lienthong(*words)

    assert told.code == 1  # the empty file would be refused
    validated, refused = map(json.loads, told.out.splitlines())
    assert validated["validated"] == {"received": 3, "usable": 3, "quarantined": 0, "findings": 3}
    assert refused["refused"]["reason"] == "EMPTY_BATCH"
    assert "chỉ kiểm tra: 3 bản ghi" in said.out
    assert unnamed.code == 2  # a push that lands needs an epoch
    assert stored(engine) == before


class OlderGateway(intake_pb2_grpc.IntakeServiceServicer):
    """A gateway of before rehearsals: it does not read the wish and would land what it gets."""

    def __init__(self) -> None:
        self.landed = 0

    async def Push(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[intake_pb2.PushRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[intake_pb2.PushResponse]:
        await anext(request_iterator)
        yield intake_pb2.PushResponse(welcome=intake_pb2.Welcome(limits=intake_pb2.Limits(max_payload_bytes=4_000_000)))
        async for _ in request_iterator:
            self.landed += 1


def test_a_gateway_that_knows_no_rehearsal_is_sent_nothing() -> None:
    older, port = OlderGateway(), free_port()

    async def run() -> None:
        server = grpc.aio.server()
        intake_pb2_grpc.add_IntakeServiceServicer_to_server(older, server)
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                with pytest.raises(RejectedByGatewayError, match="rehearsal"):
                    await push(channel, batches(), validate_only=True)
        finally:
            await server.stop(grace=None)

    asyncio.run(run())

    assert older.landed == 0
