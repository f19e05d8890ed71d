"""What a judgement does to updates at once, in the transaction that appends it."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Case, State
from reconciliation.store import lifecycle_moves
from reconciliation.store.copying import reserve
from reconciliation.store.tables import (
    change,
    change_id_sequence,
    change_record,
    feed_entry,
    golden_head,
    golden_tables,
    record_head,
)


def take_up_again(connection: sa.Connection, case: Case, *, cause: str, now: datetime, but: Sequence[str] = ()) -> int:
    """Send the updates of a case's records back to reconciliation, those a judgement ended too; return how many."""
    keys = [key for key in case.record_keys if key not in but]
    return lifecycle_moves.move(
        connection,
        _heads(keys),
        to=State.AWAITING_RECONCILIATION,
        cause=cause,
        now=now,
        province_code=case.province_code,
    )


def end(connection: sa.Connection, record_keys: Sequence[str], *, to: State, cause: str, now: datetime) -> int:
    """Bring the standing updates of the records to a terminal state."""
    return lifecycle_moves.move(connection, _heads(record_keys), to=to, cause=cause, now=now)


def send_again(connection: sa.Connection, case: Case, *, now: datetime) -> int:
    """Publish the refused version once more, as a new change with the same content; return its change_id.

    Raises RejectedRequestError DECISION_INVALID when a newer version has taken its place: that one is on its way.
    """
    refused = connection.execute(
        sa.select(change.c.change_id, change.c.kind, change.c.subject_id, change.c.province_code, change.c.traceparent)
        .join(feed_entry, feed_entry.c.change_id == change.c.change_id)
        .join(golden_head, golden_head.c.change_id == change.c.change_id)
        .where(feed_entry.c.feed_seq == case.evidence["feed_seq"])
    ).one_or_none()
    if refused is None:
        raise RejectedRequestError(
            "DECISION_INVALID",
            "The refused version is no longer the one that stands.",
            next_step="close the case by keeping it: the newer version is published by itself.",
        )
    (again,) = reserve(connection, change_id_sequence, 1)
    golden = golden_tables[RecordKind(refused.kind)]
    columns = [column.name for column in golden.c if column.name != "change_id"]
    connection.execute(
        golden.insert().from_select(
            ["change_id", *columns],
            sa.select(sa.literal(again, sa.BigInteger), *(golden.c[name] for name in columns)).where(
                golden.c.change_id == refused.change_id
            ),
        )
    )
    connection.execute(
        change.insert().values(
            change_id=again,
            kind=refused.kind,
            province_code=refused.province_code,
            subject_id=refused.subject_id,
            cause="SENT_AGAIN",
            previous_change_id=refused.change_id,
            traceparent=refused.traceparent,
        )
    )
    connection.execute(
        change_record.insert().from_select(
            ["change_id", "record_id"],
            sa.select(sa.literal(again, sa.BigInteger), change_record.c.record_id).where(
                change_record.c.change_id == refused.change_id
            ),
        )
    )
    connection.execute(
        golden_head.update().where(golden_head.c.subject_id == refused.subject_id).values(change_id=again)
    )
    carried = sa.select(change_record.c.record_id).where(change_record.c.change_id == again)
    lifecycle_moves.move(
        connection,
        carried,
        to=State.AWAITING_PULL,
        cause="SENT_AGAIN",
        now=now,
        consumer_id=str(case.evidence["registry"]),
    )
    return again


def _heads(record_keys: Sequence[str]) -> sa.Select[tuple[int]]:
    keys = [tuple(key.split("|", 1)) for key in record_keys]
    return sa.select(record_head.c.record_id).where(
        sa.tuple_(record_head.c.source_id, record_head.c.source_record_id).in_(keys)
    )
