"""Every table of the registry. Columns that hold data about a person say so; a test refuses a column that says neither.

The shape: record versions are wide and append-only, everything that changes is narrow. A record version is an
*update*; `record_id` = `batch_id` x 10,000 + its row, so a receipt and a row name an update without a look-up.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql.base import ischema_names

from adapters.canonical import SCHEMAS, RecordKind
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.lifecycle import TERMINAL
from reconciliation.model import CaseKind, Decision, OutcomeKind, State, SubmissionVerdict, TouchKind

ROWS_PER_BATCH = 10_000  # the cap on records in a batch, and the stride of record_id

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

SQL_TYPES: dict[pa.DataType, sa.types.TypeEngine[Any]] = {
    pa.string(): sa.Text(),
    pa.int8(): sa.SmallInteger(),
    pa.int16(): sa.SmallInteger(),
    pa.int32(): sa.Integer(),
    pa.int64(): sa.BigInteger(),
    pa.date32(): sa.Date(),
}

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


# Which kinds of case a steward is handed first: what makes somebody lose a right or be taken for somebody else; what
# holds nothing back for long comes last. In PostgreSQL's own words, as it says them again.
RISK = (
    "CASE kind WHEN 'doubtful_match'::text THEN 0 WHEN 'one_number_two_people'::text THEN 0"
    " WHEN 'death_then_update'::text THEN 0 WHEN 'two_provinces_one_person'::text THEN 0"
    " WHEN 'refused_by_registry'::text THEN 0 WHEN 'book_against_register'::text THEN 2"
    " WHEN 'missing_version'::text THEN 2 ELSE 1 END"
)

# The kind, the sources and the evidence, without what names the single records.
CAUSE = (
    "md5(kind || '|'::text || split_part(record_keys[1], '|'::text, 1) || '|'::text"
    " || split_part(record_keys[cardinality(record_keys)], '|'::text, 1) || '|'::text"
    " || (evidence - '{subjects,newest,feed_seq,missing,followed_by,parent,months}'::text[])::text)"
)


class Xid8(sa.types.UserDefinedType[int]):
    """A 64-bit transaction id. It orders commits only together with a snapshot's horizon, see store/feed.py."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "xid8"


ischema_names["xid8"] = Xid8  # so that a schema read back from the database knows it


def plain(name: str, kind: sa.types.TypeEngine[Any] | type, *args: object, **options: object) -> sa.Column[Any]:
    """A column without personal data. Not null unless said otherwise."""
    options.setdefault("nullable", False)
    return sa.Column(name, kind, *args, info={"personal": False}, **options)  # type: ignore[arg-type]


def personal(name: str, kind: sa.types.TypeEngine[Any] | type, **options: object) -> sa.Column[Any]:
    """A column that holds data about a person: never logged, never shown unmasked by default."""
    return sa.Column(name, kind, info={"personal": True}, **options)  # type: ignore[arg-type]


def closed_set(
    column: str, values: type[State | CaseKind | Decision | OutcomeKind | SubmissionVerdict | TouchKind]
) -> sa.CheckConstraint:
    """A constraint that `column` holds one of the enum's values."""
    return sa.CheckConstraint(sa.column(column).in_([sa.literal_column(f"'{value}'") for value in values]), name=column)


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


# --- intake -------------------------------------------------------------------------------------------------

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

# --- lifecycle ----------------------------------------------------------------------------------------------

update_state = sa.Table(
    "update_state",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("kind", sa.Text),
    plain("province_code", sa.Text),
    plain("source_id", sa.Text),
    plain("state", sa.Text),
    plain("cause", sa.Text),
    plain("since", sa.DateTime(timezone=True)),
    plain("owner", sa.Text, nullable=True),
    plain("deadline", sa.DateTime(timezone=True), nullable=True),
    closed_set("state", State),
    # The sentence that is the product: exactly one state (the key), terminal or with an owner and a deadline.
    sa.CheckConstraint(
        sa.case(
            (
                sa.column("state").in_([sa.literal_column(f"'{state}'") for state in sorted(TERMINAL)]),
                sa.and_(sa.column("owner").is_(None), sa.column("deadline").is_(None)),
            ),
            else_=sa.and_(sa.column("owner").is_not(None), sa.column("deadline").is_not(None)),
        ),
        name="owned",
    ),
)
# The deadline comes first: what lands has the latest, and so is appended. What has ended is not in it.
sa.Index(
    "update_state_waiting_idx",
    update_state.c.deadline,
    update_state.c.province_code,
    update_state.c.state,
    postgresql_where=update_state.c.deadline.is_not(None),
)

