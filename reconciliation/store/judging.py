"""What a judgement does to updates at once, in the transaction that appends it."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation import lifecycle
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Case, CaseKind, Decision, Judgement, State
from reconciliation.store import lifecycle_moves, refusals, set_aside, unsigned
from reconciliation.store.copying import reserve
from reconciliation.store.tables import (
    change,
    change_id_sequence,
    change_record,
    feed_entry,
    golden_head,
    golden_tables,
    record_head,
    update_state,
)


def take_up_again(connection: sa.Connection, case: Case, *, cause: str, now: datetime) -> int:
    """Send what waits of a case's records back to reconciliation; return how many. What has ended stays ended."""
    waiting = _heads(case.record_keys).where(update_state.c.state.not_in([str(state) for state in lifecycle.TERMINAL]))
    return _take_up(connection, waiting, case, cause=cause, now=now)


def reopen(connection: sa.Connection, case: Case, judgement: Judgement, *, cause: str, now: datetime) -> int:
    """Send what `judgement` has ended back to reconciliation; return how many."""
    match judgement.decision:
        case Decision.WITHDRAW if case.kind is CaseKind.UNSIGNED_EVENT:
            return unsigned.await_again(connection, case, cause=cause, now=now)
        case Decision.WITHDRAW if case.kind is CaseKind.POISONED:
            return set_aside.take_back(connection, case, cause=cause, now=now)
        case Decision.WITHDRAW:
            ended = _heads((str(judgement.value),)).where(update_state.c.state == str(State.WITHDRAWN))
        case Decision.KEEP if case.kind is CaseKind.REFUSED_BY_REGISTRY:
            ended = _riding(case).where(update_state.c.state == str(State.REFUSED))
        case _:
            return 0
    return _take_up(connection, ended, case, cause=cause, now=now)


def withdraw(connection: sa.Connection, record_key: str, *, now: datetime) -> int:
    """End a record's update unpublished or have it recalled; return 1, or 0 when a version is there nobody has seen."""
    seen = _heads((record_key,)).where(update_state.c.cause.not_in(lifecycle_moves.UNSEEN))
    return lifecycle_moves.move(connection, seen, to=State.WITHDRAWN, cause="WITHDRAWN_BY_STEWARD", now=now)


def accept_refusal(connection: sa.Connection, case: Case, *, now: datetime) -> int:
    """End the updates that ride on the refused version; return how many."""
    refused = _riding(case).where(
        update_state.c.state == str(State.AWAITING_STEWARD),
        update_state.c.cause == lifecycle_moves.REFUSED_BY_REGISTRY,
    )
    return lifecycle_moves.move(connection, refused, to=State.REFUSED, cause=refusals.ACCEPTED, now=now)


def send_again(connection: sa.Connection, case: Case, *, now: datetime) -> int:
    """Publish the refused change once more, as a new change with the same content; return its change_id.

    Raises RejectedRequestError DECISION_INVALID when a newer version has taken its place: that one is on its way.
    """
    refused = connection.execute(
        sa.select(change)
        .join(feed_entry, feed_entry.c.change_id == change.c.change_id)
        .where(feed_entry.c.feed_seq == case.evidence["feed_seq"])
    ).one()
    # Locked, so that a run cannot put a newer version in its place meanwhile.
    stands = connection.scalar(
        sa.select(golden_head.c.change_id).where(golden_head.c.subject_id == refused.subject_id).with_for_update()
    )
    newest = sa.select(sa.func.max(change.c.change_id)).where(change.c.subject_id == refused.subject_id)
    if refused.change_id != (connection.scalar(newest) if stands is None else stands):
        raise RejectedRequestError(
            "DECISION_INVALID",
            "The refused version is no longer the one that stands.",
            next_step="close the case by keeping it: the newer version is published by itself.",
        )
    (again,) = reserve(connection, change_id_sequence, 1)
    _copy_version(connection, RecordKind(refused.kind), refused.change_id, again)
    connection.execute(
        change.insert().values(
            change_id=again,
            kind=refused.kind,
            province_code=refused.province_code,
            subject_id=refused.subject_id,
            cause=refused.cause if stands is None else "SENT_AGAIN",  # what takes a subject away says so again
            previous_change_id=refused.change_id,
            replaced_by=refused.replaced_by,
            traceparent=refused.traceparent,
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


def _copy_version(connection: sa.Connection, kind: RecordKind, original: int, again: int) -> None:
    """Append the golden version of change `original` again as that of change `again`, with the updates it carries."""
    golden = golden_tables[kind]
    columns = [column.name for column in golden.c if column.name != "change_id"]
    connection.execute(
        golden.insert().from_select(
            ["change_id", *columns],
            sa.select(sa.literal(again, sa.BigInteger), *(golden.c[name] for name in columns)).where(
                golden.c.change_id == original
            ),
        )
    )
    connection.execute(
        change_record.insert().from_select(
            ["change_id", "record_id"],
            sa.select(sa.literal(again, sa.BigInteger), change_record.c.record_id).where(
                change_record.c.change_id == original
            ),
        )
    )


def _take_up(
    connection: sa.Connection, records: sa.Select[tuple[int]], case: Case, *, cause: str, now: datetime
) -> int:
    return lifecycle_moves.move(
        connection,
        records,
        to=State.AWAITING_RECONCILIATION,
        cause=cause,
        now=now,
        province_code=case.province_code,
    )


def _heads(record_keys: Sequence[str]) -> sa.Select[tuple[int]]:
    keys = [tuple(key.split("|", 1)) for key in record_keys]
    return (
        sa.select(record_head.c.record_id)
        .join(update_state, update_state.c.record_id == record_head.c.record_id)
        .where(sa.tuple_(record_head.c.source_id, record_head.c.source_record_id).in_(keys))
    )


def _riding(case: Case) -> sa.Select[tuple[int]]:
    """The updates that the change of a REFUSED_BY_REGISTRY carries."""
    return (
        sa.select(change_record.c.record_id)
        .join(feed_entry, feed_entry.c.change_id == change_record.c.change_id)
        .join(update_state, update_state.c.record_id == change_record.c.record_id)
        .where(feed_entry.c.feed_seq == case.evidence["feed_seq"])
    )
