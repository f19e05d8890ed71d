"""`lienthong agent doctor`: what is wrong, in the order in which one has to mend it.

Own certificate, chain, clock, DNS, line, grants, schema. What comes later is not looked at before what it needs works.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import grpc

from gateway.agent import certificate, rehearsal
from gateway.agent.checking import Check, Look, Verdict
from gateway.agent.connecting import channel_to, tls
from gateway.agent.greeting import Greeting, greet
from gateway.agent.receipts import read_receipts
from gateway.agent.settings import AgentSettings, SourceSettings
from gateway.client.errors import CallFailedError, told, translated
from gateway.errors import Reason
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire.faults import Fault

CLOCK = Look("đồng hồ", "clock")
DNS = Look("tên miền", "DNS")
LINE = Look("đường truyền", "line")
GRANTS = Look("quyền gửi", "grants")
CONNECT_SECONDS = 10.0
NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
ABOUT_THE_CERTIFICATE = {Reason.CERTIFICATE_REVOKED, Reason.IDENTITY_INVALID, Reason.IDENTITY_REQUIRED}
_BETWEEN = (
    "Kiểm tra địa chỉ, cổng mạng và tường lửa hoặc proxy ở giữa.",
    "Look at the address, the port, and at firewalls or proxies in between.",
)
_NO_CERTIFICATE = (
    "Cổng này có lẽ đòi chứng thư: thêm [certificate] vào agent.toml. Nếu không, kiểm tra địa chỉ và cổng mạng.",
    "The gateway may demand a certificate: add [certificate] to agent.toml. Else look at the address and the port.",
)
_BEFORE = ("Chưa xem được trước khi các mục trên ổn.", "Not looked at before the above is mended.")


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a try to reach the gateway came to."""

    dns: Check
    line: Check
    greeting: Greeting | None
    fault: Fault | None


async def examine(settings: AgentSettings, *, clock: Callable[[], datetime]) -> list[Check]:
    """Every check, in order; those of grants and schema once a source."""
    now = clock()
    own, chain = (
        certificate.check_own(settings.certificate, now=now),
        certificate.check_chain(settings.certificate, now=now),
    )
    if Verdict.WRONG in {own.verdict, chain.verdict}:
        skipped = [one.skipped(*_BEFORE) for one in (DNS, LINE, GRANTS, rehearsal.SCHEMA)]
        return [own, chain, check_clock(settings, None, now=now), *skipped]
    line = await _try_line(settings, clock)
    checks = [own, chain, check_clock(settings, line.greeting, now=now), line.dns, line.line]
    if Verdict.WRONG in {line.dns.verdict, line.line.verdict}:
        return [*checks, GRANTS.skipped(*_BEFORE), rehearsal.SCHEMA.skipped(*_BEFORE)]
    async with channel_to(settings) as channel:
        for source in settings.sources:
            checks.append(await check_grants(channel, source))
            checks.append(await rehearsal.check_schema(channel, source, clock=clock))
    return checks


def check_clock(settings: AgentSettings, greeting: Greeting | None, *, now: datetime) -> Check:
    """Is this machine's clock within 5 minutes of the gateway's, or at least not before what the gateway has said?"""
    fix = ("Chỉnh đồng hồ theo máy chủ thời gian (NTP).", "Set the clock by a time server (NTP).")
    if greeting is not None:
        seconds = greeting.skew.total_seconds()
        said = (f"Lệch {seconds:+z.0f} giây so với cổng.", f"{seconds:+z.0f} s off the gateway's.")
        return CLOCK.wrong(*said, *fix) if greeting.clock_is_wrong else CLOCK.well(*said)
    landed = [
        receipt.landed
        for source in settings.sources
        for receipt in read_receipts(settings.spool_of(source.source_id) / "receipts.jsonl")
    ]
    if landed and now < max(landed):
        return CLOCK.wrong(
            f"Chậm hơn biên nhận cuối ({max(landed):%d/%m/%Y %H:%M} UTC).",
            f"It is behind the last receipt ({max(landed):%Y-%m-%d %H:%M} UTC).",
            *fix,
        )
    return CLOCK.skipped(
        f"Máy này: {now:%d/%m/%Y %H:%M} UTC; chưa so được với cổng.",
        f"This machine says {now:%Y-%m-%d %H:%M} UTC; it could not be compared with the gateway's.",
    )


async def check_grants(channel: grpc.aio.Channel, source: SourceSettings) -> Check:
    """Does the gateway let us send for the source, and until when?"""
    look = Look(f"{GRANTS.name_vi} {source.source_id}", f"{GRANTS.name} {source.source_id}")
    stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
    try:
        with translated():
            request = intake_pb2.DescribeSourceRequest(source_id=source.source_id)
            said = await stub.DescribeSource(request, timeout=CONNECT_SECONDS)
    except CallFailedError as error:
        return _refused(look, error.fault)
    until = said.granted_until
    end_vi = (
        f"đến {until.day:02d}/{until.month:02d}/{until.year}" if said.HasField("granted_until") else "không thời hạn"
    )
    end_en = (
        f"until {until.year:04d}-{until.month:02d}-{until.day:02d}" if said.HasField("granted_until") else "without end"
    )
    provinces = ", ".join(said.province_codes)
    caller = said.caller_identity or "–"
    return look.well(
        f"Được gửi cho tỉnh {provinces}, {end_vi}; cổng nhận ra {caller}; căn cứ {said.legal_reference or '–'}.",
        f"May send for province {provinces}, {end_en}; known as {caller}; by {said.legal_reference or '–'}.",
    )


