"""F27: what happens to a push when certificates run out, are replaced or are revoked."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway import pki, tls
from gateway.admission import Admission
from gateway.certificates import read_shown
from gateway.client import (
    Credentials,
    IntakeClient,
    Landed,
    Outgoing,
    RejectedByGatewayError,
    UnitsClient,
    connect,
)
from gateway.client.renewing import generation
from gateway.errors import FatalCertificateError
from gateway.settings import Settings
from gateway.v1 import intake_pb2_grpc
from gateway.wire.faults import read_call_error
from observability import telemetry
from tests.gateway.batches import JSONL_SOURCE, hello, message, outgoing, people
from tests.gateway.certificates import HOSTS, Certified, failure
from tests.gateway.conftest import Serve, free_port

Clock = Callable[[], datetime]
URI = f"spiffe://lienthong/source/{JSONL_SOURCE}"


async def opened(channel: grpc.aio.Channel) -> Any:
    """A push that was welcomed and has landed one batch."""
    call = intake_pb2_grpc.IntakeServiceStub(channel).Push()
    await call.write(hello())
    await call.read()
    await call.write(message(1, people(0, 2)))
    assert (await call.read()).HasField("receipt")
    return call


async def end_of(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call.read(), 20)
    return read_call_error(caught.value)


def test_a_revoked_source_is_cut_off_in_the_middle_of_its_push_and_others_go_on(
    serve: Serve, certified: Certified
) -> None:
    port, revoked, other = free_port(), certified.source(JSONL_SOURCE), certified.source("yen-bai.population")

    async def run() -> tuple[Any, Any, Any]:
        async with serve(tls=certified, port=port, credentials=revoked) as channel:
            async with connect(f"127.0.0.1:{port}", credentials=other) as another:
                call = await opened(channel)
                watching = health_pb2_grpc.HealthStub(another).Watch(health_pb2.HealthCheckRequest())
                await watching.read()
                certified.revoke(revoked)
                ended = await end_of(call)
                again = await failure(f"127.0.0.1:{port}", revoked)
                unit = await UnitsClient(another).unit("00004")
                assert not watching.done()
                watching.cancel()
                return ended, again.fault, unit

    with telemetry.configure(service_name="test", prometheus_port=0) as seen:
        ended, again, unit = asyncio.run(run())
        counted = seen.metrics_text()

    assert (ended.code, ended.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REVOKED")
    assert again.reason == "CERTIFICATE_REVOKED"
    assert unit.code == "00004"
    assert 'lienthong_identities_refused_total{reason="CERTIFICATE_REVOKED"} 2.0' in counted
    assert 'lienthong_certificate_days{certificate="gateway"}' in counted


def test_a_push_ends_when_the_certificate_it_began_with_runs_out(serve: Serve, certified: Certified) -> None:
    shown, passed = certified.source(JSONL_SOURCE), [timedelta()]
    now = datetime.now(UTC)

    async def run() -> Any:
        async with serve(tls=certified, credentials=shown, clock=lambda: now + passed[0]) as channel:
            call = await opened(channel)
            passed[0] = timedelta(days=pki.MOST_DAYS)
            return await end_of(call)

    assert asyncio.run(run()).reason == "IDENTITY_INVALID"


@asynccontextmanager
async def watched(
    certified: Certified, serve: Callable[[Admission], AsyncIterator[bytes]]
) -> AsyncIterator[tuple[Admission, Any]]:
    """A server of one stream that `serve` writes, behind an admission, and the operator's call of it."""
    certificates = tls.open_certificates(Settings(**certified.settings()))
    assert certificates
    admission = Admission(certificates, trust_domain="lienthong", clock=lambda: datetime.now(UTC), help_url="")

    async def handle(requests: object, context: object) -> AsyncIterator[bytes]:
        async with aclosing(serve(admission)) as responses:
            async for response in responses:
                yield response

    handler = grpc.stream_stream_rpc_method_handler(handle)
    serving = grpc.aio.server(interceptors=[admission])
    serving.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Feed", {"Watch": handler})])
    port = serving.add_secure_port("127.0.0.1:0", certificates.credentials())
    await serving.start()
    try:
        async with connect(f"127.0.0.1:{port}", credentials=certified.operator) as channel:
            yield admission, channel.stream_stream("/test.Feed/Watch")()
    finally:
        await serving.stop(None)


