"""Too much of anything over a real socket: refused at the door, in bounded memory, and nobody else is starved."""

import asyncio
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from adapters import catalogue
from adapters.canonical import RecordKind
from gateway import server
from gateway.client import IntakeClient, Landed, Outgoing, connect
from gateway.settings import Settings
from gateway.v1 import intake_pb2, intake_pb2_grpc, units_pb2, units_pb2_grpc
from gateway.wire.faults import read_call_error, read_status
from reconciliation.model import BatchFormat
from tests.gateway.batches import EXPORTED_ON, JSONL_SOURCE, TYPED_SOURCE, hello, message, people, typed
from tests.gateway.conftest import NOW, Serve, Spawn, free_port

MIB = 1 << 20
TWO_MILLION_EMPTIES = b"\x0a\x00" * 2_000_000


def most_memory(pid: int) -> int:
    """The most bytes that a process has held in memory so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def test_giant_messages_are_refused_in_bounded_memory(spawn: Spawn) -> None:
    """F15: 5 MiB; two million empty records; two million empty questions."""
    port = free_port()

    async def answer(channel: grpc.aio.Channel, source_id: str, batch: intake_pb2.PushRequest) -> Any:
        call = intake_pb2_grpc.IntakeServiceStub(channel).Push()
        await call.write(hello(source_id))
        await call.read()
        await call.write(batch)
        return await call.read()

    async def run(pid: int) -> tuple[dict[str, Any], int]:
        seen: dict[str, Any] = {}
        # A client without our caps, which would not let such messages out.
        options = [("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            usual = message(1, people(0, 2_000))
            assert (await answer(channel, JSONL_SOURCE, usual)).HasField("receipt")
            before = most_memory(pid)
            with pytest.raises(grpc.aio.AioRpcError) as giant:
                await answer(channel, JSONL_SOURCE, message(1, bytes(5 * MIB)))
            seen["giant"] = giant.value.code()
            typed_records = intake_pb2.BATCH_FORMAT_TYPED_RECORDS
            for _ in range(3):
                empties = message(1, TWO_MILLION_EMPTIES, format=typed_records)
                refused = await answer(channel, TYPED_SOURCE, empties)
                seen["records"] = read_status(refused.refusal.status).reason
                resolve = channel.unary_unary("/gateway.v1.UnitsService/Resolve")
                with pytest.raises(grpc.aio.AioRpcError) as questions:
                    await resolve(TWO_MILLION_EMPTIES, timeout=60)
                seen["questions"] = read_call_error(questions.value).reason
            return seen, most_memory(pid) - before

    with spawn(port) as process:
        seen, grown = asyncio.run(run(process.pid))

    assert seen == {
        "giant": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "records": "TOO_MANY_RECORDS",
        "questions": "FIELD_INVALID",
    }
    assert grown < 64 * MIB  # decoded, they would take 116 MiB each


def test_a_client_that_does_not_read_its_answers_is_not_read_and_takes_no_memory(spawn: Spawn) -> None:
    """The answers, some 10 KB each, have no way out: what is sent on stays with the sender."""
    port, count = free_port(), 3_000
    doubtful = people(0, 100, so_cccd="1", ngay_sinh="1")
    opening = hello()
    opening.hello.validate_only = True
    batch = message(1, doubtful)

    async def run(pid: int) -> tuple[int, int, int]:
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(count):
                await call.write(batch)
                written += 1
            await call.done_writing()

        options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]  # a small window, so soon full
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            call = intake_pb2_grpc.IntakeServiceStub(channel).Push()
            await call.write(opening)
            await call.read()
            for _ in range(20):  # what a gateway takes in any case
                await call.write(batch)
                assert (await call.read()).HasField("receipt")
            before = most_memory(pid)
            writing = asyncio.create_task(write())
            stuck_at = -1
            while written != stuck_at:  # until nothing moves for as long as a dozen batches take
                stuck_at = written
                await asyncio.sleep(1.0)
            grown = most_memory(pid) - before
            answers = 0
            while answers < 50:  # and it goes on when it is read
                assert await call.read() is not grpc.aio.EOF
                answers += 1
            writing.cancel()
            call.cancel()
            return stuck_at, grown, answers

    with spawn(port) as process:
        stuck_at, grown, answers = asyncio.run(run(process.pid))

    assert 0 < stuck_at < count
    assert answers == 50
    assert grown < 48 * MIB


def test_34_sources_that_reconnect_at_once_beside_a_greedy_one_all_get_in(engine: sa.Engine) -> None:
    """F29: each with its own connection; the greedy one opens as many pushes as it can and keeps them."""
    sources = catalogue.load().sources.values()
    by_province = {one.province_code: one.source_id for one in sources if one.kind is RecordKind.PERSON}
    greedy, herd = by_province.pop("01"), list(by_province.values())
    settings = Settings(port=0, push_streams=44, pushes_per_source=8, drain_seconds=5)

    async def push(address: str, source_id: str) -> list[Any]:
        batch = Outgoing(sequence=1, payload=typed(2), format=BatchFormat.TYPED_RECORDS, exported_on=EXPORTED_ON)
        async with connect(address) as channel:
            return [one async for one in IntakeClient(channel).push([batch], source_id=source_id, epoch="e1")]

    async def run() -> tuple[list[Any], list[Any]]:
        async with server.running(engine, settings, catalogue=catalogue.load(), clock=lambda: NOW) as gateway:
            async with connect(gateway.address) as channel:
                held, refused = [], []
                for number in range(20):
                    held.append(intake_pb2_grpc.IntakeServiceStub(channel).Push())
                    await held[-1].write(hello(greedy, f"e{number}"))
                    try:
                        await held[-1].read()
                    except grpc.aio.AioRpcError as error:
                        refused.append(read_call_error(error))
                answers = await asyncio.gather(*(push(gateway.address, one) for one in herd))
                for call in held:
                    call.cancel()
                return refused, answers

    refused, answers = asyncio.run(asyncio.wait_for(run(), 200))

    assert len(herd) == 33
    assert [type(one) for each in answers for one in each] == [Landed] * 33
    assert len(refused) == 12
    assert {one.reason for one in refused} == {"STREAMS_EXHAUSTED"}
    assert len({one.retry_seconds for one in refused}) > 6, "each is told another moment"


def test_many_calls_at_once_wait_for_their_turn(serve: Serve) -> None:
    """More than gRPC by itself lets wait, of which it would cancel some and say no word."""

    async def run() -> list[Any]:
        async with serve(push_streams=5_000) as channel:  # the cap of one connection grows with it
            units = units_pb2_grpc.UnitsServiceStub(channel)
            asked = [units.GetUnit(units_pb2.GetUnitRequest(code="00004"), timeout=50) for _ in range(2_500)]
            return await asyncio.gather(*asked, return_exceptions=True)

    told = {type(one).__name__ for one in asyncio.run(run())}

    assert told == {"GetUnitResponse"}
