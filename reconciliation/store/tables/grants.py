"""Who may write about whom, who may ask, and who tried without."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.store.tables.columns import metadata, plain

# Who may write about whom, appended and never updated: of each source the newest entry stands, and grants or revokes.
source_grant = sa.Table(
    "source_grant",
    metadata,
    plain("entry_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("source_id", sa.Text),
    plain("kind", sa.Text),
    plain("province_codes", pg.ARRAY(sa.Text)),
    plain("identity_uris", pg.ARRAY(sa.Text)),
    plain("signature_required", sa.Boolean),
    plain("purpose", sa.Text),
    plain("legal_reference", sa.Text),
    plain("granted_from", sa.Date),
    plain("granted_until", sa.Date, nullable=True),  # the last day
    plain("is_revoked", sa.Boolean),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    sa.Index("source_grant_source_id_entry_id_idx", "source_id", "entry_id"),
)

# Which updates a portal may ask about, as source_grant: appended, and of each portal the newest entry stands.
portal_grant = sa.Table(
    "portal_grant",
    metadata,
    plain("entry_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("portal_id", sa.Text),
    plain("kinds", pg.ARRAY(sa.Text)),
    plain("province_codes", pg.ARRAY(sa.Text)),  # none: the whole country
    plain("identity_uris", pg.ARRAY(sa.Text)),
    plain("by_record", sa.Boolean),  # whether it may name a source and a record, beside receipts
    plain("purpose", sa.Text),
    plain("legal_reference", sa.Text),
    plain("granted_from", sa.Date),
    plain("granted_until", sa.Date, nullable=True),  # the last day
    plain("is_revoked", sa.Boolean),
    plain("recorded_at", sa.DateTime(timezone=True)),
    plain("recorded_by", sa.Text),
    sa.Index("portal_grant_portal_id_entry_id_idx", "portal_id", "entry_id"),
)

# What somebody tried without a grant, written by a trigger of the database: ids and counts only.
security_event = sa.Table(
    "security_event",
    metadata,
    plain("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("occurred_at", sa.DateTime(timezone=True)),
    plain("kind", sa.Text),
    plain("source_id", sa.Text),
    plain("batch_id", sa.BigInteger, sa.ForeignKey("batch.batch_id")),
    plain("records", sa.Integer),
)
