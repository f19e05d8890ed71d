"""An authority in a folder: issues, signs, renews and revokes certificates with exactly one identity each.

For development, demonstrations and a ministry's beginnings. The gateway reads only PEM files and knows nothing of where
they come from, so that an authority with a hardware module can take this one's place.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway.certificates import describe, read_chain
from gateway.errors import FatalCertificateError
from gateway.identity import Identity, Role, read_identity

MOST_DAYS = 90
AUTHORITY_DAYS = 3_652
LIST_DAYS = 30  # by then a list of revocations promises the next one
WARNING_DAYS = (3, 14, 30)
_BACKDATED = timedelta(hours=1)  # a province's clock may be late
_DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
CERTIFICATE, KEY, REVOCATIONS, REGISTER = "authority.pem", "authority.key", "revocations.pem", "issued"

HolderKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, kw_only=True)
class Authority:
    """An authority that was opened. Its folder keeps every certificate it issued."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    trust_domain: str


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate for a holder, PEM. `key` is None when the holder kept it and sent a request."""

    identity: Identity
    certificate: bytes
    key: bytes | None
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the register. `is_replaced`: the same identity has a certificate that lasts longer."""

    identity: Identity
    serial: int
    expires_at: datetime
    days_left: int  # whole days, negative when it has run out
    is_revoked: bool
    is_replaced: bool

    @property
    def warning_days(self) -> int | None:
        """The nearest of WARNING_DAYS that is reached, for a certificate that still counts."""
        if self.is_revoked or self.is_replaced:
            return None
        return next((days for days in WARNING_DAYS if self.days_left <= days), None)


