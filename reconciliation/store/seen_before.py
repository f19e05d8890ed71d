"""What was decided before on cases like one: on its question, on its records, or on what the same reason made."""

from typing import Any

import sqlalchemy as sa

from reconciliation.desk import Steward
from reconciliation.model import Case, CaseKind, Decision, Seen, SeenOf
from reconciliation.reasons import UNDONE
from reconciliation.store.tables import approval, case, judgement, outbox

MOST = 5  # judgements on the question and its records that are told
MOST_OF_CAUSE = 3

_reversal = judgement.alias("reversal")


def find(connection: sa.Connection, found: Case, steward: Steward) -> tuple[Seen, ...]:
    """Earlier judgements on a case's question and its records, and on its cause, of cases that the steward sees.

    Of the question and the records the newest MOST, taken back or not, but for what was undone in time; of the cause
    the newest MOST_OF_CAUSE that stand. What the case itself stands under is not among them.
    """
    alike = [
        (SeenOf.QUESTION if row.fingerprint == found.fingerprint else SeenOf.RECORDS, row)
        for row in connection.execute(_of_records(found, steward))
    ]
    caused = [(SeenOf.CAUSE, row) for row in connection.execute(_of_cause(found, steward))]
    return tuple(_seen(row, of) for of, row in [*alike, *caused])


def _of_records(found: Case, steward: Steward) -> sa.Select[Any]:
    """Judgements on cases about the same records: all of them, or a part, or more."""
    keys = list(found.record_keys)
    is_about = sa.or_(case.c.record_keys.contains(keys), case.c.record_keys.contained_by(keys))
    standing = [number for number in (found.resolved_by, found.proposed_by) if number is not None]
    return (
        _judgements(steward)
        .outerjoin(_reversal, _reversal.c.reverses == judgement.c.judgement_id)
        .add_columns(_reversal.c.steward.label("reversed_by"), _reversal.c.judged_at.label("reversed_at"))
        .where(case.c.record_keys.overlap(keys), is_about, judgement.c.judgement_id.not_in(standing))
        .where(_reversal.c.reason_code.is_distinct_from(UNDONE))
        .order_by(judgement.c.judgement_id.desc())
        .limit(MOST)
    )


def _of_cause(found: Case, steward: Steward) -> sa.Select[Any]:
    """Judgements in force on other cases of the same cause."""
    origin = case.alias("origin")
    cause = sa.select(origin.c.cause).where(origin.c.case_id == found.case_id).scalar_subquery()
    approved = sa.exists().where(approval.c.judgement_id == judgement.c.judgement_id)
    return (
        _judgements(steward)
        .add_columns(sa.null().label("reversed_by"), sa.null().label("reversed_at"))
        .where(case.c.judged_by == judgement.c.judgement_id, case.c.cause == cause, case.c.case_id != found.case_id)
        .where(~case.c.record_keys.overlap(list(found.record_keys)))
        .where(sa.or_(~judgement.c.needs_approval, approved))
        .where(~sa.exists().where(outbox.c.judgement_id == judgement.c.judgement_id))
        .order_by(case.c.judged_by.desc())
        .limit(MOST_OF_CAUSE)
    )


def _judgements(steward: Steward) -> sa.Select[Any]:
    said = ("judgement_id", "fingerprint", "decision", "value", "steward", "judged_at", "reason_code")
    query = (
        sa.select(*(judgement.c[name] for name in said), case.c.case_id, case.c.kind, case.c.obsolete_since)
        .join(case, case.c.fingerprint == judgement.c.fingerprint)
        .where(judgement.c.reverses.is_(None))
    )
    if steward.province_codes:
        query = query.where(case.c.province_code.in_(steward.province_codes))
    if steward.kinds:
        query = query.where(case.c.kind.in_([str(kind) for kind in steward.kinds]))
    return query


def _seen(row: sa.Row[Any], of: SeenOf) -> Seen:
    decision = Decision(row.decision)
    return Seen(
        of=of,
        case_id=row.case_id,
        kind=CaseKind(row.kind),
        judgement_id=row.judgement_id,
        decision=decision,
        unit_code=row.value if decision is Decision.UNIT else None,
        steward=row.steward,
        judged_at=row.judged_at,
        reason_code=row.reason_code,
        reversed_by=row.reversed_by,
        reversed_at=row.reversed_at,
        is_obsolete=row.obsolete_since is not None,
    )
