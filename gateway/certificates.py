"""What certificates say: who they are of, until when, and whether they were taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import FatalCertificateError


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A certificate as far as it is judged at every call."""

    uris: tuple[str, ...]
    issuer: bytes  # its name, in DER
    serial: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Revocations:
    """Which certificates were taken back, by issuer and serial; `due_at` is when the next list was promised."""

    revoked: frozenset[tuple[bytes, int]] = frozenset()
    due_at: datetime | None = None

    def hold(self, certificate: Shown) -> bool:
        """Whether the certificate was revoked."""
        return (certificate.issuer, certificate.serial) in self.revoked


Stamp = tuple[int, int, int] | None


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises FatalCertificateError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FatalCertificateError(
            str(path),
            vi=f"không đọc được tệp ({error.strerror}).",
            en=f"the file cannot be read ({error.strerror}).",
            next_vi="Kiểm tra đường dẫn và quyền đọc.",
            next_en="check its path and who may read it.",
        ) from error


def stamp_of(path: Path) -> Stamp:
    """Differs once the file was written or replaced; None while there is none."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


@lru_cache(maxsize=4_096)  # a connection shows the same bytes at every call
def read_shown(pem: bytes) -> Shown:
    """What the first certificate of `pem` says. Raises ValueError when it cannot be read."""
    return describe(x509.load_pem_x509_certificate(pem))


def describe(certificate: x509.Certificate) -> Shown:
    """What a certificate says. Raises ValueError for malformed extensions."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        uris: list[str] = []
    else:
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return Shown(
        uris=tuple(uris),
        issuer=certificate.issuer.public_bytes(),
        serial=certificate.serial_number,
        expires_at=certificate.not_valid_after_utc,
    )


def read_chain(pem: bytes, *, place: str) -> list[x509.Certificate]:
    """The certificates of a PEM file, at least one. `place` names it in errors. Raises FatalCertificateError."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise FatalCertificateError(
            place,
            vi="không đọc được chứng thư.",
            en="it holds no certificate that can be read.",
            next_vi="Kiểm tra tệp PEM.",
            next_en="look at the PEM file.",
        ) from error


def check_pair(chain: Sequence[x509.Certificate], key: bytes, *, place: str) -> None:
    """That `key`, PEM, is the key of the first certificate. Raises FatalCertificateError."""
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FatalCertificateError(
            place,
            vi="không đọc được khóa.",
            en="it holds no private key that can be read.",
            next_vi="Dùng tệp PEM không mật khẩu, quyền 0600.",
            next_en="use a PEM file without a password, mode 0600.",
        ) from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != chain[0].public_key().public_bytes(*form):
        raise FatalCertificateError(
            place,
            vi="khóa không thuộc chứng thư này.",
            en="the key is not the certificate's.",
            next_vi="Đặt đúng cặp chứng thư và khóa.",
            next_en="put the certificate and the key that were issued together.",
        )


def check_authority(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], *, place: str) -> None:
    """That the first certificate leads to one of `authorities`, maybe by the others. Raises FatalCertificateError."""
    known, certificate = list(authorities), chain[0]
    for _ in range(len(chain)):
        if any(_is_issued_by(certificate, authority) for authority in known):
            return
        issuers = [one for one in chain[1:] if _is_issued_by(certificate, one)]
        if not issuers:
            break
        certificate = issuers[0]
    raise FatalCertificateError(
        place,
        vi="chứng thư không do nơi cấp đã khai báo cấp.",
        en="the certificate was not issued by a declared authority.",
        next_vi="Kiểm tra tệp nơi cấp chứng thư.",
        next_en="look at the file of authorities.",
    )


def read_revocations(pem: bytes, authorities: Sequence[x509.Certificate], *, place: str) -> Revocations:
    """What the lists of a PEM file revoke, each signed by one of `authorities`. Raises FatalCertificateError."""
    marker = b"-----BEGIN X509 CRL-----"
    try:
        lists = [x509.load_pem_x509_crl(marker + part) for part in pem.split(marker)[1:]]
        revoked = frozenset((one.issuer.public_bytes(), entry.serial_number) for one in lists for entry in one)
    except ValueError as error:
        raise _unusable_list(place) from error
    signed = all(any(_is_signed_by(one, authority) for authority in authorities) for one in lists)
    if not lists or not signed:
        raise _unusable_list(place)
    due = [one.next_update_utc for one in lists if one.next_update_utc]
    return Revocations(
        revoked=revoked,
        due_at=min(due, default=None),
    )


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_signed_by(revocations: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    if revocations.issuer != authority.subject:
        return False
    try:
        return revocations.is_signature_valid(key)  # type: ignore[arg-type]  # another kind of key is a TypeError
    except TypeError:
        return False


def _unusable_list(place: str) -> FatalCertificateError:
    return FatalCertificateError(
        place,
        vi="không có danh sách thu hồi nào có chữ ký của nơi cấp đã khai báo.",
        en="it holds no list of revocations signed by a declared authority.",
        next_vi="Lấy lại danh sách từ nơi cấp.",
        next_en="fetch the list from the authority again.",
    )
