"""Judgements made general: which cases one cause made, what is foreseen for each, and how far the work on them is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.desk import Steward
from reconciliation.model import Case, CaseKind, Decision, Judgement
from reconciliation.store.reviewing import judged_by, numbers_borne, said_now, seen_by
from reconciliation.store.tables import (
    case,
    judgement,
    lease,
    record_head,
    record_tables,
    work,
    work_check,
    work_item,
)
from reconciliation.works import MOST, MOST_ALONE, Audit, Foreseen, Work, WorkItem

_OF_UNITS = (CaseKind.AMBIGUOUS_UNIT, CaseKind.UNKNOWN_UNIT)
_TIME = sa.DateTime(timezone=True)


def foresee(
    connection: sa.Connection,
    origin: Case,
    said: Judgement,
    steward: Steward,
    *,
    takes_two: bool,
    province_code: str | None,
    now: datetime,
) -> list[Foreseen]:
    """What would become of each open case with the cause of `origin`, MOST and one more of them, ordered by id.

    With `takes_two` each of them needs a second person of its own; so do those outside `province_code`.
    """
    alike = sa.select(case.c.cause).where(case.c.case_id == origin.case_id).scalar_subquery()
    query = (
        sa.select(
            case.c.case_id,
            case.c.province_code,
            _value(origin, said).label("value"),
            said_now().label("version"),
            _refused(said, steward, takes_two=takes_two, province_code=province_code, now=now).label("refused"),
        )
        .where(case.c.obsolete_since.is_(None), case.c.judged_by.is_(None))
        .where(case.c.cause == alike, case.c.case_id != origin.case_id)
        .order_by(case.c.case_id)
        .limit(MOST + 1)
    )
    query = query.where(*seen_by(steward))
    if origin.kind in _OF_UNITS:
        query = query.where(_place(case).is_not_distinct_from(_place_of(origin)))
    return [Foreseen(**row) for row in connection.execute(query).mappings()]


def start(
    connection: sa.Connection,
    judgement_id: int,
    foreseen: Sequence[Foreseen],
    *,
    steward: str,
    reason_code: str,
    reason: str,
    now: datetime,
) -> int:
    """Note a work and what is to become of each case; return its id. What is refused is done at once."""
    accepted = sum(one.refused is None for one in foreseen)
    made = work.insert().values(
        judgement_id=judgement_id,
        steward=steward,
        started_at=now,
        accepted=accepted,
        reason_code=reason_code,
        reason=reason,
    )
    work_id = int(connection.execute(made.returning(work.c.work_id)).scalar_one())
    rows = [
        {
            "work_id": work_id,
            "case_id": one.case_id,
            "value": one.value,
            "case_version": one.version,
            "refused": one.refused,
            "done_at": None if one.refused is None else now,
        }
        for one in foreseen
    ]
    if rows:
        connection.execute(work_item.insert(), rows)
    return work_id


def start_reversal(
    connection: sa.Connection, found: Work, *, steward: str, reason_code: str, reason: str, now: datetime
) -> int:
    """Note the work that takes another back, of all that it decided; what it had still to decide is left alone."""
    made = work.insert().values(
        judgement_id=found.judgement_id,
        steward=steward,
        started_at=now,
        accepted=found.done,
        reason_code=reason_code,
        reason=reason,
        reverses=found.work_id,
    )
    work_id = int(connection.execute(made.returning(work.c.work_id)).scalar_one())
    connection.execute(
        work_item.update()
        .where(work_item.c.work_id == found.work_id, work_item.c.done_at.is_(None))
        .values(refused="REVERSED", done_at=now)
    )
    decided = sa.select(
        sa.literal(work_id, sa.BigInteger), work_item.c.case_id, work_item.c.value, work_item.c.case_version
    ).where(work_item.c.work_id == found.work_id, work_item.c.judgement_id.is_not(None))
    names = ["work_id", "case_id", "value", "case_version"]
    connection.execute(work_item.insert().from_select(names, decided))
    return work_id


def lock(connection: sa.Connection, work_id: int) -> None:
    """Keep a work to this transaction."""
    connection.execute(sa.select(work.c.work_id).where(work.c.work_id == work_id).with_for_update())


def approve(connection: sa.Connection, work_id: int, *, approver: str, now: datetime) -> bool:
    """Note the second person of a work; False when it has one. That it is another one, SQL demands."""
    waits = work.update().where(work.c.work_id == work_id, work.c.approver.is_(None))
    return connection.execute(waits.values(approver=approver, approved_at=now)).rowcount > 0


def find(connection: sa.Connection, work_id: int, *, now: datetime) -> Work | None:
    """A work and how far it is."""
    found = _read(connection, _works(now=now).where(work.c.work_id == work_id))
    return found[0] if found else None


def newest(
    connection: sa.Connection, steward: Steward | None, *, before: int | None, limit: int, now: datetime
) -> list[Work]:
    """The works started last, before that one if it is named, of judgements that the steward sees; the newest first."""
    query = _works(now=now).order_by(work.c.work_id.desc()).limit(limit)
    if before is not None:
        query = query.where(work.c.work_id < before)
    if steward is not None:
        seen = (
            sa.select(judgement.c.judgement_id)
            .join(case, case.c.fingerprint == judgement.c.fingerprint)
            .where(judgement.c.judgement_id == work.c.judgement_id, *seen_by(steward))
        )
        query = query.where(seen.exists())
    return _read(connection, query)


def is_reversed(connection: sa.Connection, work_id: int) -> bool:
    """Whether another work takes it back."""
    return bool(connection.scalar(sa.select(sa.exists().where(work.c.reverses == work_id))))


def pending(connection: sa.Connection, *, work_id: int | None, limit: int, now: datetime) -> Sequence[Any]:
    """Some items (work_id, case_id, value, case_version) that may be done now, kept to this transaction.

    A case that somebody else holds at `now` has to wait until they lay it back, decide it, or their lease is over.
    """
    is_held = _is_held(now=now)
    may_run = sa.or_(work.c.accepted <= MOST_ALONE, work.c.approver.is_not(None), work.c.reverses.is_not(None))
    query = (
        sa.select(work_item.c.work_id, work_item.c.case_id, work_item.c.value, work_item.c.case_version)
        .join(work, work.c.work_id == work_item.c.work_id)
        .where(work_item.c.done_at.is_(None), may_run, ~is_held)
        .order_by(work_item.c.work_id, work_item.c.case_id)
        .limit(limit)
        .with_for_update(of=work_item, skip_locked=True)
    )
    if work_id is not None:
        query = query.where(work_item.c.work_id == work_id)
    return connection.execute(query).all()


def note(
    connection: sa.Connection,
    work_id: int,
    case_id: int,
    *,
    judgement_id: int | None,
    refused: str | None,
    now: datetime,
) -> None:
    """Note what became of one case."""
    connection.execute(
        work_item.update()
        .where(work_item.c.work_id == work_id, work_item.c.case_id == case_id)
        .values(judgement_id=judgement_id, refused=refused, done_at=now)
    )


def judgement_of(connection: sa.Connection, work_id: int, case_id: int) -> int | None:
    """The judgement that a work made of a case."""
    query = sa.select(work_item.c.judgement_id).where(work_item.c.work_id == work_id, work_item.c.case_id == case_id)
    return connection.scalar(query)


def items(connection: sa.Connection, work_id: int, *, after: int, limit: int) -> list[WorkItem]:
    """The cases of a work with a higher id than `after`, in that order."""
    query = (
        sa.select(work_item.c.case_id, work_item.c.refused, work_item.c.judgement_id, work_item.c.done_at)
        .where(work_item.c.work_id == work_id, work_item.c.case_id > after)
        .order_by(work_item.c.case_id)
        .limit(limit)
    )
    return [WorkItem(**row) for row in connection.execute(query).mappings()]


def sample(connection: sa.Connection, work_id: int, *, size: int, seed: int) -> Sequence[int]:
    """So many of the cases that a work decided, drawn by `seed`: the same for the same seed."""
    drawn = sa.func.md5(sa.cast(sa.literal(f"{seed}|"), sa.Text) + sa.cast(work_item.c.case_id, sa.Text))
    query = (
        sa.select(work_item.c.case_id)
        .where(work_item.c.work_id == work_id, work_item.c.judgement_id.is_not(None))
        .order_by(drawn, work_item.c.case_id)
        .limit(size)
    )
    return connection.scalars(query).all()


def check(
    connection: sa.Connection, work_id: int, case_id: int, *, is_right: bool, steward: str, now: datetime
) -> None:
    """Note whether a case of a work was decided rightly; what was noted first stays."""
    said = {"work_id": work_id, "case_id": case_id, "steward": steward, "is_right": is_right, "checked_at": now}
    connection.execute(pg.insert(work_check).values(said).on_conflict_do_nothing())


def audit(connection: sa.Connection, work_id: int) -> Audit:
    """What was checked of a work, and found."""
    decided = sa.select(sa.func.count()).where(work_item.c.work_id == work_id, work_item.c.judgement_id.is_not(None))
    wrong = sa.func.count().filter(~work_check.c.is_right)
    found = sa.select(sa.func.count(), wrong).where(work_check.c.work_id == work_id)
    checked, mistaken = connection.execute(found).one()
    return Audit(decided=connection.scalar(decided) or 0, checked=checked, wrong=mistaken)


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[Work]:
    """The works of a query, each with why it left cases alone."""
    rows = connection.execute(query).mappings().all()
    said = (
        sa.select(work_item.c.work_id, work_item.c.refused, sa.func.count())
        .where(work_item.c.work_id.in_([row["work_id"] for row in rows]), work_item.c.refused.is_not(None))
        .group_by(work_item.c.work_id, work_item.c.refused)
        .order_by(work_item.c.work_id, work_item.c.refused)
    )
    left_alone: dict[int, dict[str, int]] = {row["work_id"]: {} for row in rows}
    for work_id, reason, count in connection.execute(said):
        left_alone[work_id][reason] = count
    return [Work(**row, left_alone=left_alone[row["work_id"]]) for row in rows]


def _works(*, now: datetime) -> sa.Select[Any]:
    def count(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return sa.select(sa.func.count()).where(work_item.c.work_id == work.c.work_id, *conditions).scalar_subquery()

    said = ("work_id", "judgement_id", "steward", "started_at", "accepted", "reason_code", "reason", "reverses")
    return sa.select(
        *(work.c[name] for name in said),
        work.c.approver,
        count(work_item.c.done_at.is_(None)).label("pending"),
        count(work_item.c.judgement_id.is_not(None)).label("done"),
        count(work_item.c.refused.is_not(None)).label("refused"),
        count(work_item.c.done_at.is_(None), _is_held(now=now)).label("held"),
    )


def _is_held(*, now: datetime) -> sa.ColumnElement[bool]:
    """That somebody else than who began the work of an item holds its case."""
    is_theirs = lease.c.case_id == work_item.c.case_id
    return sa.exists().where(is_theirs, lease.c.leased_until > now, lease.c.steward != work.c.steward)


def _value(origin: Case, said: Judgement) -> sa.ColumnElement[str | None]:
    """What the judgement says of another case: the same unit, or the record at the same place."""
    if said.decision is Decision.WITHDRAW:
        place = origin.record_keys.index(str(said.value)) + 1
        return sa.type_coerce(case.c.record_keys[place], sa.Text)
    return sa.cast(sa.literal(said.value), sa.Text)


def _refused(
    said: Judgement, steward: Steward, *, takes_two: bool, province_code: str | None, now: datetime
) -> sa.ColumnElement[str | None]:
    is_held = sa.exists().where(
        lease.c.case_id == case.c.case_id, lease.c.leased_until > now, lease.c.steward != steward.name
    )
    reasons: list[tuple[sa.ColumnElement[bool], str]] = [
        (is_held, "CASE_HELD"),
        (sa.and_(case.c.asked_until.is_not(None), case.c.asked_until > now), "PROVINCE_ASKED"),
        (judged_by(steward.name).where(judgement.c.fingerprint == case.c.fingerprint), "DECIDED_BEFORE"),
    ]
    if takes_two:
        reasons.append((sa.true(), "TAKES_TWO"))
    if province_code is not None:
        reasons.append((case.c.province_code != province_code, "TAKES_TWO"))
    if said.decision is Decision.SAME:
        reasons.append((numbers_borne() > 1, "TAKES_TWO"))
    return sa.case(*((condition, sa.literal_column(f"'{why}'")) for condition, why in reasons), else_=sa.null())


def _place(of: sa.FromClause) -> sa.ScalarSelect[str | None]:
    """The unit's name and the hamlet as the newest version of a case's first record has them."""
    key = of.c.record_keys[1]
    stated = [
        record.c[name] for record in record_tables.values() for name in ("unit_name", "hamlet") if name in record.c
    ]
    chosen: sa.FromClause = record_head
    for record in record_tables.values():
        chosen = chosen.outerjoin(record, record.c.record_id == record_head.c.record_id)
    return (
        sa.select(sa.func.concat_ws("|", *stated))
        .select_from(chosen)
        .where(
            record_head.c.source_id == sa.func.split_part(key, "|", 1),
            record_head.c.source_record_id == sa.func.substr(key, sa.func.strpos(key, "|") + 1),
        )
        .correlate(of)
        .scalar_subquery()
    )


def _place_of(origin: Case) -> sa.ScalarSelect[str | None]:
    one = case.alias("origin")
    return sa.select(_place(one)).where(one.c.case_id == origin.case_id).scalar_subquery()
