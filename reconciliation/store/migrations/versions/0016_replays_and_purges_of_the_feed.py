"""Who set a registry back, and up to where superseded changes of the feed are no longer kept."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_replay",
        sa.Column("replay_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("consumer_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("from_seq", sa.BigInteger(), nullable=False),
        sa.Column("to_seq", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.CheckConstraint("to_seq >= 0 AND to_seq < from_seq", name=op.f("feed_replay_goes_back_check")),
        sa.ForeignKeyConstraint(["consumer_id"], ["consumer.consumer_id"], name=op.f("feed_replay_consumer_id_fkey")),
        sa.PrimaryKeyConstraint("replay_id", name=op.f("feed_replay_pkey")),
    )
    op.create_table(
        "feed_purge",
        sa.Column("purge_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("purged_upto", sa.BigInteger(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purged_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("purge_id", name=op.f("feed_purge_pkey")),
        sa.UniqueConstraint("purged_upto", name=op.f("feed_purge_purged_upto_key")),
    )
    # Retention asks from when on the entries are; a purge, which change each one came after.
    op.create_index("feed_entry_published_at_idx", "feed_entry", ["published_at"])
    op.create_index("change_previous_change_id_idx", "change", ["previous_change_id"])


def downgrade() -> None:
    op.drop_index("change_previous_change_id_idx", table_name="change")
    op.drop_index("feed_entry_published_at_idx", table_name="feed_entry")
    op.drop_table("feed_purge")
    op.drop_table("feed_replay")
