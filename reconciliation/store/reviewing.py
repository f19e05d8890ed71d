"""The stewards' desk in SQL: hand out, hold, list. A lease is a row whose number only rises."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.desk import Filter, Lease, Listed, Place, Stage, Steward, Told, Touch
from reconciliation.model import Case, CaseKind, TouchKind
from reconciliation.reasons import UNDONE, VOID
from reconciliation.store.tables import (
    approval,
    case,
    judgement,
    lease,
    outbox,
    record_head,
    record_tables,
    touch,
)

_TIME = sa.DateTime(timezone=True)
_ATTEMPTS = 20  # to be handed a case, when each time somebody else was a moment faster


def take_next(
    connection: sa.Connection, steward: Steward, chosen: Filter, *, now: datetime, until: datetime
) -> Lease | None:
    """Lease the first case of the desk that nobody holds; None when there is none.

    One statement chooses and claims. What somebody else is just claiming is passed over.
    """
    best = (
        sa.select(case.c.case_id)
        .where(*_on_desk(), *_chosen(steward, chosen), *_free(steward, now=now))
        .order_by(case.c.risk, case.c.deadline, case.c.case_id)
        .limit(1)
        .with_for_update(of=case, skip_locked=True)
        .cte("best")
    )
    return _first(connection, _claiming(best, steward, now=now, until=until), steward=steward, until=until)


def take(connection: sa.Connection, case_id: int, steward: Steward, *, now: datetime, until: datetime) -> Lease | None:
    """Lease one case, which the caller has locked; None when somebody else holds it.

    Who holds it already keeps the number, for longer: nothing has happened to the case that its history would tell.
    """
    held = find_lease(connection, case_id, lock=True)
    if held is not None and held.until > now:
        longer = replace(held, until=until)
        return longer if held.steward == steward.name and extend(connection, held, now=now, until=until) else None
    best = sa.select(case.c.case_id).where(case.c.case_id == case_id).cte("best")
    row = connection.execute(_claiming(best, steward, now=now, until=until)).one()
    return None if row.token is None else _lease(row, steward=steward.name, until=until)


def find_lease(connection: sa.Connection, case_id: int, *, lock: bool = False) -> Lease | None:
    """The last lease of a case, over or not; with `lock` it stays as it is until the transaction ends."""
    query = sa.select(lease).where(lease.c.case_id == case_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _lease(row, steward=row.steward, until=row.leased_until)


def extend(connection: sa.Connection, held: Lease, *, now: datetime, until: datetime) -> bool:
    """Hold on to a lease that is not over; False when it is, or is somebody else's by now."""
    still = lease.update().where(
        lease.c.case_id == held.case_id,
        lease.c.token == held.token,
        lease.c.steward == held.steward,
        lease.c.leased_until > now,
    )
    return connection.execute(still.values(leased_until=until)).rowcount > 0


def end_lease(connection: sa.Connection, case_id: int, *, now: datetime) -> None:
    """A decided case is nobody's."""
    still = lease.update().where(lease.c.case_id == case_id, lease.c.leased_until > now)
    connection.execute(still.values(leased_until=now))


def leases_of(connection: sa.Connection, steward: str, *, now: datetime) -> list[Lease]:
    """What somebody holds, the oldest case first."""
    query = sa.select(lease).where(lease.c.steward == steward, lease.c.leased_until > now).order_by(lease.c.case_id)
    return [_lease(row, steward=row.steward, until=row.leased_until) for row in connection.execute(query)]


def append_touch(
    connection: sa.Connection,
    case_id: int,
    action: TouchKind,
    *,
    steward: str,
    now: datetime,
    until: datetime | None = None,
    reason_code: str | None = None,
    words: str | None = None,
) -> None:
    """Note what somebody did with a case."""
    connection.execute(
        touch.insert().values(
            case_id=case_id,
            action=str(action),
            steward=steward,
            touched_at=now,
            until=until,
            reason_code=reason_code,
            words=words,
        )
    )


def version(connection: sa.Connection, case_id: int) -> str:
    """A word for what the records of a case say now, and for its evidence: another word when either changes."""
    return str(connection.scalar(sa.select(said_now()).where(case.c.case_id == case_id)))


