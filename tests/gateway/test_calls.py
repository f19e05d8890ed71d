"""What holds for every call: its id, what its errors tell of coming again, and its time, as far as the database."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf.message import Message

from gateway import rules
from gateway.calls import PUSHBACK, REQUEST_ID
from gateway.client import Landed
from gateway.client.intake import IntakeClient
from gateway.v1 import feed_pb2, feed_pb2_grpc, intake_pb2_grpc, status_pb2, status_pb2_grpc, units_pb2, units_pb2_grpc
from gateway.wire.faults import read_call_error
from tests.gateway.batches import JSONL_SOURCE, hello, outgoing, people
from tests.gateway.conftest import Serve

UNIT = units_pb2.GetUnitRequest(code="00004")
RECORD = status_pb2.GetUpdateStatusRequest(
    source_record=status_pb2.SourceRecord(source_id=JSONL_SOURCE, source_record_id="P0000001")
)


def test_what_a_method_needs_is_made_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    reader = rules.reader

    def noted(request: type[Message]) -> object:
        made.append(request.DESCRIPTOR.name)
        return reader(request)

    monkeypatch.setattr(rules, "reader", noted)

    async def run() -> None:
        async with serve() as channel:
            units = units_pb2_grpc.UnitsServiceStub(channel)
            for _ in range(3):
                await units.GetUnit(UNIT, timeout=10)

    asyncio.run(run())

    assert made == ["GetUnitRequest"]


async def trailers_of(call: Any) -> dict[str, Any]:
    """What came after the answer, or after the error."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return dict(error.trailing_metadata() or ())
    return dict(await call.trailing_metadata())


def test_every_answer_has_an_id_and_a_caller_may_give_its_own(serve: Serve) -> None:
    own = str(uuid4())

    async def run() -> dict[str, Any]:
        async with serve() as channel:
            units = units_pb2_grpc.UnitsServiceStub(channel)
            push = intake_pb2_grpc.IntakeServiceStub(channel).Push(metadata=((REQUEST_ID, own),))
            await push.write(hello())
            await push.done_writing()
            while await push.read() is not grpc.aio.EOF:
                pass
            asked = {
                "own": units.GetUnit(UNIT, timeout=10, metadata=((REQUEST_ID, own),)),
                "none": units.GetUnit(UNIT, timeout=10),
                "no UUID": units.GetUnit(UNIT, timeout=10, metadata=((REQUEST_ID, "Nguyen Van An"),)),
                "refused": units.GetUnit(units_pb2.GetUnitRequest(), timeout=10, metadata=((REQUEST_ID, own),)),
            }
            told = {name: (await trailers_of(call))[REQUEST_ID] for name, call in asked.items()}
            return told | {"push": dict(await push.trailing_metadata())[REQUEST_ID]}

    told = asyncio.run(run())

    assert told["own"] == told["refused"] == told["push"] == own
    assert len({UUID(told["none"]), UUID(told["no UUID"]), UUID(own)}) == 3


def test_the_id_of_a_refused_call_is_in_the_log(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    own = str(uuid4())

    async def run() -> None:
        async with serve() as channel:
            stub = units_pb2_grpc.UnitsServiceStub(channel)
            await trailers_of(stub.GetUnit(units_pb2.GetUnitRequest(), timeout=10, metadata=((REQUEST_ID, own),)))

    asyncio.run(run())

    lines = [line for line in capsys.readouterr().err.splitlines() if own in line]
    assert len(lines) == 1
    assert '"reason": "UNIT_UNKNOWN"' in lines[0]


def test_an_error_says_when_to_come_again_or_that_it_is_useless(serve: Serve) -> None:
    async def run() -> tuple[dict[str, Any], dict[str, Any], float | None]:
        async with serve(push_streams=1) as channel:
            useless = await trailers_of(
                feed_pb2_grpc.FeedServiceStub(channel).GetCursor(feed_pb2.GetCursorRequest(), timeout=10)
            )
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            first = stub.Push()
            await first.write(hello())
            await first.read()
            second = stub.Push()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await second.read()
            first.cancel()
            fault = read_call_error(caught.value)
            return useless, dict(caught.value.trailing_metadata() or ()), fault.retry_seconds

    useless, later, retry_seconds = asyncio.run(run())

    assert useless[PUSHBACK] == "-1"
    assert retry_seconds is not None
    assert int(later[PUSHBACK]) == round(retry_seconds * 1000)
    assert 5.0 <= retry_seconds <= 7.5


def test_a_source_that_calls_too_fast_is_refused_and_pushes_of_another_go_on(serve: Serve) -> None:
    async def run() -> tuple[list[str], Any]:
        async with serve(calls_per_second=5) as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            calls = [stub.GetUpdateStatus(RECORD, timeout=30) for _ in range(100)]
            refusals = await asyncio.gather(*calls, return_exceptions=True)
            reasons = [read_call_error(one).reason for one in refusals if isinstance(one, grpc.aio.AioRpcError)]
            pushing = IntakeClient(channel).push([outgoing(1, people(0, 2))], source_id=JSONL_SOURCE, epoch="e1")
            return reasons, await anext(pushing)

    reasons, answer = asyncio.run(run())

    assert set(reasons) == {"UPDATE_UNKNOWN", "RATE_EXCEEDED"}
    assert isinstance(answer, Landed)


WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND query LIKE 'SELECT named%'"
)


async def until(engine: sa.Engine, wanted: int) -> float:
    """Wait until so many statements wait for a lock; return how many seconds that took."""
    started = time.monotonic()
    while True:
        with engine.connect() as connection:
            if connection.scalar(WAITING) == wanted:
                return time.monotonic() - started
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("ending", ["cancelled", "out of time"])
def test_a_call_that_nobody_waits_for_stops_working_in_the_database(
    serve: Serve, engine: sa.Engine, ending: str
) -> None:
    async def run() -> tuple[grpc.StatusCode, float, grpc.StatusCode]:
        async with serve() as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            with engine.connect() as holding:
                holding.execute(sa.text("LOCK TABLE record_head IN ACCESS EXCLUSIVE MODE"))
                call = stub.GetUpdateStatus(RECORD, timeout=30 if ending == "cancelled" else 3.0)
                await until(engine, 1)
                if ending == "cancelled":
                    call.cancel()
                    first = await call.code()
                    stopped = await until(engine, 0)
                else:
                    stopped = await until(engine, 0)
                    first = await call.code()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetUpdateStatus(RECORD, timeout=10)
            return first, stopped, caught.value.code()

    first, stopped, afterwards = asyncio.run(asyncio.wait_for(run(), 60))

    assert first in {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert stopped < 8.0  # the lock is held for as long as the test likes, and a wait for it may take 10 s
    assert afterwards is grpc.StatusCode.NOT_FOUND