def init(folder: Path, *, trust_domain: str, now: datetime) -> Authority:
    """Make an authority, with an empty list of revocations. Raises FatalCertificateError when there is one."""
    if (folder / KEY).exists() or (folder / CERTIFICATE).exists():
        raise _refused(
            folder,
            vi="đã có nơi cấp chứng thư ở đây.",
            en="there is an authority already.",
            next_vi="Chọn thư mục khác; không bao giờ ghi đè khóa gốc.",
            next_en="choose another folder; a root key is never written over.",
        )
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Lien Thong authority {trust_domain}")
    domain = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")])
    certificate = (
        _builder(name, key.public_key(), issuer=name, now=now, days=AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(domain, critical=False)
        .sign(key, SHA256())
    )
    (folder / REGISTER).mkdir(parents=True, exist_ok=True)
    write_private(folder / KEY, _pem(key))
    write_public(folder / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
    authority = Authority(folder=folder, certificate=certificate, key=key, trust_domain=trust_domain)
    _write_list(authority, [], number=1, now=now)
    return authority


def open_authority(folder: Path) -> Authority:
    """The authority of a folder. Raises FatalCertificateError when there is none that can be used."""
    try:
        certificate = read_chain((folder / CERTIFICATE).read_bytes(), place=CERTIFICATE)[0]
        key = load_pem_private_key((folder / KEY).read_bytes(), password=None)
        domain = describe(certificate).uris[0].removeprefix("spiffe://")
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise _no_authority(folder) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _no_authority(folder)
    return Authority(folder=folder, certificate=certificate, key=key, trust_domain=domain)


def issue(
    authority: Authority,
    identity: Identity,
    *,
    now: datetime,
    days: int = MOST_DAYS,
    hosts: Sequence[str] = (),
) -> Issued:
    """A new key with a certificate of `identity`. `hosts`: the names and addresses a gateway is called by.

    Raises FatalCertificateError when the identity, the days or the hosts cannot be.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    return replace(_certify(authority, identity, key.public_key(), now=now, days=days, hosts=hosts), key=_pem(key))


def sign(
    authority: Authority,
    request: bytes,
    identity: Identity,
    *,
    now: datetime,
    days: int = MOST_DAYS,
    hosts: Sequence[str] = (),
    place: str = "CSR",
) -> Issued:
    """A certificate of `identity` for the key of a signing request, PEM; of all else in it only its URI is compared.

    `place` names the request in errors. Raises FatalCertificateError when it cannot be used or asks for another
    identity.
    """
    try:
        asked = x509.load_pem_x509_csr(request)
        key, is_signed = asked.public_key(), asked.is_signature_valid
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    except (ValueError, TypeError, InvalidSignature) as error:
        raise _unusable_request(place) from error
    strong = _strong(key)
    if not is_signed or strong is None:
        raise _unusable_request(place)
    if uris not in ([], [identity.uri]):
        raise _refused(
            identity.uri,
            vi="yêu cầu nêu danh tính khác.",
            en="the request names another identity.",
            next_vi="Hỏi người gửi, rồi cấp đúng danh tính.",
            next_en="ask its sender, and issue for the right one.",
        )
    return _certify(authority, identity, strong, now=now, days=days, hosts=hosts)


def renew(authority: Authority, certificate: bytes, *, now: datetime, days: int = MOST_DAYS) -> Issued:
    """A new key and certificate for the holder of one that we issued. The old one counts until it runs out.

    Raises FatalCertificateError when it is not ours or was revoked.
    """
    old = read_chain(certificate, place="certificate")[0]
    if not (_register(authority) / _file_name(old.serial_number)).exists():
        raise _not_issued(old.serial_number)
    if old.serial_number in {entry.serial_number for entry in _revoked(authority)}:
        raise _refused(
            f"{old.serial_number:x}",
            vi="chứng thư đã bị thu hồi.",
            en="the certificate was revoked.",
            next_vi="Cấp mới bằng pki issue nếu người giữ còn quyền.",
            next_en="issue a new one by pki issue if its holder still may.",
        )
    return issue(authority, read_identity(describe(old).uris[0]), now=now, days=days, hosts=_hosts(old))


def revoke(authority: Authority, serial: int, *, reason: x509.ReasonFlags, now: datetime) -> None:
    """Put a certificate on the list of revocations. Raises FatalCertificateError when it is not ours."""
    if not (_register(authority) / _file_name(serial)).exists():
        raise _not_issued(serial)
    revoked = [entry for entry in _revoked(authority) if entry.serial_number != serial]
    entry = x509.RevokedCertificateBuilder(serial, now).add_extension(x509.CRLReason(reason), critical=False).build()
    _write_list(authority, [*revoked, entry], number=_list_number(authority) + 1, now=now)


def refresh(authority: Authority, *, now: datetime) -> None:
    """Sign the list of revocations anew, so that its next one is due LIST_DAYS from now."""
    _write_list(authority, _revoked(authority), number=_list_number(authority) + 1, now=now)


def issued(authority: Authority, *, now: datetime) -> list[Entry]:
    """Everything that was issued, by identity and the longest lasting first."""
    revoked = {entry.serial_number for entry in _revoked(authority)}
    found = [describe(x509.load_pem_x509_certificate(path.read_bytes())) for path in _register(authority).glob("*.pem")]
    lasting: dict[str, datetime] = {}
    for one in found:
        if one.serial not in revoked:
            lasting[one.uris[0]] = max(one.expires_at, lasting.get(one.uris[0], one.expires_at))
    return [
        Entry(
            identity=read_identity(one.uris[0]),
            serial=one.serial,
            expires_at=one.expires_at,
            days_left=(one.expires_at - now).days,
            is_revoked=one.serial in revoked,
            is_replaced=one.serial not in revoked and one.expires_at < lasting[one.uris[0]],
        )
        for one in sorted(found, key=lambda one: (one.uris, -one.expires_at.timestamp(), one.serial))
    ]


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only we may read, whole or not at all."""
    _write(path, content, mode=0o600)


def write_public(path: Path, content: bytes) -> None:
    """Write a file that everybody may read, whole or not at all."""
    _write(path, content, mode=0o644)


def _certify(
    authority: Authority, identity: Identity, key: HolderKey, *, now: datetime, days: int, hosts: Sequence[str]
) -> Issued:
    _check_asked(authority, identity, days=days, hosts=hosts)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri), *map(_host, hosts)]
    builder = (
        _builder(
            _name(f"{identity.role} {identity.name}"), key, issuer=authority.certificate.subject, now=now, days=days
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            _key_usage(digital_signature=True, content_commitment=identity.role is Role.OFFICER), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage(_purposes(identity.role)), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_authority_key(authority), critical=False)
    )
    certificate = builder.sign(authority.key, SHA256())
    pem = certificate.public_bytes(Encoding.PEM)
    write_public(_register(authority) / _file_name(certificate.serial_number), pem)
    return Issued(identity=identity, certificate=pem, key=None, expires_at=certificate.not_valid_after_utc)


