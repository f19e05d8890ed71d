"""The doctor names what is wrong, in the order in which it has to be mended."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.type.date_pb2 import Date

from gateway.agent import certificate, doctor
from gateway.agent.checking import Check, Verdict
from gateway.agent.settings import Certificate
from gateway.services.intake import IntakeService
from gateway.v1 import intake_pb2
from tests.gateway.agent.agents import Province
from tests.gateway.agent.certificates import BEGUN, URI, Authority
from tests.gateway.agent.spools import opened, receipt, take
from tests.gateway.batches import json_lines, people, person
from tests.gateway.certificates import Certified
from tests.gateway.conftest import NOW, Serve, Spawn, free_port
from tests.gateway.terminal import lienthong

TODAY = datetime(2025, 6, 1, tzinfo=UTC)
ORDER = ["own certificate", "chain", "clock", "DNS", "line", "grants", "schema"]


@pytest.fixture
def province(in_memory):
    return Province(in_memory / "province")


def examine(settings, *, now=TODAY) -> list[Check]:
    return asyncio.run(doctor.examine(settings, clock=lambda: now))


def names(checks: list[Check]) -> list[str]:
    return [check.name.removesuffix(" ha-noi.population") for check in checks]


def own_and_chain(settings, *, now=TODAY) -> tuple[Check, Check]:
    return certificate.check_own(settings, now=now), certificate.check_chain(settings, now=now)


def test_a_certificate_in_force_is_well_and_a_renewal_is_asked_for_in_time(tmp_path):
    settings = Authority().issue(tmp_path, days=200)

    own, chain = own_and_chain(settings)
    soon, _ = own_and_chain(settings, now=BEGUN + timedelta(days=190))

    assert (own.verdict, chain.verdict) == (Verdict.WELL, Verdict.WELL)
    assert soon.verdict is Verdict.WARNED
    assert "10 more days" in soon.en
    assert certificate.days_left(settings, now=BEGUN + timedelta(days=190)) == 10


@pytest.mark.parametrize(
    ("changes", "en", "vi"),
    [
        ({"days": 30}, "expired on 2025-01-31", "hết hạn ngày 31/01/2025"),
        ({"begun": datetime(2026, 1, 1, tzinfo=UTC)}, "not in force before", "chưa có hiệu lực"),
        ({"uris": ()}, "names 0 identities", "nêu 0 danh tính"),
        ({"uris": (URI, URI + "x")}, "names 2 identities", "nêu 2 danh tính"),
        ({"server": True}, "not for clients", "bên gọi"),
    ],
)
def test_what_is_wrong_with_the_own_certificate_is_named(tmp_path, changes, en, vi):
    own, _ = own_and_chain(Authority().issue(tmp_path, **changes))

    assert own.verdict is Verdict.WRONG
    assert en in own.en
    assert vi in own.vi
    assert own.fix_vi
    assert own.fix_en


def test_missing_foreign_and_mistaken_files_are_told_apart(tmp_path):
    authority = Authority()
    settings = authority.issue(tmp_path / "ours")
    other = authority.issue(tmp_path / "other")
    rogue = Authority("rogue").issue(tmp_path / "rogue", trusting=authority)

    missing, _ = own_and_chain(replace(settings, certificate=tmp_path / "none.crt"))
    mixed, _ = own_and_chain(replace(settings, key=other.key))
    own, foreign = own_and_chain(rogue)

    assert "cannot be read" in missing.en
    assert "key does not belong" in mixed.en
    assert (own.verdict, foreign.verdict) == (Verdict.WELL, Verdict.WRONG)
    assert "none of the authorities" in foreign.en
    late = certificate.check_chain(Authority(days=10).issue(tmp_path / "late"), now=TODAY)
    assert "authority's certificate is good until 2025-01-11 only" in late.en


def test_nothing_is_tried_before_the_certificate_is_mended(province, tmp_path):
    settings = replace(province.configure("gateway.invalid:1"), certificate=Authority().issue(tmp_path, days=1))

    checks = examine(settings)

    assert names(checks) == ORDER
    assert [check.verdict for check in checks[:2]] == [Verdict.WRONG, Verdict.WELL]
    assert {check.verdict for check in checks[3:]} == {Verdict.SKIPPED}


def test_a_clock_behind_the_last_receipt_is_wrong_even_without_a_line(province):
    settings = province.configure(f"127.0.0.1:{free_port()}")
    with opened(province.spool) as spool:
        spool.receive(receipt(take(spool, b"one")))

    behind = examine(settings, now=datetime(2020, 1, 1, tzinfo=UTC))
    later = examine(settings, now=datetime(2026, 1, 1, tzinfo=UTC))

    assert [check.verdict for check in behind if check.name == "clock"] == [Verdict.WRONG]
    assert [check.verdict for check in later if check.name == "clock"] == [Verdict.SKIPPED]
    line = next(check for check in later if check.name == "line")
    assert line.verdict is Verdict.WRONG
    assert "Connection refused" in line.en


def test_a_name_without_an_address_is_told_as_that(province):
    checks = examine(province.configure("khong-co.invalid:50551"))

    assert names(checks) == ORDER
    assert [check.verdict for check in checks if check.name == "DNS"] == [Verdict.WRONG]
    assert {check.verdict for check in checks[4:]} == {Verdict.SKIPPED}  # nobody is called for half a minute


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[int]:
    """A server that makes handshakes and nothing else."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as secured:
                secured.settimeout(5)
                secured.sendall(b"\0" * 9)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.parametrize(
    ("gateway_is_ours", "trusts_us", "said"),
    [(False, True, "gateway's certificate does not hold"), (True, False, "does not take this certificate")],
)
def test_a_handshake_that_fails_says_on_which_side(province, tmp_path, gateway_is_ours, trusts_us, said):
    now = datetime.now(UTC)
    authority, rogue = Authority(), Authority("rogue")
    ours = authority.issue(tmp_path / "agent")
    issuer = authority if gateway_is_ours else rogue
    theirs = issuer.issue(tmp_path / "gateway", server=True, trusting=authority if trusts_us else rogue)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.certificate, theirs.key)
    context.load_verify_locations(theirs.authorities)
    context.verify_mode = ssl.CERT_REQUIRED

    with tls_server(context) as port:
        settings = replace(province.configure(f"127.0.0.1:{port}"), certificate=ours)
        checks = examine(settings, now=now)

    line = next(check for check in checks if check.name == "line")
    assert line.verdict is Verdict.WRONG
    assert said in line.en


