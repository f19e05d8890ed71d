"""the first schema"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reconciliation.store.tables import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("change_id_seq")))
    op.create_table(
        "batch",
        sa.Column("batch_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("receipt_id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("exported_on", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("superseded", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("landed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("received = accepted + superseded + quarantined", name=op.f("batch_conserved_check")),
        sa.CheckConstraint("sequence >= 1", name=op.f("batch_sequence_check")),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("batch_pkey")),
        sa.UniqueConstraint("receipt_id", name=op.f("batch_receipt_id_key")),
        sa.UniqueConstraint("source_id", "epoch", "sequence", name=op.f("batch_source_id_epoch_sequence_key")),
    )
    op.create_table(
        "case",
        sa.Column("case_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("obsolete_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("record_keys", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "kind IN ('ambiguous_unit', 'unknown_unit', 'doubtful_match', 'two_units_one_person', 'one_number_two_people', 'book_against_register', 'two_insurance_books', 'refused_by_registry')",
            name=op.f("case_kind_check"),
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("case_pkey")),
        sa.UniqueConstraint("fingerprint", name=op.f("case_fingerprint_key")),
    )
    op.create_index("case_province_code_kind_idx", "case", ["province_code", "kind"], unique=False)
    op.create_table(
        "change",
        sa.Column("change_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("previous_change_id", sa.BigInteger(), nullable=True),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("change_id", name=op.f("change_pkey")),
    )
    op.create_index(op.f("change_subject_id_idx"), "change", ["subject_id"], unique=False)
    op.create_index(op.f("change_xid_idx"), "change", ["xid"], unique=False)
    op.create_table(
        "change_record",
        sa.Column("change_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("change_id", "record_id", name=op.f("change_record_pkey")),
    )
    op.create_index("change_record_record_id_idx", "change_record", ["record_id"], unique=False)
    op.create_table(
        "cluster_member",
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_key", name=op.f("cluster_member_pkey")),
    )
    op.create_index(op.f("cluster_member_province_code_idx"), "cluster_member", ["province_code"], unique=False)
    op.create_index(op.f("cluster_member_subject_id_idx"), "cluster_member", ["subject_id"], unique=False)
    op.create_table(
        "consumer",
        sa.Column("consumer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("acknowledged", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("consumer_id", name=op.f("consumer_pkey")),
    )
    op.create_table(
        "feed_head",
        sa.Column("singleton", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("feed_seq", sa.BigInteger(), nullable=False),
        sa.Column("horizon", Xid8(), nullable=False),
        sa.CheckConstraint("singleton", name=op.f("feed_head_one_row_check")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("feed_head_pkey")),
    )
    op.create_table(
        "golden_head",
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("golden_head_pkey")),
        sa.UniqueConstraint("change_id", name=op.f("golden_head_change_id_key")),
    )
    op.create_index(op.f("golden_head_province_code_idx"), "golden_head", ["province_code"], unique=False)
    op.create_table(
        "golden_household",
        sa.Column("change_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("household_number", sa.Text(), nullable=True),
        sa.Column("former_number", sa.Text(), nullable=True),
        sa.Column("head_personal_number", sa.Text(), nullable=True),
        sa.Column("head_name", sa.Text(), nullable=True),
        sa.Column("member_count", sa.SmallInteger(), nullable=True),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("hamlet", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("change_id", name=op.f("golden_household_pkey")),
    )
    op.create_table(
        "golden_insurance",
        sa.Column("change_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.Column("insurance_number", sa.Text(), nullable=True),
        sa.Column("personal_number", sa.Text(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=True),
        sa.Column("health_card", sa.Text(), nullable=True),
        sa.Column("scheme", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("first_clinic", sa.Text(), nullable=True),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("change_id", name=op.f("golden_insurance_pkey")),
    )
    op.create_table(
        "golden_person",
        sa.Column("change_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("personal_number", sa.Text(), nullable=True),
        sa.Column("cmnd", sa.Text(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=True),
        sa.Column("birth_year", sa.SmallInteger(), nullable=True),
        sa.Column("birth_month", sa.SmallInteger(), nullable=True),
        sa.Column("birth_day", sa.SmallInteger(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("ethnic_group", sa.Text(), nullable=True),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("hamlet", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("household_id", sa.Text(), nullable=True),
        sa.Column("household_number", sa.Text(), nullable=True),
        sa.Column("relation_to_head", sa.Text(), nullable=True),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("change_id", name=op.f("golden_person_pkey")),
    )
    op.create_table(
        "household_identity",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("source_record_id", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("household_id", sa.Text(), nullable=False),
        sa.Column("household_number", sa.Text(), nullable=True),
        sa.Column("former_number", sa.Text(), nullable=True),
        sa.Column("rekeyed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "source_record_id", name=op.f("household_identity_pkey")),
    )
    op.create_index(op.f("household_identity_province_code_idx"), "household_identity", ["province_code"], unique=False)
    op.create_table(
        "household_record",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("source_record_id", sa.Text(), nullable=False),
        sa.Column("source_version", sa.BigInteger(), nullable=False),
        sa.Column("event_date", sa.Date(), nullable=True),
        sa.Column("household_number", sa.Text(), nullable=True),
        sa.Column("head_personal_number", sa.Text(), nullable=True),
        sa.Column("head_name", sa.Text(), nullable=True),
        sa.Column("member_count", sa.SmallInteger(), nullable=True),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("unit_vintage", sa.Date(), nullable=True),
        sa.Column("hamlet", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", name=op.f("household_record_pkey")),
    )
    op.create_table(
        "installation",
        sa.Column("singleton", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("cursor_secret", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("singleton", name=op.f("installation_one_row_check")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("installation_pkey")),
    )
    op.create_table(
        "insurance_record",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("source_record_id", sa.Text(), nullable=False),
        sa.Column("source_version", sa.BigInteger(), nullable=False),
        sa.Column("event_date", sa.Date(), nullable=True),
        sa.Column("personal_number", sa.Text(), nullable=True),
        sa.Column("cmnd", sa.Text(), nullable=True),
        sa.Column("insurance_number", sa.Text(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=True),
        sa.Column("birth_year", sa.SmallInteger(), nullable=True),
        sa.Column("birth_month", sa.SmallInteger(), nullable=True),
        sa.Column("birth_day", sa.SmallInteger(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("health_card", sa.Text(), nullable=True),
        sa.Column("scheme", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("first_clinic", sa.Text(), nullable=True),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("unit_vintage", sa.Date(), nullable=True),
        sa.Column("hamlet", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("household_number", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", name=op.f("insurance_record_pkey")),
    )
    op.create_table(
        "judgement",
        sa.Column("judgement_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("steward", sa.Text(), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "decision IN ('unit', 'same', 'not_same', 'keep', 'withdraw', 'send_again')",
            name=op.f("judgement_decision_check"),
        ),
        sa.ForeignKeyConstraint(["reverses"], ["judgement.judgement_id"], name=op.f("judgement_reverses_fkey")),
        sa.PrimaryKeyConstraint("judgement_id", name=op.f("judgement_pkey")),
        sa.UniqueConstraint("reverses", name=op.f("judgement_reverses_key")),
    )
    op.create_index(op.f("judgement_fingerprint_idx"), "judgement", ["fingerprint"], unique=False)
    op.create_table(
        "link",
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("left_key", sa.Text(), nullable=False),
        sa.Column("right_key", sa.Text(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("province_code", "left_key", "right_key", name=op.f("link_pkey")),
    )
    op.create_table(
        "person_record",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("source_record_id", sa.Text(), nullable=False),
        sa.Column("source_version", sa.BigInteger(), nullable=False),
        sa.Column("event_date", sa.Date(), nullable=True),
        sa.Column("personal_number", sa.Text(), nullable=True),
        sa.Column("cmnd", sa.Text(), nullable=True),
        sa.Column("insurance_number", sa.Text(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=True),
        sa.Column("birth_year", sa.SmallInteger(), nullable=True),
        sa.Column("birth_month", sa.SmallInteger(), nullable=True),
        sa.Column("birth_day", sa.SmallInteger(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("ethnic_group", sa.Text(), nullable=True),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("unit_vintage", sa.Date(), nullable=True),
        sa.Column("hamlet", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("household_number", sa.Text(), nullable=True),
        sa.Column("relation_to_head", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", name=op.f("person_record_pkey")),
    )
    op.create_table(
        "placement",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=True),
        sa.Column("basis", sa.Text(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("placement_pkey")),
    )
    op.create_index(op.f("placement_province_code_idx"), "placement", ["province_code"], unique=False)
    op.create_table(
        "record_head",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("source_record_id", sa.Text(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("source_version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("former_unit_code", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source_id", "source_record_id", name=op.f("record_head_pkey")),
        sa.UniqueConstraint("record_id", name=op.f("record_head_record_id_key")),
    )
    op.create_index(op.f("record_head_province_code_idx"), "record_head", ["province_code"], unique=False)
    op.create_table(
        "run",
        sa.Column("run_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=True),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("run_pkey")),
    )
    op.create_table(
        "update_move",
        sa.Column("move_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("move_id", name=op.f("update_move_pkey")),
    )
    op.create_index(op.f("update_move_record_id_idx"), "update_move", ["record_id"], unique=False)
    op.create_table(
        "update_state",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "CASE WHEN (state IN ('applied', 'refused', 'superseded', 'withdrawn')) THEN owner IS NULL AND deadline IS NULL ELSE owner IS NOT NULL AND deadline IS NOT NULL END",
            name=op.f("update_state_owned_check"),
        ),
        sa.CheckConstraint(
            "state IN ('awaiting_reconciliation', 'awaiting_unit', 'awaiting_match', 'awaiting_steward', 'awaiting_pull', 'awaiting_outcome', 'applied', 'refused', 'superseded', 'withdrawn')",
            name=op.f("update_state_state_check"),
        ),
        sa.PrimaryKeyConstraint("record_id", name=op.f("update_state_pkey")),
    )
    op.create_index(
        "update_state_deadline_idx",
        "update_state",
        ["deadline"],
        unique=False,
        postgresql_where=sa.text("deadline IS NOT NULL"),
    )
    op.create_index("update_state_province_code_state_idx", "update_state", ["province_code", "state"], unique=False)
    op.create_table(
        "consumer_grant",
        sa.Column("consumer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("of_record", sa.Boolean(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("legal_reference", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consumer_id"], ["consumer.consumer_id"], name=op.f("consumer_grant_consumer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("consumer_id", "kind", name=op.f("consumer_grant_pkey")),
    )
    op.create_index(
        "consumer_grant_of_record_key", "consumer_grant", ["kind"], unique=True, postgresql_where="of_record"
    )
    op.create_table(
        "feed_entry",
        sa.Column("feed_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["change.change_id"], name=op.f("feed_entry_change_id_fkey")),
        sa.PrimaryKeyConstraint("feed_seq", name=op.f("feed_entry_pkey")),
        sa.UniqueConstraint("change_id", name=op.f("feed_entry_change_id_key")),
    )
    op.create_table(
        "finding",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("column", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=True),
        sa.Column("source_record_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("finding_batch_id_fkey")),
        sa.PrimaryKeyConstraint("batch_id", "position", name=op.f("finding_pkey")),
    )
    op.create_table(
        "quarantine",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.Column("source_record_id", sa.Text(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name=op.f("quarantine_batch_id_fkey")),
        sa.PrimaryKeyConstraint("batch_id", "row", name=op.f("quarantine_pkey")),
    )
    op.create_table(
        "feed_outcome",
        sa.Column("consumer_id", sa.Text(), nullable=False),
        sa.Column("feed_seq", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('applied', 'refused')", name=op.f("feed_outcome_outcome_check")),
        sa.ForeignKeyConstraint(["consumer_id"], ["consumer.consumer_id"], name=op.f("feed_outcome_consumer_id_fkey")),
        sa.ForeignKeyConstraint(["feed_seq"], ["feed_entry.feed_seq"], name=op.f("feed_outcome_feed_seq_fkey")),
        sa.PrimaryKeyConstraint("consumer_id", "feed_seq", name=op.f("feed_outcome_pkey")),
    )
    op.execute("INSERT INTO feed_head (epoch, feed_seq, horizon) VALUES (1, 0, '0')")
    op.execute(
        "INSERT INTO installation (namespace, cursor_secret)"
        " VALUES (gen_random_uuid()::text, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
    )


def downgrade() -> None:
    op.drop_table("feed_outcome")
    op.drop_table("quarantine")
    op.drop_table("finding")
    op.drop_table("feed_entry")
    op.drop_index("consumer_grant_of_record_key", table_name="consumer_grant", postgresql_where="of_record")
    op.drop_table("consumer_grant")
    op.drop_index("update_state_province_code_state_idx", table_name="update_state")
    op.drop_index(
        "update_state_deadline_idx", table_name="update_state", postgresql_where=sa.text("deadline IS NOT NULL")
    )
    op.drop_table("update_state")
    op.drop_index(op.f("update_move_record_id_idx"), table_name="update_move")
    op.drop_table("update_move")
    op.drop_table("run")
    op.drop_index(op.f("record_head_province_code_idx"), table_name="record_head")
    op.drop_table("record_head")
    op.drop_index(op.f("placement_province_code_idx"), table_name="placement")
    op.drop_table("placement")
    op.drop_table("person_record")
    op.drop_table("link")
    op.drop_index(op.f("judgement_fingerprint_idx"), table_name="judgement")
    op.drop_table("judgement")
    op.drop_table("insurance_record")
    op.drop_table("installation")
    op.drop_table("household_record")
    op.drop_index(op.f("household_identity_province_code_idx"), table_name="household_identity")
    op.drop_table("household_identity")
    op.drop_table("golden_person")
    op.drop_table("golden_insurance")
    op.drop_table("golden_household")
    op.drop_index(op.f("golden_head_province_code_idx"), table_name="golden_head")
    op.drop_table("golden_head")
    op.drop_table("feed_head")
    op.drop_table("consumer")
    op.drop_index(op.f("cluster_member_subject_id_idx"), table_name="cluster_member")
    op.drop_index(op.f("cluster_member_province_code_idx"), table_name="cluster_member")
    op.drop_table("cluster_member")
    op.drop_index("change_record_record_id_idx", table_name="change_record")
    op.drop_table("change_record")
    op.drop_index(op.f("change_xid_idx"), table_name="change")
    op.drop_index(op.f("change_subject_id_idx"), table_name="change")
    op.drop_table("change")
    op.drop_index("case_province_code_kind_idx", table_name="case")
    op.drop_table("case")
    op.drop_table("batch")
    op.execute(sa.schema.DropSequence(sa.Sequence("change_id_seq")))
