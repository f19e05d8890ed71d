"""In which state each update is, since when, and how it came there."""

import sqlalchemy as sa

from reconciliation.lifecycle import TERMINAL
from reconciliation.model import State
from reconciliation.store.tables.columns import Xid8, closed_set, metadata, personal, plain

update_state = sa.Table(
    "update_state",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("kind", sa.Text),
    plain("province_code", sa.Text),
    plain("source_id", sa.Text),
    plain("state", sa.Text),
    plain("cause", sa.Text),
    plain("since", sa.DateTime(timezone=True)),
    plain("owner", sa.Text, nullable=True),
    plain("deadline", sa.DateTime(timezone=True), nullable=True),
    closed_set("state", State),
    # The sentence that is the product: exactly one state (the key), terminal or with an owner and a deadline.
    sa.CheckConstraint(
        sa.case(
            (
                sa.column("state").in_([sa.literal_column(f"'{state}'") for state in sorted(TERMINAL)]),
                sa.and_(sa.column("owner").is_(None), sa.column("deadline").is_(None)),
            ),
            else_=sa.and_(sa.column("owner").is_not(None), sa.column("deadline").is_not(None)),
        ),
        name="owned",
    ),
)

# The deadline comes first: what lands has the latest, and so is appended. What has ended is not in it.
sa.Index(
    "update_state_waiting_idx",
    update_state.c.deadline,
    update_state.c.province_code,
    update_state.c.state,
    postgresql_where=update_state.c.deadline.is_not(None),
)

update_move = sa.Table(
    "update_move",
    metadata,
    plain("move_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    plain("record_id", sa.BigInteger, index=True),
    plain("moved_at", sa.DateTime(timezone=True)),
    plain("from_state", sa.Text, nullable=True),
    plain("to_state", sa.Text),
    plain("cause", sa.Text),
    plain("xid", Xid8(), server_default=sa.text("pg_current_xact_id()")),  # by which store/moves.py reads
    sa.Index("update_move_xid_move_id_idx", "xid", "move_id"),
)

sa.Index(
    "update_move_unsigned_idx",
    update_move.c.record_id,
    postgresql_where=update_move.c.to_state == sa.literal_column(f"'{State.AWAITING_SIGNATURE}'"),
)

# Every rung that a late update went up, appended and never updated. The deadline is that of the wait it was late in: of
# another one nothing stands here.
update_escalation = sa.Table(
    "update_escalation",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("deadline", sa.DateTime(timezone=True), primary_key=True),
    plain("rung", sa.SmallInteger, primary_key=True, autoincrement=False),  # from 1
    plain("raised_at", sa.DateTime(timezone=True)),
    plain("from_owner", sa.Text),
    plain("to_owner", sa.Text),
)

# The versions kept back from becoming heads (lifecycle.KEPT_BACK), for as long as they are.
kept_version = sa.Table(
    "kept_version",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("kind", sa.Text),
    plain("source_id", sa.Text),
    personal("source_record_id", sa.Text, nullable=False),
    plain("source_version", sa.BigInteger),
    plain("follows_version", sa.BigInteger, nullable=True),
    personal("died_on", sa.Date),  # the death that an officer has to sign; null where none has to
    sa.Index("kept_version_source_id_source_record_id_idx", "source_id", "source_record_id"),
)

# Officers' signatures under civil-status events, one an update; appended and never updated.
officer_signature = sa.Table(
    "officer_signature",
    metadata,
    plain("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
    plain("source_id", sa.Text),
    personal("jws", sa.Text, nullable=False),  # OfficerSignature.signature of the wire, as it came
    personal("officer", sa.Text, nullable=False),  # the identity it was found to be of
    plain("signed_at", sa.DateTime(timezone=True)),  # by the officer's clock
    plain("received_at", sa.DateTime(timezone=True)),
)
