"""The feed's epochs: when and why each began, on which server, and in which one a registry acknowledged."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_epoch",
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("feed_seq", sa.BigInteger(), nullable=False),
        sa.Column("system_identifier", sa.BigInteger(), nullable=True),
        sa.Column("timeline", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("epoch", name=op.f("feed_epoch_pkey")),
    )
    op.add_column("feed_head", sa.Column("system_identifier", sa.BigInteger(), nullable=True))
    op.add_column("feed_head", sa.Column("timeline", sa.Integer(), nullable=True))
    op.add_column(
        "consumer", sa.Column("acknowledged_epoch", sa.BigInteger(), server_default=sa.text("1"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("consumer", "acknowledged_epoch")
    op.drop_column("feed_head", "timeline")
    op.drop_column("feed_head", "system_identifier")
    op.drop_table("feed_epoch")