def _check_asked(authority: Authority, identity: Identity, *, days: int, hosts: Sequence[str]) -> None:
    if identity.trust_domain != authority.trust_domain or not 1 <= days <= MOST_DAYS:
        raise _refused(
            identity.uri,
            vi=f"chỉ cấp cho {authority.trust_domain}, từ 1 đến {MOST_DAYS} ngày.",
            en=f"certificates are issued for {authority.trust_domain}, for 1 to {MOST_DAYS} days.",
            next_vi="Sửa danh tính hoặc số ngày.",
            next_en="correct the identity or the days.",
        )
    if bool(hosts) != (identity.role is Role.GATEWAY):
        raise _refused(
            identity.uri,
            vi="chỉ chứng thư của cổng mới nêu tên máy, và phải nêu ít nhất một.",
            en="a gateway's certificate names its hosts, and no other does.",
            next_vi="Thêm --host cho cổng, bỏ cho danh tính khác.",
            next_en="give --host for a gateway, and for nobody else.",
        )


def _purposes(role: Role) -> list[ObjectIdentifier]:
    """What a certificate is good for: no caller can pose as a gateway, and an officer signs but opens no connection."""
    match role:
        case Role.GATEWAY:
            return [ExtendedKeyUsageOID.SERVER_AUTH]
        case Role.OFFICER:
            return [_DOCUMENT_SIGNING]
        case Role.SOURCE | Role.CONSUMER | Role.OPERATOR | Role.PROVINCE | Role.PORTAL | Role.STEWARD:
            return [ExtendedKeyUsageOID.CLIENT_AUTH]


def _builder(
    subject: x509.Name, key: HolderKey, *, issuer: x509.Name, now: datetime, days: int
) -> x509.CertificateBuilder:
    begins = now - _BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(authority: Authority) -> x509.AuthorityKeyIdentifier:
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise _refused(
            name,
            vi="không phải tên máy hay địa chỉ IP.",
            en="that is neither a host name nor an IP address.",
            next_vi="Dùng tên ASCII hoặc địa chỉ.",
            next_en="give an ASCII name or an address.",
        ) from error


def _hosts(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses: list[IPv4Address | IPv6Address] = [
        one for one in names.get_values_for_type(x509.IPAddress) if isinstance(one, IPv4Address | IPv6Address)
    ]
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _strong(key: object) -> HolderKey | None:
    """`key` if it may sign in Vietnam: ECDSA from 256 bits, RSA from 2048 (Circular 15/2025)."""
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            return key
        case rsa.RSAPublicKey() if key.key_size >= 2_048:
            return key
        case _:
            return None


def _register(authority: Authority) -> Path:
    return authority.folder / REGISTER


def _file_name(serial: int) -> str:
    return f"{serial:040x}.pem"


def _list(authority: Authority) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl((authority.folder / REVOCATIONS).read_bytes())


def _revoked(authority: Authority) -> list[x509.RevokedCertificate]:
    return list(_list(authority))


def _list_number(authority: Authority) -> int:
    return _list(authority).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _write_list(
    authority: Authority, revoked: Iterable[x509.RevokedCertificate], *, number: int, now: datetime
) -> None:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(now + timedelta(days=LIST_DAYS))
        .add_extension(_authority_key(authority), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(entry)
    signed = builder.sign(authority.key, SHA256())
    write_public(authority.folder / REVOCATIONS, signed.public_bytes(Encoding.PEM))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, *, mode: int) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def _refused(place: object, *, vi: str, en: str, next_vi: str, next_en: str) -> FatalCertificateError:
    return FatalCertificateError(str(place), vi=vi, en=en, next_vi=next_vi, next_en=next_en)


def _no_authority(folder: Path) -> FatalCertificateError:
    return _refused(
        folder,
        vi="không có nơi cấp chứng thư dùng được.",
        en="there is no authority that can be used.",
        next_vi="Chạy `lienthong pki init` cho thư mục này.",
        next_en="run `lienthong pki init` for this folder.",
    )


def _not_issued(serial: int) -> FatalCertificateError:
    return _refused(
        f"{serial:x}",
        vi="nơi cấp này không cấp chứng thư đó.",
        en="this authority did not issue that certificate.",
        next_vi="Xem `lienthong pki list`.",
        next_en="look at `lienthong pki list`.",
    )


def _unusable_request(place: str) -> FatalCertificateError:
    return _refused(
        place,
        vi="yêu cầu không đọc được, chữ ký sai, hoặc khóa quá yếu.",
        en="the request cannot be read, is wrongly signed, or has too weak a key.",
        next_vi="Tạo lại yêu cầu với khóa P-256, P-384 hoặc RSA từ 2048 bit.",
        next_en="make it again with a P-256, P-384 or RSA key of 2048 bits or more.",
    )