@contextlib.contextmanager
def plain_server() -> Iterator[int]:
    """A server that answers whatever it is sent as a web server would, without TLS."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listening.accept()[0] as connection:
                    connection.recv(1)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_a_port_without_tls_is_not_taken_for_a_revoked_certificate(province, tmp_path):
    ours = Authority().issue(tmp_path / "agent")

    with plain_server() as port:
        settings = replace(province.configure(f"127.0.0.1:{port}"), certificate=ours)
        checks = examine(settings, now=datetime.now(UTC))

    line = next(check for check in checks if check.name == "line")
    assert line.verdict is Verdict.WRONG
    assert "does not speak TLS" in line.en


def test_a_revoked_certificate_is_wrong_with_the_line(serve: Serve, province, certified: Certified) -> None:
    ours = certified.source("ha-noi.population")
    files = Certificate(certificate=ours.certificate_path, key=ours.key_path, authorities=ours.authorities_path)
    certified.revoke(ours)

    async def run() -> list[Check]:
        async with serve(tls=certified, port=(port := free_port())):
            settings = replace(province.configure(f"127.0.0.1:{port}"), certificate=files)
            return await doctor.examine(settings, clock=lambda: datetime.now(UTC))

    checks = {check.name: check for check in asyncio.run(run())}

    assert (checks["line"].verdict, checks["grants"].verdict) == (Verdict.WRONG, Verdict.SKIPPED)
    assert "CERTIFICATE_REVOKED" in checks["line"].en
    assert "thu hồi" in checks["line"].vi


async def of_an_earlier_release(_: object, __: object, context: grpc.aio.ServicerContext) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


async def granted(*_: object) -> intake_pb2.DescribeSourceResponse:
    until = Date(year=2026, month=12, day=31)
    return intake_pb2.DescribeSourceResponse(
        province_codes=["01"], granted_until=until, caller_identity=URI, legal_reference="NĐ 278/2025"
    )


@pytest.mark.parametrize(
    ("describe", "verdict", "said"),
    [
        (of_an_earlier_release, Verdict.SKIPPED, "UNIMPLEMENTED"),
        (granted, Verdict.WELL, f"province 01, until 2026-12-31; known as {URI}; by NĐ 278/2025"),
    ],
)
def test_everything_is_well_with_a_gateway_on_this_machine(
    serve: Serve, province, monkeypatch, *, describe, verdict, said
) -> None:
    monkeypatch.setattr(IntakeService, "DescribeSource", describe)
    province.export("dan-cu 2025-07-10.jsonl", people(100, 5))
    (province.exports / "dan-cu 2025-07-11.jsonl.tmp").write_bytes(b"half a")  # newer, and still being written

    async def run() -> list[Check]:
        async with serve(port=(port := free_port())):
            settings = province.configure(f"127.0.0.1:{port}")
            return await doctor.examine(settings, clock=lambda: NOW + timedelta(seconds=9))

    checks = asyncio.run(run())

    assert names(checks) == ORDER
    well = {check.name: check for check in checks}
    assert well["clock"].en == "+9 s off the gateway's."
    assert [well[name].verdict for name in ("clock", "DNS", "line")] == [Verdict.WELL] * 3
    assert well["grants ha-noi.population"].verdict is verdict
    assert said in well["grants ha-noi.population"].en
    assert "5 records, usable 5" in well["schema ha-noi.population"].en
    assert all(check.vi and check.en for check in checks)


def test_a_wrong_clock_and_a_file_of_another_form_are_both_named(serve: Serve, province) -> None:
    province.export("dan-cu 2025-07-10.csv", b"MA;TEN\n1;An\n")

    async def run() -> list[Check]:
        async with serve(port=(port := free_port())):
            settings = province.configure(f"127.0.0.1:{port}")
            return await doctor.examine(settings, clock=lambda: NOW - timedelta(hours=2))

    checks = {check.name: check for check in asyncio.run(run())}

    assert checks["clock"].verdict is Verdict.WRONG
    assert "-7200 s" in checks["clock"].en
    assert checks["schema ha-noi.population"].verdict is Verdict.WRONG


@pytest.mark.parametrize(("usable", "verdict"), [(1, Verdict.WARNED), (0, Verdict.WRONG)])
def test_a_file_of_which_nothing_can_be_used_is_wrong(serve: Serve, province, usable, verdict) -> None:
    keyless = [person(number) | {"id": None} for number in range(3)]
    province.export("dan-cu 2025-07-10.jsonl", json_lines(keyless + [person(9)] * usable))

    async def run() -> list[Check]:
        async with serve(port=(port := free_port())):
            return await doctor.examine(province.configure(f"127.0.0.1:{port}"), clock=lambda: NOW)

    schema = next(check for check in asyncio.run(run()) if check.name.startswith("schema"))

    assert (schema.verdict, f"usable {usable}, quarantined 3" in schema.en) == (verdict, True)


def test_the_terminal_says_it_in_both_languages_and_by_its_exit_code(province, spawn: Spawn) -> None:
    port = free_port()
    province.configure(f"127.0.0.1:{port}")

    away = lienthong("agent", "doctor", "--settings", province.file)
    with spawn(port):
        there = lienthong("agent", "doctor", "--json", "--settings", province.file)

    assert away.code == 1
    assert "✗ đường truyền · line" in away.out
    assert "→ Kiểm tra đường truyền" in away.out
    verdicts = [json.loads(line)["verdict"] for line in there.out.splitlines()]
    assert verdicts[2:5] == ["well"] * 3
    assert there.code == int("wrong" in verdicts)
