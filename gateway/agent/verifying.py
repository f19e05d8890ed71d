"""Whether a kept receipt is a gateway's own word: looked at here, without a gateway and without a line."""

from datetime import datetime
from uuid import UUID

from gateway import signatures, signing
from gateway.agent.receipts import KeptReceipt
from gateway.authorities import Authorities, Doubt, SignatureRefusedError
from reconciliation.model import Receipt

TRUST_DOMAIN = "lienthong"


def doubt_of(kept: KeptReceipt, authorities: Authorities, *, now: datetime) -> Doubt | None:
    """What speaks against the signature of a receipt; None when a gateway signed these very figures."""
    receipt = Receipt(
        receipt_id=UUID(kept.receipt_id),
        source_id=kept.source_id,
        epoch=kept.epoch,
        sequence=kept.sequence,
        sha256=bytes.fromhex(kept.sha256),
        received=kept.received,
        accepted=kept.accepted,
        superseded=kept.superseded,
        quarantined=kept.quarantined,
        findings=kept.findings,
        landed_at=kept.landed,
        replayed=kept.replayed,
    )
    is_gateway = signatures.is_gateway(TRUST_DOMAIN)
    try:
        signing.verify_receipt(authorities, kept.signature, receipt, is_gateway=is_gateway, now=now)
    except SignatureRefusedError as error:
        return error.doubt
    return None
