"""The people who sign in to the console, and what they did there."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.store.tables.columns import metadata, personal, plain

# Who may sign in to the stewards' console. A user is never deleted: judgements name them.
console_user = sa.Table(
    "console_user",
    metadata,
    plain("user_id", sa.Text, primary_key=True),
    personal("display_name", sa.Text, nullable=False),  # of the member of staff
    plain("language", sa.Text),
    personal("password_hash", sa.Text),  # null: signs in with the office's own provider only
    plain("issuer", sa.Text, nullable=True),
    plain("issuer_subject", sa.Text, nullable=True),
    plain("created_at", sa.DateTime(timezone=True)),
    plain("removed_at", sa.DateTime(timezone=True), nullable=True),
    sa.UniqueConstraint("issuer", "issuer_subject"),
    sa.CheckConstraint("user_id = lower(user_id)", name="in_small_letters"),
)

# What a user may do, where, and about which kind of case; '' stands for every province, or every kind.
console_role = sa.Table(
    "console_role",
    metadata,
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id"), primary_key=True),
    plain("role", sa.Text, primary_key=True),
    plain("province_code", sa.Text, primary_key=True),
    plain("kind", sa.Text, primary_key=True),
)

# Of a token only its hash is here. `stepped_up_at` is when the person last proved who they are.
console_session = sa.Table(
    "console_session",
    metadata,
    plain("token_sha256", sa.LargeBinary, primary_key=True),
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id")),
    plain("begun_at", sa.DateTime(timezone=True)),
    plain("seen_at", sa.DateTime(timezone=True)),
    plain("stepped_up_at", sa.DateTime(timezone=True)),
    plain("ended_at", sa.DateTime(timezone=True), nullable=True),
)

# A sign-in at another provider that is under way: what its answer is held against.
console_sign_in = sa.Table(
    "console_sign_in",
    metadata,
    plain("state_sha256", sa.LargeBinary, primary_key=True),
    plain("verifier", sa.Text),
    plain("nonce", sa.Text),
    plain("leads_to", sa.Text),
    plain("begun_at", sa.DateTime(timezone=True)),
)

# What users did that no judgement tells: appended, never updated. `told` holds codes and ids, no values of a person's.
console_event = sa.Table(
    "console_event",
    metadata,
    plain("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("occurred_at", sa.DateTime(timezone=True)),
    plain("kind", sa.Text),
    plain("user_id", sa.Text),  # as it was given where nobody signed in
    plain("told", pg.JSONB),
    sa.Index("console_event_user_id_occurred_at_idx", "user_id", "occurred_at"),
)

# Each look at a value that is masked by default: who, whose, which field, for what; appended, never updated.
reveal = sa.Table(
    "reveal",
    metadata,
    plain("reveal_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("revealed_at", sa.DateTime(timezone=True)),
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id")),
    plain("province_code", sa.Text),
    plain("case_id", sa.BigInteger, sa.ForeignKey("case.case_id")),
    personal("record_key", sa.Text, nullable=False),
    plain("field", sa.Text),
    plain("purpose", sa.Text),
    sa.Index("reveal_user_id_revealed_at_idx", "user_id", "revealed_at"),
    sa.Index("reveal_province_code_revealed_at_idx", "province_code", "revealed_at"),
)

# What a steward has filled in of a decision and not sent off.
draft = sa.Table(
    "draft",
    metadata,
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id"), primary_key=True),
    plain("case_id", sa.BigInteger, sa.ForeignKey("case.case_id"), primary_key=True),
    personal("filled", pg.JSONB, nullable=False),
    plain("saved_at", sa.DateTime(timezone=True)),
)

# A queue with its filters under a name of the user's own.
saved_filter = sa.Table(
    "saved_filter",
    metadata,
    plain("user_id", sa.Text, sa.ForeignKey("console_user.user_id"), primary_key=True),
    plain("label", sa.Text, primary_key=True),
    plain("query", sa.Text),
)
