"""Sources say that they have nothing to send; when each was last heard of is read from an index."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "source_attestation",
        sa.Column("attestation_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("up_to_sequence", sa.BigInteger(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("up_to_sequence >= 0", name=op.f("source_attestation_up_to_sequence_check")),
        sa.PrimaryKeyConstraint("attestation_id", name=op.f("source_attestation_pkey")),
    )
    op.create_index("source_attestation_source_id_noted_at_idx", "source_attestation", ["source_id", "noted_at"])
    op.create_index("batch_source_id_landed_at_idx", "batch", ["source_id", "landed_at"])


def downgrade() -> None:
    op.drop_index("batch_source_id_landed_at_idx", table_name="batch")
    op.drop_table("source_attestation")
