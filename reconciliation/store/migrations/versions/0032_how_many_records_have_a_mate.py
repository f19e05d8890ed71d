"""Of a province's records that state a number, how many state another one's: by that links are made there."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("stating", "mated"):
        op.add_column("linkage_epoch", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in ("stating", "mated"):
        op.drop_column("linkage_epoch", name)
