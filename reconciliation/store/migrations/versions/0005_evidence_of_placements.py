"""A placement keeps what was sent, what decided, and under which rules and tables."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXTS = ("decided_by", "sent_code", "sent_name", "rule_version")
_DATES = ("sent_vintage", "known_on")


def upgrade() -> None:
    for name in _TEXTS:
        op.add_column("placement", sa.Column(name, sa.Text(), nullable=True))
    for name in _DATES:
        op.add_column("placement", sa.Column(name, sa.Date(), nullable=True))
    op.create_table(
        "recoding",
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("list_begun_on", sa.Date(), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("province_code", name=op.f("recoding_pkey")),
    )


def downgrade() -> None:
    op.drop_table("recoding")
    for name in (*_TEXTS, *_DATES):
        op.drop_column("placement", name)
