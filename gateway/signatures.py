"""What a gateway does about signatures: whose it believes, what it asks of a batch, and how it signs its receipts."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from gateway import signing
from gateway.authorities import Authorities, Doubt, SignatureRefusedError
from gateway.errors import FatalSettingError, Reason, RejectedCallError
from gateway.settings import Settings
from gateway.signing import Signer
from reconciliation.model import Batch, Receipt

_NAME = r"[A-Za-z0-9._-]{1,64}"


@dataclass(frozen=True, kw_only=True)
class Signatures:
    """Without `authorities` a gateway verifies nothing and keeps what it is sent; without `signer` it signs nothing."""

    authorities: Authorities | None = None
    signer: Signer | None = None
    trust_domain: str = "lienthong"

    def check_batch(self, batch: Batch, *, identities: Collection[str], required: bool, now: datetime) -> Batch:
        """The batch with who signed it, one of `identities`; its sha256 has to be that of its payload already.

        Raises RejectedCallError SIGNATURE_REQUIRED, or SignatureRefusedError, which is logged and counted.
        """
        if batch.signature is None:
            if required:
                raise _required(batch.source_id, field_path="batch.signature")
            return batch
        try:
            if self.authorities is None:
                if required:
                    raise SignatureRefusedError(Doubt.UNPROVABLE)
                return batch
            signed = signing.verify_batch(self.authorities, batch.signature, batch, identities=identities, now=now)
        except SignatureRefusedError as error:
            signing.note_refusal(error, source_id=batch.source_id)
            raise
        return replace(batch, signed_by=signed.identity)

    def check_update(
        self,
        signature: str,
        *,
        source_id: str,
        request_id: str,
        sha256: bytes,
        identities: Collection[str],
        required: bool,
        now: datetime,
    ) -> None:
        """That one of `identities` signed an online update, where it is signed or has to be.

        Raises RejectedCallError SIGNATURE_REQUIRED, or SignatureRefusedError, which is logged and counted.
        """
        if not signature:
            if required:
                raise _required(source_id, field_path="signature")
            return
        try:
            if self.authorities is not None:
                signing.verify_update(
                    self.authorities,
                    signature,
                    source_id=source_id,
                    request_id=request_id,
                    sha256=sha256,
                    identities=identities,
                    now=now,
                )
            elif required:
                raise SignatureRefusedError(Doubt.UNPROVABLE)
        except SignatureRefusedError as error:
            signing.note_refusal(error, source_id=source_id)
            raise

    def sign_receipt(self, receipt: Receipt, *, now: datetime) -> str:
        """The gateway's signature under a receipt; empty without a key."""
        return "" if self.signer is None else signing.sign_receipt(self.signer, receipt, now=now)

    def is_officer_of(self, province_code: str) -> Callable[[str], bool]:
        """Whether an identity is that of an officer of the province."""
        return _one_of(f"spiffe://{self.trust_domain}/officer/{province_code}/")


def _required(source_id: str, *, field_path: str) -> RejectedCallError:
    return RejectedCallError(
        Reason.SIGNATURE_REQUIRED,
        "The source's grant asks for signatures.",
        field_path=field_path,
        facts={"source_id": source_id},
    )


def is_gateway(trust_domain: str) -> Callable[[str], bool]:
    """Whether an identity is that of a gateway."""
    return _one_of(f"spiffe://{trust_domain}/gateway/")


def of_settings(settings: Settings) -> Signatures:
    """The signatures of a gateway with these settings. Raises FatalSettingError when a file cannot be used."""
    key, certificate = settings.signing_key, settings.signing_certificate
    if (key is None) != (certificate is None):
        raise FatalSettingError(
            "LIENTHONG_SIGNING_KEY", "it and LIENTHONG_SIGNING_CERTIFICATE go together.", next_step="set both or none."
        )
    signer = authorities = None
    try:
        if key is not None and certificate is not None:
            variable = "LIENTHONG_SIGNING_KEY"
            signer = Signer(key=key, certificate=certificate)
        if trusted := settings.signing_authorities or settings.tls_authorities:
            variable = "LIENTHONG_SIGNING_AUTHORITIES"
            revocations = settings.signing_revocations or settings.tls_revocations
            authorities = Authorities(trusted, revocations=revocations)
    except (OSError, ValueError) as error:
        raise FatalSettingError(variable, f"{error}.", next_step="see docs/settings.md.") from error
    return Signatures(authorities=authorities, signer=signer, trust_domain=settings.trust_domain)


def _one_of(prefix: str) -> Callable[[str], bool]:
    whole = re.compile(re.escape(prefix) + _NAME)
    return lambda identity: whole.fullmatch(identity) is not None
