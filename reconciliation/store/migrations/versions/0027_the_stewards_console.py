"""Users of the stewards' console, their roles and sessions, what they did, what they looked at and began."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "console_user",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("issuer_subject", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("user_id = lower(user_id)", name=op.f("console_user_in_small_letters_check")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("console_user_pkey")),
        sa.UniqueConstraint("issuer", "issuer_subject", name=op.f("console_user_issuer_issuer_subject_key")),
    )
    op.create_table(
        "console_role",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        _of_user("console_role"),
        sa.PrimaryKeyConstraint("user_id", "role", "province_code", "kind", name=op.f("console_role_pkey")),
    )
    op.create_table(
        "console_session",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stepped_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _of_user("console_session"),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("console_session_pkey")),
    )
    op.create_table(
        "console_sign_in",
        sa.Column("state_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("leads_to", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_sha256", name=op.f("console_sign_in_pkey")),
    )
    op.create_table(
        "console_event",
        sa.Column("event_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("console_event_pkey")),
    )
    op.create_index("console_event_user_id_occurred_at_idx", "console_event", ["user_id", "occurred_at"])
    op.create_table(
        "reveal",
        sa.Column("reveal_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("revealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("province_code", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        _of_user("reveal"),
        _of_case("reveal"),
        sa.PrimaryKeyConstraint("reveal_id", name=op.f("reveal_pkey")),
    )
    op.create_index("reveal_user_id_revealed_at_idx", "reveal", ["user_id", "revealed_at"])
    op.create_index("reveal_province_code_revealed_at_idx", "reveal", ["province_code", "revealed_at"])
    op.create_table(
        "draft",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("filled", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        _of_user("draft"),
        _of_case("draft"),
        sa.PrimaryKeyConstraint("user_id", "case_id", name=op.f("draft_pkey")),
    )
    op.create_table(
        "saved_filter",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        _of_user("saved_filter"),
        sa.PrimaryKeyConstraint("user_id", "label", name=op.f("saved_filter_pkey")),
    )
    for name in ("console_event", "reveal"):
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE ON {name} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    for name in ("saved_filter", "draft", "reveal", "console_event", "console_sign_in", "console_session"):
        op.drop_table(name)
    op.drop_table("console_role")
    op.drop_table("console_user")


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["console_user.user_id"], name=op.f(f"{table}_user_id_fkey"))


def _of_case(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["case_id"], ["case.case_id"], name=op.f(f"{table}_case_id_fkey"))
