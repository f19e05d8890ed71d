"""The golden columns: what the registry says of one subject. Which of its records says what is in survivorship.py."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from adapters.canonical import RecordKind
from reconciliation.survivorship import RULES

GOLDEN_FIELDS: Mapping[RecordKind, Mapping[str, pa.DataType]] = {
    RecordKind.PERSON: {
        "personal_number": pa.string(),
        "cmnd": pa.string(),
        "full_name": pa.string(),
        "birth_year": pa.int16(),
        "birth_month": pa.int16(),
        "birth_day": pa.int16(),
        "sex": pa.string(),
        "ethnic_group": pa.string(),
        "died_on": pa.date32(),
        "unit_code": pa.string(),
        "hamlet": pa.string(),
        "address": pa.string(),
        "household_id": pa.string(),
        "household_number": pa.string(),
        "relation_to_head": pa.string(),
        "father_number": pa.string(),
        "father_name": pa.string(),
        "mother_number": pa.string(),
        "mother_name": pa.string(),
        "spouse_number": pa.string(),
        "spouse_name": pa.string(),
    },
    RecordKind.HOUSEHOLD: {
        "household_number": pa.string(),
        "former_number": pa.string(),
        "head_personal_number": pa.string(),
        "head_name": pa.string(),
        "member_count": pa.int16(),
        "unit_code": pa.string(),
        "hamlet": pa.string(),
        "address": pa.string(),
    },
    RecordKind.INSURANCE: {
        "person_id": pa.string(),
        "insurance_number": pa.string(),
        "personal_number": pa.string(),
        "full_name": pa.string(),
        "health_card": pa.string(),
        "scheme": pa.string(),
        "valid_from": pa.date32(),
        "valid_to": pa.date32(),
        "first_clinic": pa.string(),
        "unit_code": pa.string(),
        "contribution_salary": pa.int64(),
    },
}


def spoken_schema(kind: RecordKind) -> pa.Schema:
    """What surviving reads: a record of a subject with every golden field, and how much its word counts."""
    return pa.schema(
        [
            pa.field("subject_id", pa.string(), nullable=False),
            pa.field("record_id", pa.int64(), nullable=False),
            pa.field("authority", pa.int8(), nullable=False),  # 0 speaks before 1
            pa.field("event_date", pa.date32()),  # the later speaks; versions of two sources cannot be compared
            pa.field("source_version", pa.int64(), nullable=False),
            pa.field("exported_on", pa.date32()),  # the day of the export it came in
            pa.field("unjudged", pa.int8()),  # 0: a steward named its unit; null is 1
            pa.field("unsigned", pa.int8()),  # 0: an officer signed its event; null is 1
            pa.field("unverified", pa.int8()),  # 0: its number agrees with its own sex and year; null is 1
            *(pa.field(name, data_type) for name, data_type in GOLDEN_FIELDS[kind].items()),
        ]
    )


def golden_schema(kind: RecordKind) -> pa.Schema:
    """One row a subject: its fields, and of each group of fields (`groups`), as JSON objects, `provenance`, the
    record_id it was taken from, and `decided_by`, the survivorship.Rank by which, where more than one record says it.
    """
    return pa.schema([*stands_schema(kind), pa.field("decided_by", pa.string())])


def stands_schema(kind: RecordKind) -> pa.Schema:
    """As golden_schema, without what no run reads again."""
    return pa.schema(
        [
            pa.field("subject_id", pa.string(), nullable=False),
            *(pa.field(name, data_type) for name, data_type in GOLDEN_FIELDS[kind].items()),
            pa.field("provenance", pa.string(), nullable=False),
        ]
    )


def groups(kind: RecordKind) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The fields that are chosen together, each group under its first: it counts where any of them is present."""
    for rule in RULES[kind]:
        yield rule.leader, rule.fields
