"""Pairs of linkage are found by either of their records, and those that were judged among all."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("linkage_pair_province_code_right_key_idx", "linkage_pair", ["province_code", "right_key"])
    op.create_index(
        "linkage_pair_judged_idx", "linkage_pair", ["province_code"], postgresql_where=sa.text("rule >= 254")
    )


def downgrade() -> None:
    op.drop_index("linkage_pair_judged_idx", table_name="linkage_pair")
    op.drop_index("linkage_pair_province_code_right_key_idx", table_name="linkage_pair")