async def read_to_the_end(call: Any) -> tuple[int, Any]:
    """How many responses there still were, and how the call failed."""
    read = 0
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        while await asyncio.wait_for(call.read(), 20) is not grpc.aio.EOF:
            read += 1
    return read, read_call_error(caught.value)


def test_a_revoked_caller_that_reads_nothing_is_cut_off_too(certified: Certified) -> None:
    ended = asyncio.Event()

    async def endless(_: Admission) -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(1 << 16)
        finally:
            ended.set()

    async def run() -> tuple[int, Any]:
        async with watched(certified, endless) as (admission, call):
            assert await call.read() == bytes(1 << 16)
            certified.revoke(certified.operator)
            admission.look()
            await asyncio.wait_for(ended.wait(), 20)
            return await read_to_the_end(call)

    read, fault = asyncio.run(run())

    assert read < 1_000
    assert fault.reason == "CERTIFICATE_REVOKED"


@pytest.mark.parametrize("turns", range(9))
def test_a_revoked_caller_is_told_so_however_far_its_first_response_is(certified: Certified, turns: int) -> None:
    looking: list[asyncio.Task[None]] = []

    async def look(admission: Admission) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        certified.revoke(certified.operator)
        admission.look()

    async def endless(admission: Admission) -> AsyncIterator[bytes]:
        looking.append(asyncio.create_task(look(admission)))
        while True:
            yield bytes(1 << 16)

    async def run() -> tuple[int, Any]:
        async with watched(certified, endless) as (_, call):
            return await read_to_the_end(call)

    _, fault = asyncio.run(run())

    assert fault.reason == "CERTIFICATE_REVOKED"
    assert all(one.done() for one in looking)


def serial_at(port: int, credentials: Credentials) -> int:
    """The serial of the certificate that the gateway shows to a new connection."""
    context = ssl.create_default_context(cafile=credentials.authorities_path)
    context.load_cert_chain(credentials.certificate_path, credentials.key_path)
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=HOSTS[0]) as line:
            assert line.version() == "TLSv1.3"
            return read_shown(ssl.DER_cert_to_PEM_cert(line.getpeercert(binary_form=True) or b"").encode()).serial


def serial_of(credentials: Credentials) -> int:
    return read_shown(credentials.certificate_path.read_bytes()).serial


async def slowly(batches: list[Outgoing], between: dict[int, Callable[[], object]]) -> AsyncIterator[Outgoing]:
    """The batches; before those named in `between` something happens."""
    for batch in batches:
        if batch.sequence in between:
            await asyncio.to_thread(between[batch.sequence])
        yield batch


def test_the_gateway_takes_a_new_certificate_without_a_restart_while_a_push_goes_on(
    serve: Serve, certified: Certified, engine: sa.Engine
) -> None:
    port, source = free_port(), certified.source(JSONL_SOURCE)
    batches = [outgoing(number, people(number * 10, 2)) for number in range(1, 5)]
    before = serial_of(certified.gateway)
    shown: list[int] = []
    connections: list[int] = []

    def rotate() -> None:
        shown.append(serial_at(port, source))
        certified.renew(certified.gateway)
        shown.append(serial_at(port, source))

    async def run() -> list[Any]:
        async with serve(tls=certified, port=port, credentials=source) as channel:
            pushing = IntakeClient(channel).push(
                slowly(batches, {3: rotate}),
                source_id=JSONL_SOURCE,
                epoch="e1",
                on_progress=lambda progress: connections.append(progress.connections),
            )
            return [answer async for answer in pushing]

    answers = asyncio.run(run())

    assert all(isinstance(answer, Landed) for answer in answers)
    assert shown == [before, serial_of(certified.gateway)]
    assert before != shown[1]
    assert set(connections) == {1}
    with engine.connect() as connection:
        assert list(connection.scalars(sa.text("SELECT sequence FROM batch ORDER BY 1"))) == [1, 2, 3, 4]


