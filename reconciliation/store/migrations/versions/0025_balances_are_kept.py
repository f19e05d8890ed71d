"""What each province's balance said is kept, and signed by the gateway."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "balance_statement",
        sa.Column("statement_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("figures_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("statement_id", name=op.f("balance_statement_pkey")),
    )
    op.create_index(
        "balance_statement_province_code_statement_id_idx", "balance_statement", ["province_code", "statement_id"]
    )


def downgrade() -> None:
    op.drop_table("balance_statement")
