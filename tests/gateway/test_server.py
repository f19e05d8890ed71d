"""What holds for the server as a whole: deadlines, health, draining, caps on streams, a database that goes away."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
import sqlalchemy as sa
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from adapters import catalogue
from gateway import server
from gateway.client import (
    IntakeClient,
    Landed,
    RejectedByGatewayError,
    RetryableGatewayError,
    StatusClient,
    UnitsClient,
    connect,
)
from gateway.settings import Settings
from gateway.v1 import intake_pb2_grpc, units_pb2, units_pb2_grpc
from gateway.wire.faults import read_call_error
from observability import telemetry
from tests.gateway.batches import JSONL_SOURCE, hello, message, outgoing, people
from tests.gateway.conftest import Serve, Spawn, free_port

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_a_unary_call_without_a_deadline_is_refused(serve: Serve) -> None:
    """The time-out of the service config is none: gRPC keeps it to itself."""

    async def run() -> str:
        async with serve() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await units_pb2_grpc.UnitsServiceStub(channel).GetUnit(units_pb2.GetUnitRequest(code="00004"))
            return read_call_error(caught.value).reason

    assert asyncio.run(run()) == "DEADLINE_REQUIRED"


def test_reflection_is_a_setting(serve: Serve) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")

    async def services(channel: grpc.aio.Channel) -> set[str]:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]), timeout=10)
        return {one.name async for answer in call for one in answer.list_services_response.service}

    async def run() -> tuple[set[str], grpc.StatusCode]:
        async with serve(reflection=True) as channel:
            shown = await services(channel)
        async with serve() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await services(channel)
        return shown, caught.value.code()

    shown, code = asyncio.run(run())

    assert {server.INTAKE, server.STATUS, server.FEED, server.UNITS, server.HEALTH} <= shown
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_one_push_too_many_is_told_to_come_back(serve: Serve) -> None:
    async def run() -> tuple[Any, list[Any]]:
        async with serve(push_streams=1) as channel:
            stub = intake_pb2_grpc.IntakeServiceStub(channel)
            first = stub.Push()
            await first.write(hello())
            await first.read()
            second = stub.Push()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await second.read()
            await first.done_writing()
            assert await first.read() is grpc.aio.EOF
            pushing = IntakeClient(channel).push([outgoing(1, people(0, 2))], source_id=JSONL_SOURCE, epoch="e1")
            return read_call_error(caught.value), [answer async for answer in pushing]

    fault, answers = asyncio.run(run())

    assert (fault.code, fault.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAMS_EXHAUSTED")
    assert fault.retry_seconds is not None
    assert isinstance(answers[0], Landed)


def test_the_gateway_reads_no_further_than_its_window(serve: Serve, engine: sa.Engine, tmp_path: Path) -> None:
    window, trace_file = 3, tmp_path / "trace.jsonl"

    def normalised(seen: telemetry.Telemetry) -> int:
        seen.flush()
        return trace_file.read_text().count('"intake.normalise"')

    async def run(seen: telemetry.Telemetry) -> tuple[int, int]:
        async with serve(batches_in_flight=window) as channel:
            call = intake_pb2_grpc.IntakeServiceStub(channel).Push()
            with engine.connect() as connection:
                # Commits of the source wait for this lock, so nothing is answered while it is held.
                connection.execute(
                    sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:source, 0))"), {"source": JSONL_SOURCE}
                )
                await call.write(hello())
                for number in range(1, 31):
                    await call.write(message(number, people(number * 10, 2)))
                await call.done_writing()
                while normalised(seen) < window:
                    await UnitsClient(channel).unit("00004")
                for _ in range(30):  # time enough for a gateway that would read on
                    await UnitsClient(channel).unit("00004")
                held_up = normalised(seen)
            answers = 0
            while await call.read() is not grpc.aio.EOF:
                answers += 1
        return held_up, answers

    with telemetry.configure(service_name="test", trace_file=trace_file) as seen:
        held_up, answers = asyncio.run(run(seen))

    assert held_up == window
    assert answers == 31


def test_one_trace_leads_from_the_sender_to_what_was_landed(serve: Serve, engine: sa.Engine, tmp_path: Path) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    batch = replace(outgoing(1, people(0, 2)), traceparent=traceparent)

    async def run() -> None:
        async with serve() as channel:
            assert [one async for one in IntakeClient(channel).push([batch], source_id=JSONL_SOURCE, epoch="e1")]

    with telemetry.configure(service_name="test", trace_file=tmp_path / "trace.jsonl") as seen:
        asyncio.run(run())
        seen.flush()

    spans = (tmp_path / "trace.jsonl").read_text()
    assert spans.count("4bf92f3577b34da6a3ce929d0e0e4736") >= 2
    assert "Nguyễn" not in spans
    with engine.connect() as connection:
        landed = connection.scalar(sa.text("SELECT traceparent FROM batch"))
    assert landed.startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert landed != traceparent


def test_a_gateway_that_is_told_to_stop_answers_what_it_has_read(spawn: Spawn, engine: sa.Engine) -> None:
    port = free_port()

    async def run() -> tuple[list[int], Any]:
        async with connect(f"127.0.0.1:{port}") as channel:
            call = intake_pb2_grpc.IntakeServiceStub(channel).Push()
            await call.write(hello())
            for number in range(1, 4):
                await call.write(message(number, people(number * 10, 2)))
            answered: list[int] = []
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                while (answer := await call.read()) is not grpc.aio.EOF:
                    if answer.HasField("receipt"):
                        answered.append(answer.receipt.sequence)
                        process.send_signal(signal.SIGTERM)
            return answered, read_call_error(caught.value)

    with spawn(port) as process:
        answered, fault = asyncio.run(run())
        assert process.wait(timeout=60) == 0

    with engine.connect() as connection:
        landed = list(connection.scalars(sa.text("SELECT sequence FROM batch ORDER BY 1")))
    assert answered == landed
    assert (fault.code, fault.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert fault.retry_seconds is not None


def test_a_port_that_is_taken_is_said_plainly(serve: Serve, engine: sa.Engine) -> None:
    port = free_port()

    async def run() -> None:
        async with serve(port=port):
            async with server.running(engine, Settings(port=port), catalogue=catalogue.load()):
                pass

    with pytest.raises(OSError, match="LIENTHONG_PORT"):
        asyncio.run(run())


@contextmanager
def cut_off(server_url: sa.URL, database: str) -> Iterator[None]:
    """Nobody can reach the database, and who was connected no longer is."""
    dsn = server_url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')


def test_a_call_is_tried_again_by_grpc_itself_until_the_database_is_back(
    serve: Serve, engine: sa.Engine, server_url: sa.URL, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> str:
        async with serve() as channel:
            with cut_off(server_url, str(engine.url.database)):
                asking = asyncio.create_task(
                    StatusClient(channel).by_record(source_id=JSONL_SOURCE, source_record_id="P0000001")
                )
                while "STORE_UNAVAILABLE" not in capsys.readouterr().err:
                    await asyncio.sleep(0.02)
            with pytest.raises(RejectedByGatewayError) as caught:
                await asking
            return caught.value.fault.reason

    assert asyncio.run(asyncio.wait_for(run(), 60)) == "UPDATE_UNKNOWN"


def test_a_database_that_goes_away_is_unavailable_and_comes_back_by_itself(
    serve: Serve, engine: sa.Engine, server_url: sa.URL
) -> None:
    async def states(channel: grpc.aio.Channel, service: str) -> AsyncIterator[int]:
        asked = health_pb2.HealthCheckRequest(service=service)
        async for answer in health_pb2_grpc.HealthStub(channel).Watch(asked, timeout=60):
            yield answer.status

    async def until(watching: AsyncIterator[int], status: int) -> None:
        async for seen in watching:
            if seen == status:
                return

    async def run() -> dict[str, Any]:
        seen: dict[str, Any] = {}
        async with serve() as channel:
            client = IntakeClient(channel, give_up_seconds=0.1)
            health = health_pb2_grpc.HealthStub(channel)
            watching = states(channel, server.INTAKE)
            await until(watching, SERVING)
            with cut_off(server_url, str(engine.url.database)):
                await until(watching, NOT_SERVING)
                for name in (server.WHOLE, server.FEED, server.UNITS):
                    answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
                    seen[name] = answer.status
                with pytest.raises(RetryableGatewayError) as push_failed:
                    await anext(client.push([outgoing(1, people(0, 2))], source_id=JSONL_SOURCE, epoch="e1"))
                with pytest.raises(RetryableGatewayError) as status_failed:
                    await StatusClient(channel).by_record(source_id=JSONL_SOURCE, source_record_id="P0000001")
                seen["push"], seen["status"] = push_failed.value.fault, status_failed.value.fault
            await until(watching, SERVING)
            pushing = client.push([outgoing(1, people(0, 2))], source_id=JSONL_SOURCE, epoch="e1")
            seen["answers"] = [answer async for answer in pushing]
        return seen

    seen = asyncio.run(run())

    assert (seen[server.WHOLE], seen[server.FEED], seen[server.UNITS]) == (NOT_SERVING, NOT_SERVING, SERVING)
    for fault in (seen["push"], seen["status"]):
        assert (fault.code, fault.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert fault.retry_seconds is not None
    assert isinstance(seen["answers"][0], Landed)
