"""Stewards hold what they decide, can undo it, and are handed what is gravest first."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_RISK = (
    "CASE kind WHEN 'doubtful_match'::text THEN 0 WHEN 'one_number_two_people'::text THEN 0"
    " WHEN 'death_then_update'::text THEN 0 WHEN 'two_provinces_one_person'::text THEN 0"
    " WHEN 'refused_by_registry'::text THEN 0 WHEN 'book_against_register'::text THEN 2"
    " WHEN 'missing_version'::text THEN 2 ELSE 1 END"
)
_CAUSE = (
    "md5(kind || '|'::text || split_part(record_keys[1], '|'::text, 1) || '|'::text"
    " || split_part(record_keys[cardinality(record_keys)], '|'::text, 1) || '|'::text"
    " || (evidence - '{subjects,newest,feed_seq,missing,followed_by,parent,months}'::text[])::text)"
)
_OPEN = sa.text("obsolete_since IS NULL AND judged_by IS NULL")


def upgrade() -> None:
    op.add_column("case", sa.Column("judged_by", sa.BigInteger(), nullable=True))
    op.add_column("case", sa.Column("asked_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("case", sa.Column("risk", sa.Integer(), sa.Computed(_RISK, persisted=True), nullable=True))
    op.add_column("case", sa.Column("cause", sa.Text(), sa.Computed(_CAUSE, persisted=True), nullable=True))
    # A withdrawal counts only while its update is withdrawn.
    op.execute(
        'UPDATE "case" SET judged_by = newest.judgement_id FROM ('
        " SELECT fingerprint, max(judgement_id) AS judgement_id FROM judgement AS one WHERE reverses IS NULL"
        " AND NOT EXISTS (SELECT FROM judgement AS reversal WHERE reversal.reverses = one.judgement_id)"
        " AND (decision <> 'withdraw' OR EXISTS (SELECT FROM record_head JOIN update_state USING (record_id)"
        "  WHERE record_head.source_id = split_part(one.value, '|', 1)"
        "  AND record_head.source_record_id = substr(one.value, strpos(one.value, '|') + 1)"
        "  AND update_state.state = 'withdrawn'))"
        ' GROUP BY fingerprint) AS newest WHERE newest.fingerprint = "case".fingerprint'
    )
    desk = ["risk", "deadline", "case_id", "kind"]
    op.create_index("case_desk_idx", "case", [*desk, "province_code"], postgresql_where=_OPEN)
    op.create_index("case_desk_of_province_idx", "case", ["province_code", *desk], postgresql_where=_OPEN)
    op.create_index("case_cause_idx", "case", ["cause", "case_id"], postgresql_where=_OPEN)
    op.create_index("case_judged_by_idx", "case", ["judged_by"])
    op.add_column("judgement", sa.Column("reason_code", sa.Text(), server_default="other", nullable=False))
    op.add_column("judgement", sa.Column("case_version", sa.Text(), nullable=True))
    op.add_column("judgement", sa.Column("merged_fields", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index(op.f("judgement_judged_at_idx"), "judgement", ["judged_at"])
    _create_tables()
    _create_works()
    _create_reviews()


def _create_tables() -> None:
    op.create_table(
        "outbox",
        sa.Column("judgement_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["judgement_id"], ["judgement.judgement_id"], name=op.f("outbox_judgement_id_fkey")),
        sa.PrimaryKeyConstraint("judgement_id", name=op.f("outbox_pkey")),
    )
    op.create_index(op.f("outbox_due_at_idx"), "outbox", ["due_at"])
    op.create_table(
        "lease",
        sa.Column("case_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("steward", sa.Text(), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case.case_id"], name=op.f("lease_case_id_fkey")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("lease_pkey")),
    )
    op.create_index(op.f("lease_steward_idx"), "lease", ["steward"])
    op.create_table(
        "touch",
        sa.Column("touch_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("steward", sa.Text(), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "action IN ('claimed', 'released', 'skipped', 'asked', 'answered')", name=op.f("touch_action_check")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["case.case_id"], name=op.f("touch_case_id_fkey")),
        sa.PrimaryKeyConstraint("touch_id", name=op.f("touch_pkey")),
    )
    op.create_index("touch_case_id_touch_id_idx", "touch", ["case_id", "touch_id"])


def _create_works() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "work",
        sa.Column("work_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("judgement_id", sa.BigInteger(), nullable=False),
        sa.Column("steward", sa.Text(), nullable=False),
        sa.Column("started_at", time, nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.Column("approver", sa.Text(), nullable=True),
        sa.Column("approved_at", time, nullable=True),
        sa.CheckConstraint("lower(approver) <> lower(steward)", name=op.f("work_two_persons_check")),
        sa.ForeignKeyConstraint(["judgement_id"], ["judgement.judgement_id"], name=op.f("work_judgement_id_fkey")),
        sa.ForeignKeyConstraint(["reverses"], ["work.work_id"], name=op.f("work_reverses_fkey")),
        sa.PrimaryKeyConstraint("work_id", name=op.f("work_pkey")),
        sa.UniqueConstraint("reverses", name=op.f("work_reverses_key")),
    )
    op.create_table(
        "work_item",
        sa.Column("work_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("case_version", sa.Text(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.Column("judgement_id", sa.BigInteger(), nullable=True),
        sa.Column("done_at", time, nullable=True),
        sa.CheckConstraint(
            "done_at IS NULL OR (refused IS NULL) <> (judgement_id IS NULL)", name=op.f("work_item_one_end_check")
        ),
        sa.ForeignKeyConstraint(["work_id"], ["work.work_id"], name=op.f("work_item_work_id_fkey")),
        sa.ForeignKeyConstraint(["case_id"], ["case.case_id"], name=op.f("work_item_case_id_fkey")),
        sa.ForeignKeyConstraint(["judgement_id"], ["judgement.judgement_id"], name=op.f("work_item_judgement_id_fkey")),
        sa.PrimaryKeyConstraint("work_id", "case_id", name=op.f("work_item_pkey")),
    )
    pending = sa.text("done_at IS NULL")
    op.create_index("work_item_pending_idx", "work_item", ["work_id", "case_id"], postgresql_where=pending)
    op.create_table(
        "work_check",
        sa.Column("work_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("steward", sa.Text(), nullable=False),
        sa.Column("is_right", sa.Boolean(), nullable=False),
        sa.Column("checked_at", time, nullable=False),
        sa.ForeignKeyConstraint(
            ["work_id", "case_id"], ["work_item.work_id", "work_item.case_id"], name=op.f("work_check_work_id_fkey")
        ),
        sa.PrimaryKeyConstraint("work_id", "case_id", name=op.f("work_check_pkey")),
    )


def _create_reviews() -> None:
    time = sa.DateTime(timezone=True)
    decisions = "'unit', 'same', 'not_same', 'keep', 'withdraw', 'send_again'"
    op.create_table(
        "second_review",
        sa.Column("judgement_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("reviewed_at", time, nullable=False),
        sa.CheckConstraint("lower(reviewer) <> lower(first)", name=op.f("second_review_two_persons_check")),
        sa.CheckConstraint(f"decision IN ({decisions})", name=op.f("second_review_decision_check")),
        sa.ForeignKeyConstraint(
            ["judgement_id", "first"],
            ["judgement.judgement_id", "judgement.steward"],
            name=op.f("second_review_judgement_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("judgement_id", "reviewer", name=op.f("second_review_pkey")),
    )
    op.create_table(
        "known_answer",
        sa.Column("judgement_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("marked_by", sa.Text(), nullable=False),
        sa.Column("marked_at", time, nullable=False),
        sa.ForeignKeyConstraint(
            ["judgement_id"], ["judgement.judgement_id"], name=op.f("known_answer_judgement_id_fkey")
        ),
        sa.PrimaryKeyConstraint("judgement_id", name=op.f("known_answer_pkey")),
    )
    op.create_table(
        "steward_grant",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("steward", sa.Text(), nullable=False),
        sa.Column("identity_uris", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("province_codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("may_approve", sa.Boolean(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("legal_reference", sa.Text(), nullable=False),
        sa.Column("granted_from", sa.Date(), nullable=False),
        sa.Column("granted_until", sa.Date(), nullable=True),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", time, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("steward_grant_pkey")),
    )
    op.create_index("steward_grant_steward_entry_id_idx", "steward_grant", ["steward", "entry_id"])
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE ON steward_grant"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    # A judgement that could still be undone would be in force in the release before: it is taken back.
    op.execute(
        "INSERT INTO judgement (fingerprint, decision, value, reason, steward, judged_at, reverses)"
        " SELECT fingerprint, decision, value, 'NOT_IN_FORCE', steward, now(), judgement_id FROM judgement"
        " JOIN outbox USING (judgement_id)"
    )
    for table in (
        *("steward_grant", "known_answer", "second_review", "work_check", "work_item", "work"),
        *("touch", "lease", "outbox"),
    ):
        op.drop_table(table)
    for column in ("merged_fields", "case_version", "reason_code"):
        op.drop_column("judgement", column)
    op.drop_index(op.f("judgement_judged_at_idx"), table_name="judgement")
    for index in ("case_judged_by_idx", "case_cause_idx", "case_desk_of_province_idx", "case_desk_idx"):
        op.drop_index(index, table_name="case")
    for column in ("cause", "risk", "asked_until", "judged_by"):
        op.drop_column("case", column)
