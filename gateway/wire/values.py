"""The small values that several messages hold: kinds, severities, dates and times."""

from datetime import UTC, date, datetime
from functools import cache
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from adapters.canonical import RecordKind
from adapters.findings import CATALOGUE, Severity
from gateway.errors import Reason, RejectedCallError
from gateway.v1 import kinds_pb2
from reconciliation.model import Finding

_KINDS = {
    kinds_pb2.RECORD_KIND_PERSON: RecordKind.PERSON,
    kinds_pb2.RECORD_KIND_HOUSEHOLD: RecordKind.HOUSEHOLD,
    kinds_pb2.RECORD_KIND_INSURANCE: RecordKind.INSURANCE,
}
_KIND_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_SEVERITIES = {
    kinds_pb2.SEVERITY_INFO: Severity.INFO,
    kinds_pb2.SEVERITY_WARNING: Severity.WARNING,
    kinds_pb2.SEVERITY_ERROR: Severity.ERROR,
}
_SEVERITY_NUMBERS = {severity: number for number, severity in _SEVERITIES.items()}


def invalid(field_path: str, problem: str) -> RejectedCallError:
    """The refusal of a field that is absent or malformed."""
    return RejectedCallError(
        Reason.FIELD_INVALID, f"{field_path} {problem}.", field_path=field_path, facts={"field": field_path}
    )


def read_kind(number: kinds_pb2.RecordKind.ValueType, *, field_path: str) -> RecordKind | None:
    """The kind, None when unspecified. Raises FIELD_INVALID on a number that this release does not know."""
    if number == kinds_pb2.RECORD_KIND_UNSPECIFIED:
        return None
    if number not in _KINDS:
        raise invalid(field_path, "is no kind of record that is known here")
    return _KINDS[number]


def write_kind(kind: RecordKind) -> kinds_pb2.RecordKind.ValueType:
    """The kind's number on the wire."""
    return _KIND_NUMBERS[kind]


def read_date(message: Date, *, field_path: str) -> date:
    """A whole date. Raises FIELD_INVALID when year, month or day is absent or impossible."""
    try:
        return date(message.year, message.month, message.day)
    except ValueError:
        raise invalid(field_path, "has to be a whole date with year, month and day") from None


def write_date(value: date) -> Date:
    """A date on the wire."""
    return Date(year=value.year, month=value.month, day=value.day)


def read_time(message: Timestamp) -> datetime:
    """An aware datetime in UTC."""
    return message.ToDatetime(tzinfo=UTC)


def write_time(value: datetime) -> Timestamp:
    """A time on the wire."""
    message = Timestamp()
    message.FromDatetime(value)
    return message


def read_receipt_id(text: str, *, field_path: str) -> UUID:
    """The receipt's id. Raises FIELD_INVALID when it is no UUID."""
    try:
        return UUID(text)
    except ValueError:
        raise invalid(field_path, "has to be the receipt_id of a receipt") from None


def read_key(text: str, *, field_path: str, longest: int = 200) -> str:
    """A key of the caller's: 1 to `longest` printable characters. Raises FIELD_INVALID."""
    if not 0 < len(text) <= longest or not text.isprintable():
        raise invalid(field_path, f"has to be 1 to {longest} printable characters")
    return text


def write_finding(finding: Finding) -> kinds_pb2.Finding:
    """A finding on the wire."""
    return kinds_pb2.Finding(
        row=finding.row,
        column=finding.column or "",
        code=finding.code,
        severity=_SEVERITY_NUMBERS[Severity(finding.severity)],
        seen=finding.seen or "",
        source_record_id=finding.source_record_id or "",
    )


def read_finding(message: kinds_pb2.Finding) -> Finding:
    """A finding as a client was told it."""
    return Finding(
        row=message.row,
        column=message.column or None,
        code=message.code,
        severity=_SEVERITIES[message.severity].value,
        seen=message.seen or None,
        source_record_id=message.source_record_id or None,
    )


def write_codes(findings: list[Finding]) -> list[kinds_pb2.FindingCode]:
    """Each code that occurs, explained once, in the order of the alphabet."""
    codes = sorted({finding.code for finding in findings})
    return [_explained(code) for code in codes if code in CATALOGUE]


@cache  # whoever takes it into a message of his own copies it
def _explained(code: str) -> kinds_pb2.FindingCode:
    entry = CATALOGUE[code]
    return kinds_pb2.FindingCode(
        code=code,
        severity=_SEVERITY_NUMBERS[entry.severity],
        message_vi=entry.vi,
        message_en=entry.en,
        fix_vi=entry.fix_vi,
        fix_en=entry.fix_en,
    )
