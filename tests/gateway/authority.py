"""A made-up authority for tests: it issues, on files, what a source, an officer or a gateway signs by."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.signing import Signer

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Authority:
    """One root, valid from ten days before `now` for ten years; its certificates for 30 days unless said otherwise."""

    folder: Path
    now: datetime
    name: str = "authority"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    serials: "count[int]" = field(default_factory=lambda: count(2))

    def __post_init__(self) -> None:
        subject = _named(self.name)
        self.root = (
            _builder(subject, subject, self.key, 1, (self.now - timedelta(days=10), self.now + timedelta(days=3650)))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(issues=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        self.path = self.folder / f"{self.name}.pem"
        self.path.write_bytes(self.root.public_bytes(Encoding.PEM))

    def issue(
        self,
        *identities: str,
        key: Key | None = None,
        valid: tuple[datetime, datetime] | None = None,
        signs: bool = True,
        of: str = "",
    ) -> Signer:
        """The signer of a new certificate that names `identities`; its files are called `of`."""
        return Signer(**self.files(*identities, key=key, valid=valid, signs=signs, of=of))

    def files(
        self,
        *identities: str,
        key: Key | None = None,
        valid: tuple[datetime, datetime] | None = None,
        signs: bool = True,
        of: str = "",
    ) -> dict[str, Path]:
        """The paths `key` and `certificate` of a new certificate."""
        key = key or new_key()
        serial = next(self.serials)
        certificate = (
            _builder(
                _named("signer"),
                self.root.subject,
                key,
                serial,
                valid or (self.now - timedelta(days=1), self.now + timedelta(days=30)),
            )
            .add_extension(_names(identities), critical=False)
            .add_extension(_usage(signs=signs), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        paths = {name: self.folder / f"{of or serial}.{name}.pem" for name in ("key", "certificate")}
        paths["key"].write_bytes(pem_of(key))
        paths["certificate"].write_bytes(certificate.public_bytes(Encoding.PEM))
        return paths

    def revoke(self, serial: int, on: datetime) -> Path:
        """A revocation list with one entry."""
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(on).build()
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.root.subject)
            .last_update(on)
            .next_update(on + timedelta(days=7))
            .add_revoked_certificate(entry)
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{self.name}.crl.pem"
        path.write_bytes(made.public_bytes(Encoding.PEM))
        return path


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, serial: int, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    begun = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return begun.serial_number(serial).not_valid_before(valid[0]).not_valid_after(valid[1])


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _names(identities: Sequence[str]) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(one) for one in identities]
    return x509.SubjectAlternativeName(names or [x509.DNSName("nobody.example")])


def _usage(*, signs: bool = False, issues: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=not (signs or issues),
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )
