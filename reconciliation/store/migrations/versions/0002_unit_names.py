"""Records may name their unit in words."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = ("person_record", "household_record", "insurance_record")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("unit_name", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "unit_name")
