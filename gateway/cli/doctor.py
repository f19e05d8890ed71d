"""`lienthong doctor`: is everything there that a gateway needs, and if not, what to do."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from adapters import catalogue
from adapters.errors import AdapterError
from gateway.certificates import Shown, describe, read_chain, read_file
from gateway.cli.options import Address, Authorities, Certificate, Json, Key, credentials
from gateway.cli.saying import json_line, rows
from gateway.cli.store import open_store
from gateway.client import CLIENT_SOFTWARE, connect
from gateway.client.errors import RejectedByGatewayError, translated
from gateway.errors import GatewayError, Reason
from gateway.identity import Role, identity_of
from gateway.settings import Settings, read, unknown
from gateway.tls import files_of, read_material
from gateway.v1 import intake_pb2_grpc
from gateway.wire.intake import read_welcome_time, write_hello
from reconciliation.errors import ReconciliationError

MOST_SKEW = timedelta(minutes=5)  # beyond it, the day of an export or a deadline may be taken for another
LEAST_DAYS = 14  # of a certificate; renewing takes an office a week


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. `found` says what was seen, or what to do."""

    name_vi: str
    name: str
    is_well: bool
    found: str


def command(
    *,
    address: Address,
    certificate: Certificate = None,
    key: Key = None,
    authorities: Authorities = None,
    as_json: Json = False,
) -> None:
    """Kiểm tra cài đặt, nguồn, chứng thư, cơ sở dữ liệu, cổng, đồng hồ.

    Check settings, sources, certificates, database, gateway and clock.
    """
    checks = list(_checks(address, certificate, key, authorities))
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


def _checks(address: str, certificate: Path | None, key: Path | None, authorities: Path | None) -> Iterator[Check]:
    async def connected(look: Callable[[grpc.aio.Channel], Awaitable[str]]) -> str:
        async with connect(address, credentials=credentials(certificate, key, authorities)) as channel:
            return await look(channel)

    yield _check("cài đặt", "settings", _settings)
    yield _check("các nguồn", "sources", _sources)
    yield _check("chứng thư của cổng", "certificates", lambda: _certificates(read(), datetime.now(UTC)))
    yield _check("cơ sở dữ liệu", "database", _database)
    if certificate:
        yield _check("chứng thư của bên gọi", "own certificate", lambda: _own(certificate, key, authorities))
    yield _check("cổng", "gateway", lambda: asyncio.run(connected(_health)))
    yield _check("đồng hồ", "clock", lambda: asyncio.run(connected(partial(_clock, source_id=_source_of(certificate)))))


def _check(name_vi: str, name: str, look: Callable[[], str]) -> Check:
    try:
        found = look()
    except (GatewayError, ReconciliationError, AdapterError, OSError) as error:
        return Check(name_vi=name_vi, name=name, is_well=False, found=str(error))
    return Check(name_vi=name_vi, name=name, is_well=True, found=found)


def _settings() -> str:
    """Read, and none of them misspelt."""
    settings = read()
    if strange := unknown():
        raise GatewayError(" ".join(strange))
    return "from the environment" if settings.database_url else str(settings.data_folder)


def _sources() -> str:
    known = catalogue.load()
    return f"{len(known.sources)} of {len(known.provinces)} provinces"


def _database() -> str:
    with open_store() as engine:
        return engine.url.render_as_string(hide_password=True)


def _certificates(settings: Settings, now: datetime) -> str:
    """What the gateway's own files hold, read as it reads them; warns while there is time to renew."""
    files = files_of(settings)
    if files is None:
        return "none: loopback only"
    material = read_material(files)
    if files.key.stat().st_mode & 0o077:
        raise GatewayError(f"{files.key}: others may read the key. Next: chmod 600.")
    left = {"certificate": (material.certificate_until - now).days, "authority": (material.authority_until - now).days}
    if short := [f"the {name} runs out in {days} days" for name, days in left.items() if days < LEAST_DAYS]:
        raise GatewayError(f"{files.certificate}: {', '.join(short)}. Next: `lienthong pki renew`, or ask its issuer.")
    if files.revocations is None:
        raise GatewayError("No certificate can be revoked. Next: set LIENTHONG_TLS_REVOCATIONS to the list.")
    due_at = material.revocations.due_at
    if due_at and due_at <= now:
        raise GatewayError(
            f"{files.revocations}: the next list was due on {due_at:%Y-%m-%d}. Next: `lienthong pki refresh`."
        )
    revoked = len(material.revocations.revoked)
    due = f", next list by {due_at:%Y-%m-%d}" if due_at else ""
    return f"{left['certificate']} days left, authority {left['authority']}; {revoked} revoked{due}"


def _own(certificate: Path, key: Path | None, authorities: Path | None) -> str:
    """What can be known of the certificate this terminal shows before anybody is called."""
    credentials(certificate, key, authorities)
    return f"until {_shown(certificate).expires_at:%Y-%m-%d}"


def _shown(certificate: Path) -> Shown:
    return describe(read_chain(read_file(certificate), place=str(certificate))[0])


def _source_of(certificate: Path | None) -> str:
    """The source under whose name to greet the gateway: that of our certificate if it is one's."""
    if certificate:
        own = identity_of(_shown(certificate))
        if own.role is Role.SOURCE:
            return own.name
    return min(catalogue.load().sources)


async def _health(channel: grpc.aio.Channel) -> str:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    with translated():
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise GatewayError("The gateway answers and does not serve. Next: look at its log and its database.")
    return "serves"


async def _clock(channel: grpc.aio.Channel, source_id: str) -> str:
    """Compares the gateway's clock, as a Welcome tells it, with this machine's."""
    stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
    try:
        with translated():
            call = stub.Push(timeout=5)
            await call.write(write_hello(source_id=source_id, epoch="doctor", client_software=CLIENT_SOFTWARE))
            await call.done_writing()
            welcome = await call.read()
    except RejectedByGatewayError as error:
        if error.fault.reason == Reason.NOT_ENTITLED:
            return "not asked: the certificate speaks for no source"
        raise
    skew = datetime.now(UTC) - read_welcome_time(welcome)
    if abs(skew) > MOST_SKEW:
        raise GatewayError(
            f"This clock is {skew.total_seconds():+.0f} s off the gateway's. Next: set both by a time server."
        )
    return f"{skew.total_seconds():+.1f} s"
