"""The messages of IntakeService ◄─► batches, receipts and refusals."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from adapters.canonical import RecordKind
from gateway import caps
from gateway.errors import Explanation, Reason, RejectedCallError
from gateway.rehearsing import Rehearsed
from gateway.v1 import intake_pb2
from gateway.wire import faults
from gateway.wire.values import (
    invalid,
    read_date,
    read_finding,
    read_key,
    read_kind,
    read_time,
    write_codes,
    write_date,
    write_finding,
    write_kind,
    write_time,
)
from reconciliation.model import Batch, BatchFormat, Finding, Receipt, SignatureOutcome

_FORMATS = {
    intake_pb2.BATCH_FORMAT_SOURCE_FILE: BatchFormat.SOURCE_FILE,
    intake_pb2.BATCH_FORMAT_ARROW_IPC: BatchFormat.ARROW_IPC,
    intake_pb2.BATCH_FORMAT_TYPED_RECORDS: BatchFormat.TYPED_RECORDS,
}
_FORMAT_NUMBERS = {format_: number for number, format_ in _FORMATS.items()}
_EPOCH = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LARGEST_SEQUENCE = 2**63 - 1
_LONGEST_SOFTWARE = 120
_OUTCOMES = {
    SignatureOutcome.RELEASED: intake_pb2.SIGNATURE_OUTCOME_RELEASED,
    SignatureOutcome.REPEATED: intake_pb2.SIGNATURE_OUTCOME_REPEATED,
    SignatureOutcome.NOT_WAITING: intake_pb2.SIGNATURE_OUTCOME_NOT_WAITING,
    SignatureOutcome.INVALID: intake_pb2.SIGNATURE_OUTCOME_INVALID,
}
_OUTCOMES_READ = {number: outcome for outcome, number in _OUTCOMES.items()}


@dataclass(frozen=True, kw_only=True)
class OfferedSignature:
    """One officer's signature as it was sent: of which record, of which of its versions."""

    source_record_id: str
    updated_at: str
    signature: str = field(repr=False)


def read_hello(message: intake_pb2.PushRequest) -> intake_pb2.Hello:
    """The opening of a push. Raises HELLO_REQUIRED, or FIELD_INVALID when the epoch is not of its form."""
    if message.WhichOneof("message") != "hello":
        raise RejectedCallError(
            Reason.HELLO_REQUIRED,
            "The first message of a push is not a Hello.",
            field_path="hello",
            facts={"field": "hello"},
        )
    if not _EPOCH.fullmatch(message.hello.epoch):
        raise invalid("hello.epoch", "has to be 1 to 64 of A-Z a-z 0-9 . _ -")
    software = message.hello.client_software
    if len(software) > _LONGEST_SOFTWARE or not software.isprintable():
        raise invalid("hello.client_software", f"has to be at most {_LONGEST_SOFTWARE} printable characters")
    return message.hello


def read_client_time(message: intake_pb2.Hello) -> datetime | None:
    """What the sender's clock showed; None when it does not say. Raises FIELD_INVALID when that is no time."""
    if not message.HasField("client_time"):
        return None
    try:
        return read_time(message.client_time)
    except (ValueError, OverflowError):
        raise invalid("hello.client_time", "has to be a time") from None


def read_batch(message: intake_pb2.Batch, *, source_id: str, epoch: str) -> Batch:
    """The batch of a message. Raises FIELD_INVALID; hash, caps and kind are the service's to check."""
    if not 0 < message.sequence <= _LARGEST_SEQUENCE:
        raise invalid("batch.sequence", "has to be 1 or more")
    if message.format not in _FORMATS:
        raise invalid("batch.format", "has to be a format that is known here")
    if len(message.sha256) != 32:
        raise invalid("batch.sha256", "has to be 32 bytes")
    return Batch(
        source_id=source_id,
        epoch=epoch,
        sequence=message.sequence,
        format=_FORMATS[message.format],
        sha256=message.sha256,
        exported_on=read_date(message.exported_on, field_path="batch.exported_on"),
        payload=message.payload,
        traceparent=message.traceparent if _TRACEPARENT.fullmatch(message.traceparent) else None,
        signature=message.signature or None,
    )


def read_batch_kind(message: intake_pb2.Batch) -> RecordKind | None:
    """The kind that a batch states, None when it states none."""
    return read_kind(message.kind, field_path="batch.kind")


def read_signatures(message: intake_pb2.SubmitSignaturesRequest, *, most: int) -> list[OfferedSignature]:
    """The signatures of a request. Raises FIELD_INVALID when there are none, more than `most`, or one is malformed."""
    if not 0 < len(message.signatures) <= most:
        raise invalid("signatures", f"has to hold 1 to {most}")
    return [
        OfferedSignature(
            source_record_id=read_key(one.source_record_id, field_path=f"signatures[{place}].source_record_id"),
            updated_at=read_key(one.updated_at, field_path=f"signatures[{place}].updated_at", longest=64),
            signature=one.signature,
        )
        for place, one in enumerate(message.signatures)
    ]


def write_signatures(source_id: str, offered: Sequence[OfferedSignature]) -> intake_pb2.SubmitSignaturesRequest:
    """Officers' signatures as a source sends them."""
    signatures = [
        intake_pb2.OfficerSignature(
            source_record_id=one.source_record_id, updated_at=one.updated_at, signature=one.signature
        )
        for one in offered
    ]
    return intake_pb2.SubmitSignaturesRequest(source_id=source_id, signatures=signatures)


def read_signature_outcomes(message: intake_pb2.SubmitSignaturesResponse) -> list[SignatureOutcome]:
    """What a client was told of its signatures, in the order sent."""
    return [_OUTCOMES_READ[number] for number in message.outcomes]