def said_now() -> sa.ColumnElement[str]:
    """`version` of a row of `case`."""
    ordered: sa.ColumnElement[str] = pg.aggregate_order_by(sa.literal_column("','"), record_head.c.record_id)
    heads = sa.select(sa.func.string_agg(sa.cast(record_head.c.record_id, sa.Text), ordered)).where(_is_head())
    said = sa.func.coalesce(heads.scalar_subquery(), sa.literal_column("''"))
    return sa.func.md5(sa.func.concat(said, sa.literal_column("'|'"), sa.cast(case.c.evidence, sa.Text)))


def numbers_borne() -> sa.ScalarSelect[int]:
    """How many different personal numbers the newest versions of the records of a row of `case` bear."""
    person, insurance = record_tables[RecordKind.PERSON], record_tables[RecordKind.INSURANCE]
    borne = sa.func.coalesce(person.c.personal_number, insurance.c.personal_number)
    return (
        sa.select(sa.func.count(sa.distinct(borne)))
        .select_from(record_head)
        .outerjoin(person, person.c.record_id == record_head.c.record_id)
        .outerjoin(insurance, insurance.c.record_id == record_head.c.record_id)
        .where(_is_head())
        .correlate(case)
        .scalar_subquery()
    )


def _is_head() -> sa.ColumnElement[bool]:
    """That a head is that of a record of a row of `case`."""
    key = sa.func.unnest(case.c.record_keys).column_valued("key")
    keys = sa.select(
        sa.func.split_part(key, sa.literal_column("'|'"), 1),
        sa.func.substr(key, sa.func.strpos(key, sa.literal_column("'|'")) + 1),
    ).correlate(case)
    return sa.tuple_(record_head.c.source_id, record_head.c.source_record_id).in_(keys)


def list_cases(
    connection: sa.Connection, steward: Steward, chosen: Filter, *, after: Place | None, limit: int, now: datetime
) -> list[Listed]:
    """The cases that `steward` sees and the filter names, the gravest and most urgent first, after `after`."""
    key = (case.c.risk, case.c.deadline, case.c.case_id)
    query = (
        sa.select(case, lease.c.steward.label("leased_by"), lease.c.leased_until)
        .outerjoin(lease, sa.and_(lease.c.case_id == case.c.case_id, lease.c.leased_until > now))
        .where(*_at(chosen.stage, now=now), *_chosen(steward, chosen))
        .order_by(*key)
        .limit(limit)
    )
    if chosen.held_by is not None:
        query = query.where(lease.c.steward == chosen.held_by)
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(after.risk, sa.literal(after.deadline, _TIME), after.case_id))
    return [_listed(row, chosen.stage) for row in connection.execute(query)]


def count_kinds(
    connection: sa.Connection, stewards: Sequence[Steward], chosen: Filter, *, now: datetime
) -> dict[CaseKind, int]:
    """How many cases of each kind any of `stewards` sees of the filter's; a kind without any is left out."""
    seen = (sa.and_(sa.true(), *_chosen(steward, chosen)) for steward in stewards)
    query = (
        sa.select(case.c.kind, sa.func.count())
        .where(*_at(chosen.stage, now=now), sa.or_(sa.false(), *seen))
        .group_by(case.c.kind)
    )
    if chosen.held_by is not None:
        held = sa.exists().where(
            lease.c.case_id == case.c.case_id, lease.c.leased_until > now, lease.c.steward == chosen.held_by
        )
        query = query.where(held)
    return {CaseKind(kind): number for kind, number in connection.execute(query)}


def next_proposal(
    connection: sa.Connection, steward: Steward, chosen: Filter, *, past: int | None, now: datetime
) -> Place | None:
    """Where the first case is whose proposal somebody else made, behind the case `past`; None when there is none."""
    key = (case.c.risk, case.c.deadline, case.c.case_id)
    query = (
        sa.select(*key)
        .join(judgement, judgement.c.judgement_id == case.c.judged_by)
        .where(*_at(Stage.PROPOSED, now=now), *_chosen(steward, chosen))
        .where(sa.func.lower(judgement.c.steward) != steward.name.lower())
        .order_by(*key)
        .limit(1)
    )
    if past is not None:
        seen = sa.select(*key).where(case.c.case_id == past)
        before = connection.execute(seen).one_or_none()
        if before is not None:
            query = query.where(sa.tuple_(*key) > sa.tuple_(before.risk, sa.literal(before.deadline, _TIME), past))
    row = connection.execute(query).one_or_none()
    return None if row is None else Place(risk=row.risk, deadline=row.deadline, case_id=row.case_id)


