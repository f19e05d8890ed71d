"""Composition root: settings ──► store ──► services ──► server. `python -m gateway`, or `lienthong serve`."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapters import catalogue
from gateway import server
from gateway.errors import GatewayError
from gateway.settings import Settings, read
from observability import logs, telemetry
from observability.errors import FatalObservabilityError
from reconciliation.entitlements import read_grants
from reconciliation.errors import ReconciliationError
from reconciliation.store import embedded, feed
from reconciliation.store import engine as engines


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL of the database of `settings`; our own one runs while the context does."""
    given = {"LIENTHONG_DATABASE_URL": settings.database_url} if settings.database_url else {}
    with embedded.database_url(settings.data_folder, given) as url:
        yield url


def prepare(url: str) -> None:
    """Bring the database to this release: its schema, and the registries with their grants."""
    engines.migrate(url)
    engine = engines.connect(url, pool_size=1)
    try:
        feed.grant(engine, read_grants())
    finally:
        engine.dispose()


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `announce` is told the address, host:port, once calls are taken.

    Raises FatalObservabilityError, FatalStoreError, RetryableStoreError or OSError when it cannot begin.
    """
    logs.configure(service_name="gateway")
    seen = telemetry.configure(
        service_name="gateway",
        trace_file=settings.trace_file,
        otlp_endpoint=settings.otlp_endpoint,
        prometheus_port=settings.metrics_port,
    )
    with seen, database(settings) as url:
        prepare(url)
        asyncio.run(_serve(settings, url, announce))


async def _serve(settings: Settings, url: str, announce: Callable[[str], None]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    engine = engines.connect(url, pool_size=settings.store_threads)
    try:
        async with server.running(engine, settings, catalogue=catalogue.load()) as gateway:
            announce(gateway.address)
            await stopping.wait()
    finally:
        engine.dispose()


def main() -> int:
    """Serve by the settings of the environment; the exit code is 1 when it cannot begin."""
    try:
        serve(read(), announce=lambda address: print(f"gateway: {address}", flush=True))  # noqa: T201 - for who waits
    except (GatewayError, ReconciliationError, FatalObservabilityError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
