"""Questions to a province in SQL: who has the word on a case until when, what is asked, and what was answered."""

from datetime import datetime

import sqlalchemy as sa

from reconciliation.desk import Question
from reconciliation.model import Case, CaseKind, State, TouchKind
from reconciliation.store.tables import case, record_head, touch, update_state


def pause(connection: sa.Connection, found: Case, *, until: datetime | None, deadline: datetime) -> None:
    """Give the province the word until then, or take it back with None; the clock of what waits goes on accordingly."""
    connection.execute(
        case.update().where(case.c.case_id == found.case_id).values(asked_until=until, deadline=deadline)
    )
    keys = [tuple(key.split("|", 1)) for key in found.record_keys]
    heads = sa.select(record_head.c.record_id).where(
        sa.tuple_(record_head.c.source_id, record_head.c.source_record_id).in_(keys)
    )
    held = (State.AWAITING_UNIT, State.AWAITING_MATCH, State.AWAITING_STEWARD)
    connection.execute(
        update_state.update()
        .where(update_state.c.record_id.in_(heads), update_state.c.state.in_([str(state) for state in held]))
        .values(deadline=deadline)
    )


def asked_until(connection: sa.Connection, case_id: int) -> datetime | None:
    """Until when the province has the word on a case; None when it has not been asked, or has answered."""
    return connection.scalar(sa.select(case.c.asked_until).where(case.c.case_id == case_id))


def was_answered(connection: sa.Connection, case_id: int, *, by: str, words: str) -> bool:
    """Whether the last that was asked or answered on a case is that very answer."""
    turns = [str(TouchKind.ASKED), str(TouchKind.ANSWERED)]
    said = sa.select(touch.c.action, touch.c.steward, touch.c.words).where(
        touch.c.case_id == case_id, touch.c.action.in_(turns)
    )
    last = connection.execute(said.order_by(touch.c.touch_id.desc()).limit(1)).one_or_none()
    return last is not None and tuple(last) == (str(TouchKind.ANSWERED), by, words)


def was_asked(connection: sa.Connection, case_id: int, *, since: datetime) -> bool:
    """Whether the province was given the word on a case since then."""
    asked = sa.exists().where(
        touch.c.case_id == case_id, touch.c.action == str(TouchKind.ASKED), touch.c.touched_at >= since
    )
    return bool(connection.scalar(sa.select(asked)))


def questions(connection: sa.Connection, source_id: str, *, after: int, limit: int, now: datetime) -> list[Question]:
    """The cases with a higher id than `after` on which a province has the word, with records of that source."""
    key = sa.func.unnest(case.c.record_keys).column_valued("key")
    is_theirs = sa.func.split_part(key, "|", 1) == source_id
    named = sa.select(sa.func.substr(key, sa.func.strpos(key, "|") + 1)).where(is_theirs).correlate(case)
    asked = (
        sa.select(touch.c.touched_at, touch.c.reason_code, touch.c.words)
        .where(touch.c.case_id == case.c.case_id, touch.c.action == str(TouchKind.ASKED))
        .order_by(touch.c.touch_id.desc())
        .limit(1)
        .correlate(case)
        .lateral("asked")
    )
    query = (
        sa.select(
            case.c.case_id, case.c.kind, case.c.asked_until, asked, sa.func.array(named.scalar_subquery()).label("ids")
        )
        .join(asked, sa.true())
        .where(case.c.obsolete_since.is_(None), case.c.judged_by.is_(None), case.c.asked_until > now)
        .where(case.c.case_id > after, sa.exists(named))
        .order_by(case.c.case_id)
        .limit(limit)
    )
    return [
        Question(
            case_id=row.case_id,
            kind=CaseKind(row.kind),
            record_ids=tuple(row.ids),
            asked_at=row.touched_at,
            answer_by=row.asked_until,
            reason_code=row.reason_code,
            words=row.words or "",
        )
        for row in connection.execute(query)
    ]
