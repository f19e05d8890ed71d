"""One running gateway: the gRPC server with its services, health and the sequencer; drained, not cut, at its end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from adapters.catalogue import Catalogue
from gateway import caps, workers
from gateway.calls import CallPolicy
from gateway.sequencing import run_sequencer
from gateway.services.feed import FeedService
from gateway.services.intake import IntakeService
from gateway.services.status import StatusService
from gateway.services.units import UnitsService
from gateway.settings import Settings
from gateway.v1 import (
    feed_pb2,
    feed_pb2_grpc,
    intake_pb2,
    intake_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    units_pb2,
    units_pb2_grpc,
)
from gateway.watching import run_watch
from reconciliation.store import feed, overview, unit_events
from reconciliation.store.engine import Engine

INTAKE, STATUS, FEED, UNITS = (
    descriptor.full_name
    for descriptor in (
        intake_pb2.DESCRIPTOR.services_by_name["IntakeService"],
        status_pb2.DESCRIPTOR.services_by_name["StatusService"],
        feed_pb2.DESCRIPTOR.services_by_name["FeedService"],
        units_pb2.DESCRIPTOR.services_by_name["UnitsService"],
    )
)
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
WHOLE = ""  # the name by which health is asked of the gateway as a whole
ON_THE_STORE = (WHOLE, INTAKE, STATUS, FEED)  # what cannot be served without the database


@dataclass(frozen=True)
class Gateway:
    """A gateway that is serving. `address` is host:port."""

    address: str
    health: health.HealthServicer


def utc_now() -> datetime:
    """The clock of a running gateway; tests pass their own."""
    return datetime.now(UTC)


@asynccontextmanager
async def running(
    engine: Engine, settings: Settings, *, catalogue: Catalogue, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[Gateway]:
    """Serve while the context lasts. At its end no call is taken any more, and open ones have `drain_seconds`.

    Raises OSError when the address cannot be had, RetryableStoreError when the database does not answer at the start.
    """
    pools = workers.start(engine, store_threads=settings.store_threads, column_threads=settings.normalise_threads)
    try:
        secret = await pools.store(feed.cursor_secret)
        server = grpc.aio.server(interceptors=[CallPolicy(help_url=settings.help_url)], options=_options(settings))
        intake = IntakeService(catalogue, pools, settings, clock)
        units = UnitsService(pools, clock, await pools.store(unit_events.tables_known))
        healthy = health.HealthServicer()
        intake_pb2_grpc.add_IntakeServiceServicer_to_server(intake, server)
        status_pb2_grpc.add_StatusServiceServicer_to_server(StatusService(pools, clock, secret), server)
        feed_pb2_grpc.add_FeedServiceServicer_to_server(FeedService(pools, clock, secret), server)
        units_pb2_grpc.add_UnitsServiceServicer_to_server(units, server)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        if settings.reflection:
            names = (INTAKE, STATUS, FEED, UNITS, HEALTH, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        address = _listen(server, settings)
        await server.start()
        background = [
            asyncio.create_task(_sequence(pools, settings, healthy)),
            asyncio.create_task(_watch(pools, settings, clock)),
        ]
        try:
            yield Gateway(address, healthy)
        finally:
            await healthy.enter_graceful_shutdown()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            intake.drain()
            await server.stop(settings.drain_seconds)
    finally:
        pools.shutdown()


def _options(settings: Settings) -> list[tuple[str, int]]:
    keepalive_ms = round(settings.keepalive_seconds * 1000)
    return [
        ("grpc.max_receive_message_length", caps.MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", caps.MAX_MESSAGE_BYTES),
        (
            "grpc.max_concurrent_streams",
            settings.push_streams + 64,
        ),  # of one connection; pushes have a cap of their own
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.so_reuseport", 0),  # a second gateway on the same port is a mistake to be told of
    ]


def _listen(server: grpc.aio.Server, settings: Settings) -> str:
    try:
        port = server.add_insecure_port(f"{settings.host}:{settings.port}")
    except RuntimeError as error:
        raise OSError(
            f"The gateway cannot listen on {settings.host}:{settings.port}. Next: set LIENTHONG_PORT to another port."
        ) from error
    return f"{settings.host}:{port}"


async def _sequence(pools: workers.Workers, settings: Settings, healthy: health.HealthServicer) -> None:
    async def tell(answers: bool) -> None:  # noqa: FBT001 - a state, not a switch
        serving = health_pb2.HealthCheckResponse.SERVING
        state = serving if answers else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ON_THE_STORE:
            await healthy.set(name, state)

    await healthy.set(UNITS, health_pb2.HealthCheckResponse.SERVING)
    await run_sequencer(lambda: pools.store(feed.sequence), interval_seconds=settings.sequence_seconds, tell=tell)


async def _watch(pools: workers.Workers, settings: Settings, clock: Callable[[], datetime]) -> None:
    await run_watch(lambda: pools.store(overview.read, now=clock()), interval_seconds=settings.watch_seconds)