def touches(connection: sa.Connection, case_id: int) -> list[Told]:
    """What people did with a case besides deciding it, oldest first."""
    query = sa.select(touch).where(touch.c.case_id == case_id).order_by(touch.c.touch_id)
    return [
        Told(
            at=row.touched_at,
            by=row.steward,
            touch=Touch(
                action=TouchKind(row.action),
                steward=row.steward,
                touched_at=row.touched_at,
                until=row.until,
                reason_code=row.reason_code,
                words=row.words,
            ),
        )
        for row in connection.execute(query)
    ]


def approvals(connection: sa.Connection, fingerprint: str) -> list[Told]:
    """Who approved what of one question, oldest first."""
    query = (
        sa.select(approval)
        .join(judgement, judgement.c.judgement_id == approval.c.judgement_id)
        .where(judgement.c.fingerprint == fingerprint)
        .order_by(approval.c.judgement_id)
    )
    return [Told(at=row.approved_at, by=row.approver, approves=row.judgement_id) for row in connection.execute(query)]


def due(connection: sa.Connection, *, now: datetime, limit: int) -> Sequence[int]:
    """The judgements whose time for undoing is over, the oldest first."""
    query = sa.select(outbox.c.judgement_id).where(outbox.c.due_at <= now)
    return connection.scalars(query.order_by(outbox.c.due_at, outbox.c.judgement_id).limit(limit)).all()


def take_from_outbox(connection: sa.Connection, judgement_id: int) -> bool:
    """Put a judgement in force; False when it is already, or was taken back."""
    return connection.execute(outbox.delete().where(outbox.c.judgement_id == judgement_id)).rowcount > 0


def has_decided(connection: sa.Connection, fingerprint: str, steward: str) -> bool:
    """Whether a judgement of theirs on the question has been in force, or waits: not one undone in time."""
    mine = judged_by(steward).where(judgement.c.fingerprint == fingerprint)
    return bool(connection.scalar(sa.select(mine)))


def judged_by(steward: str) -> sa.Exists:
    """That a judgement of theirs has been in force, or waits: of whatever further condition is put on it."""
    reversal = judgement.alias("reversal")
    undone = sa.exists().where(
        reversal.c.reverses == judgement.c.judgement_id, reversal.c.reason_code.in_([UNDONE, VOID])
    )
    is_theirs = sa.func.lower(judgement.c.steward) == steward.lower()
    return sa.exists().where(is_theirs, judgement.c.reverses.is_(None), ~undone)


def personal_numbers(connection: sa.Connection, case_id: int) -> int:
    """How many different personal numbers the newest versions of a case's records bear."""
    return int(connection.scalar(sa.select(numbers_borne()).where(case.c.case_id == case_id)) or 0)


def _claiming(best: sa.CTE, steward: Steward, *, now: datetime, until: datetime) -> sa.Select[Any]:
    """Lease `best` (case_id), unless anybody holds it, and note that; its row with the token, or null when held."""
    values = (
        sa.literal(1, sa.BigInteger),
        sa.cast(sa.literal(steward.name), sa.Text),
        sa.literal(until, _TIME),
    )
    insert = pg.insert(lease).from_select(
        ["case_id", "token", "steward", "leased_until"], sa.select(best.c.case_id, *values)
    )
    taken = (
        insert.on_conflict_do_update(
            index_elements=["case_id"],
            set_={
                "token": lease.c.token + 1,
                "steward": insert.excluded.steward,
                "leased_until": insert.excluded.leased_until,
            },
            where=lease.c.leased_until <= now,
        )
        .returning(lease.c.case_id, lease.c.token)
        .cte("taken")
    )
    noted = (
        touch.insert()
        .from_select(
            ["case_id", "action", "steward", "touched_at", "until"],
            sa.select(
                taken.c.case_id,
                sa.cast(sa.literal(str(TouchKind.CLAIMED)), sa.Text),
                sa.cast(sa.literal(steward.name), sa.Text),
                sa.literal(now, _TIME),
                sa.literal(until, _TIME),
            ),
        )
        .cte("noted")
    )
    return sa.select(best.c.case_id, taken.c.token).outerjoin_from(best, taken, sa.true()).add_cte(noted)


