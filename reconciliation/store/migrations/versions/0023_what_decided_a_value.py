"""Every published version says by which rank its values were chosen; questions can be about a household."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_KINDS = (
    "'ambiguous_unit', 'unknown_unit', 'doubtful_match', 'two_units_one_person', 'one_number_two_people', "
    "'book_against_register', 'two_insurance_books', 'death_then_update', 'two_provinces_one_person', "
    "'refused_by_registry', 'missing_version', 'overlapping_periods', 'circular_relations'"
)
_GOLDEN = ("golden_person", "golden_household", "golden_insurance")


def upgrade() -> None:
    for table in _GOLDEN:
        op.add_column(table, sa.Column("decided_by", sa.Text(), nullable=True))
    _allow(f"{_KINDS}, 'household_clash'")
    op.create_table(
        "subject_move",
        sa.Column("move_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("before_id", sa.Text(), nullable=False),
        sa.Column("after_id", sa.Text(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("move_id", name=op.f("subject_move_pkey")),
    )
    op.create_index(op.f("subject_move_before_id_idx"), "subject_move", ["before_id"])
    op.create_index(op.f("subject_move_after_id_idx"), "subject_move", ["after_id"])
    op.create_table(
        "clerical_sample",
        sa.Column("sample_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("drawn_by", sa.Text(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sample_id", name=op.f("clerical_sample_pkey")),
    )
    op.create_table(
        "clerical_pair",
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("stratum", sa.SmallInteger(), nullable=False),
        sa.Column("stratum_weight", sa.Double(), nullable=False),
        sa.Column("stratum_pairs", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["clerical_sample.sample_id"], name=op.f("clerical_pair_sample_id_fkey")
        ),
        sa.PrimaryKeyConstraint("sample_id", "fingerprint", name=op.f("clerical_pair_pkey")),
    )


def downgrade() -> None:
    op.drop_table("clerical_pair")
    op.drop_table("clerical_sample")
    op.drop_table("subject_move")
    # The release before cannot name such questions. Their answers stay, and hold again when the questions are back.
    op.execute("DELETE FROM \"case\" WHERE kind = 'household_clash'")
    _allow(_KINDS)
    for table in _GOLDEN:
        op.drop_column(table, "decided_by")


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f("case_kind_check"), "case", type_="check")
    op.create_check_constraint(op.f("case_kind_check"), "case", f"kind IN ({kinds})")
