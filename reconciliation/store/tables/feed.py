"""What changed, in order, and how far each consumer has read."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.model import OutcomeKind
from reconciliation.store.tables.columns import Xid8, closed_set, metadata, personal, plain

change_id_sequence = sa.Sequence("change_id_seq", metadata=metadata)

# The outbox: written in the transaction that makes the change, ordered afterwards by the sequencer.
change = sa.Table(
    "change",
    metadata,
    plain("change_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), index=True),
    plain("kind", sa.Text),
    plain("province_code", sa.Text),
    plain("subject_id", sa.Text, index=True),
    plain("cause", sa.Text),
    plain("previous_change_id", sa.BigInteger, nullable=True),
    plain("replaced_by", sa.Text, nullable=True),  # the subject that this one became part of
    plain("traceparent", sa.Text, nullable=True),
)

# Which updates a change carries.
change_record = sa.Table(
    "change_record",
    metadata,
    plain("change_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Index("change_record_record_id_idx", "record_id"),
)

feed_head = sa.Table(
    "feed_head",
    metadata,
    plain("singleton", sa.Boolean, primary_key=True, server_default=sa.true()),
    plain("epoch", sa.BigInteger),
    plain("feed_seq", sa.BigInteger),
    plain("horizon", Xid8()),  # every change of an older transaction has been sequenced
    # The server that the feed was last sequenced on, see store/epochs.py. Null before the first time.
    plain("system_identifier", sa.BigInteger, nullable=True),
    plain("timeline", sa.Integer, nullable=True),
    sa.CheckConstraint("singleton", name="one_row"),
)

# The epochs after the first one, appended and never updated: who began each, when and why, after which place of the
# one before, and on which server that one was. Up to this place both are the same.
feed_epoch = sa.Table(
    "feed_epoch",
    metadata,
    plain("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("begun_at", sa.DateTime(timezone=True)),
    plain("begun_by", sa.Text),
    personal("reason", sa.Text, nullable=False),  # an operator's own words, or a code of store/epochs.py
    plain("feed_seq", sa.BigInteger),
    plain("system_identifier", sa.BigInteger, nullable=True),
    plain("timeline", sa.Integer, nullable=True),
)

# What makes this installation's ids and tokens its own. Random, made by the first migration, never shown.
installation = sa.Table(
    "installation",
    metadata,
    plain("singleton", sa.Boolean, primary_key=True, server_default=sa.true()),
    plain("namespace", sa.Text),  # subject ids are derived with it, so that no id can be traced back to a source's key
    plain("cursor_secret", sa.LargeBinary),
    sa.CheckConstraint("singleton", name="one_row"),
)

feed_entry = sa.Table(
    "feed_entry",
    metadata,
    plain("feed_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("change_id", sa.BigInteger, sa.ForeignKey("change.change_id"), unique=True),
    plain("published_at", sa.DateTime(timezone=True)),
)

consumer = sa.Table(
    "consumer",
    metadata,
    plain("consumer_id", sa.Text, primary_key=True),
    plain("name", sa.Text),
    plain("acknowledged", sa.BigInteger, server_default=sa.text("0")),
    plain("acknowledged_epoch", sa.BigInteger, server_default=sa.text("1")),
    plain("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
)

consumer_grant = sa.Table(
    "consumer_grant",
    metadata,
    plain("consumer_id", sa.Text, sa.ForeignKey("consumer.consumer_id"), primary_key=True),
    plain("kind", sa.Text, primary_key=True),
    plain("fields", pg.ARRAY(sa.Text)),
    plain("of_record", sa.Boolean),  # the registry whose outcome closes an update of this kind
    plain("purpose", sa.Text),
    plain("legal_reference", sa.Text),
    plain("identity_uri", sa.Text, nullable=True),  # who may speak for it; null: nobody who shows a certificate
    plain("province_codes", pg.ARRAY(sa.Text), server_default=sa.text("'{}'::text[]")),  # none: the whole country
    plain("granted_from", sa.Date, nullable=True),
    plain("granted_until", sa.Date, nullable=True),  # the last day
)

sa.Index(
    "consumer_grant_of_record_key", consumer_grant.c.kind, unique=True, postgresql_where=consumer_grant.c.of_record
)

feed_outcome = sa.Table(
    "feed_outcome",
    metadata,
    plain("consumer_id", sa.Text, sa.ForeignKey("consumer.consumer_id"), primary_key=True),
    plain("feed_seq", sa.BigInteger, sa.ForeignKey("feed_entry.feed_seq"), primary_key=True),
    plain("outcome", sa.Text),
    plain("reason", sa.Text, nullable=True),
    plain("reported_at", sa.DateTime(timezone=True)),
    closed_set("outcome", OutcomeKind),
)

# Every time that a registry's acknowledged place was set back, appended and never updated.
feed_replay = sa.Table(
    "feed_replay",
    metadata,
    plain("replay_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("consumer_id", sa.Text, sa.ForeignKey("consumer.consumer_id")),
    plain("epoch", sa.BigInteger),
    plain("from_seq", sa.BigInteger),
    plain("to_seq", sa.BigInteger),
    plain("asked_at", sa.DateTime(timezone=True)),
    plain("asked_by", sa.Text),  # the registry's identity or id, or an operator
    personal("why", sa.Text, nullable=False),  # somebody's own words
    sa.CheckConstraint("to_seq >= 0 AND to_seq < from_seq", name="goes_back"),
)

# Up to which places superseded changes were let go, appended and never updated: the highest is where reading begins.
feed_purge = sa.Table(
    "feed_purge",
    metadata,
    plain("purge_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("purged_upto", sa.BigInteger, unique=True),
    plain("changes", sa.BigInteger),
    plain("purged_at", sa.DateTime(timezone=True)),
    plain("purged_by", sa.Text),
    personal("why", sa.Text, nullable=False),  # somebody's own words
)

# Which snapshots a registry may still be reading, and until when they are kept for that.
snapshot_hold = sa.Table(
    "snapshot_hold",
    metadata,
    plain("consumer_id", sa.Text, sa.ForeignKey("consumer.consumer_id"), primary_key=True),
    plain("snapshot_id", sa.Text, primary_key=True),
    plain("held_until", sa.DateTime(timezone=True)),
)

# Every snapshot that was let go, once, appended and never updated.
snapshot_purge = sa.Table(
    "snapshot_purge",
    metadata,
    plain("consumer_id", sa.Text, sa.ForeignKey("consumer.consumer_id"), primary_key=True),
    plain("snapshot_id", sa.Text, primary_key=True),
    plain("size_bytes", sa.BigInteger),
    plain("purged_at", sa.DateTime(timezone=True)),
    plain("purged_by", sa.Text),
)

sa.Index(None, feed_entry.c.published_at)

sa.Index(None, change.c.previous_change_id)
