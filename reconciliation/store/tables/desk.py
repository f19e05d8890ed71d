"""What stewards are asked, and everything that they did about it."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.model import CaseKind, Decision, TouchKind
from reconciliation.store.tables.columns import closed_set, metadata, personal, plain

# Whether the records of a case, in ascending order, are of sources of two former provinces, which name the sources.
_ACROSS_BORDERS = (
    "split_part(record_keys[1], '.'::text, 1) <> split_part(record_keys[cardinality(record_keys)], '.'::text, 1)"
)

# Which cases a steward is handed first: what makes somebody lose a right or be taken for somebody else, and who is to
# belong on one side of a former border or the other; what holds nothing back for long comes last. It is the gravity of
# reconciliation/conflicts.py, which a test compares, in PostgreSQL's own words, as it says them again.
RISK = (
    "CASE kind WHEN 'doubtful_match'::text THEN 0 WHEN 'one_number_two_people'::text THEN 0"
    " WHEN 'death_then_update'::text THEN 0 WHEN 'two_provinces_one_person'::text THEN 0"
    " WHEN 'refused_by_registry'::text THEN 0 WHEN 'unsigned_event'::text THEN 0"
    f" WHEN 'two_units_one_person'::text THEN CASE WHEN {_ACROSS_BORDERS} THEN 0 ELSE 1 END"
    " WHEN 'book_against_register'::text THEN 2 WHEN 'missing_version'::text THEN 2"
    " WHEN 'duplicate_hamlet'::text THEN 2 ELSE 1 END"
)

# The kind, the sources and the evidence, without what names the single records.
CAUSE = (
    "md5(kind || '|'::text || split_part(record_keys[1], '|'::text, 1) || '|'::text"
    " || split_part(record_keys[cardinality(record_keys)], '|'::text, 1) || '|'::text"
    " || (evidence - '{subjects,newest,feed_seq,missing,followed_by,parent,months}'::text[])::text)"
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

# What was decided before on a cause, the newest first.
sa.Index("case_cause_judged_idx", case.c.cause, case.c.judged_by, postgresql_where=case.c.judged_by.is_not(None))

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

# What waits for a second person is few among all that was ever judged.
sa.Index("judgement_proposed_idx", judgement.c.judgement_id, postgresql_where=judgement.c.needs_approval)

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

# Which cases are about a record, and who decided of late: what the console looks for.
sa.Index("case_record_keys_idx", case.c.record_keys, postgresql_using="gin")
