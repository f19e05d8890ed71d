"""The messages of SubmitUpdate ◄─► single updates and their answers."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.canonical import RecordKind
from adapters.catalogue import Source
from gateway import caps
from gateway.errors import Reason, RejectedCallError
from gateway.v1 import intake_pb2, records_pb2
from gateway.wire.values import (
    invalid,
    read_date,
    read_finding,
    read_time,
    write_codes,
    write_date,
    write_finding,
    write_time,
)
from reconciliation.model import SubmissionAnswer, SubmissionVerdict

_VERDICTS = {
    intake_pb2.UPDATE_VERDICT_ACCEPTED: SubmissionVerdict.ACCEPTED,
    intake_pb2.UPDATE_VERDICT_SUPERSEDED: SubmissionVerdict.SUPERSEDED,
    intake_pb2.UPDATE_VERDICT_QUARANTINED: SubmissionVerdict.QUARANTINED,
}
_VERDICT_NUMBERS = {verdict: number for number, verdict in _VERDICTS.items()}
_RECORDS: dict[RecordKind, type[Message]] = {
    RecordKind.PERSON: records_pb2.PersonRecord,
    RecordKind.HOUSEHOLD: records_pb2.HouseholdRecord,
    RecordKind.INSURANCE: records_pb2.InsuranceRecord,
}
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, kw_only=True)
class Update:
    """One record of an online system that is not parsed yet."""

    source: Source = field(repr=False)
    about: tuple[str, ...]  # the provinces whose people it may be about
    request_id: UUID
    record: bytes = field(repr=False)
    sha256: bytes  # of the record
    exported_on: date
    is_rehearsal: bool
    traceparent: str | None


def read_update(
    message: intake_pb2.SubmitUpdateRequest, *, source: Source, about: tuple[str, ...], today: date
) -> Update:
    """The update of a request, whose record is not parsed. Raises RejectedCallError FIELD_INVALID or TOO_LARGE."""
    if not _UUID.fullmatch(message.request_id):
        raise invalid("request_id", "has to be a UUID in its written form")
    record = message.record
    if not record:
        raise invalid("record", "has to be an encoded record")
    if len(record) > caps.MAX_RECORD_BYTES:
        raise RejectedCallError(
            Reason.TOO_LARGE,
            f"The record is {len(record)} bytes.",
            field_path="record",
            facts={"limitBytesPerRecord": str(caps.MAX_RECORD_BYTES)},
        )
    stated = read_date(message.exported_on, field_path="exported_on") if message.HasField("exported_on") else None
    traceparent = message.traceparent
    return Update(
        source=source,
        about=about,
        request_id=UUID(message.request_id),
        record=record,
        sha256=hashlib.sha256(record).digest(),
        exported_on=stated or today,
        is_rehearsal=message.validate_only,
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
    )


def encode_record(fields: Mapping[str, object], *, kind: RecordKind) -> bytes:
    """The encoded record of a kind from its fields by the names of the proto.

    Raises FIELD_INVALID where a field is unknown or of another type, without quoting it: it is about a person.
    """
    try:
        return json_format.ParseDict(dict(fields), _RECORDS[kind]()).SerializeToString()
    except (json_format.ParseError, TypeError, ValueError):
        raise invalid("record", f"has to hold the fields of a {kind} record, as records.proto names them") from None


def write_update(
    record: bytes, *, source_id: str, request_id: UUID, exported_on: date | None = None, validate_only: bool = False
) -> intake_pb2.SubmitUpdateRequest:
    """The request of an online system."""
    return intake_pb2.SubmitUpdateRequest(
        source_id=source_id,
        request_id=str(request_id),
        record=record,
        exported_on=None if exported_on is None else write_date(exported_on),
        validate_only=validate_only,
    )


def write_answer(answer: SubmissionAnswer) -> intake_pb2.SubmitUpdateResponse:
    """The answer to one update."""
    message = intake_pb2.SubmitUpdateResponse(
        receipt_id=str(answer.receipt_id) if answer.receipt_id else "",
        row=answer.row,
        verdict=_VERDICT_NUMBERS[answer.verdict],
        landed_at=_landed_at(answer.landed_at) if answer.landed_at else None,
        replayed=answer.replayed,
    )
    if answer.findings:
        message.findings.extend(map(write_finding, answer.findings))
        message.codes.extend(write_codes(list(answer.findings)))
    return message


@lru_cache(maxsize=16)  # of a group it is the same for all
def _landed_at(value: datetime) -> Timestamp:
    return write_time(value)


def read_answer(message: intake_pb2.SubmitUpdateResponse) -> SubmissionAnswer:
    """The answer as a client was told it. Raises FIELD_INVALID on a verdict that this release does not know."""
    if message.verdict not in _VERDICTS:
        raise invalid("verdict", "is none that is known here")
    return SubmissionAnswer(
        receipt_id=UUID(message.receipt_id) if message.receipt_id else None,
        row=message.row,
        verdict=_VERDICTS[message.verdict],
        findings=tuple(map(read_finding, message.findings)),
        landed_at=read_time(message.landed_at) if message.HasField("landed_at") else None,
        replayed=message.replayed,
    )
