"""The golden columns: what the registry says of one subject, and which fields mean something only together."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from adapters.canonical import RecordKind

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

# Fields that mean something only together, taken from one record.
TOGETHER: Mapping[RecordKind, Mapping[str, tuple[str, ...]]] = {
    RecordKind.PERSON: {
        "birth_year": ("birth_year", "birth_month", "birth_day"),
        "unit_code": ("unit_code", "hamlet", "address"),
        "household_id": ("household_id", "household_number", "relation_to_head"),
        "father_number": ("father_number", "father_name"),
        "mother_number": ("mother_number", "mother_name"),
        "spouse_number": ("spouse_number", "spouse_name"),
    },
    RecordKind.HOUSEHOLD: {
        "household_number": ("household_number", "former_number"),
        "head_name": ("head_name", "head_personal_number"),
        "unit_code": ("unit_code", "hamlet", "address"),
    },
    RecordKind.INSURANCE: {
        "insurance_number": ("insurance_number", "health_card", "scheme"),
        "valid_from": ("valid_from", "valid_to", "first_clinic"),
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
            *(pa.field(name, data_type) for name, data_type in GOLDEN_FIELDS[kind].items()),
        ]
    )


def golden_schema(kind: RecordKind) -> pa.Schema:
    """One row a subject: its fields, and `provenance`, a JSON object from field to the record_id it was taken from."""
    return pa.schema(
        [
            pa.field("subject_id", pa.string(), nullable=False),
            *(pa.field(name, data_type) for name, data_type in GOLDEN_FIELDS[kind].items()),
            pa.field("provenance", pa.string(), nullable=False),
        ]
    )


def groups(kind: RecordKind) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The fields that are chosen together, each group under its first: it counts where any of them is present."""
    together = TOGETHER[kind]
    followers = {name for members in together.values() for name in members}
    for name in GOLDEN_FIELDS[kind]:
        if name in together:
            yield name, together[name]
        elif name not in followers:
            yield name, (name,)
