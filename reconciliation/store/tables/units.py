"""Changes of units, and what provinces told of their hamlets."""

import sqlalchemy as sa

from reconciliation.store.tables.columns import metadata, plain

# What operators loaded and unloaded of changes of units, appended and never updated: a row either holds an event's
# exact content or revokes the row that does.
unit_event = sa.Table(
    "unit_event",
    metadata,
    plain("entry_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("event_id", sa.Text),
    plain("effective_on", sa.Date),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    plain("sha256", sa.LargeBinary, nullable=True),
    plain("content", sa.LargeBinary, nullable=True),
    plain("revokes", sa.BigInteger, sa.ForeignKey("unit_event.entry_id"), nullable=True, unique=True),
    sa.CheckConstraint("(revokes IS NULL) = (content IS NOT NULL AND sha256 IS NOT NULL)", name="loads_or_revokes"),
)

# What provinces told of their hamlets. A row that turned out otherwise is closed with the time of its successor.
hamlet = sa.Table(
    "hamlet",
    metadata,
    plain("hamlet_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("province_code", sa.Text, index=True),
    plain("former_unit_code", sa.Text),
    plain("name", sa.Text),
    plain("name_key", sa.Text),
    plain("unit_code", sa.Text),
    plain("named_from", sa.Date, nullable=True),
    plain("named_to", sa.Date, nullable=True),
    plain("renamed_to", sa.Text, nullable=True),
    plain("source", sa.Text),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    plain("replaced_at", sa.DateTime(timezone=True), nullable=True),
)
