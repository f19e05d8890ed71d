"""What is late goes up rung by rung, what was a unit's that ended is handed over, and more can be asked."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_ROLE = "lienthong_source"
_KINDS = (
    "'ambiguous_unit', 'unknown_unit', 'doubtful_match', 'two_units_one_person', 'one_number_two_people', "
    "'book_against_register', 'two_insurance_books', 'overlapping_periods', 'circular_relations', "
    "'death_then_update', 'two_provinces_one_person', 'refused_by_registry', 'missing_version'"
)
_NEW = "'household_clash', 'duplicate_hamlet', 'unsigned_event', 'citizen_correction'"


def upgrade() -> None:
    op.create_table(
        "update_escalation",
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        *_event_columns(),
        sa.PrimaryKeyConstraint("record_id", "deadline", "rung", name=op.f("update_escalation_pkey")),
    )
    op.create_table(
        "case_escalation",
        sa.Column("case_id", sa.BigInteger(), autoincrement=False, nullable=False),
        *_event_columns(),
        sa.ForeignKeyConstraint(["case_id"], ["case.case_id"], name=op.f("case_escalation_case_id_fkey")),
        sa.PrimaryKeyConstraint("case_id", "deadline", "rung", name=op.f("case_escalation_pkey")),
    )
    op.create_table(
        "succession",
        sa.Column("succession_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_owner", sa.Text(), nullable=False),
        sa.Column("to_owner", sa.Text(), nullable=False),
        sa.Column("updates", sa.BigInteger(), nullable=False),
        sa.Column("cases", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("succession_id", name=op.f("succession_pkey")),
    )
    op.create_index("case_deadline_idx", "case", ["deadline"], postgresql_where=sa.text("obsolete_since IS NULL"))
    # Who speaks for a source may read how far up its own late updates have gone.
    op.execute(f"GRANT SELECT ON update_escalation TO {_ROLE}")
    op.execute("ALTER TABLE update_escalation ENABLE ROW LEVEL SECURITY")
    own = "EXISTS (SELECT FROM update_state WHERE update_state.record_id = update_escalation.record_id)"
    op.execute(f"CREATE POLICY own_rows ON update_escalation TO {_ROLE} USING ({own})")
    _allow(f"{_KINDS}, {_NEW}")


def downgrade() -> None:
    # The release before cannot name such questions. Their answers stay, and hold again when the questions are back.
    op.drop_table("case_escalation")
    op.execute(f'DELETE FROM "case" WHERE kind IN ({_NEW})')
    _allow(_KINDS)
    op.drop_index("case_deadline_idx", table_name="case")
    op.drop_table("succession")
    op.drop_table("update_escalation")


def _event_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rung", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_owner", sa.Text(), nullable=False),
        sa.Column("to_owner", sa.Text(), nullable=False),
    )


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f("case_kind_check"), "case", type_="check")
    op.create_check_constraint(op.f("case_kind_check"), "case", f"kind IN ({kinds})")
