"""Composition root: settings ──► store ──► services ──► server. `python -m gateway`, or `lienthong serve`."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext

from adapters import catalogue
from gateway import garbage, handshakes, server, supervising, tls
from gateway.databases import database
from gateway.errors import GatewayError
from gateway.lookups import READERS
from gateway.settings import Settings, read, unknown
from observability import logs, telemetry
from observability.errors import FatalObservabilityError
from reconciliation.entitlements import TRUST_DOMAIN, read_grants, shipped_source_grants
from reconciliation.errors import ReconciliationError
from reconciliation.store import engine as engines
from reconciliation.store import feed, grants


def prepare(url: str, *, trust_domain: str = TRUST_DOMAIN) -> None:
    """Bring the database to this release: its schema, and the grants of sources and registries."""
    engines.migrate(url)
    engine = engines.connect(url, pool_size=1)
    try:
        feed.grant(engine, read_grants())
        grants.ship(engine, shipped_source_grants(catalogue.load(), trust_domain=trust_domain), now=server.utc_now())
    finally:
        engine.dispose()


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `announce` is told the address, host:port, once calls are taken.

    Raises FatalSettingError, FatalCertificateError, FatalObservabilityError, FatalStoreError, RetryableStoreError or
    OSError when it cannot begin.
    """
    logs.configure(service_name="gateway")
    say_unknown_settings()
    with database(settings) as url:
        prepare(url, trust_domain=settings.trust_domain)
        if settings.processes > 1:
            supervising.supervise(settings, url, announce=announce)
        else:
            serve_on(url, settings, announce=announce)


def say_unknown_settings() -> None:
    """Tell whoever starts us of variables that are no settings: one that is misspelt is not in force."""
    sys.stderr.writelines(f"{line}\n" for line in unknown())


def serve_on(url: str, settings: Settings, *, announce: Callable[[str], None], is_one_of_several: bool = False) -> None:
    """As `serve`, by this process alone and on a database that is prepared. One of several ends with its parent too."""
    seen = telemetry.configure(
        service_name="gateway",
        trace_file=settings.trace_file,
        otlp_endpoint=settings.otlp_endpoint,
        prometheus_port=settings.metrics_port,
    )
    noting = handshakes.noted() if tls.files_of(settings) else nullcontext()
    with seen, noting:
        asyncio.run(_serve(settings, url, announce, is_one_of_several=is_one_of_several))


async def _serve(settings: Settings, url: str, announce: Callable[[str], None], *, is_one_of_several: bool) -> None:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if is_one_of_several:
        loop.add_reader(sys.stdin.fileno(), stopping.set)  # nothing is ever written there: it was closed
    # Beside the store's threads one connection leads, and each reader of statuses keeps one.
    engine = engines.connect(url, pool_size=settings.store_threads + 1 + READERS)
    try:
        async with server.running(engine, settings, catalogue=catalogue.load()) as gateway:
            garbage.spare_what_stays()
            announce(gateway.address)
            await stopping.wait()
    finally:
        engine.dispose()


def main() -> int:
    """Serve by the settings of the environment; the exit code is 1 when it cannot begin."""

    def announce(address: str) -> None:
        print(f"gateway: {address}", flush=True)  # noqa: T201 - for who waits

    try:
        settings = read()
        if sys.argv[1:] == [supervising.ONE_OF_SEVERAL]:
            logs.configure(service_name="gateway")
            serve_on(settings.database_url or "", settings, announce=announce, is_one_of_several=True)
        else:
            serve(settings, announce=announce)
    except (GatewayError, ReconciliationError, FatalObservabilityError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
