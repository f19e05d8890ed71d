"""An authority for one test: certificates as they should be, and those that nobody should be let in with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway import pki
from gateway.certificates import read_shown
from gateway.client import Credentials, UnitsClient, connect
from gateway.client.errors import CallFailedError
from gateway.identity import Identity, Role

HOSTS = ("127.0.0.1", "localhost")
_numbers = count()


async def failure(address: str, credentials: Credentials | None) -> CallFailedError:
    """How one call under `credentials` ends."""
    async with connect(address, credentials=credentials) as channel:
        with pytest.raises(CallFailedError) as caught:
            await UnitsClient(channel, deadline_seconds=10).unit("00004")
        return caught.value


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Certified:
    """An authority, the gateway's certificate, and one of an operator."""

    authority: pki.Authority
    gateway: Credentials
    operator: Credentials

    @classmethod
    def make(cls, folder: Path, *, trust_domain: str = "lienthong") -> Self:
        authority = pki.init(folder, trust_domain=trust_domain, now=datetime.now(UTC))
        return cls(
            authority,
            _issue(authority, Role.GATEWAY, "test", hosts=HOSTS),
            _issue(authority, Role.OPERATOR, "test"),
        )

    def settings(self) -> dict[str, object]:
        """The settings of a gateway with these certificates; it looks at them without delay."""
        return {
            "tls_certificate": self.gateway.certificate_path,
            "tls_key": self.gateway.key_path,
            "tls_authorities": self.gateway.authorities_path,
            "tls_revocations": self.authority.folder / pki.REVOCATIONS,
            "tls_look_seconds": 0.02,
        }

    def variables(self) -> dict[str, str]:
        """The same as variables of the environment."""
        return {f"LIENTHONG_{key.upper()}": str(value) for key, value in self.settings().items()}

    def source(self, source_id: str) -> Credentials:
        """A certificate for a source."""
        return _issue(self.authority, Role.SOURCE, source_id)

    def consumer(self, consumer_id: str) -> Credentials:
        """A certificate for a registry."""
        return _issue(self.authority, Role.CONSUMER, consumer_id)

    def revoke(self, credentials: Credentials) -> None:
        """Take a certificate back."""
        self.revoke_serial(read_shown(credentials.certificate_path.read_bytes()).serial)

    def revoke_serial(self, serial: int) -> None:
        """Take back the certificate of that serial."""
        pki.revoke(self.authority, serial, reason=x509.ReasonFlags.key_compromise, now=datetime.now(UTC))

    def renew(self, credentials: Credentials) -> None:
        """Replace a certificate and its key where they lie."""
        renewed = pki.renew(self.authority, credentials.certificate_path.read_bytes(), now=datetime.now(UTC))
        pki.write_private(credentials.key_path, renewed.key or b"")
        pki.write_public(credentials.certificate_path, renewed.certificate)

    def forge(
        self,
        *uris: str,
        begins: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=1),
        purpose: ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> Credentials:
        """A certificate that the authority would not issue, with its signature nevertheless."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        names = [x509.UniformResourceIdentifier(uri) for uri in uris] or [x509.DNSName("nobody.example")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name("forged"))
            .issuer_name(self.authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.authority.key, SHA256())
        )
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return _files(self.authority, certificate.public_bytes(Encoding.PEM), pem)

    def trusting(self, credentials: Credentials) -> Credentials:
        """Somebody else's credentials, that trust this authority's gateway."""
        return replace(credentials, authorities_path=self.gateway.authorities_path)


def _issue(authority: pki.Authority, role: Role, name_: str, *, hosts: Sequence[str] = ()) -> Credentials:
    identity = Identity(trust_domain=authority.trust_domain, role=role, name=name_)
    issued = pki.issue(authority, identity, now=datetime.now(UTC), hosts=hosts)
    return _files(authority, issued.certificate, issued.key or b"")


def _files(authority: pki.Authority, certificate: bytes, key: bytes) -> Credentials:
    number = next(_numbers)
    certificate_path, key_path = (authority.folder / f"holder-{number}.{kind}" for kind in ("pem", "key"))
    pki.write_public(certificate_path, certificate)
    pki.write_private(key_path, key)
    return Credentials(
        certificate_path=certificate_path, key_path=key_path, authorities_path=authority.folder / pki.CERTIFICATE
    )
