"""Judgements in SQL: answers that are only ever appended, and which of them is in force."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation import lifecycle
from reconciliation.model import CaseKind, Decision, Judgement, State
from reconciliation.standing import IN_FORCE
from reconciliation.store import on_the_desk
from reconciliation.store.copying import copy_out
from reconciliation.store.record_keys import is_named
from reconciliation.store.tables import approval, case, judgement, outbox, record_head, update_state

_STANDING = ("fingerprint", "judgement_id", "judged_at", "decision", "value", "merged_fields")


def in_force(connection: sa.Connection, province_code: str) -> pa.Table:
    """IN_FORCE: the province's judgements that stand, one a question, ordered by fingerprint."""
    stands = standing().subquery()
    query = (
        sa.select(
            stands.c.fingerprint,
            case.c.kind,
            stands.c.judgement_id,
            sa.cast(sa.func.timezone(lifecycle.VIETNAM.key, stands.c.judged_at), sa.Date).label("judged_on"),
            stands.c.decision,
            stands.c.value,
            sa.cast(sa.func.to_json(case.c.record_keys), sa.Text).label("record_keys"),
            sa.cast(case.c.evidence["sides"], sa.Text).label("sides"),
            sa.cast(stands.c.merged_fields, sa.Text).label("merged_fields"),
        )
        .join(case, case.c.fingerprint == stands.c.fingerprint)
        .where(case.c.province_code == province_code)
        .order_by(stands.c.fingerprint)
    )
    return copy_out(connection, query, IN_FORCE)


def standing_decisions() -> sa.Subquery:
    """(fingerprint, decision) of the judgements in force, one a question."""
    stands = standing().subquery()
    return sa.select(stands.c.fingerprint, stands.c.decision).subquery()


def append(
    connection: sa.Connection,
    *,
    fingerprint: str,
    decision: Decision,
    value: str | None,
    reason: str,
    steward: str,
    now: datetime,
    reverses: int | None = None,
    needs_approval: bool = False,
    reason_code: str = "other",
    undo_until: datetime | None = None,
    case_version: str | None = None,
    merged_fields: Mapping[str, str] | None = None,
) -> Judgement:
    """Append one judgement and return it; its case leaves the desk, or comes back to it by a reversal."""
    row = connection.execute(
        judgement.insert()
        .values(
            fingerprint=fingerprint,
            decision=str(decision),
            value=value,
            reason=reason,
            steward=steward,
            judged_at=now,
            reverses=reverses,
            needs_approval=needs_approval,
            reason_code=reason_code,
            case_version=case_version,
            merged_fields=merged_fields,
        )
        .returning(judgement, sa.null().label("approver"), sa.literal(undo_until).label("undo_until"))
    ).one()
    on_the_desk.note(connection, row.judgement_id, fingerprint=fingerprint, reverses=reverses, undo_until=undo_until)
    return _judgement(row)


def approve(connection: sa.Connection, proposed: Judgement, *, approver: str, now: datetime) -> Judgement:
    """Note the second person of a proposal and return it as it is now in force. That it is another one, SQL demands."""
    connection.execute(
        approval.insert().values(
            judgement_id=proposed.judgement_id, proposer=proposed.steward, approver=approver, approved_at=now
        )
    )
    return replace(proposed, approved_by=approver)


def find(connection: sa.Connection, judgement_id: int) -> tuple[Judgement, bool] | None:
    """A judgement, and whether another has reversed it already."""
    row = connection.execute(_judgements().where(judgement.c.judgement_id == judgement_id)).one_or_none()
    if row is None:
        return None
    reversed_by = connection.scalar(sa.select(judgement.c.judgement_id).where(judgement.c.reverses == judgement_id))
    return _judgement(row), reversed_by is not None


def of_question(connection: sa.Connection, fingerprint: str) -> Sequence[Judgement]:
    """Everything ever decided on one question, oldest first."""
    query = _judgements().where(judgement.c.fingerprint == fingerprint).order_by(judgement.c.judgement_id)
    return [_judgement(row) for row in connection.execute(query)]


def standing() -> sa.Select[Any]:
    """The judgement in force on each question: not a reversal, not reversed, approved where it has to be, the newest.

    A withdrawal is of one update: when a newer version of its record raises the question again, it is asked again.
    """
    reversal = judgement.alias("reversal")
    still_withdrawn = sa.exists().where(
        *is_named(record_head, judgement.c.value),
        update_state.c.record_id == record_head.c.record_id,
        update_state.c.state == str(State.WITHDRAWN),
    )
    return (
        sa.select(*(judgement.c[name] for name in _STANDING))
        .ext(pg.distinct_on(judgement.c.fingerprint))
        .where(
            judgement.c.reverses.is_(None),
            ~sa.exists().where(reversal.c.reverses == judgement.c.judgement_id),
            sa.or_(~judgement.c.needs_approval, _is_approved()),
            ~_can_be_undone(),
            sa.or_(
                judgement.c.decision != str(Decision.WITHDRAW), still_withdrawn, _is_of_kept(judgement.c.fingerprint)
            ),
        )
        .order_by(judgement.c.fingerprint, judgement.c.judgement_id.desc())
    )


def newest_proposal() -> sa.ScalarSelect[int]:
    """The newest judgement on a case that waits for its second person, or to be no longer undone."""
    reversal = judgement.alias("taken_back")
    return (
        sa.select(sa.func.max(judgement.c.judgement_id))
        .where(judgement.c.fingerprint == case.c.fingerprint, sa.or_(_waits_for_approval(), _can_be_undone()))
        .where(judgement.c.reverses.is_(None), ~sa.exists().where(reversal.c.reverses == judgement.c.judgement_id))
        .scalar_subquery()
    )


def _judgements() -> sa.Select[Any]:
    return (
        sa.select(judgement, approval.c.approver, outbox.c.due_at.label("undo_until"))
        .outerjoin(approval, approval.c.judgement_id == judgement.c.judgement_id)
        .outerjoin(outbox, outbox.c.judgement_id == judgement.c.judgement_id)
    )


def _is_of_kept(fingerprint: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether a case is about a version that is no head, kept back or set aside: what is withdrawn of it stays so."""
    kinds = [str(CaseKind.UNSIGNED_EVENT), str(CaseKind.POISONED)]
    return fingerprint.in_(sa.select(case.c.fingerprint).where(case.c.kind.in_(kinds)))


def _is_approved() -> sa.ColumnElement[bool]:
    return sa.exists().where(approval.c.judgement_id == judgement.c.judgement_id)


def _waits_for_approval() -> sa.ColumnElement[bool]:
    return sa.and_(judgement.c.needs_approval, ~_is_approved())


def _can_be_undone() -> sa.ColumnElement[bool]:
    return sa.exists().where(outbox.c.judgement_id == judgement.c.judgement_id)


def _judgement(row: sa.Row[Any]) -> Judgement:
    return Judgement(
        judgement_id=row.judgement_id,
        fingerprint=row.fingerprint,
        decision=Decision(row.decision),
        value=row.value,
        reason=row.reason,
        steward=row.steward,
        judged_at=row.judged_at,
        reverses=row.reverses,
        needs_approval=row.needs_approval,
        approved_by=row.approver,
        reason_code=row.reason_code,
        undo_until=row.undo_until,
        case_version=row.case_version,
        merged_fields=row.merged_fields,
    )
