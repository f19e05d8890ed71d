"""Who calls: the one identity in the certificate that a connection showed, as in spiffe://lienthong/source/<id>."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import grpc

from gateway.certificates import Shown, read_shown
from gateway.errors import Reason, RejectedCallError

_LONGEST = 255
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"


class Role(StrEnum):
    """What an identity is of; the first part of its path."""

    SOURCE = "source"
    CONSUMER = "consumer"
    OFFICER = "officer"
    GATEWAY = "gateway"
    OPERATOR = "operator"
    PROVINCE = "province"
    PORTAL = "portal"
    STEWARD = "steward"


_NAMES = {role: re.compile(_WORD) for role in Role} | {
    Role.OFFICER: re.compile(rf"[0-9]{{2}}/{_WORD}"),
    Role.PROVINCE: re.compile(r"[0-9]{2}"),
}
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One of the parties: `name` is a source's or a registry's id, an officer's province code and name, and so on.

    Raises ValueError for what cannot be an identity.
    """

    trust_domain: str
    role: Role
    name: str

    def __post_init__(self) -> None:
        is_one = _DOMAIN.fullmatch(self.trust_domain) and _NAMES[self.role].fullmatch(self.name)
        if not is_one or len(self.uri) > _LONGEST:
            raise ValueError(f"{self.uri[:_LONGEST]!r} is no identity")

    @property
    def uri(self) -> str:
        """The identity as it stands in a certificate."""
        return f"spiffe://{self.trust_domain}/{self.role}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is at the other end. `uri` is None on a gateway without certificates, which listens on loopback only."""

    uri: str | None = None


@lru_cache(maxsize=4_096)  # asked at every call
def read_identity(uri: str) -> Identity:
    """The identity that a URI names. Raises ValueError when it names none."""
    scheme, _, rest = uri.partition("://")
    trust_domain, _, path = rest.partition("/")
    role, _, name = path.partition("/")
    if scheme != "spiffe" or role not in list(Role):
        raise ValueError(f"{uri[:_LONGEST]!r} is no identity")
    return Identity(trust_domain=trust_domain, role=Role(role), name=name)


def caller(context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
    """Who calls. That its certificate is of our trust domain and neither run out nor revoked was asked before.

    Raises RejectedCallError IDENTITY_REQUIRED or IDENTITY_INVALID.
    """
    certificate = shown(context)
    return Caller() if certificate is None else Caller(uri=identity_of(certificate).uri)


def shown(context: grpc.aio.ServicerContext[Any, Any]) -> Shown | None:
    """The certificate of the call's connection, None on a connection without TLS. Raises RejectedCallError."""
    told = context.auth_context()
    if told.get("transport_security_type") == [b"insecure"]:
        return None
    certificates = list(told.get("x509_pem_cert", ()))
    if len(certificates) != 1:
        raise RejectedCallError(Reason.IDENTITY_REQUIRED, "The connection shows no certificate.")
    # gRPC cannot be told the least version of TLS, but it tells which one was agreed upon.
    if told.get("ssl_tls_version") != [b"TLSv1.3"]:
        raise RejectedCallError(Reason.IDENTITY_INVALID, "The connection is not of TLS 1.3.")
    try:
        return read_shown(certificates[0])
    except ValueError as error:
        raise RejectedCallError(Reason.IDENTITY_INVALID, "The certificate cannot be read.") from error


def identity_of(certificate: Shown) -> Identity:
    """The one identity of a certificate. Raises RejectedCallError IDENTITY_INVALID for none, two or a malformed one."""
    if len(certificate.uris) != 1:
        raise RejectedCallError(
            Reason.IDENTITY_INVALID, f"The certificate names {len(certificate.uris)} URIs, and has to name one."
        )
    try:
        return read_identity(certificate.uris[0])
    except ValueError as error:
        raise RejectedCallError(Reason.IDENTITY_INVALID, "The URI of the certificate is no identity.") from error
