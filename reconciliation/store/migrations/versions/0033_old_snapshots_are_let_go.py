"""Which snapshots registries are reading, and which were let go."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "snapshot_hold",
        sa.Column("consumer_id", sa.Text(), nullable=False),
        sa.Column("snapshot_id", sa.Text(), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["consumer_id"], ["consumer.consumer_id"], name=op.f("snapshot_hold_consumer_id_fkey")),
        sa.PrimaryKeyConstraint("consumer_id", "snapshot_id", name=op.f("snapshot_hold_pkey")),
    )
    op.create_table(
        "snapshot_purge",
        sa.Column("consumer_id", sa.Text(), nullable=False),
        sa.Column("snapshot_id", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purged_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consumer_id"], ["consumer.consumer_id"], name=op.f("snapshot_purge_consumer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("consumer_id", "snapshot_id", name=op.f("snapshot_purge_pkey")),
    )


def downgrade() -> None:
    op.drop_table("snapshot_purge")
    op.drop_table("snapshot_hold")
