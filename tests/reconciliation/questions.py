"""Cases as values, for what needs no database."""

from datetime import UTC, datetime

from reconciliation.model import Case, CaseKind

OPENED = datetime(2025, 9, 3, tzinfo=UTC)


def case_of(kind: CaseKind, *record_keys: str, province_code: str = "15", **evidence: object) -> Case:
    """An open case of a kind about these records, with this evidence."""
    return Case(
        case_id=1,
        fingerprint="f",
        kind=kind,
        province_code=province_code,
        owner=f"{province_code}/steward",
        opened_at=OPENED,
        deadline=OPENED,
        record_keys=record_keys,
        evidence=evidence,
        resolved_by=None,
    )
