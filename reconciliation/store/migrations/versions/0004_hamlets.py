"""Provinces tell in which unit of today their hamlets lie."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hamlet",
        sa.Column("hamlet_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("former_unit_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("named_from", sa.Date(), nullable=True),
        sa.Column("named_to", sa.Date(), nullable=True),
        sa.Column("renamed_to", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hamlet_id", name=op.f("hamlet_pkey")),
    )
    op.create_index(op.f("hamlet_province_code_idx"), "hamlet", ["province_code"])


def downgrade() -> None:
    op.drop_table("hamlet")
