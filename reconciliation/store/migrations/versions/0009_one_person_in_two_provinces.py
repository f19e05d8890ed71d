"""A person whom two provinces claim is a question, and a second person looks at what cannot easily be mended."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KINDS = (
    "'ambiguous_unit', 'unknown_unit', 'doubtful_match', 'two_units_one_person', 'one_number_two_people', "
    "'book_against_register', 'two_insurance_books', 'death_then_update'"
)


def upgrade() -> None:
    op.create_index("golden_person_personal_number_idx", "golden_person", ["personal_number"])
    _allow(f"{_KINDS}, 'two_provinces_one_person', 'refused_by_registry'")
    op.add_column("judgement", sa.Column("needs_approval", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_unique_constraint("judgement_judgement_id_steward_key", "judgement", ["judgement_id", "steward"])
    op.create_table(
        "approval",
        sa.Column("judgement_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("proposer", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("lower(approver) <> lower(proposer)", name=op.f("approval_two_persons_check")),
        sa.ForeignKeyConstraint(
            ["judgement_id", "proposer"],
            ["judgement.judgement_id", "judgement.steward"],
            name=op.f("approval_judgement_id_proposer_fkey"),
        ),
        sa.PrimaryKeyConstraint("judgement_id", name=op.f("approval_pkey")),
    )


def downgrade() -> None:
    # A proposal that nobody approved would be in force in the release before: it is taken back.
    op.execute(
        "INSERT INTO judgement (fingerprint, decision, value, reason, steward, judged_at, reverses)"
        " SELECT fingerprint, decision, value, 'NOT_APPROVED', steward, now(), judgement_id FROM judgement AS proposed"
        " WHERE needs_approval AND NOT EXISTS (SELECT FROM approval WHERE approval.judgement_id = proposed.judgement_id)"
        " AND NOT EXISTS (SELECT FROM judgement AS reversal WHERE reversal.reverses = proposed.judgement_id)"
    )
    op.drop_table("approval")
    op.drop_constraint("judgement_judgement_id_steward_key", "judgement", type_="unique")
    op.drop_column("judgement", "needs_approval")
    # The release before cannot name such a question. Its answer stays, and holds again when the question is back.
    op.execute("DELETE FROM \"case\" WHERE kind = 'two_provinces_one_person'")
    _allow(f"{_KINDS}, 'refused_by_registry'")
    op.drop_index("golden_person_personal_number_idx", table_name="golden_person")


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f("case_kind_check"), "case", type_="check")
    op.create_check_constraint(op.f("case_kind_check"), "case", f"kind IN ({kinds})")
