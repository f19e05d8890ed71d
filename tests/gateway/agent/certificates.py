"""A small authority for tests of the agent: certificates that are right, and each way in which one can be wrong."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.agent.settings import Certificate

URI = "spiffe://lienthong/source/ha-noi.population"
BEGUN = datetime(2025, 1, 1, tzinfo=UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Issues certificates."""

    def __init__(self, name: str = "authority", *, days: int = 3_650) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._build(name, name, self.key, self.key, days, [], x509.BasicConstraints(True, None))

    def issue(
        self,
        folder: Path,
        *,
        uris: Sequence[str] = (URI,),
        days: int = 3_650,
        begun: datetime = BEGUN,
        trusting: "Authority | None" = None,
        server: bool = False,
    ) -> Certificate:
        """Write a certificate, its key and the authorities that its owner trusts into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        if server:
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        extensions = [x509.ExtendedKeyUsage([use])]
        if names:
            extensions.append(x509.SubjectAlternativeName(names))
        own = self._build(
            "owner", "authority", key, self.key, days, extensions, x509.BasicConstraints(False, None), begun
        )
        settings = Certificate(
            certificate=folder / "agent.crt", key=folder / "agent.key", authorities=folder / "authorities.crt"
        )
        settings.certificate.write_bytes(own.public_bytes(Encoding.PEM))
        settings.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        settings.authorities.write_bytes((trusting or self).certificate.public_bytes(Encoding.PEM))
        return settings

    def _build(  # noqa: PLR0917 - what a certificate consists of
        self, name, issuer, key, signing_key, days, extensions, constraints, begun=BEGUN
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begun)
            .not_valid_after(begun + timedelta(days=days))
            .add_extension(constraints, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        )
        if constraints.ca:
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(signing_key, hashes.SHA256())