def _first(connection: sa.Connection, claiming: sa.Select[Any], *, steward: Steward, until: datetime) -> Lease | None:
    for _ in range(_ATTEMPTS):
        row = connection.execute(claiming).one_or_none()
        if row is None:
            return None
        if row.token is not None:
            return _lease(row, steward=steward.name, until=until)
    return None


def _on_desk() -> tuple[sa.ColumnElement[bool], ...]:
    return case.c.obsolete_since.is_(None), case.c.judged_by.is_(None)


def _at(stage: Stage, *, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    waits = sa.exists().where(outbox.c.judgement_id == case.c.judged_by)
    match stage:
        case Stage.OPEN:
            return *_on_desk(), sa.or_(case.c.asked_until.is_(None), case.c.asked_until <= now)
        case Stage.ASKED:
            return *_on_desk(), case.c.asked_until > now
        case Stage.UNDOABLE:
            return case.c.obsolete_since.is_(None), waits
        case Stage.PROPOSED:
            approved = sa.exists().where(approval.c.judgement_id == judgement.c.judgement_id)
            proposal = sa.select(judgement.c.judgement_id).where(judgement.c.needs_approval, ~approved)
            return case.c.obsolete_since.is_(None), case.c.judged_by.in_(proposal)
        case Stage.DECIDED | Stage.CLOSED:
            raise ValueError(f"the desk has no list of what is {stage}")


def seen_by(steward: Steward) -> list[sa.ColumnElement[bool]]:
    """That a row of `case` is theirs to look at (`Steward.sees`)."""
    seen = []
    if steward.province_codes:
        seen.append(_is_one_of(case.c.province_code, steward.province_codes))
    if steward.kinds:
        seen.append(_is_one_of(case.c.kind, steward.kinds))
    return seen


def _chosen(steward: Steward, chosen: Filter) -> list[sa.ColumnElement[bool]]:
    asked = seen_by(steward)
    if chosen.province_code is not None:
        asked.append(case.c.province_code == chosen.province_code)
    if chosen.kind is not None:
        asked.append(case.c.kind == str(chosen.kind))
    if chosen.cause is not None:
        asked.append(case.c.cause == chosen.cause)
    if chosen.due_before is not None:
        asked.append(case.c.deadline < chosen.due_before)
    return asked


def _is_one_of(column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
    # Of one value, an index that begins with the column gives the order as well.
    return column == str(values[0]) if len(values) == 1 else column.in_([str(value) for value in values])


def _free(steward: Steward, *, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Not the province's turn, held by nobody, and not just skipped by this steward."""
    held = sa.exists().where(lease.c.case_id == case.c.case_id, lease.c.leased_until > now)
    skipped = sa.exists().where(
        touch.c.case_id == case.c.case_id,
        touch.c.action == str(TouchKind.SKIPPED),
        touch.c.steward == steward.name,
        touch.c.until > now,
    )
    return sa.or_(case.c.asked_until.is_(None), case.c.asked_until <= now), ~held, ~skipped


def _lease(row: sa.Row[Any], *, steward: str, until: datetime) -> Lease:
    return Lease(case_id=row.case_id, token=row.token, steward=steward, until=until)


def _listed(row: sa.Row[Any], stage: Stage) -> Listed:
    return Listed(
        case=Case(
            case_id=row.case_id,
            fingerprint=row.fingerprint,
            kind=CaseKind(row.kind),
            province_code=row.province_code,
            owner=row.owner,
            opened_at=row.opened_at,
            deadline=row.deadline,
            record_keys=tuple(row.record_keys),
            evidence=row.evidence,
            resolved_by=None,
            proposed_by=row.judged_by,
        ),
        risk=row.risk,
        cause=row.cause,
        stage=stage,
        asked_until=row.asked_until,
        leased_by=row.leased_by,
        leased_until=row.leased_until,
        judged_by=row.judged_by,
    )