def write_signature_outcomes(outcomes: Sequence[SignatureOutcome]) -> intake_pb2.SubmitSignaturesResponse:
    """What became of the signatures, in the order sent."""
    return intake_pb2.SubmitSignaturesResponse(outcomes=[_OUTCOMES[outcome] for outcome in outcomes])


def write_hello(
    *,
    source_id: str,
    epoch: str,
    client_software: str,
    validate_only: bool = False,
    client_time: datetime | None = None,
) -> intake_pb2.PushRequest:
    """The opening of a push, or of the rehearsal of one."""
    hello = intake_pb2.Hello(
        source_id=source_id,
        epoch=epoch,
        client_software=client_software,
        validate_only=validate_only,
        client_time=write_time(client_time) if client_time else None,
    )
    return intake_pb2.PushRequest(hello=hello)


def write_batch(batch: Batch, *, kind: RecordKind | None, record_count: int) -> intake_pb2.PushRequest:
    """A batch as a source sends it."""
    message = intake_pb2.Batch(
        sequence=batch.sequence,
        format=_FORMAT_NUMBERS[batch.format],
        payload=batch.payload,
        sha256=batch.sha256,
        record_count=record_count,
        exported_on=write_date(batch.exported_on),
        traceparent=batch.traceparent or "",
        signature=batch.signature or "",
    )
    if kind is not None:
        message.kind = write_kind(kind)
    return intake_pb2.PushRequest(batch=message)


def write_welcome(
    *,
    last_durable: int,
    batches_in_flight: int,
    kind: RecordKind,
    now: datetime,
    validate_only: bool = False,
    signature_required: bool = False,
    client_time: datetime | None = None,
) -> intake_pb2.PushResponse:
    """The answer to a Hello; `client_time` is what the sender's clock showed in it."""
    limits = intake_pb2.Limits(
        max_records=caps.MAX_RECORDS,
        max_payload_bytes=caps.MAX_PAYLOAD_BYTES,
        max_batches_in_flight=batches_in_flight,
    )
    welcome = intake_pb2.Welcome(
        last_durable_sequence=last_durable,
        limits=limits,
        server_time=write_time(now),
        kind=write_kind(kind),
        validate_only=validate_only,
        signature_required=signature_required,
    )
    if client_time is not None:
        welcome.clock_skew.FromTimedelta(client_time - now)
    return intake_pb2.PushResponse(welcome=welcome)


def read_welcome_time(message: object) -> datetime:
    """The gateway's clock, as its Welcome tells it. Raises FIELD_INVALID when the message is no Welcome."""
    if not isinstance(message, intake_pb2.PushResponse) or not message.HasField("welcome"):
        raise invalid("welcome", "has to be the first answer of a push")
    return read_time(message.welcome.server_time)


def write_receipt(receipt: Receipt, findings: Sequence[Finding], *, signature: str = "") -> intake_pb2.PushResponse:
    """The answer to a durable batch, with its first findings and the gateway's signature."""
    message = intake_pb2.Receipt(
        sequence=receipt.sequence,
        receipt_id=str(receipt.receipt_id),
        received=receipt.received,
        accepted=receipt.accepted,
        superseded=receipt.superseded,
        quarantined=receipt.quarantined,
        findings_total=receipt.findings,
        findings=map(write_finding, findings),
        codes=write_codes(list(findings)),
        landed_at=write_time(receipt.landed_at),
        replayed=receipt.replayed,
        signature=signature,
    )
    return intake_pb2.PushResponse(receipt=message)


def write_rehearsal(sequence: int, rehearsed: Rehearsed, findings: Sequence[Finding]) -> intake_pb2.PushResponse:
    """The answer to a batch that was to be validated only, with its first findings: no id, no time, nothing stored."""
    message = intake_pb2.Receipt(
        sequence=sequence,
        received=rehearsed.received,
        accepted=rehearsed.usable,
        quarantined=rehearsed.quarantined,
        findings_total=rehearsed.findings,
        findings=map(write_finding, findings),
        codes=write_codes(list(findings)),
    )
    return intake_pb2.PushResponse(receipt=message)


def read_rehearsal(message: intake_pb2.Receipt) -> tuple[Rehearsed, tuple[Finding, ...]]:
    """What a rehearsal said of a batch, and its first findings."""
    rehearsed = Rehearsed(
        received=message.received,
        usable=message.accepted,
        quarantined=message.quarantined,
        findings=message.findings_total,
    )
    return rehearsed, tuple(map(read_finding, message.findings))


def write_refusal(sequence: int, explanation: Explanation, *, help_url: str) -> intake_pb2.PushResponse:
    """The answer to a batch that is not taken."""
    status = faults.write_status(explanation, help_url=help_url)
    return intake_pb2.PushResponse(refusal=intake_pb2.Refusal(sequence=sequence, status=status))


def read_receipt(message: intake_pb2.Receipt, *, batch: Batch) -> tuple[Receipt, tuple[Finding, ...]]:
    """The receipt of `batch` and its first findings, as the client was told them."""
    receipt = Receipt(
        receipt_id=UUID(message.receipt_id),
        source_id=batch.source_id,
        epoch=batch.epoch,
        sequence=message.sequence,
        sha256=batch.sha256,
        received=message.received,
        accepted=message.accepted,
        superseded=message.superseded,
        quarantined=message.quarantined,
        findings=message.findings_total,
        landed_at=read_time(message.landed_at),
        replayed=message.replayed,
    )
    return receipt, tuple(map(read_finding, message.findings))
