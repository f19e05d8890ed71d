"""What holds of a subject, version by version."""

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.store.tables.columns import SQL_TYPES, metadata, personal, plain

# The golden columns that say nothing about a person by themselves.
PLAIN_GOLDEN = {"unit_code", "household_id", "person_id", "scheme", "member_count"}


def _golden_table(kind: RecordKind) -> sa.Table:
    columns = [
        (plain if name in PLAIN_GOLDEN else personal)(name, SQL_TYPES[data_type], nullable=True)
        for name, data_type in GOLDEN_FIELDS[kind].items()
    ]
    return sa.Table(
        f"golden_{kind}",
        metadata,
        plain("change_id", sa.BigInteger, primary_key=True, autoincrement=False),
        plain("subject_id", sa.Text),
        *columns,
        plain("provenance", sa.Text),
        plain("decided_by", sa.Text, nullable=True),
    )


# One row a published version; append-only. `provenance` names, per field, the record it was taken from,
# `decided_by` the rank of survivorship.py by which.
golden_tables: dict[RecordKind, sa.Table] = {kind: _golden_table(kind) for kind in RecordKind}

sa.Index("golden_person_personal_number_idx", golden_tables[RecordKind.PERSON].c.personal_number)

golden_head = sa.Table(
    "golden_head",
    metadata,
    plain("subject_id", sa.Text, primary_key=True),
    plain("kind", sa.Text),
    plain("province_code", sa.Text, index=True),
    plain("change_id", sa.BigInteger, unique=True),
)
