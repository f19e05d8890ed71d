"""One running gateway: the gRPC server with its services, health and the sequencer; drained, not cut, at its end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from adapters.catalogue import Catalogue
from gateway import caps, signatures, tls, workers
from gateway.access import KnownGrants
from gateway.admission import Admission
from gateway.balances import run_signing
from gateway.calls import CallPolicy
from gateway.freeing import run_freeing
from gateway.health import HealthService
from gateway.publishing import Published
from gateway.sequencing import run_sequencer
from gateway.services.feed import FeedService
from gateway.services.intake import IntakeService
from gateway.services.status import StatusService
from gateway.services.stewardship import StewardshipService
from gateway.services.units import UnitsService
from gateway.settings import Settings
from gateway.shares import Shares
from gateway.v1 import (
    feed_pb2,
    feed_pb2_grpc,
    intake_pb2,
    intake_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    stewardship_pb2,
    stewardship_pb2_grpc,
    units_pb2,
    units_pb2_grpc,
)
from gateway.watching import run_watch
from reconciliation import generalising, review
from reconciliation.errors import RetryableStoreError
from reconciliation.store import feed, grants, overview, unit_events
from reconciliation.store.engine import Engine
from reconciliation.store.leading import Lead
from reconciliation.store.stalled import StalledCopies

INTAKE, STATUS, FEED, UNITS, STEWARDSHIP = (
    descriptor.full_name
    for descriptor in (
        intake_pb2.DESCRIPTOR.services_by_name["IntakeService"],
        status_pb2.DESCRIPTOR.services_by_name["StatusService"],
        feed_pb2.DESCRIPTOR.services_by_name["FeedService"],
        units_pb2.DESCRIPTOR.services_by_name["UnitsService"],
        stewardship_pb2.DESCRIPTOR.services_by_name["StewardshipService"],
    )
)
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
WHOLE = ""  # the name by which health is asked of the gateway as a whole
ON_THE_STORE = (WHOLE, INTAKE, STATUS, FEED, STEWARDSHIP)  # what cannot be served without the database
_CALLS_NOT_TAKEN_UP = 20_000  # each takes some KiB


@dataclass(frozen=True)
class Gateway:
    """A gateway that is serving. `address` is host:port."""

    address: str
    health: health.HealthServicer


def utc_now() -> datetime:
    """The clock of a running gateway; tests pass their own."""
    return datetime.now(UTC)


_SHOWN = (INTAKE, STATUS, FEED, UNITS, STEWARDSHIP, HEALTH, reflection.SERVICE_NAME)  # to whoever asks what is here


@asynccontextmanager
async def running(
    engine: Engine, settings: Settings, *, catalogue: Catalogue, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[Gateway]:
    """Serve while the context lasts. At its end no call is taken any more, and open ones have `drain_seconds`.

    Raises OSError when the address cannot be had, RetryableStoreError when the database does not answer at the start,
    FatalSettingError or FatalCertificateError when others could call and the certificates are not as they should be.
    """
    certificates = tls.open_certificates(settings)
    gatekeepers = _gatekeepers(certificates, settings, clock)
    # One thread more than normalises: a hash or a signature is not looked at behind a batch's columns.
    pools = workers.start(engine, store_threads=settings.store_threads, column_threads=settings.normalise_threads + 1)
    try:
        secret = await pools.store(feed.cursor_secret)
        policy = CallPolicy(help_url=settings.help_url, shares=Shares(settings))
        server = grpc.aio.server(interceptors=[*gatekeepers, policy], options=grpc_options(settings))
        known = KnownGrants(lambda: pools.store(grants.standing), clock=clock, interval_seconds=settings.grants_seconds)
        intake = IntakeService(catalogue, pools, settings, clock, known, signatures.of_settings(settings))
        units = UnitsService(pools, clock, await pools.store(unit_events.tables_known))
        healthy = HealthService()
        intake_pb2_grpc.add_IntakeServiceServicer_to_server(intake, server)
        status = StatusService(pools, clock, secret, known, catalogue, settings)
        status_pb2_grpc.add_StatusServiceServicer_to_server(status, server)
        published = Published(lambda: pools.store(feed.head))
        registries = FeedService(pools, clock, secret, known, settings, published)
        feed_pb2_grpc.add_FeedServiceServicer_to_server(registries, server)
        units_pb2_grpc.add_UnitsServiceServicer_to_server(units, server)
        stewards = StewardshipService(pools, clock, known, catalogue)
        stewardship_pb2_grpc.add_StewardshipServiceServicer_to_server(stewards, server)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        if settings.reflection:
            reflection.enable_server_reflection(_SHOWN, server)
        address = _listen(server, settings, certificates)
        await server.start()
        background = [
            asyncio.create_task(_sequence(pools, settings, healthy, clock)),
            asyncio.create_task(_generalise(pools, settings, clock)),
            asyncio.create_task(_watch(pools, settings, clock, catalogue)),
            asyncio.create_task(_free(pools, settings)),
            asyncio.create_task(
                run_signing(pools, intake.signatures.signer, clock, interval_seconds=settings.watch_seconds)
            ),
            asyncio.create_task(status.tail.run()),
            asyncio.create_task(published.watch(settings.sequence_seconds / 4)),
            *(asyncio.create_task(one.watch(settings.tls_look_seconds)) for one in gatekeepers),
        ]
        try:
            yield Gateway(address, healthy)
        finally:
            await healthy.enter_graceful_shutdown()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            intake.drain()
            status.drain()
            registries.drain()
            await server.stop(settings.drain_seconds)
            await status.lookups.close()
    finally:
        pools.shutdown()


def grpc_options(settings: Settings) -> list[tuple[str, int]]:
    """How gRPC is to hold its connections and calls, by gRPC's own names."""
    return [
        ("grpc.max_receive_message_length", caps.MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", caps.MAX_MESSAGE_BYTES),
        # Of calls that nobody has taken up yet gRPC cancels some from the first figure on and all from the second, with
        # no word why. Ours are refused by name and with a time to come again, so they have to reach us.
        ("grpc.server.max_pending_requests", _CALLS_NOT_TAKEN_UP),
        ("grpc.server.max_pending_requests_hard_limit", 2 * _CALLS_NOT_TAKEN_UP),
        ("grpc.max_concurrent_streams", settings.push_streams + 64),  # of one connection; pushes have their own cap
        ("grpc.keepalive_time_ms", _ms(settings.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", min(20_000, _ms(settings.keepalive_seconds))),
        ("grpc.http2.ping_timeout_ms", min(60_000, 2 * _ms(settings.keepalive_seconds))),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(settings.ping_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_connection_age_ms", _ms(settings.connection_age_seconds)),  # gRPC adds the tenth more or less
        ("grpc.max_connection_age_grace_ms", _ms(settings.connection_grace_seconds)),
        # A second gateway on the same port is a mistake to be told of; several processes of one are not.
        ("grpc.so_reuseport", int(settings.processes > 1)),
    ]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _gatekeepers(
    certificates: tls.Certificates | None, settings: Settings, clock: Callable[[], datetime]
) -> list[Admission]:
    """Who asks for certificates: nobody on loopback without them."""
    if certificates is None:
        return []
    return [Admission(certificates, trust_domain=settings.trust_domain, clock=clock, help_url=settings.help_url)]


def _listen(server: grpc.aio.Server, settings: Settings, certificates: tls.Certificates | None) -> str:
    address = f"{settings.host}:{settings.port}"
    try:
        port = (
            server.add_secure_port(address, certificates.credentials())
            if certificates
            else server.add_insecure_port(address)
        )
    except RuntimeError as error:
        raise OSError(
            f"The gateway cannot listen on {settings.host}:{settings.port}. Next: set LIENTHONG_PORT to another port."
        ) from error
    return f"{settings.host}:{port}"


async def _sequence(
    pools: workers.Workers, settings: Settings, healthy: health.HealthServicer, clock: Callable[[], datetime]
) -> None:
    async def tell(answers: bool) -> None:  # noqa: FBT001 - a state, not a switch
        serving = health_pb2.HealthCheckResponse.SERVING
        state = serving if answers else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ON_THE_STORE:
            await healthy.set(name, state)

    async def sequence() -> int:
        await pools.store(review.put_in_force, now=clock())
        return await pools.store(feed.sequence, failover_keeps_all=settings.failover_keeps_all)

    await healthy.set(UNITS, health_pb2.HealthCheckResponse.SERVING)
    await run_sequencer(
        sequence,
        interval_seconds=settings.sequence_seconds,
        tell=tell,
    )


async def _generalise(pools: workers.Workers, settings: Settings, clock: Callable[[], datetime]) -> None:
    """Run the works that stewards have begun, a few cases at a time, one gateway of the house at once or several."""

    while True:
        with suppress(RetryableStoreError):  # the sequencer tells that the store is silent
            await pools.store(generalising.run_some, now=clock())
        await asyncio.sleep(settings.sequence_seconds)


async def _watch(
    pools: workers.Workers, settings: Settings, clock: Callable[[], datetime], catalogue: Catalogue
) -> None:
    lead, sources = Lead("lienthong watch"), list(catalogue.sources.values())

    async def read() -> overview.Overview | None:
        if not await pools.store(lead.held):
            return None
        return await pools.store(overview.read, now=clock(), sources=sources)

    try:
        await run_watch(read, interval_seconds=settings.watch_seconds)
    finally:
        lead.end()


async def _free(pools: workers.Workers, settings: Settings) -> None:
    copies, seconds = StalledCopies(), settings.copy_stall_seconds
    await run_freeing(lambda: pools.store(copies.end, after_seconds=seconds), after_seconds=seconds)
