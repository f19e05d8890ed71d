"""A household that is back in its unit has its number again."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("displaced_number", "displaced_unit"):
        op.add_column("household_identity", sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for name in ("displaced_number", "displaced_unit"):
        op.drop_column("household_identity", name)
