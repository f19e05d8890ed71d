"""`lienthong doctor`: is everything there that a gateway needs, and if not, what to do."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from adapters import catalogue
from adapters.errors import AdapterError
from gateway.cli.options import Address, Json
from gateway.cli.saying import json_line, rows
from gateway.cli.store import open_store
from gateway.client import CLIENT_SOFTWARE, connect
from gateway.client.errors import translated
from gateway.errors import GatewayError
from gateway.settings import read
from gateway.v1 import intake_pb2_grpc
from gateway.wire.intake import read_welcome_time, write_hello
from reconciliation.errors import ReconciliationError

MOST_SKEW = timedelta(minutes=5)  # beyond it, the day of an export or a deadline may be taken for another


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. `found` says what was seen, or what to do."""

    name_vi: str
    name: str
    is_well: bool
    found: str


def command(*, address: Address, as_json: Json = False) -> None:
    """Kiểm tra cài đặt, nguồn, cơ sở dữ liệu, cổng, đồng hồ. Check settings, sources, database, gateway, clock."""
    checks = list(_checks(address))
    if as_json:
        for check in checks:
            json_line(check)
    else:
        rows(
            ("", "", ""),
            [("✓" if check.is_well else "✗", f"{check.name_vi} · {check.name}", check.found) for check in checks],
        )
    if not all(check.is_well for check in checks):
        raise typer.Exit(1)


def _checks(address: str) -> Iterator[Check]:
    yield _check("cài đặt", "settings", lambda: str(read().data_folder))
    yield _check("các nguồn", "sources", _sources)
    yield _check("cơ sở dữ liệu", "database", _database)
    yield _check("cổng", "gateway", lambda: asyncio.run(_health(address)))
    yield _check("đồng hồ", "clock", lambda: asyncio.run(_clock(address)))


def _check(name_vi: str, name: str, look: Callable[[], str]) -> Check:
    try:
        found = look()
    except (GatewayError, ReconciliationError, AdapterError, OSError) as error:
        return Check(name_vi=name_vi, name=name, is_well=False, found=str(error))
    return Check(name_vi=name_vi, name=name, is_well=True, found=found)


def _sources() -> str:
    known = catalogue.load()
    return f"{len(known.sources)} of {len(known.provinces)} provinces"


def _database() -> str:
    with open_store() as engine:
        return engine.url.render_as_string(hide_password=True)


async def _health(address: str) -> str:
    async with connect(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        with translated():
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise GatewayError(f"{address} answers and does not serve. Next: look at its log and its database.")
    return f"{address} serves"


async def _clock(address: str) -> str:
    """Compares the gateway's clock, as a Welcome tells it, with this machine's."""
    source_id = min(catalogue.load().sources)
    async with connect(address) as channel:
        stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
        with translated():
            call = stub.Push(timeout=5)
            await call.write(write_hello(source_id=source_id, epoch="doctor", client_software=CLIENT_SOFTWARE))
            await call.done_writing()
            welcome = await call.read()
    skew = datetime.now(UTC) - read_welcome_time(welcome)
    if abs(skew) > MOST_SKEW:
        raise GatewayError(
            f"This clock is {skew.total_seconds():+.0f} s off the gateway's. Next: set both by a time server."
        )
    return f"{skew.total_seconds():+.1f} s"
