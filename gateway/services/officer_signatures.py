"""SubmitSignatures: officers' signatures for the civil-status events of a source that wait for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from adapters.catalogue import Source
from adapters.spoken_versions import read_versions
from gateway import caps, signing
from gateway.authorities import Doubt, SignatureRefusedError
from gateway.signatures import Signatures
from gateway.typed import as_typed
from gateway.v1 import intake_pb2
from gateway.wire import intake as wire
from gateway.wire.intake import OfferedSignature
from gateway.workers import Workers
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import SignatureOutcome
from reconciliation.store import officer_signatures
from reconciliation.store.officer_signatures import Offered


@dataclass(frozen=True)
class Verified:
    """The signatures that hold, and where in the request each stood."""

    places: Sequence[int]
    offered: Sequence[Offered]


async def submit(
    request: intake_pb2.SubmitSignaturesRequest,
    *,
    source: Source,
    signatures: Signatures,
    workers: Workers,
    now: datetime,
) -> intake_pb2.SubmitSignaturesResponse:
    """Verify the signatures and let go what waits for them. Raises FIELD_INVALID; a signature that fails is an outcome.

    One that does not hold is logged and counted, and its outcome does not say why.
    """
    asked = wire.read_signatures(request, most=caps.MAX_SIGNATURES)
    verified = await workers.columns(verify, asked, source=source, signatures=signatures, now=now)
    outcomes = [SignatureOutcome.INVALID] * len(asked)
    if verified.offered:
        taken = await workers.store(officer_signatures.take, verified.offered, source_id=source.source_id, now=now)
        for place, outcome in zip(verified.places, taken, strict=True):
            outcomes[place] = outcome
    return wire.write_signature_outcomes(outcomes)


def verify(asked: Sequence[OfferedSignature], *, source: Source, signatures: Signatures, now: datetime) -> Verified:
    """Those of `asked` that an officer of the source's province signed, with the versions they may be of."""
    versions = _versions([one.updated_at for one in asked], source=source, now=now)
    places, offered = [], []
    for place, one in enumerate(asked):
        try:
            if signatures.authorities is None:
                raise SignatureRefusedError(Doubt.UNPROVABLE)
            signed = signing.verify_death(
                signatures.authorities,
                one.signature,
                source_id=source.source_id,
                source_record_id=one.source_record_id,
                updated_at=one.updated_at,
                is_officer=signatures.is_officer_of(source.province_code),
                now=now,
            )
        except SignatureRefusedError as error:
            signing.note_refusal(error, source_id=source.source_id)
            continue
        places.append(place)
        offered.append(
            Offered(
                source_record_id=one.source_record_id,
                versions=versions[place],
                died_on=signed.event_date,
                jws=one.signature,
                officer=signed.identity,
                signed_at=signed.signed_at,
            )
        )
    return Verified(places, offered)


def _versions(moments: Sequence[str], *, source: Source, now: datetime) -> list[tuple[int, ...]]:
    """What each moment means, as the source's own files write it and as typed records do."""
    texts, today = pa.array(moments, pa.string()), now.astimezone(VIETNAM).date()
    readings = [
        read_versions(texts, dialect=dialect, today=today).to_pylist()
        for dialect in (as_typed(source).dialect, source.dialect)
    ]
    return [tuple(one for one in meant if one is not None) for meant in zip(*readings, strict=True)]
