"""Operators load and unload changes of units."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unit_event",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("revokes", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(revokes IS NULL) = (content IS NOT NULL AND sha256 IS NOT NULL)",
            name=op.f("unit_event_loads_or_revokes_check"),
        ),
        sa.ForeignKeyConstraint(["revokes"], ["unit_event.entry_id"], name=op.f("unit_event_revokes_fkey")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("unit_event_pkey")),
        sa.UniqueConstraint("revokes", name=op.f("unit_event_revokes_key")),
    )


def downgrade() -> None:
    op.drop_table("unit_event")
