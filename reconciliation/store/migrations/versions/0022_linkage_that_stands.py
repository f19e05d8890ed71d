"""What linkage keeps so that one record, or a few, are linked against what stands."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("linkage_record_no_seq")))
    op.create_table(
        "linkage_epoch",
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("province_code", name=op.f("linkage_epoch_pkey")),
    )
    op.create_table(
        "linkage_tally",
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("province_code", "kind", "key", name=op.f("linkage_tally_pkey")),
    )
    op.create_table(
        "linkage_record",
        sa.Column("record_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("stated", sa.BigInteger(), nullable=False),
        sa.Column("held_as", sa.BigInteger(), nullable=False),
        sa.Column("home", sa.BigInteger(), nullable=True),
        sa.Column("member", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("keys", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_no", name=op.f("linkage_record_pkey")),
        sa.UniqueConstraint("province_code", "record_key", name=op.f("linkage_record_province_code_record_key_key")),
    )
    op.create_index(
        op.f("linkage_record_home_idx"), "linkage_record", ["home"], postgresql_where=sa.text("home IS NOT NULL")
    )
    op.create_index(
        op.f("linkage_record_member_idx"), "linkage_record", ["member"], postgresql_where=sa.text("member IS NOT NULL")
    )
    op.create_table(
        "linkage_posting",
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("rule", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("record_no", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("province_code", "rule", "key", "record_no", name=op.f("linkage_posting_pkey")),
    )
    op.create_table(
        "linkage_pair",
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("left_key", sa.Text(), nullable=False),
        sa.Column("right_key", sa.Text(), nullable=False),
        sa.Column("rule", sa.SmallInteger(), nullable=False),
        sa.Column("veto", sa.SmallInteger(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("levels", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("province_code", "left_key", "right_key", name=op.f("linkage_pair_pkey")),
    )


def downgrade() -> None:
    for table in ("linkage_pair", "linkage_posting", "linkage_record", "linkage_tally", "linkage_epoch"):
        op.drop_table(table)
    op.execute(sa.schema.DropSequence(sa.Sequence("linkage_record_no_seq")))
