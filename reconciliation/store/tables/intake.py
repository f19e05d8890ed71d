"""What sources sent: batches, the versions of records in them, findings and what could not be used."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import SCHEMAS, RecordKind
from reconciliation.model import SubmissionVerdict
from reconciliation.store.tables.columns import SQL_TYPES, closed_set, metadata, personal, plain

ROWS_PER_BATCH = 10_000  # the cap on records in a batch, and the stride of record_id

# The canonical columns that say nothing about a person by themselves; every other one is personal.
PLAIN_CANONICAL = {
    "row",
    "source_version",
    "event_date",
    "follows_version",
    "unit_code",
    "unit_vintage",
    "unit_name",
    "scheme",
    "member_count",
}


def _canonical_columns(kind: RecordKind) -> Iterator[sa.Column[Any]]:
    for field in SCHEMAS[kind]:
        make = plain if field.name in PLAIN_CANONICAL else personal
        if field.name != "row":  # record_id holds it
            yield make(field.name, SQL_TYPES[field.type], nullable=field.nullable)


def _record_table(kind: RecordKind) -> sa.Table:
    return sa.Table(
        f"{kind}_record",
        metadata,
        plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
        plain("source_id", sa.Text),
        *_canonical_columns(kind),
    )


batch = sa.Table(
    "batch",
    metadata,
    plain("batch_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("receipt_id", pg.UUID(as_uuid=True), server_default=sa.func.gen_random_uuid(), unique=True),
    plain("source_id", sa.Text),
    plain("epoch", sa.Text),
    plain("sequence", sa.BigInteger),
    plain("sha256", sa.LargeBinary),
    plain("format", sa.Text),
    plain("exported_on", sa.Date),
    plain("kind", sa.Text),
    plain("province_code", sa.Text),
    plain("received", sa.Integer),
    plain("accepted", sa.Integer),
    plain("superseded", sa.Integer),
    plain("quarantined", sa.Integer),
    plain("findings", sa.Integer),
    plain("landed_at", sa.DateTime(timezone=True)),
    plain("traceparent", sa.Text, nullable=True),
    # The exact bytes, kept while a record of the batch lies in quarantine.
    personal("payload", sa.LargeBinary),
    plain("signature", sa.Text, nullable=True),  # as it came: over source, epoch, sequence and sha256
    plain("signed_by", sa.Text, nullable=True),  # the identity it was found to be of
    sa.UniqueConstraint("source_id", "epoch", "sequence"),
    sa.CheckConstraint("received = accepted + superseded + quarantined", name="conserved"),
    sa.CheckConstraint("sequence >= 1", name="sequence"),
)

# A source's word that it had nothing to send after a batch. `stated_at` is its own clock and decides nothing.
source_attestation = sa.Table(
    "source_attestation",
    metadata,
    plain("attestation_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("source_id", sa.Text),
    plain("epoch", sa.Text),
    plain("up_to_sequence", sa.BigInteger),
    plain("stated_at", sa.DateTime(timezone=True), nullable=True),
    plain("noted_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("up_to_sequence >= 0", name="up_to_sequence"),
)

sa.Index(None, source_attestation.c.source_id, source_attestation.c.noted_at)

sa.Index(None, batch.c.source_id, batch.c.landed_at)

record_tables: dict[RecordKind, sa.Table] = {kind: _record_table(kind) for kind in RecordKind}

# The versions that say that a person died.
_persons = record_tables[RecordKind.PERSON]

sa.Index(
    "person_record_died_idx",
    _persons.c.source_id,
    _persons.c.source_record_id,
    postgresql_where=_persons.c.died_on.is_not(None),
)

record_head = sa.Table(
    "record_head",
    metadata,
    plain("source_id", sa.Text, primary_key=True),
    personal("source_record_id", sa.Text, primary_key=True),
    plain("record_id", sa.BigInteger),  # in no index: a head that moves within its page costs none of them a write
    plain("source_version", sa.BigInteger),
    plain("kind", sa.Text),
    plain("province_code", sa.Text, index=True),
    # The unit its newest version on the old list named: what the register itself knew before the merger.
    plain("former_unit_code", sa.Text, nullable=True),
    postgresql_with={"fillfactor": 80},  # room in each page for heads that move
)

finding = sa.Table(
    "finding",
    metadata,
    plain("batch_id", sa.BigInteger, sa.ForeignKey("batch.batch_id"), primary_key=True),
    plain("position", sa.Integer, primary_key=True, autoincrement=False),  # in the batch's list of findings, from 0
    plain("row", sa.Integer),
    plain("column", sa.Text, nullable=True),
    plain("code", sa.Text),
    plain("severity", sa.Text),
    plain("seen", sa.Text, nullable=True),  # masked by the adapters
    personal("source_record_id", sa.Text),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    plain("batch_id", sa.BigInteger, sa.ForeignKey("batch.batch_id"), primary_key=True),
    plain("row", sa.Integer, primary_key=True, autoincrement=False),
    plain("codes", sa.Text),  # the error codes, separated by spaces
    personal("source_record_id", sa.Text),
    personal(
        "raw", sa.LargeBinary
    ),  # the record's exact bytes where the format has them; the batch's payload has them always
)

# The form that each column of a source was last seen in (adapters/streams.py), which the next batch is held against.
stream_form = sa.Table(
    "stream_form",
    metadata,
    plain("source_id", sa.Text, primary_key=True),
    plain("column", sa.Text, primary_key=True),  # the source's own name
    plain("aspect", sa.Text, primary_key=True),
    plain("form", sa.Text, primary_key=True),  # its name, never a value of the column
    plain("share", sa.Double),
    plain("evidence", sa.BigInteger),
    plain("batch_id", sa.BigInteger, sa.ForeignKey("batch.batch_id")),  # in which it was seen
)

# Numbers the batches of single records in the ledger. They may have gaps: no sender counts them.
single_sequence = sa.Sequence("single_sequence", metadata=metadata)

# One record of an online system each; (source_id, request_id) is its idempotency key for ever.
submission = sa.Table(
    "submission",
    metadata,
    plain("source_id", sa.Text, primary_key=True),
    plain("request_id", pg.UUID(as_uuid=True), primary_key=True),
    plain("sha256", sa.LargeBinary),  # of the record
    plain("receipt_id", pg.UUID(as_uuid=True), sa.ForeignKey("batch.receipt_id")),
    plain("row", sa.Integer),
    plain("verdict", sa.Text),
    closed_set("verdict", SubmissionVerdict),
)
