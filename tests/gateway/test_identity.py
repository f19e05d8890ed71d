"""Exactly one identity a certificate, of a known form; everything else is refused before any service."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import handshakes
from gateway.certificates import Shown
from gateway.errors import Reason, RejectedCallError
from gateway.identity import Caller, Identity, Role, caller, identity_of, read_identity
from gateway.refusals import LINES, SECONDS, Refusals
from observability import metrics, telemetry
from tests.gateway.certificates import Certified
from tests.gateway.conftest import NOW

URI = "spiffe://lienthong/source/yen-bai.population"


class Call:
    """A call of which only its connection is known."""

    def __init__(self, **told: bytes) -> None:
        self._told = {name: [value] for name, value in told.items()}

    def auth_context(self) -> dict[str, list[bytes]]:
        return self._told


def who(call: Call) -> Caller:
    return caller(cast("Any", call))


def shown_with(*uris: str) -> Shown:
    return Shown(uris=uris, issuer=b"", serial=1, expires_at=NOW)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (Role.SOURCE, "yen-bai.population"),
        (Role.CONSUMER, "social-insurance"),
        (Role.OFFICER, "15/lan"),
        (Role.PROVINCE, "15"),
        (Role.GATEWAY, "north-1"),
        (Role.OPERATOR, "duty"),
    ],
)
def test_an_identity_is_written_as_a_uri_and_read_back(role: Role, name: str) -> None:
    identity = Identity(trust_domain="lienthong", role=role, name=name)

    assert read_identity(identity.uri) == identity
    assert identity.uri == f"spiffe://lienthong/{role}/{name}"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "spiffe://lienthong",
        "spiffe://lienthong/source/",
        "spiffe://lienthong/source/../consumer/population",
        "spiffe://lienthong/source/a/b",
        "spiffe://lienthong/source/a?b",
        "spiffe://lienthong/source/a#b",
        "spiffe://lienthong/source/a b",
        "spiffe://lienthong/source/%61",
        "spiffe://lienthong/Source/a",
        "spiffe://LienThong/source/a",
        "spiffe://user@lienthong/source/a",
        "spiffe://lienthong:443/source/a",
        "SPIFFE://lienthong/source/a",
        "https://lienthong/source/a",
        "spiffe://lienthong/officer/lan",
        "spiffe://lienthong/officer/15",
        "spiffe://lienthong/province/yen-bai",
        "spiffe://lienthong/source/yên-bái",
        "spiffe://lienthong/source/a\n",
        "spiffe://lienthong/source/" + "a" * 255,
    ],
)
def test_what_is_no_identity_is_not_taken_for_one(uri: str) -> None:
    with pytest.raises(ValueError, match="no identity"):
        read_identity(uri)
    with pytest.raises(RejectedCallError) as caught:
        identity_of(shown_with(uri))
    assert caught.value.reason is Reason.IDENTITY_INVALID


@given(st.text(max_size=80))
def test_any_text_is_an_identity_that_reads_back_or_is_refused(path: str) -> None:
    try:
        found = read_identity(f"spiffe://lienthong/{path}")
    except ValueError:
        return
    assert found.uri == f"spiffe://lienthong/{path}"


@pytest.mark.parametrize("uris", [(), (URI, URI), (URI, "spiffe://lienthong/source/ha-noi.population")])
def test_a_certificate_names_exactly_one(uris: tuple[str, ...]) -> None:
    with pytest.raises(RejectedCallError) as caught:
        identity_of(shown_with(*uris))

    assert caught.value.reason is Reason.IDENTITY_INVALID
    assert URI not in str(caught.value)


def test_a_caller_is_who_its_certificate_says(certified: Certified) -> None:
    pem = certified.source("yen-bai.population").certificate_path.read_bytes()

    assert who(Call(transport_security_type=b"ssl", x509_pem_cert=pem, ssl_tls_version=b"TLSv1.3")) == Caller(uri=URI)


def test_nobody_in_particular_calls_where_there_is_no_tls() -> None:
    assert who(Call(transport_security_type=b"insecure")) == Caller(uri=None)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, Reason.IDENTITY_REQUIRED),
        ({"transport_security_type": b"ssl", "ssl_tls_version": b"TLSv1.3"}, Reason.IDENTITY_REQUIRED),
        ({"transport_security_type": b"ssl", "x509_pem_cert": b"x"}, Reason.IDENTITY_INVALID),
        (
            {"transport_security_type": b"ssl", "x509_pem_cert": b"x", "ssl_tls_version": b"TLSv1.2"},
            Reason.IDENTITY_INVALID,
        ),
        (
            {"transport_security_type": b"ssl", "x509_pem_cert": b"x", "ssl_tls_version": b"TLSv1.3"},
            Reason.IDENTITY_INVALID,
        ),
    ],
)
def test_a_connection_that_proves_nothing_is_refused(told: dict[str, bytes], reason: Reason) -> None:
    with pytest.raises(RejectedCallError) as caught:
        who(Call(**told))

    assert caught.value.reason is reason


def test_refusals_are_all_counted_and_only_some_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    refusals = Refusals("identity_refused", metrics.IDENTITIES_REFUSED, clock=lambda: now[0])

    with telemetry.configure(service_name="test", prometheus_port=0) as seen:
        for _ in range(100):
            refusals.note("CERTIFICATE_REVOKED")
        refusals.note("IDENTITY_INVALID")
        now[0] = SECONDS
        refusals.note("CERTIFICATE_REVOKED")
        counted = seen.metrics_text()

    told = capsys.readouterr().err.splitlines()
    assert len(told) == LINES + 2
    assert f'"count": {100 - LINES + 1}' in told[-1]
    assert 'lienthong_identities_refused_total{reason="CERTIFICATE_REVOKED"} 101.0' in counted


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (
            "7d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired",
            "CERTIFICATE_EXPIRED",
        ),
        ("100000c0:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE: x", "CERTIFICATE_MISSING"),
        ("1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST: x", "NOT_TLS"),
        ("100000f0:SSL routines:OPENSSL_internal:UNSUPPORTED_PROTOCOL: x", "VERSION_TOO_OLD"),
        ("10000418:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA: x", "REFUSED_BY_CALLER"),
        ("1:SSL routines:OPENSSL_internal:SOMETHING_NEW", "OTHER"),
    ],
)
def test_a_line_of_grpc_says_why_a_handshake_failed(says: str, reason: str) -> None:
    line = f"I1122 02:34 26963 ssl_transport_security.cc:2563] Handshake failed with error SSL_ERROR_SSL: error:{says}"

    assert handshakes.reason_in(line.encode()) == reason


@pytest.mark.parametrize("line", [b"", b'{"event": "call_refused"}', b"Handshake failed with error", b"\xff\x00"])
def test_any_other_line_is_none_of_a_handshake(line: bytes) -> None:
    assert handshakes.reason_in(line) is None