def test_a_source_renews_during_its_push_and_outlives_the_revocation_of_what_it_began_with(
    serve: Serve, certified: Certified, engine: sa.Engine
) -> None:
    source = certified.source(JSONL_SOURCE)
    batches = [outgoing(number, people(number * 10, 2)) for number in range(1, 5)]
    connections: list[int] = []

    async def run(seen: telemetry.Telemetry) -> list[Any]:
        def renew_and_revoke() -> None:
            old = serial_of(source)
            certified.renew(source)
            certified.revoke_serial(old)
            until(lambda: 'refused_total{reason="CERTIFICATE_REVOKED"}' in seen.metrics_text())

        async with serve(tls=certified, credentials=source) as channel:
            pushing = IntakeClient(channel).push(
                slowly(batches, {3: renew_and_revoke}),
                source_id=JSONL_SOURCE,
                epoch="e1",
                on_progress=lambda progress: connections.append(progress.connections),
            )
            return [answer async for answer in pushing]

    with telemetry.configure(service_name="test", prometheus_port=0) as seen:
        answers = asyncio.run(run(seen))

    assert [answer.sequence for answer in answers] == [1, 2, 3, 4]
    assert all(isinstance(answer, Landed) for answer in answers)
    assert connections[-1] == 2
    with engine.connect() as connection:
        assert list(connection.scalars(sa.text("SELECT sequence FROM batch ORDER BY 1"))) == [1, 2, 3, 4]


def test_a_revoked_source_that_has_nothing_newer_is_told_so(serve: Serve, certified: Certified) -> None:
    source = certified.source(JSONL_SOURCE)
    certified.revoke(source)

    async def run() -> str:
        async with serve(tls=certified, credentials=source) as channel:
            pushing = IntakeClient(channel).push([outgoing(1, people(0, 2))], source_id=JSONL_SOURCE, epoch="e1")
            with pytest.raises(RejectedByGatewayError) as caught:
                await anext(pushing)
            return caught.value.fault.reason

    assert asyncio.run(run()) == "CERTIFICATE_REVOKED"


def until(holds: Callable[[], bool]) -> None:
    """Wait for what has to come, on a thread."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_calls_go_on_while_only_half_of_a_new_pair_is_written(serve: Serve, certified: Certified) -> None:
    source, other = certified.source(JSONL_SOURCE), certified.source("yen-bai.population")
    key = source.key_path.read_bytes()

    async def run() -> tuple[int, int]:
        async with serve(tls=certified, credentials=source) as channel:
            units = UnitsClient(channel)
            await units.unit("00004")
            pki.write_private(source.key_path, other.key_path.read_bytes())
            pki.write_private(certified.gateway.key_path, other.key_path.read_bytes())
            await units.unit("00004")
            halfway = generation(channel)
            pki.write_private(source.key_path, key)
            await units.unit("00004")
            return halfway, generation(channel)

    assert asyncio.run(run()) == (1, 2)


def test_the_gateways_files_are_taken_only_when_they_fit_together(certified: Certified, tmp_path: Path) -> None:
    rogue = Certified.make(tmp_path / "rogue")
    certificates = tls.open_certificates(Settings(**certified.settings()))
    assert certificates
    listed = certified.authority.folder / pki.REVOCATIONS
    revoked = read_shown(certified.operator.certificate_path.read_bytes())
    spoiled = {
        "a list nobody of ours signed": (listed, (rogue.authority.folder / pki.REVOCATIONS).read_bytes()),
        "no list": (listed, b""),
        "another's key": (certified.gateway.key_path, rogue.gateway.key_path.read_bytes()),
        "another's certificate": (certified.gateway.certificate_path, rogue.gateway.certificate_path.read_bytes()),
        "no authority": (certified.gateway.authorities_path, b"-----BEGIN NOTHING-----"),
    }

    kept = {}
    for name, (path, content) in spoiled.items():
        before, material = path.read_bytes(), certificates.material
        pki.write_public(path, content)
        certificates.look()
        kept[name] = certificates.material is material
        with pytest.raises(FatalCertificateError):
            tls.open_certificates(Settings(**certified.settings()))
        pki.write_public(path, before)
        certificates.look()
    certified.revoke(certified.operator)
    certificates.look()

    assert kept == dict.fromkeys(spoiled, True)
    assert certificates.material.revocations.hold(revoked)


def test_a_list_that_goes_missing_revokes_what_it_revoked_before(certified: Certified) -> None:
    certified.revoke(certified.operator)
    certificates = tls.open_certificates(Settings(**certified.settings()))
    assert certificates

    (certified.authority.folder / pki.REVOCATIONS).unlink()
    certificates.look()

    assert certificates.material.revocations.hold(read_shown(certified.operator.certificate_path.read_bytes()))
