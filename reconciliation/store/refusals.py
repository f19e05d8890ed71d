"""What a registry refuses becomes a case; whether a steward has let a refusal stand."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation import lifecycle
from reconciliation.model import CaseKind, Decision, OutcomeKind, State
from reconciliation.store import judgements, lifecycle_moves, recodings, record_keys
from reconciliation.store.tables import (
    case,
    change,
    change_record,
    consumer_grant,
    feed_entry,
    feed_outcome,
    placement,
)

ACCEPTED = "REFUSAL_ACCEPTED"  # why an update has ended refused
_GONE = ("MERGED", "RETRACTED")  # causes of changes that take a subject away, and so carry no update


def open_cases(connection: sa.Connection, *, consumer_id: str, fresh: sa.Table, now: datetime) -> int:
    """Open a case for each refusal among the outcomes `fresh` (feed_seq), and hold the updates it concerns.

    A change that takes a subject away concerns the records of the version it took away.
    """
    refused = _refused(consumer_id, fresh)
    opened = connection.execute(
        pg.insert(case)
        .from_select(
            ["fingerprint", "kind", "province_code", "owner", "opened_at", "deadline", "record_keys", "evidence"],
            sa.select(
                fingerprint_of(consumer_id, refused.c.change_id),
                sa.literal_column(f"'{CaseKind.REFUSED_BY_REGISTRY}'"),
                refused.c.province_code,
                sa.func.concat_ws(
                    sa.literal_column("'/'"),
                    refused.c.province_code,
                    refused.c.unit_code,
                    sa.literal_column(f"'{lifecycle.Role.STEWARD}'"),
                ),
                sa.literal(now, sa.DateTime(timezone=True)),
                sa.literal(lifecycle.deadline(State.AWAITING_STEWARD, since=now), sa.DateTime(timezone=True)),
                refused.c.record_keys,
                sa.func.jsonb_build_object(
                    sa.literal_column("'registry'"),
                    sa.cast(sa.literal(consumer_id), sa.Text),
                    sa.literal_column("'feed_seq'"),
                    refused.c.feed_seq,
                    sa.literal_column("'reason'"),
                    refused.c.reason,
                ),
            ).order_by(refused.c.feed_seq),
        )
        .on_conflict_do_nothing(index_elements=["fingerprint"])
    ).rowcount
    provinces = connection.scalars(
        sa.select(refused.c.province_code).distinct().order_by(refused.c.province_code)
    ).all()
    for province_code in provinces:
        held = (
            sa.select(change_record.c.record_id)
            .join(refused, refused.c.change_id == change_record.c.change_id)
            .where(refused.c.province_code == province_code)
        )
        lifecycle_moves.move(
            connection,
            held,
            to=State.AWAITING_STEWARD,
            cause=lifecycle_moves.REFUSED_BY_REGISTRY,
            now=now,
            province_code=province_code,
        )
    lifecycle_moves.own_locally(
        connection,
        sa.select(change_record.c.record_id, refused.c.unit_code).join(
            refused, refused.c.change_id == change_record.c.change_id
        ),
    )
    return opened


def is_accepted(consumer_id: str, change_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether a steward has let the registry's refusal of the change stand."""
    standing = judgements.standing().subquery()
    return sa.exists().where(
        standing.c.fingerprint == fingerprint_of(consumer_id, change_id), standing.c.decision == str(Decision.KEEP)
    )


def fingerprint_of(consumer_id: str, change_id: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    """The question a refusal asks: this registry, this change."""
    text = sa.cast(sa.literal(f"refusal|{consumer_id}|"), sa.Text) + sa.cast(change_id, sa.Text)
    return sa.func.encode(sa.func.sha256(sa.cast(text, sa.LargeBinary)), sa.literal_column("'hex'"))


def _refused(consumer_id: str, fresh: sa.Table) -> sa.Subquery:
    """The refusals among the outcomes `fresh`: feed_seq, change_id, province_code, unit_code, reason, record_keys."""
    said = record_keys.of_every_version()
    concerned = sa.case((change.c.cause.in_(_GONE), change.c.previous_change_id), else_=change.c.change_id)
    return (
        sa.select(
            feed_entry.c.feed_seq,
            change.c.change_id,
            change.c.province_code,
            feed_outcome.c.reason,
            recodings.one_unit().label("unit_code"),
            sa.func.array_agg(sa.distinct(said.c.record_key)).label("record_keys"),
        )
        .join(fresh, fresh.c.feed_seq == feed_entry.c.feed_seq)
        .join(
            feed_outcome,
            sa.and_(feed_outcome.c.feed_seq == feed_entry.c.feed_seq, feed_outcome.c.consumer_id == consumer_id),
        )
        .join(change, change.c.change_id == feed_entry.c.change_id)
        .join(
            consumer_grant,
            sa.and_(
                consumer_grant.c.kind == change.c.kind,
                consumer_grant.c.consumer_id == consumer_id,
                consumer_grant.c.of_record,
            ),
        )
        .join(change_record, change_record.c.change_id == concerned)
        .join(said, said.c.record_id == change_record.c.record_id)
        .outerjoin(placement, placement.c.record_id == change_record.c.record_id)
        .where(feed_outcome.c.outcome == str(OutcomeKind.REFUSED))
        .group_by(feed_entry.c.feed_seq, change.c.change_id, change.c.province_code, feed_outcome.c.reason)
    ).subquery()
