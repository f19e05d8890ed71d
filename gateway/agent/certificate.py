"""The agent's own certificate, looked at before anything is sent: in a handshake gRPC only says "Socket closed"."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.agent.checking import Check, Look
from gateway.agent.settings import Certificate

WARN = timedelta(days=14)  # before the end: a renewal takes about a week
OWN = Look("chứng thư của tỉnh", "own certificate")
CHAIN = Look("chuỗi chứng thư", "chain")
_RENEW = (
    "Xin cấp lại chứng thư ở đơn vị vận hành cổng.",
    "Have the certificate issued anew by the gateway's operator.",
)
_PATHS = (
    "Đặt tệp được cấp vào đó, hoặc sửa đường dẫn trong agent.toml.",
    "Put the file that was issued to you there, or correct the path in agent.toml.",
)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, the own one first. Raises OSError or ValueError."""
    return x509.load_pem_x509_certificates(path.read_bytes())


def days_left(settings: Certificate | None, *, now: datetime) -> int | None:
    """How many whole days the own certificate is good for; None without one that can be read."""
    if settings is None:
        return None
    try:
        own = read_certificates(settings.certificate)[0]
    except (OSError, ValueError):
        return None
    return (own.not_valid_after_utc - now).days


def check_own(settings: Certificate | None, *, now: datetime) -> Check:
    """Is the certificate there, does its key belong to it, is it in force, and does it name one identity?"""
    if settings is None:
        return OWN.warned(
            "Không có [certificate] trong agent.toml.",
            "There is no [certificate] in agent.toml.",
            "Chỉ dùng khi cổng chạy trên cùng máy; nếu không, hãy xin chứng thư.",
            "Only for a gateway on this machine; for any other, get a certificate.",
        )
    try:
        own = read_certificates(settings.certificate)[0]
        key = load_pem_private_key(settings.key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        named = error.filename if isinstance(error, OSError) else settings.certificate
        return OWN.wrong(
            f"Không đọc được chứng thư hoặc khóa: {named} ({type(error).__name__}).",
            f"The certificate or its key cannot be read: {named} ({type(error).__name__}).",
            *_PATHS,
        )
    public = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*public) != own.public_key().public_bytes(*public):
        return OWN.wrong("Khóa không thuộc về chứng thư này.", "The key does not belong to this certificate.", *_PATHS)
    return _check_named(own) or _check_in_force(own, now)


def check_chain(settings: Certificate | None, *, now: datetime) -> Check:
    """Was the certificate issued by one of the authorities that the gateway trusts?"""
    if settings is None:
        return CHAIN.skipped("Không có chứng thư.", "There is no certificate.")
    try:
        own, *between = read_certificates(settings.certificate)
        authorities = read_certificates(settings.authorities)
    except (OSError, ValueError) as error:
        return CHAIN.wrong(
            f"Không đọc được {settings.authorities} ({type(error).__name__}).",
            f"{settings.authorities} cannot be read ({type(error).__name__}).",
            *_PATHS,
        )
    link = own
    for _ in range(len(between) + 1):
        if issuer := _issuer(link, authorities):
            if not issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc:
                return CHAIN.wrong(
                    f"Chứng thư gốc chỉ có hiệu lực đến {issuer.not_valid_after_utc:%d/%m/%Y}.",
                    f"The authority's certificate is good until {issuer.not_valid_after_utc:%Y-%m-%d} only.",
                    "Xin tệp chứng thư gốc mới.",
                    "Get the new file of authorities.",
                )
            return CHAIN.well(
                "Do một cơ quan trong tệp authorities cấp.", "Issued by an authority of the authorities file."
            )
        following = _issuer(link, between)
        if following is None:
            break
        link = following
    return CHAIN.wrong(
        "Chứng thư không do cơ quan nào trong tệp authorities cấp.",
        "The certificate was issued by none of the authorities in the file.",
        *_RENEW,
    )


def _check_named(own: x509.Certificate) -> Check | None:
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        identities = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        identities = []
    if len(identities) != 1:
        return OWN.wrong(
            f"Chứng thư nêu {len(identities)} danh tính (URI); phải đúng một.",
            f"The certificate names {len(identities)} identities (URI); it has to be one.",
            *_RENEW,
        )
    try:
        uses = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    if ExtendedKeyUsageOID.CLIENT_AUTH not in uses:
        return OWN.wrong(
            "Chứng thư không dùng được cho bên gọi (clientAuth).",
            "The certificate is not for clients (clientAuth).",
            *_RENEW,
        )
    return None


def _check_in_force(own: x509.Certificate, now: datetime) -> Check:
    begin, end = own.not_valid_before_utc, own.not_valid_after_utc
    if now < begin:
        return OWN.wrong(
            f"Chứng thư chưa có hiệu lực: từ {begin:%d/%m/%Y %H:%M} UTC.",
            f"The certificate is not in force before {begin:%Y-%m-%d %H:%M} UTC.",
            "Chỉnh đồng hồ máy này; nếu đồng hồ đúng thì đợi.",
            "Set this machine's clock; if it is right, wait.",
        )
    if now > end:
        return OWN.wrong(
            f"Chứng thư hết hạn ngày {end:%d/%m/%Y}.", f"The certificate expired on {end:%Y-%m-%d}.", *_RENEW
        )
    days = (end - now).days
    said = (f"Còn hiệu lực {days} ngày.", f"In force for {days} more days.")
    return OWN.warned(*said, *_RENEW) if end - now < WARN else OWN.well(*said)


def _issuer(of: x509.Certificate, candidates: list[x509.Certificate]) -> x509.Certificate | None:
    for candidate in candidates:
        try:
            of.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return candidate
    return None
