"""The seven words of each day; cases are found by the records they are about, judgements by their time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quality_score",
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("taken_on", sa.Date(), nullable=False),
        sa.Column("parts", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("wholes", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("unit_code", "province_code", "taken_on", name=op.f("quality_score_pkey")),
    )
    op.create_index("quality_score_province_code_taken_on_idx", "quality_score", ["province_code", "taken_on"])
    op.create_index("case_record_keys_idx", "case", ["record_keys"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_index("case_record_keys_idx", table_name="case")
    op.drop_table("quality_score")
