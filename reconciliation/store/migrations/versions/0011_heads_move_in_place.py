"""Heads move within their page: no index holds what changes of them, and each page keeps room."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("record_head_record_id_key"), "record_head", type_="unique")
    op.execute("ALTER TABLE record_head SET (fillfactor = 80)")


def downgrade() -> None:
    op.execute("ALTER TABLE record_head RESET (fillfactor)")
    op.create_unique_constraint(op.f("record_head_record_id_key"), "record_head", ["record_id"])