def _refused(look: Look, fault: Fault) -> Check:
    if fault.code is grpc.StatusCode.UNIMPLEMENTED:
        return look.skipped(
            "Cổng bản cũ, không trả lời câu hỏi này (UNIMPLEMENTED).",
            "The gateway is of an earlier release and does not answer this (UNIMPLEMENTED).",
        )
    return look.wrong(
        fault.vi or f"Cổng không trả lời ({fault.code.name}).",
        told(fault),
        "Liên hệ đơn vị vận hành cổng, nêu mã nguồn và mã lỗi này.",
        "Call the gateway's operator with the source's id and this reason.",
    )


async def _try_line(settings: AgentSettings, clock: Callable[[], datetime]) -> Line:
    host, _, port = settings.gateway.rpartition(":")
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        dns = DNS.wrong(
            f"Không tìm được địa chỉ của {settings.gateway} ({error}).",
            f"{settings.gateway} has no address ({error}).",
            "Sửa `gateway` trong agent.toml (host:port) hoặc máy chủ DNS.",
            "Correct `gateway` in agent.toml (host:port), or the DNS server.",
        )
        return Line(dns=dns, line=LINE.skipped(*_BEFORE), greeting=None, fault=None)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    dns = DNS.well(f"{host} là {', '.join(addresses)}.", f"{host} is {', '.join(addresses)}.")
    if wrong := next(_handshakes(settings, host, addresses, int(port)), None):
        return Line(dns=dns, line=wrong, greeting=None, fault=None)
    try:
        async with channel_to(settings) as channel:
            source_id = settings.sources[0].source_id
            greeting = await greet(channel, source_id=source_id, epoch="doctor", now=clock())
    except CallFailedError as error:
        if error.fault.reason in ABOUT_THE_CERTIFICATE:
            said = (error.fault.vi, told(error.fault))
            line = LINE.wrong(*said, "Xin cấp chứng thư mới.", "Have a new certificate issued.")
            return Line(dns=dns, line=line, greeting=None, fault=error.fault)
        if error.fault.reason:  # the gateway itself has answered: the line is well
            return Line(dns=dns, line=_line_is_well(settings), greeting=None, fault=error.fault)
        line = LINE.wrong(
            f"Kết nối được nhưng không phải cổng Liên Thông ({error.fault.code.name}).",
            f"It can be reached and does not answer as a gateway ({error.fault.code.name}: {error.fault.message}).",
            *(_NO_CERTIFICATE if settings.certificate is None else _BETWEEN),
        )
        return Line(dns=dns, line=line, greeting=None, fault=error.fault)
    return Line(dns=dns, line=_line_is_well(settings), greeting=greeting, fault=None)


def _line_is_well(settings: AgentSettings) -> Check:
    return LINE.well(f"Gọi được {settings.gateway}.", f"{settings.gateway} answers.")


def _handshakes(settings: AgentSettings, host: str, addresses: list[str], port: int) -> Iterator[Check]:
    """What keeps a connection to any of the addresses from being made; each with the name that TLS gives it."""
    problems = []
    for address in addresses:
        try:
            with closing(socket.create_connection((address, port), CONNECT_SECONDS)) as plain:
                if settings.certificate is None:
                    return
                with tls(settings.certificate).wrap_socket(plain, server_hostname=host) as secured:
                    secured.settimeout(CONNECT_SECONDS)
                    # A gateway that does not take our certificate says so after the handshake, where its first
                    # frame would come.
                    secured.recv(1)
                    return
        except ssl.SSLCertVerificationError as error:
            yield LINE.wrong(
                f"Chứng thư của cổng không đáng tin: {error.verify_message}.",
                f"The gateway's certificate does not hold: {error.verify_message}.",
                "Kiểm tra địa chỉ và tệp authorities; đừng gửi gì qua đường này.",
                "Check the address and the authorities file; send nothing over this line.",
            )
        except ssl.SSLError as error:
            if error.reason in NO_TLS:
                yield LINE.wrong(
                    f"Máy trả lời ở đó không nói TLS ({error.reason}).",
                    f"What answers there does not speak TLS ({error.reason}).",
                    "Kiểm tra địa chỉ và cổng mạng; cổng không có chứng thư thì bỏ [certificate], chỉ trên cùng máy.",
                    "Check the address and the port; for a gateway on this machine without certificates leave out "
                    "[certificate].",
                )
                continue
            yield LINE.wrong(
                f"Cổng không nhận chứng thư này: {error.reason}.",
                f"The gateway does not take this certificate: {error.reason}.",
                "Hỏi đơn vị vận hành cổng: có thể chứng thư đã bị thu hồi.",
                "Ask the gateway's operator: the certificate may have been revoked.",
            )
        except OSError as error:
            problems.append(f"{address}: {error.strerror or type(error).__name__}")
    if problems:
        yield LINE.wrong(
            f"Không kết nối được: {'; '.join(problems)}.",
            f"No connection: {'; '.join(problems)}.",
            "Kiểm tra đường truyền, tường lửa và cổng mạng; cổng có thể đang dừng.",
            "Look at the line, firewalls and the port; the gateway may be down.",
        )
