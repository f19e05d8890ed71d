"""What a source may send ──► the message of IntakeService.DescribeSource."""

from datetime import datetime

from gateway.access import GrantedSource
from gateway.v1 import intake_pb2
from gateway.wire.values import write_date, write_kind, write_time


def write_description(
    granted: GrantedSource,
    *,
    caller_identity: str,
    certificate_expires_at: datetime | None,
    last_landed_at: datetime | None,
    now: datetime,
) -> intake_pb2.DescribeSourceResponse:
    """A source's grant and standing on the wire."""
    dialect = granted.source.dialect
    return intake_pb2.DescribeSourceResponse(
        kind=write_kind(granted.source.kind),
        province_codes=granted.province_codes,
        dialect=dialect.name,
        columns=dialect.source_columns,
        signature_required=granted.signature_required,
        granted_until=write_date(granted.granted_until) if granted.granted_until else None,
        legal_reference=granted.legal_reference,
        caller_identity=caller_identity,
        certificate_expires_at=write_time(certificate_expires_at) if certificate_expires_at else None,
        last_landed_at=write_time(last_landed_at) if last_landed_at else None,
        server_time=write_time(now),
    )
