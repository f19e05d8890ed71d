"""Who we are to the gateway: a certificate, its key and the authorities we trust, read anew when the files change."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc

from gateway.certificates import Stamp, check_authority, check_pair, read_chain, read_file, stamp_of
from gateway.errors import FatalCertificateError


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Where our certificate, its key and the authorities of both ours and the gateway's certificate lie, all PEM."""

    certificate_path: Path
    key_path: Path
    authorities_path: Path

    def stamp(self) -> tuple[Stamp, ...]:
        """Differs once any of the files was written or replaced; None stands for a file that is not there."""
        return tuple(stamp_of(path) for path in (self.certificate_path, self.key_path, self.authorities_path))

    def open(self) -> grpc.ChannelCredentials:
        """For a new connection. Raises FatalCertificateError when the files cannot be read or do not fit together."""
        certificate, key, authorities = (
            read_file(path) for path in (self.certificate_path, self.key_path, self.authorities_path)
        )
        chain = read_chain(certificate, place=str(self.certificate_path))
        check_pair(chain, key, place=str(self.key_path))
        read_chain(authorities, place=str(self.authorities_path))
        return grpc.ssl_channel_credentials(authorities, private_key=key, certificate_chain=certificate)

    def check(self, now: datetime) -> datetime:
        """That the gateway will take our certificate at `now`, as far as we can know; the end of it.

        The gateway cannot tell us in a handshake: whatever is wrong, we learn "Socket closed". Raises
        FatalCertificateError.
        """
        self.open()
        chain = read_chain(read_file(self.certificate_path), place=str(self.certificate_path))
        authorities = read_chain(read_file(self.authorities_path), place=str(self.authorities_path))
        check_authority(chain, authorities, place=str(self.certificate_path))
        begin, end = chain[0].not_valid_before_utc, chain[0].not_valid_after_utc
        if now < begin:
            raise FatalCertificateError(
                str(self.certificate_path),
                vi=f"chứng thư chỉ có hiệu lực từ {begin:%d/%m/%Y %H:%M} UTC.",
                en=f"the certificate is good from {begin:%Y-%m-%d %H:%M} UTC only.",
                next_vi="Chỉnh đồng hồ của máy này.",
                next_en="set the clock of this machine.",
            )
        if now >= end:
            raise FatalCertificateError(
                str(self.certificate_path),
                vi=f"chứng thư đã hết hạn ngày {end:%d/%m/%Y}.",
                en=f"the certificate ran out on {end:%Y-%m-%d}.",
                next_vi="Xin gia hạn chứng thư, hoặc chỉnh đồng hồ.",
                next_en="have the certificate renewed, or set the clock.",
            )
        return end
