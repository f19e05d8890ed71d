"""Portals have grants; moves know their transaction, so that who follows them misses none."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reconciliation.store.tables import Xid8

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "portal_grant",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("portal_id", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("province_codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("identity_uris", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("by_record", sa.Boolean(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("legal_reference", sa.Text(), nullable=False),
        sa.Column("granted_from", sa.Date(), nullable=False),
        sa.Column("granted_until", sa.Date(), nullable=True),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("portal_grant_pkey")),
    )
    op.create_index("portal_grant_portal_id_entry_id_idx", "portal_grant", ["portal_id", "entry_id"])
    op.execute(
        "CREATE TRIGGER refuse_change BEFORE UPDATE ON portal_grant FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    # Moves of before are older than every transaction; a constant costs no rewriting of the table.
    op.add_column("update_move", sa.Column("xid", Xid8(), server_default=sa.text("'0'::xid8"), nullable=False))
    op.alter_column("update_move", "xid", server_default=sa.text("pg_current_xact_id()"))
    op.create_index("update_move_xid_move_id_idx", "update_move", ["xid", "move_id"])


def downgrade() -> None:
    op.drop_index("update_move_xid_move_id_idx", table_name="update_move")
    op.drop_column("update_move", "xid")
    op.drop_table("portal_grant")
