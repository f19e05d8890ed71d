"""The single updates of online systems, by their request."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("single_sequence")))
    op.create_table(
        "submission",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("request_id", postgresql.UUID(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("receipt_id", postgresql.UUID(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('accepted', 'superseded', 'quarantined')", name=op.f("submission_verdict_check")
        ),
        sa.ForeignKeyConstraint(["receipt_id"], ["batch.receipt_id"], name=op.f("submission_receipt_id_fkey")),
        sa.PrimaryKeyConstraint("source_id", "request_id", name=op.f("submission_pkey")),
    )
    # As with what else is written on behalf of a source (0012).
    op.execute("GRANT USAGE ON SEQUENCE single_sequence TO lienthong_source")
    op.execute("GRANT SELECT, INSERT ON submission TO lienthong_source")
    op.execute("ALTER TABLE submission ENABLE ROW LEVEL SECURITY")
    own = "source_id = ANY ((SELECT spoken_sources())::text[])"
    op.execute(f"CREATE POLICY own_rows ON submission TO lienthong_source USING ({own}) WITH CHECK ({own})")
    op.execute(
        "CREATE TRIGGER refuse_foreign_rows AFTER INSERT ON submission REFERENCING NEW TABLE AS arrived"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_foreign_rows()"
    )


def downgrade() -> None:
    op.drop_table("submission")
    op.execute(sa.schema.DropSequence(sa.Sequence("single_sequence")))
