"""Connections as such: how often they may be pinged, how old they get, and how they are told to go."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from grpc_health.v1 import health_pb2, health_pb2_grpc

from adapters import catalogue
from gateway import server
from gateway.client import IntakeClient, Landed, Outgoing, Progress, connect
from gateway.settings import Settings
from tests.gateway.batches import JSONL_SOURCE, outgoing, people
from tests.gateway.conftest import NOW, Serve
from tests.gateway.http2 import ENHANCE_YOUR_CALM, GOAWAY, NO_ERROR, Frame, connected, ping


def on_the_wire(engine: sa.Engine, look: Any, **settings: object) -> Any:
    """What `look(address)` sees of a gateway while it runs, from a thread of its own."""

    async def run() -> Any:
        chosen = Settings(**{"port": 0, "drain_seconds": 5, **settings})
        async with server.running(engine, chosen, catalogue=catalogue.load(), clock=lambda: NOW) as gateway:
            return await asyncio.to_thread(look, gateway.address)

    return asyncio.run(run())


def test_a_client_that_pings_as_often_as_it_may_is_not_punished(engine: sa.Engine) -> None:
    def look(address: str) -> Frame | None:
        with connected(address) as wire:
            return ping(wire, times=12, every=0.25)

    assert on_the_wire(engine, look, ping_seconds=0.2) is None


def test_a_client_that_pings_more_often_is_told_so(engine: sa.Engine) -> None:
    def look(address: str) -> Frame | None:
        with connected(address) as wire:
            return ping(wire, times=12, every=0.0)

    told = on_the_wire(engine, look, ping_seconds=10.0)

    assert told is not None
    assert (told.error_code, told.debug_text) == (ENHANCE_YOUR_CALM, b"too_many_pings")


def test_the_client_pings_less_often_than_the_gateway_allows() -> None:
    allowed = dict(server.grpc_options(Settings()))["grpc.http2.min_ping_interval_without_data_ms"]

    assert connect_option("grpc.keepalive_time_ms") >= 2 * allowed


def connect_option(name: str) -> int:
    """An option that `connect` gives its channels."""
    seen: dict[str, Any] = {}
    real = grpc.aio.insecure_channel

    def spy(address: str, options: Any) -> grpc.aio.Channel:
        seen.update(options)
        return real(address, options=options)

    async def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grpc.aio, "insecure_channel", spy)
            async with connect("127.0.0.1:1"):
                pass

    asyncio.run(run())
    return int(seen[name])


def _goaway(address: str) -> Frame | None:
    with connected(address) as wire:
        return next((frame for frame in wire.frames() if frame.kind == GOAWAY), None)


def test_an_old_connection_is_told_to_go_and_nothing_is_wrong(engine: sa.Engine) -> None:
    told = on_the_wire(engine, _goaway, connection_age_seconds=0.5)

    assert told is not None
    assert (told.error_code, told.debug_text) == (NO_ERROR, b"max_age")


def test_a_gateway_that_ends_tells_every_connection_to_go(engine: sa.Engine) -> None:
    async def run() -> Frame | None:
        chosen = Settings(port=0, drain_seconds=5)
        async with server.running(engine, chosen, catalogue=catalogue.load(), clock=lambda: NOW) as gateway:
            async with connect(gateway.address) as channel:
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
            looking = asyncio.create_task(asyncio.to_thread(_goaway, gateway.address))
            await health_is_asked(gateway.address)
        return await looking

    told = asyncio.run(run())

    assert told is not None
    assert told.error_code == NO_ERROR


async def health_is_asked(address: str) -> None:
    """One call and its answer: whoever connected before has been taken in by then."""
    async with connect(address) as channel:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)


@pytest.mark.parametrize(("grace_seconds", "fewest"), [(60.0, 1), (0.3, 2)])
def test_a_push_goes_on_over_the_age_of_its_connection(
    serve: Serve, engine: sa.Engine, grace_seconds: float, fewest: int
) -> None:
    """Within the grace on the same stream; beyond it on the next one, from where it was."""
    seen: list[Progress] = []

    async def batches() -> AsyncIterator[Outgoing]:
        for number in range(1, 16):
            yield outgoing(number, people(number * 10, 2))
            await asyncio.sleep(0.1)

    async def run() -> list[Any]:
        async with serve(connection_age_seconds=0.4, connection_grace_seconds=grace_seconds) as channel:
            pushing = IntakeClient(channel).push(batches(), source_id=JSONL_SOURCE, epoch="e1", on_progress=seen.append)
            return [answer async for answer in pushing]

    answers = asyncio.run(run())

    assert [answer.sequence for answer in answers] == list(range(1, 16))
    assert all(isinstance(answer, Landed) for answer in answers)
    if fewest == 1:
        assert seen[-1].connections == 1
    else:
        assert seen[-1].connections >= fewest
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM batch")) == 15


def test_health_is_told_for_each_service_and_as_a_list(serve: Serve) -> None:
    async def run() -> tuple[dict[str, int], int]:
        async with serve() as channel:
            health = health_pb2_grpc.HealthStub(channel)
            watching = health.Watch(health_pb2.HealthCheckRequest(service=server.INTAKE), timeout=30)
            async for state in watching:
                if state.status == health_pb2.HealthCheckResponse.SERVING:
                    break
            watching.cancel()
            listed = await health.List(health_pb2.HealthListRequest(), timeout=10)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health.Check(health_pb2.HealthCheckRequest(service="atlantis"), timeout=10)
            return {name: one.status for name, one in listed.statuses.items()}, caught.value.code()

    states, of_none = asyncio.run(run())

    serving = health_pb2.HealthCheckResponse.SERVING
    ours = (server.WHOLE, server.INTAKE, server.STATUS, server.FEED, server.UNITS)
    assert {name: states[name] for name in ours} == dict.fromkeys(ours, serving)
    assert of_none is grpc.StatusCode.NOT_FOUND
