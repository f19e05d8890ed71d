"""SubmitUpdate: one record of an online system in, its durable answer out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.access import GrantedSource
from gateway.signatures import Signatures
from gateway.submitting import Submitter
from gateway.typed import check_record
from gateway.v1 import intake_pb2
from gateway.wire import online as wire
from reconciliation.lifecycle import VIETNAM


@dataclass(frozen=True)
class Online:
    """What SubmitUpdate needs."""

    submitter: Submitter
    clock: Callable[[], datetime]
    signatures: Signatures


async def submit_update(
    online: Online, request: intake_pb2.SubmitUpdateRequest, granted: GrantedSource
) -> intake_pb2.SubmitUpdateResponse:
    """The answer to one record of a source that the caller speaks for, once it is durable; see intake.proto."""
    now = online.clock()
    update = wire.read_update(
        request, source=granted.source, about=granted.province_codes, today=now.astimezone(VIETNAM).date()
    )
    online.signatures.check_update(  # before anything is parsed
        request.signature,
        source_id=granted.source.source_id,
        request_id=request.request_id,
        sha256=update.sha256,
        identities=granted.identity_uris,
        required=granted.signature_required,
        now=now,
    )
    check_record(update.record, kind=granted.source.kind)
    return wire.write_answer(await online.submitter.submit(update))
