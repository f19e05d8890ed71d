"""F27: who may connect, and what those learn who may not."""

import asyncio
import json
import socket
import ssl
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from cryptography.x509.oid import ExtendedKeyUsageOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from adapters import catalogue
from gateway import server, tls
from gateway.client import (
    Credentials,
    IntakeClient,
    Landed,
)
from gateway.errors import FatalSettingError
from gateway.settings import Settings
from gateway.v1 import intake_pb2_grpc
from gateway.wire.faults import read_call_error
from tests.gateway.batches import JSONL_SOURCE, outgoing, people
from tests.gateway.certificates import HOSTS, Certified, failure
from tests.gateway.conftest import Serve, Spawn, free_port

Clock = Callable[[], datetime]
URI = f"spiffe://lienthong/source/{JSONL_SOURCE}"


def test_a_source_with_its_certificate_lands_its_batch(serve: Serve, certified: Certified) -> None:
    async def run() -> list[Any]:
        async with serve(tls=certified, credentials=certified.source(JSONL_SOURCE)) as channel:
            pushing = IntakeClient(channel).push([outgoing(1, people(0, 2))], source_id=JSONL_SOURCE, epoch="e1")
            return [answer async for answer in pushing]

    assert [type(answer) for answer in asyncio.run(run())] == [Landed]


def test_a_certificate_that_names_no_single_identity_of_ours_is_refused_with_a_reason(
    serve: Serve, certified: Certified
) -> None:
    shown = {
        "two": certified.forge(URI, "spiffe://lienthong/source/yen-bai.population"),
        "the same twice": certified.forge(URI, URI),
        "none": certified.forge(),
        "another trust domain": certified.forge(URI.replace("lienthong", "elsewhere")),
        "no role": certified.forge("spiffe://lienthong/minister/an"),
        "no identity": certified.forge("https://lienthong/source/ha-noi.population"),
    }
    port = free_port()

    async def run() -> dict[str, str]:
        async with serve(tls=certified, port=port):
            return {name: (await failure(f"127.0.0.1:{port}", one)).fault.reason for name, one in shown.items()}

    assert asyncio.run(run()) == dict.fromkeys(shown, "IDENTITY_INVALID")


def test_what_is_no_certificate_of_ours_ends_in_the_handshake(
    serve: Serve, certified: Certified, tmp_path: Path
) -> None:
    day = timedelta(days=1)
    rogue = Certified.make(tmp_path / "rogue")
    shown = {
        "run out": certified.forge(URI, begins=-2 * day, ends=-day),
        "not yet good": certified.forge(URI, begins=day, ends=2 * day),
        "of a rogue authority": certified.trusting(rogue.source(JSONL_SOURCE)),
        "for a server": certified.forge(URI, purpose=ExtendedKeyUsageOID.SERVER_AUTH),
    }
    port = free_port()

    async def run() -> dict[str, grpc.StatusCode]:
        async with serve(tls=certified, port=port):
            address = f"127.0.0.1:{port}"
            ends = {name: (await failure(address, one)).fault for name, one in shown.items()}
            ends["no TLS at all"] = (await failure(address, None)).fault
            ends["a rogue gateway"] = (await failure(address, rogue.source(JSONL_SOURCE))).fault
            return {name: fault.code for name, fault in ends.items() if not fault.reason}

    expected = [*shown, "no TLS at all", "a rogue gateway"]
    assert asyncio.run(run()) == dict.fromkeys(expected, grpc.StatusCode.UNAVAILABLE)


def test_nobody_is_served_without_a_good_certificate_not_even_health(serve: Serve, certified: Certified) -> None:
    certified.revoke(certified.operator)

    async def run() -> dict[str, tuple[grpc.StatusCode, str]]:
        ends = {}
        async with serve(tls=certified, reflection=True) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health.Check(health_pb2.HealthCheckRequest(), timeout=10)
            ends["check"] = caught.value
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health.Watch(health_pb2.HealthCheckRequest(), timeout=10).read()
            ends["watch"] = caught.value
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await intake_pb2_grpc.IntakeServiceStub(channel).Push().read()
            ends["push"] = caught.value
        return {name: (error.code(), read_call_error(error).reason) for name, error in ends.items()}

    refused = (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REVOKED")
    assert asyncio.run(run()) == {"check": refused, "watch": refused, "push": refused}


def test_health_and_reflection_answer_who_has_a_good_one(serve: Serve, certified: Certified) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")

    async def run() -> tuple[int, set[str]]:
        async with serve(tls=certified, reflection=True) as channel:
            watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=server.UNITS))
            async for state in watching:
                if state.status == health_pb2.HealthCheckResponse.SERVING:
                    break
            watching.cancel()
            reflected = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                iter([asked]), timeout=10
            )
            names = {one.name async for answer in reflected for one in answer.list_services_response.service}
            return state.status, names

    status, names = asyncio.run(run())

    assert status == health_pb2.HealthCheckResponse.SERVING
    assert server.INTAKE in names


