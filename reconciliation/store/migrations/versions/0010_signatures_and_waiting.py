"""Batches are signed, and a version can wait: for the one it follows, or for an officer's signature."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_RECORDS = ("person_record", "household_record", "insurance_record")
_STATES = (
    "'awaiting_reconciliation', 'awaiting_unit', 'awaiting_match', 'awaiting_steward', 'awaiting_pull', "
    "'awaiting_outcome', 'applied', 'refused', 'superseded', 'withdrawn'"
)
_KINDS = (
    "'ambiguous_unit', 'unknown_unit', 'doubtful_match', 'two_units_one_person', 'one_number_two_people', "
    "'book_against_register', 'two_insurance_books', 'death_then_update', 'two_provinces_one_person', "
    "'refused_by_registry'"
)


def upgrade() -> None:
    for table in _RECORDS:
        op.add_column(table, sa.Column("follows_version", sa.BigInteger(), nullable=True))
    for column in ("signature", "signed_by"):
        op.add_column("batch", sa.Column(column, sa.Text(), nullable=True))
    op.create_index(
        "update_move_unsigned_idx",
        "update_move",
        ["record_id"],
        postgresql_where=sa.text("to_state = 'awaiting_signature'"),
    )
    op.create_table(
        "kept_version",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("source_record_id", sa.Text(), nullable=False),
        sa.Column("source_version", sa.BigInteger(), nullable=False),
        sa.Column("follows_version", sa.BigInteger(), nullable=True),
        sa.Column("died_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", name=op.f("kept_version_pkey")),
    )
    op.create_index("kept_version_source_id_source_record_id_idx", "kept_version", ["source_id", "source_record_id"])
    op.create_table(
        "officer_signature",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.Column("officer", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("officer_signature_pkey")),
    )
    _allow("update_state", "state", f"'awaiting_predecessor', 'awaiting_signature', {_STATES}")
    _allow("case", "kind", f"{_KINDS}, 'missing_version'")


def downgrade() -> None:
    # The release before cannot name these. What waited has to be sent again, as after any version it took for late.
    op.execute("DELETE FROM \"case\" WHERE kind = 'missing_version'")
    op.execute(
        "UPDATE update_state SET state = 'superseded', cause = 'LATE_VERSION', owner = NULL, deadline = NULL "
        "WHERE state IN ('awaiting_predecessor', 'awaiting_signature')"
    )
    _allow("case", "kind", _KINDS)
    _allow("update_state", "state", _STATES)
    op.drop_table("officer_signature")
    op.drop_table("kept_version")
    op.drop_index("update_move_unsigned_idx", table_name="update_move")
    for column in ("signed_by", "signature"):
        op.drop_column("batch", column)
    for table in _RECORDS:
        op.drop_column(table, "follows_version")


def _allow(table: str, column: str, values: str) -> None:
    name = op.f(f"{table}_{column}_check")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, f"{column} IN ({values})")
