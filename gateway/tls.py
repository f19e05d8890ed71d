"""The gateway's certificate files: read when they change, taken only when they fit together, shown to no one else.

While new files do not fit (a key without its certificate, a list that nobody signed) the former ones stay in use and
the log says so; only at the start is that fatal.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

import grpc
from cryptography import x509

from gateway.certificates import (
    Revocations,
    Stamp,
    check_authority,
    check_pair,
    read_chain,
    read_file,
    read_revocations,
    stamp_of,
)
from gateway.errors import FatalSettingError
from gateway.settings import PREFIX, Settings
from observability import metrics
from observability.logs import get_logger

log = get_logger(__name__)

_DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where the four files lie; without `revocations` nothing can be revoked."""

    certificate: Path
    key: Path
    authorities: Path
    revocations: Path | None

    def stamp(self) -> tuple[Stamp, ...]:
        """Differs once any of the files was written or replaced."""
        return tuple(
            stamp_of(path) for path in (self.certificate, self.key, self.authorities, self.revocations) if path
        )


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the files hold. Times are when each runs out; `revocations.due_at` when the next list was promised."""

    certificate: bytes
    key: bytes = field(repr=False)
    authorities: bytes
    revocations: Revocations
    certificate_until: datetime
    authority_until: datetime  # the first of them to run out


def files_of(settings: Settings) -> Files | None:
    """The files that `settings` name; None when they name none, and the gateway then is on loopback only.

    Raises FatalSettingError, naming the variable and the next step, when some are missing or others could call.
    """
    named = {
        "tls_certificate": settings.tls_certificate,
        "tls_key": settings.tls_key,
        "tls_authorities": settings.tls_authorities,
    }
    certificate, key, authorities = named.values()
    if certificate and key and authorities:
        return Files(certificate=certificate, key=key, authorities=authorities, revocations=settings.tls_revocations)
    variables = {name: PREFIX + name.upper() for name in named}
    if any(named.values()):
        missing = [variables[name] for name, path in named.items() if not path]
        raise FatalSettingError(
            " and ".join(missing), "is not set, and others of TLS are.", next_step="set all three, or none of them."
        )
    if not _is_loopback(settings.host):
        raise FatalSettingError(
            "LIENTHONG_HOST",
            f"without certificates the gateway listens on loopback only, not on {settings.host}.",
            next_step=f"issue a certificate (`lienthong pki`, docs/operating-certificates.md) and set "
            f"{', '.join(variables.values())}; or unset LIENTHONG_HOST.",
        )
    return None


def read_material(files: Files) -> Material:
    """What the files hold. Raises FatalCertificateError when they cannot be read or do not fit together."""
    certificate, key, authorities = (read_file(path) for path in (files.certificate, files.key, files.authorities))
    chain = read_chain(certificate, place=str(files.certificate))
    trusted = read_chain(authorities, place=str(files.authorities))
    check_pair(chain, key, place=str(files.key))
    check_authority(chain, trusted, place=str(files.certificate))
    revocations = Revocations()
    if files.revocations:
        revocations = read_revocations(read_file(files.revocations), trusted, place=str(files.revocations))
    return Material(
        certificate=certificate,
        key=key,
        authorities=authorities,
        revocations=revocations,
        certificate_until=_first_end(chain),
        authority_until=_first_end(trusted),
    )


class Certificates:
    """The material in use. Reading it is one attribute; `look` may be called from any thread."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._lock = threading.Lock()
        self._stamp = files.stamp()
        self.material = read_material(files)
        self._offered = self.material

    def look(self) -> None:
        """Take the files anew if they changed and fit together."""
        with self._lock:
            stamp = self.files.stamp()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self.material = read_material(self.files)
            except Exception as error:  # whoever looks must go on looking, or nobody is revoked any more
                log.error("certificates_kept", exc_info=error)
                return
            log.info("certificates_taken")

    def credentials(self) -> grpc.ServerCredentials:
        """For the port: a certificate is demanded of who calls, and each handshake is with the files as they are."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self.material),
            self._changed,  # type: ignore[arg-type]  # None means no change; the stubs do not know
            require_client_authentication=True,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Asked by gRPC on a thread of its own before each handshake; None means as before."""
        self.look()
        if self._offered is self.material:
            return None
        self._offered = self.material
        return _configuration(self._offered)

    def show(self, now: datetime) -> None:
        """Set the gauges of the days that are left."""
        material = self.material
        ends = {
            "gateway": material.certificate_until,
            "authority": material.authority_until,
            "revocations": material.revocations.due_at,
        }
        for name, end in ends.items():
            if end:
                metrics.CERTIFICATE_DAYS.set((end - now).total_seconds() / _DAY_SECONDS, certificate=name)


def open_certificates(settings: Settings) -> Certificates | None:
    """The certificates that `settings` name, None on loopback without.

    Raises FatalSettingError or FatalCertificateError.
    """
    files = files_of(settings)
    return Certificates(files) if files else None


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.certificate)], root_certificates=material.authorities
    )


def _first_end(certificates: Sequence[x509.Certificate]) -> datetime:
    return min(one.not_valid_after_utc for one in certificates)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