def answer_over_tls_1_2(port: int, credentials: Credentials) -> bytes:
    """What comes back to a call over TLS 1.2, which gRPC's own clients no longer speak here: HTTP/2 by hand."""

    def frame(kind: int, flags: int, payload: bytes, stream: int) -> bytes:
        return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload

    def header(name: str, value: str) -> bytes:
        return b"\x00" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))

    headers = {":method": "POST", ":scheme": "https", ":path": "/gateway.v1.UnitsService/GetUnit"}
    headers |= {":authority": HOSTS[1], "content-type": "application/grpc", "te": "trailers", "grpc-timeout": "10S"}
    call = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, b"", 0)
    call += frame(1, 4, b"".join(header(*one) for one in headers.items()), 1) + frame(0, 1, bytes(5), 1)
    context = ssl.create_default_context(cafile=credentials.authorities_path)
    context.load_cert_chain(credentials.certificate_path, credentials.key_path)
    context.set_alpn_protocols(["h2"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=HOSTS[0]) as line:
            assert line.version() == "TLSv1.2"
            line.sendall(call)
            while b"grpc-status" not in received and (data := line.recv(4_096)):
                received += data
    return received


def test_an_older_tls_is_refused_at_its_first_call(serve: Serve, certified: Certified) -> None:
    port = free_port()

    async def run() -> bytes:
        async with serve(tls=certified, port=port):
            return await asyncio.to_thread(answer_over_tls_1_2, port, certified.operator)

    assert b"The connection is not of TLS 1.3." in asyncio.run(run())


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "[::]", "gateway.example"])  # noqa: S104 - what is refused
def test_without_certificates_only_loopback_is_listened_on(engine: sa.Engine, host: str) -> None:
    async def run() -> None:
        async with server.running(engine, Settings(host=host, port=0), catalogue=catalogue.load()):
            pass

    with pytest.raises(FatalSettingError, match=r"LIENTHONG_HOST.*lienthong pki.*LIENTHONG_TLS_CERTIFICATE"):
        asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]", "::1"])
def test_loopback_needs_no_certificate(host: str) -> None:
    assert tls.files_of(Settings(host=host)) is None


def test_certificates_are_named_all_or_none(certified: Certified) -> None:
    with pytest.raises(FatalSettingError, match="LIENTHONG_TLS_KEY and LIENTHONG_TLS_AUTHORITIES"):
        tls.files_of(Settings(tls_certificate=certified.gateway.certificate_path))


def test_why_a_handshake_failed_is_logged_and_counted_without_saying_whose(
    spawn: Spawn, certified: Certified, tmp_path: Path
) -> None:
    port, metrics_port, log = free_port(), free_port(), tmp_path / "gateway.log"
    rogue = Certified.make(tmp_path / "rogue")
    day = timedelta(days=1)
    shown = {
        "CERTIFICATE_EXPIRED": certified.forge(URI, begins=-2 * day, ends=-day),
        "AUTHORITY_UNKNOWN": certified.trusting(rogue.source(JSONL_SOURCE)),
        "PURPOSE_INVALID": certified.forge(URI, purpose=ExtendedKeyUsageOID.SERVER_AUTH),
    }

    async def knock() -> None:
        for credentials in shown.values():
            await failure(f"127.0.0.1:{port}", credentials)
        nobody = grpc.ssl_channel_credentials(certified.gateway.authorities_path.read_bytes())
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", nobody) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)

    with spawn(port, log=log, LIENTHONG_METRICS_PORT=str(metrics_port), **certified.variables()):
        asyncio.run(knock())
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10) as answer:
            counted = answer.read().decode()
    lines = [json.loads(line) for line in log.read_text().splitlines()]

    reasons = {*shown, "CERTIFICATE_MISSING"}
    told = [line for line in lines if line["event"] == "handshake_refused"]
    assert {line["reason"] for line in told} == reasons
    assert all(f'lienthong_handshakes_refused_total{{reason="{reason}"}}' in counted for reason in reasons)
    assert JSONL_SOURCE not in log.read_text()