update_move = sa.Table(
    "update_move",
    metadata,
    plain("move_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("record_id", sa.BigInteger, index=True),
    plain("moved_at", sa.DateTime(timezone=True)),
    plain("from_state", sa.Text, nullable=True),
    plain("to_state", sa.Text),
    plain("cause", sa.Text),
    plain("xid", Xid8(), server_default=sa.text("pg_current_xact_id()")),  # by which store/moves.py reads
    sa.Index("update_move_xid_move_id_idx", "xid", "move_id"),
)

sa.Index(
    "update_move_unsigned_idx",
    update_move.c.record_id,
    postgresql_where=update_move.c.to_state == sa.literal_column(f"'{State.AWAITING_SIGNATURE}'"),
)

# Every rung that a late update went up, appended and never updated. The deadline is that of the wait it was late in: of
# another one nothing stands here.
update_escalation = sa.Table(
    "update_escalation",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("deadline", sa.DateTime(timezone=True), primary_key=True),
    plain("rung", sa.SmallInteger, primary_key=True, autoincrement=False),  # from 1
    plain("raised_at", sa.DateTime(timezone=True)),
    plain("from_owner", sa.Text),
    plain("to_owner", sa.Text),
)

# The versions kept back from becoming heads (lifecycle.KEPT_BACK), for as long as they are.
kept_version = sa.Table(
    "kept_version",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("kind", sa.Text),
    plain("source_id", sa.Text),
    personal("source_record_id", sa.Text, nullable=False),
    plain("source_version", sa.BigInteger),
    plain("follows_version", sa.BigInteger, nullable=True),
    personal("died_on", sa.Date),  # the death that an officer has to sign; null where none has to
    sa.Index("kept_version_source_id_source_record_id_idx", "source_id", "source_record_id"),
)

# Officers' signatures under civil-status events, one an update; appended and never updated.
officer_signature = sa.Table(
    "officer_signature",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("source_id", sa.Text),
    personal("jws", sa.Text, nullable=False),  # OfficerSignature.signature of the wire, as it came
    personal("officer", sa.Text, nullable=False),  # the identity it was found to be of
    plain("signed_at", sa.DateTime(timezone=True)),  # by the officer's clock
    plain("received_at", sa.DateTime(timezone=True)),
)

# --- units --------------------------------------------------------------------------------------------------

# What operators loaded and unloaded of changes of units, appended and never updated: a row either holds an event's
# exact content or revokes the row that does.
unit_event = sa.Table(
    "unit_event",
    metadata,
    plain("entry_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("event_id", sa.Text),
    plain("effective_on", sa.Date),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    plain("sha256", sa.LargeBinary, nullable=True),
    plain("content", sa.LargeBinary, nullable=True),
    plain("revokes", sa.BigInteger, sa.ForeignKey("unit_event.entry_id"), nullable=True, unique=True),
    sa.CheckConstraint("(revokes IS NULL) = (content IS NOT NULL AND sha256 IS NOT NULL)", name="loads_or_revokes"),
)

# What provinces told of their hamlets. A row that turned out otherwise is closed with the time of its successor.
hamlet = sa.Table(
    "hamlet",
    metadata,
    plain("hamlet_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("province_code", sa.Text, index=True),
    plain("former_unit_code", sa.Text),
    plain("name", sa.Text),
    plain("name_key", sa.Text),
    plain("unit_code", sa.Text),
    plain("named_from", sa.Date, nullable=True),
    plain("named_to", sa.Date, nullable=True),
    plain("renamed_to", sa.Text, nullable=True),
    plain("source", sa.Text),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    plain("replaced_at", sa.DateTime(timezone=True), nullable=True),
)

# --- reconciliation -----------------------------------------------------------------------------------------

placement = sa.Table(
    "placement",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("province_code", sa.Text, index=True),
    plain("outcome", sa.Text),  # current | retired | judged | ambiguous | unknown
    plain("unit_code", sa.Text, nullable=True),  # today's
    plain("basis", sa.Text, nullable=True),  # resolution and clause, the hamlet's source, or the judgement
    plain("explanation", sa.Text),
    plain("decided_by", sa.Text, nullable=True),  # law | vintage | hamlet | … | judgement; null while it is a question
    plain("sent_code", sa.Text, nullable=True),
    plain("sent_vintage", sa.Date, nullable=True),
    plain("sent_name", sa.Text, nullable=True),
    # Under which rules and tables, and when, this answer was first given: an answer that stays the same keeps them.
    plain("rule_version", sa.Text, nullable=True),
    plain("known_on", sa.Date, nullable=True),
)

# Under which rules and tables all placements of a province were last looked at; placements that did not change then
# keep the version that first gave them.
recoding = sa.Table(
    "recoding",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    plain("rule_version", sa.Text),
    plain("list_begun_on", sa.Date, nullable=True),  # of the list that was in force; null: the first one
    plain("looked_at", sa.DateTime(timezone=True)),
)

household_identity = sa.Table(
    "household_identity",
    metadata,
    plain("source_id", sa.Text, primary_key=True),
    personal("source_record_id", sa.Text, primary_key=True),
    plain("province_code", sa.Text, index=True),
    plain("household_id", sa.Text),
    personal("household_number", sa.Text),  # today's, unique in its unit
    personal("former_number", sa.Text),  # as the source has it: an alias for ever
    plain("rekeyed", sa.Boolean),
    # The number it had to give up, and the unit where that was its own: it has it again when it is back there.
    personal("displaced_number", sa.Text),
    plain("displaced_unit", sa.Text, nullable=True),
)

link = sa.Table(
    "link",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    personal("left_key", sa.Text, primary_key=True),
    personal("right_key", sa.Text, primary_key=True),
    plain("weight", sa.Double),
    plain("decision", sa.Text),
    plain("explanation", sa.Text),  # levels reached and their weights; no values
    plain("model", sa.Text),
)

cluster_member = sa.Table(
    "cluster_member",
    metadata,
    personal("record_key", sa.Text, primary_key=True),
    plain("subject_id", sa.Text, index=True),
    plain("province_code", sa.Text, index=True),
)

# Every time that records got another subject, appended and never updated: no id moves without a line here.
subject_move = sa.Table(
    "subject_move",
    metadata,
    plain("move_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("province_code", sa.Text),
    plain("kind", sa.Text),
    plain("before_id", sa.Text, index=True),
    plain("after_id", sa.Text, index=True),
    plain("records", sa.BigInteger),
    plain("model", sa.Text, nullable=True),
    plain("moved_at", sa.DateTime(timezone=True)),
)

# Pairs drawn for stewards to judge, appended and never updated; the case of each has what was said of it.
clerical_sample = sa.Table(
    "clerical_sample",
    metadata,
    plain("sample_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("province_code", sa.Text),
    plain("model", sa.Text),
    plain("seed", sa.BigInteger),
    plain("drawn_by", sa.Text),
    plain("drawn_at", sa.DateTime(timezone=True)),
)
clerical_pair = sa.Table(
    "clerical_pair",
    metadata,
    plain("sample_id", sa.BigInteger, sa.ForeignKey("clerical_sample.sample_id"), primary_key=True),
    plain("fingerprint", sa.Text, primary_key=True),
    plain("weight", sa.Double),
    plain("stratum", sa.SmallInteger),
    plain("stratum_weight", sa.Double),
    plain("stratum_pairs", sa.BigInteger),
)

# What linkage keeps of a province so that one record, or a few, are linked against what stands (indexing.py). Keys are
# hashes of what records say, made by one engine and one declaration: `linkage_epoch` says by which.
linkage_epoch = sa.Table(
    "linkage_epoch",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    plain("fingerprint", sa.Text),
    plain("records", sa.BigInteger),  # that stood when frequencies were counted
    plain("counted_at", sa.DateTime(timezone=True)),
)

linkage_tally = sa.Table(
    "linkage_tally",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    plain("kind", sa.Text, primary_key=True),
    personal("key", sa.BigInteger, primary_key=True),
    plain("records", sa.Integer),
)

linkage_record_sequence = sa.Sequence("linkage_record_no_seq", metadata=metadata)
linkage_record = sa.Table(
    "linkage_record",
    metadata,
    plain("record_no", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("province_code", sa.Text),
    personal("record_key", sa.Text, nullable=False),
    personal("stated", sa.BigInteger, nullable=False),  # a digest of the record
    personal("held_as", sa.BigInteger, nullable=False),  # a digest of what is kept of it here
    personal("home", sa.BigInteger, nullable=True),
    personal("member", sa.BigInteger, nullable=True),
    personal("number", sa.Text, nullable=True),
    personal("keys", pg.ARRAY(sa.BigInteger), nullable=False),  # a blocking rule each
    personal("said", sa.Text, nullable=False),  # the columns that are compared, a JSON list
    sa.UniqueConstraint("province_code", "record_key"),
)
sa.Index(None, linkage_record.c.home, postgresql_where=linkage_record.c.home.is_not(None))
sa.Index(None, linkage_record.c.member, postgresql_where=linkage_record.c.member.is_not(None))

linkage_posting = sa.Table(
    "linkage_posting",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    plain("rule", sa.SmallInteger, primary_key=True),
    personal("key", sa.BigInteger, primary_key=True),
    plain("record_no", sa.BigInteger, primary_key=True),
)

# Pairs that matter, compared: `levels` has a letter a comparison, "a" where it cannot be made.
linkage_pair = sa.Table(
    "linkage_pair",
    metadata,
    plain("province_code", sa.Text, primary_key=True),
    personal("left_key", sa.Text, primary_key=True),
    personal("right_key", sa.Text, primary_key=True),
    plain("rule", sa.SmallInteger),  # 255 where a judgement joined the two, 254 where one parted them
    plain("veto", sa.SmallInteger),
    plain("weight", sa.Double),
    plain("levels", sa.Text),
)

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

case = sa.Table(
    "case",
    metadata,
    plain("case_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("fingerprint", sa.Text, unique=True),
    plain("kind", sa.Text),
    plain("province_code", sa.Text),
    plain("owner", sa.Text),
    plain("opened_at", sa.DateTime(timezone=True)),
    plain("deadline", sa.DateTime(timezone=True)),
    # Closed without a judgement: the records no longer raise the question. It opens again when they do.
    plain("obsolete_since", sa.DateTime(timezone=True), nullable=True),
    personal("record_keys", pg.ARRAY(sa.Text)),
    plain("evidence", pg.JSONB),  # codes, weights and unit codes; no values of a person's
    plain("judged_by", sa.BigInteger, nullable=True),  # the newest judgement that nobody took back; in force or not yet
    plain("asked_until", sa.DateTime(timezone=True), nullable=True),  # a province has the word until then
    plain("risk", sa.Integer, sa.Computed(RISK, persisted=True), nullable=True),  # 0 is looked at first
    plain("cause", sa.Text, sa.Computed(CAUSE, persisted=True), nullable=True),  # alike for what one reason made
    closed_set("kind", CaseKind),
)
sa.Index("case_province_code_kind_idx", case.c.province_code, case.c.kind)
_ON_THE_DESK = sa.and_(case.c.obsolete_since.is_(None), case.c.judged_by.is_(None))
sa.Index(
    "case_desk_idx", *(case.c[name] for name in ("risk", "deadline", "case_id", "kind", "province_code")),
    postgresql_where=_ON_THE_DESK,
)  # fmt: skip
sa.Index(
    "case_desk_of_province_idx",
    *(case.c[name] for name in ("province_code", "risk", "deadline", "case_id", "kind")),
    postgresql_where=_ON_THE_DESK,
)
sa.Index("case_cause_idx", case.c.cause, case.c.case_id, postgresql_where=_ON_THE_DESK)
sa.Index("case_judged_by_idx", case.c.judged_by)
sa.Index("case_deadline_idx", case.c.deadline, postgresql_where=case.c.obsolete_since.is_(None))

# As update_escalation, of questions.
case_escalation = sa.Table(
    "case_escalation",
    metadata,
    plain("case_id", sa.BigInteger, sa.ForeignKey("case.case_id"), primary_key=True, autoincrement=False),
    plain("deadline", sa.DateTime(timezone=True), primary_key=True),
    plain("rung", sa.SmallInteger, primary_key=True, autoincrement=False),
    plain("raised_at", sa.DateTime(timezone=True)),
    plain("from_owner", sa.Text),
    plain("to_owner", sa.Text),
)

# Whose waiting updates and questions went to whom because a unit ended, appended and never updated.
succession = sa.Table(
    "succession",
    metadata,
    plain("succession_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("happened_at", sa.DateTime(timezone=True)),
    plain("from_owner", sa.Text),
    plain("to_owner", sa.Text),
    plain("updates", sa.BigInteger),
    plain("cases", sa.BigInteger),
)

judgement = sa.Table(
    "judgement",
    metadata,
    plain("judgement_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("fingerprint", sa.Text, index=True),
    plain("decision", sa.Text),
    personal("value", sa.Text),  # a unit's code, or the key of the record to withdraw
    personal("reason", sa.Text, nullable=False),  # a steward's own words
    plain("steward", sa.Text),
    plain("judged_at", sa.DateTime(timezone=True), index=True),
    plain("reverses", sa.BigInteger, sa.ForeignKey("judgement.judgement_id"), nullable=True, unique=True),
    plain("needs_approval", sa.Boolean, server_default=sa.false()),  # a proposal until a second person approves it
    plain("reason_code", sa.Text, server_default="other"),  # of reconciliation/reasons.py
    plain("case_version", sa.Text, nullable=True),  # which versions of the records whoever decided has seen
    personal(
        "merged_fields", pg.JSONB(none_as_null=True), nullable=True
    ),  # of a merge: which record each field is from
    closed_set("decision", Decision),
    sa.UniqueConstraint("judgement_id", "steward"),
)

# The second pair of eyes on a judgement. That it is another person's is held here, whatever statement is run.
approval = sa.Table(
    "approval",
    metadata,
    plain("judgement_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("proposer", sa.Text),
    plain("approver", sa.Text),
    plain("approved_at", sa.DateTime(timezone=True)),
    sa.ForeignKeyConstraint(["judgement_id", "proposer"], ["judgement.judgement_id", "judgement.steward"]),
    sa.CheckConstraint("lower(approver) <> lower(proposer)", name="two_persons"),
)

# The judgements that can still be undone: in force once they are out of here.
outbox = sa.Table(
    "outbox",
    metadata,
    plain(
        "judgement_id", sa.BigInteger, sa.ForeignKey("judgement.judgement_id"), primary_key=True, autoincrement=False
    ),
    plain("due_at", sa.DateTime(timezone=True), index=True),
)

# Who holds a case. The row stays: its token only rises, so that a lease that was lost is known by its number.
lease = sa.Table(
    "lease",
    metadata,
    plain("case_id", sa.BigInteger, sa.ForeignKey("case.case_id"), primary_key=True, autoincrement=False),
    plain("token", sa.BigInteger),
    plain("steward", sa.Text, index=True),
    plain("leased_until", sa.DateTime(timezone=True)),
)

# What people did with a case besides deciding it; appended only.
touch = sa.Table(
    "touch",
    metadata,
    plain("touch_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("case_id", sa.BigInteger, sa.ForeignKey("case.case_id")),
    plain("action", sa.Text),
    plain("steward", sa.Text),
    plain("touched_at", sa.DateTime(timezone=True)),
    plain("until", sa.DateTime(timezone=True), nullable=True),  # of a lease, a question to a province, a skip
    plain("reason_code", sa.Text, nullable=True),
    personal("words", sa.Text, nullable=True),  # a steward's or a province's own
    closed_set("action", TouchKind),
    sa.Index("touch_case_id_touch_id_idx", "case_id", "touch_id"),
)

# A judgement that was made general: every case of its cause, as one. A reversal of all of it is a work of its own.
work = sa.Table(
    "work",
    metadata,
    plain("work_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("judgement_id", sa.BigInteger, sa.ForeignKey("judgement.judgement_id")),
    plain("steward", sa.Text),
    plain("started_at", sa.DateTime(timezone=True)),
    plain("accepted", sa.Integer),  # how many cases it is to decide: the number that was typed
    plain("reason_code", sa.Text),
    personal("reason", sa.Text, nullable=False),
    plain("reverses", sa.BigInteger, sa.ForeignKey("work.work_id"), nullable=True, unique=True),
    plain("approver", sa.Text, nullable=True),
    plain("approved_at", sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("lower(approver) <> lower(steward)", name="two_persons"),
)

work_item = sa.Table(
    "work_item",
    metadata,
    plain("work_id", sa.BigInteger, sa.ForeignKey("work.work_id"), primary_key=True, autoincrement=False),
    plain("case_id", sa.BigInteger, sa.ForeignKey("case.case_id"), primary_key=True, autoincrement=False),
    personal("value", sa.Text),  # as a judgement's
    plain("case_version", sa.Text),  # what its records said when it was foreseen
    plain("refused", sa.Text, nullable=True),  # why it is left alone
    plain("judgement_id", sa.BigInteger, sa.ForeignKey("judgement.judgement_id"), nullable=True),
    plain("done_at", sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("done_at IS NULL OR (refused IS NULL) <> (judgement_id IS NULL)", name="one_end"),
)
sa.Index(
    "work_item_pending_idx", work_item.c.work_id, work_item.c.case_id, postgresql_where=work_item.c.done_at.is_(None)
)

# What somebody found who looked at a few cases of a work.
work_check = sa.Table(
    "work_check",
    metadata,
    plain("work_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("case_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("steward", sa.Text),
    plain("is_right", sa.Boolean),
    plain("checked_at", sa.DateTime(timezone=True)),
    sa.ForeignKeyConstraint(["work_id", "case_id"], ["work_item.work_id", "work_item.case_id"]),
)

# The same case answered once more by somebody who is not told the first answer. Nothing comes of it but a comparison.
second_review = sa.Table(
    "second_review",
    metadata,
    plain("judgement_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("reviewer", sa.Text, primary_key=True),
    plain("first", sa.Text),
    plain("decision", sa.Text),
    personal("value", sa.Text),
    plain("reviewed_at", sa.DateTime(timezone=True)),
    sa.ForeignKeyConstraint(["judgement_id", "first"], ["judgement.judgement_id", "judgement.steward"]),
    sa.CheckConstraint("lower(reviewer) <> lower(first)", name="two_persons"),
    closed_set("decision", Decision),
)

# Judgements that are known to be right: others are asked them to see how surely they decide.
known_answer = sa.Table(
    "known_answer",
    metadata,
    plain(
        "judgement_id", sa.BigInteger, sa.ForeignKey("judgement.judgement_id"), primary_key=True, autoincrement=False
    ),
    plain("marked_by", sa.Text),
    plain("marked_at", sa.DateTime(timezone=True)),
)

# Which stewards may speak by a certificate: appended; the newest entry of each holds.
steward_grant = sa.Table(
    "steward_grant",
    metadata,
    plain("entry_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("steward", sa.Text),
    plain("identity_uris", pg.ARRAY(sa.Text)),
    plain("province_codes", pg.ARRAY(sa.Text)),
    plain("kinds", pg.ARRAY(sa.Text)),
    plain("may_approve", sa.Boolean),
    plain("purpose", sa.Text),
    plain("legal_reference", sa.Text),
    plain("granted_from", sa.Date),
    plain("granted_until", sa.Date, nullable=True),
    plain("is_revoked", sa.Boolean),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    sa.Index("steward_grant_steward_entry_id_idx", "steward", "entry_id"),
)

# --- feed ---------------------------------------------------------------------------------------------------

change_id_sequence = sa.Sequence("change_id_seq", metadata=metadata)

# The outbox: written in the transaction that makes the change, ordered afterwards by the sequencer.
change = sa.Table(
    "change",
    metadata,
    plain("change_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), index=True),
    plain("kind", sa.Text),
    plain("province_code", sa.Text),
    plain("subject_id", sa.Text, index=True),
    plain("cause", sa.Text),
    plain("previous_change_id", sa.BigInteger, nullable=True),
    plain("replaced_by", sa.Text, nullable=True),  # the subject that this one became part of
    plain("traceparent", sa.Text, nullable=True),
)

# Which updates a change carries.
change_record = sa.Table(
    "change_record",
    metadata,
    plain("change_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Index("change_record_record_id_idx", "record_id"),
)

feed_head = sa.Table(
    "feed_head",
    metadata,
    plain("singleton", sa.Boolean, primary_key=True, server_default=sa.true()),
    plain("epoch", sa.BigInteger),
    plain("feed_seq", sa.BigInteger),
    plain("horizon", Xid8()),  # every change of an older transaction has been sequenced
    # The server that the feed was last sequenced on, see store/epochs.py. Null before the first time.
    plain("system_identifier", sa.BigInteger, nullable=True),
    plain("timeline", sa.Integer, nullable=True),
    sa.CheckConstraint("singleton", name="one_row"),
)

# The epochs after the first one, appended and never updated: who began each, when and why, after which place of the
# one before, and on which server that one was. Up to this place both are the same.
feed_epoch = sa.Table(
    "feed_epoch",
    metadata,
    plain("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("begun_at", sa.DateTime(timezone=True)),
    plain("begun_by", sa.Text),
    personal("reason", sa.Text, nullable=False),  # an operator's own words, or a code of store/epochs.py
    plain("feed_seq", sa.BigInteger),
    plain("system_identifier", sa.BigInteger, nullable=True),
    plain("timeline", sa.Integer, nullable=True),
)

# What makes this installation's ids and tokens its own. Random, made by the first migration, never shown.
installation = sa.Table(
    "installation",
    metadata,
    plain("singleton", sa.Boolean, primary_key=True, server_default=sa.true()),
    plain("namespace", sa.Text),  # subject ids are derived with it, so that no id can be traced back to a source's key
    plain("cursor_secret", sa.LargeBinary),
    sa.CheckConstraint("singleton", name="one_row"),
)

feed_entry = sa.Table(
    "feed_entry",
    metadata,
    plain("feed_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("change_id", sa.BigInteger, sa.ForeignKey("change.change_id"), unique=True),
    plain("published_at", sa.DateTime(timezone=True)),
)

consumer = sa.Table(
    "consumer",
    metadata,
    plain("consumer_id", sa.Text, primary_key=True),
    plain("name", sa.Text),
    plain("acknowledged", sa.BigInteger, server_default=sa.text("0")),
    plain("acknowledged_epoch", sa.BigInteger, server_default=sa.text("1")),
    plain("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
)

consumer_grant = sa.Table(
    "consumer_grant",
    metadata,
    plain("consumer_id", sa.Text, sa.ForeignKey("consumer.consumer_id"), primary_key=True),
    plain("kind", sa.Text, primary_key=True),
    plain("fields", pg.ARRAY(sa.Text)),
    plain("of_record", sa.Boolean),  # the registry whose outcome closes an update of this kind
    plain("purpose", sa.Text),
    plain("legal_reference", sa.Text),
    plain("identity_uri", sa.Text, nullable=True),  # who may speak for it; null: nobody who shows a certificate
    plain("province_codes", pg.ARRAY(sa.Text), server_default=sa.text("'{}'::text[]")),  # none: the whole country
    plain("granted_from", sa.Date, nullable=True),
    plain("granted_until", sa.Date, nullable=True),  # the last day
)
sa.Index(
    "consumer_grant_of_record_key", consumer_grant.c.kind, unique=True, postgresql_where=consumer_grant.c.of_record
)

feed_outcome = sa.Table(
    "feed_outcome",
    metadata,
    plain("consumer_id", sa.Text, sa.ForeignKey("consumer.consumer_id"), primary_key=True),
    plain("feed_seq", sa.BigInteger, sa.ForeignKey("feed_entry.feed_seq"), primary_key=True),
    plain("outcome", sa.Text),
    plain("reason", sa.Text, nullable=True),
    plain("reported_at", sa.DateTime(timezone=True)),
    closed_set("outcome", OutcomeKind),
)

# Every time that a registry's acknowledged place was set back, appended and never updated.
feed_replay = sa.Table(
    "feed_replay",
    metadata,
    plain("replay_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("consumer_id", sa.Text, sa.ForeignKey("consumer.consumer_id")),
    plain("epoch", sa.BigInteger),
    plain("from_seq", sa.BigInteger),
    plain("to_seq", sa.BigInteger),
    plain("asked_at", sa.DateTime(timezone=True)),
    plain("asked_by", sa.Text),  # the registry's identity or id, or an operator
    personal("why", sa.Text, nullable=False),  # somebody's own words
    sa.CheckConstraint("to_seq >= 0 AND to_seq < from_seq", name="goes_back"),
)

# Up to which places superseded changes were let go, appended and never updated: the highest is where reading begins.
feed_purge = sa.Table(
    "feed_purge",
    metadata,
    plain("purge_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("purged_upto", sa.BigInteger, unique=True),
    plain("changes", sa.BigInteger),
    plain("purged_at", sa.DateTime(timezone=True)),
    plain("purged_by", sa.Text),
    personal("why", sa.Text, nullable=False),  # somebody's own words
)
sa.Index(None, feed_entry.c.published_at)
sa.Index(None, change.c.previous_change_id)

run = sa.Table(
    "run",
    metadata,
    plain("run_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("job", sa.Text),
    plain("province_code", sa.Text, nullable=True),
    plain("ran_at", sa.DateTime(timezone=True)),
    plain("counts", pg.JSONB),
)

# The figures of a week as they were reported, made again until its report is out.
weekly_report = sa.Table(
    "weekly_report",
    metadata,
    plain("week", sa.Text, primary_key=True),  # 2026-W47
    plain("made_at", sa.DateTime(timezone=True)),
    plain("figures", pg.JSONB),
)

# The seven words of each day, part and whole in the order of the notice; a unit_code of "" is the whole province.
quality_score = sa.Table(
    "quality_score",
    metadata,
    plain("unit_code", sa.Text, primary_key=True),
    plain("province_code", sa.Text, primary_key=True),
    plain("taken_on", sa.Date, primary_key=True),
    plain("parts", pg.ARRAY(sa.BigInteger)),
    plain("wholes", pg.ARRAY(sa.BigInteger)),
    sa.Index("quality_score_province_code_taken_on_idx", "province_code", "taken_on"),
)

# Which cases are about a record, and who decided of late: what the console looks for.
sa.Index("case_record_keys_idx", case.c.record_keys, postgresql_using="gin")

# What a province's balance said (reconciliation/statement.py), appended whenever it says something new. Only the
# signature comes later: it is the gateway's, and runs do not have its key.
balance_statement = sa.Table(
    "balance_statement",
    metadata,
    plain("statement_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("province_code", sa.Text),
    plain("made_at", sa.DateTime(timezone=True)),
    plain("content", sa.LargeBinary),  # the bytes that are signed: codes, counts, receipts and rows
    plain("figures_sha256", sa.LargeBinary),  # of what it says, whenever it says it
    plain("is_closed", sa.Boolean),
    plain("signature", sa.Text, nullable=True),
    sa.Index("balance_statement_province_code_statement_id_idx", "province_code", "statement_id"),
)

# --- grants -------------------------------------------------------------------------------------------------

# Who may write about whom, appended and never updated: of each source the newest entry stands, and grants or revokes.
source_grant = sa.Table(
    "source_grant",
    metadata,
    plain("entry_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("source_id", sa.Text),
    plain("kind", sa.Text),
    plain("province_codes", pg.ARRAY(sa.Text)),
    plain("identity_uris", pg.ARRAY(sa.Text)),
    plain("signature_required", sa.Boolean),
    plain("purpose", sa.Text),
    plain("legal_reference", sa.Text),
    plain("granted_from", sa.Date),
    plain("granted_until", sa.Date, nullable=True),  # the last day
    plain("is_revoked", sa.Boolean),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    sa.Index("source_grant_source_id_entry_id_idx", "source_id", "entry_id"),
)

# Which updates a portal may ask about, as source_grant: appended, and of each portal the newest entry stands.
portal_grant = sa.Table(
    "portal_grant",
    metadata,
    plain("entry_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("portal_id", sa.Text),
    plain("kinds", pg.ARRAY(sa.Text)),
    plain("province_codes", pg.ARRAY(sa.Text)),  # none: the whole country
    plain("identity_uris", pg.ARRAY(sa.Text)),
    plain("by_record", sa.Boolean),  # whether it may name a source and a record, beside receipts
    plain("purpose", sa.Text),
    plain("legal_reference", sa.Text),
    plain("granted_from", sa.Date),
    plain("granted_until", sa.Date, nullable=True),  # the last day
    plain("is_revoked", sa.Boolean),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    sa.Index("portal_grant_portal_id_entry_id_idx", "portal_id", "entry_id"),
)

# What somebody tried without a grant, written by a trigger of the database: ids and counts only.
security_event = sa.Table(
    "security_event",
    metadata,
    plain("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("occurred_at", sa.DateTime(timezone=True)),
    plain("kind", sa.Text),
    plain("source_id", sa.Text),
    plain("batch_id", sa.BigInteger, sa.ForeignKey("batch.batch_id")),
    plain("records", sa.Integer),
)

# --- console ------------------------------------------------------------------------------------------------

# Who may sign in to the stewards' console. A user is never deleted: judgements name them.
console_user = sa.Table(
    "console_user",
    metadata,
    plain("user_id", sa.Text, primary_key=True),
    personal("display_name", sa.Text, nullable=False),  # of the member of staff
    plain("language", sa.Text),
    personal("password_hash", sa.Text),  # null: signs in with the office's own provider only
    plain("issuer", sa.Text, nullable=True),
    plain("issuer_subject", sa.Text, nullable=True),
    plain("created_at", sa.DateTime(timezone=True)),
    plain("removed_at", sa.DateTime(timezone=True), nullable=True),
    sa.UniqueConstraint("issuer", "issuer_subject"),
    sa.CheckConstraint("user_id = lower(user_id)", name="in_small_letters"),
)

# What a user may do, where, and about which kind of case; '' stands for every province, or every kind.
console_role = sa.Table(
    "console_role",
    metadata,
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id"), primary_key=True),
    plain("role", sa.Text, primary_key=True),
    plain("province_code", sa.Text, primary_key=True),
    plain("kind", sa.Text, primary_key=True),
)

# Of a token only its hash is here. `stepped_up_at` is when the person last proved who they are.
console_session = sa.Table(
    "console_session",
    metadata,
    plain("token_sha256", sa.LargeBinary, primary_key=True),
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id")),
    plain("begun_at", sa.DateTime(timezone=True)),
    plain("seen_at", sa.DateTime(timezone=True)),
    plain("stepped_up_at", sa.DateTime(timezone=True)),
    plain("ended_at", sa.DateTime(timezone=True), nullable=True),
)

# A sign-in at another provider that is under way: what its answer is held against.
console_sign_in = sa.Table(
    "console_sign_in",
    metadata,
    plain("state_sha256", sa.LargeBinary, primary_key=True),
    plain("verifier", sa.Text),
    plain("nonce", sa.Text),
    plain("leads_to", sa.Text),
    plain("begun_at", sa.DateTime(timezone=True)),
)

# What users did that no judgement tells: appended, never updated. `told` holds codes and ids, no values of a person's.
console_event = sa.Table(
    "console_event",
    metadata,
    plain("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("occurred_at", sa.DateTime(timezone=True)),
    plain("kind", sa.Text),
    plain("user_id", sa.Text),  # as it was given where nobody signed in
    plain("told", pg.JSONB),
    sa.Index("console_event_user_id_occurred_at_idx", "user_id", "occurred_at"),
)

# Each look at a value that is masked by default: who, whose, which field, for what; appended, never updated.
reveal = sa.Table(
    "reveal",
    metadata,
    plain("reveal_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("revealed_at", sa.DateTime(timezone=True)),
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id")),
    plain("province_code", sa.Text),
    plain("case_id", sa.BigInteger, sa.ForeignKey("case.case_id")),
    personal("record_key", sa.Text, nullable=False),
    plain("field", sa.Text),
    plain("purpose", sa.Text),
    sa.Index("reveal_user_id_revealed_at_idx", "user_id", "revealed_at"),
    sa.Index("reveal_province_code_revealed_at_idx", "province_code", "revealed_at"),
)

# What a steward has filled in of a decision and not sent off.
draft = sa.Table(
    "draft",
    metadata,
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id"), primary_key=True),
    plain("case_id", sa.BigInteger, sa.ForeignKey("case.case_id"), primary_key=True),
    personal("filled", pg.JSONB, nullable=False),
    plain("saved_at", sa.DateTime(timezone=True)),
)

# A queue with its filters under a name of the user's own.
saved_filter = sa.Table(
    "saved_filter",
    metadata,
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id"), primary_key=True),
    plain("label", sa.Text, primary_key=True),
    plain("query", sa.Text),
)
