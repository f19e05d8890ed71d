"""Cases in SQL: questions that are the same in every run, which of them are open, and whom they wait for."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation import lifecycle
from reconciliation.detecting import HOLDS, NOT_OF_A_RUN
from reconciliation.model import Case, CaseKind, State
from reconciliation.store import judgements, on_the_desk
from reconciliation.store.copying import staged
from reconciliation.store.record_keys import is_named
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    case,
    case_escalation,
    golden_head,
    golden_tables,
    record_head,
    record_tables,
)

_CLOCKS_DIFFER = timedelta(days=1)  # of a gateway and of a job, at the most
SAMPLED = "sample"  # the reason in the evidence of a pair that was drawn to be judged; no run closes it


def settle(connection: sa.Connection, asked: pa.Table, *, province_code: str, now: datetime) -> dict[str, int]:
    """Make the province's open cases those of `asked` (standing.OWNED); return how many are open by kind.

    A question no longer raised becomes obsolete, one raised again opens again with a new clock. One on a unit that
    stays open has the candidates that a change of units left it, and every one the desk of the commune it is in now.
    Those of NOT_OF_A_RUN are left alone: a judgement closes them, or that what was missing comes.
    """
    asked = asked.append_column("owner", _owners(asked, province_code)).drop_columns("unit_code")
    raised = staged(connection, "raised", asked)
    deadline = lifecycle.deadline(State.AWAITING_STEWARD, since=now)
    insert = pg.insert(case).from_select(
        ["fingerprint", "kind", "province_code", "owner", "opened_at", "deadline", "record_keys", "evidence"],
        sa.select(
            raised.c.fingerprint,
            raised.c.kind,
            sa.cast(sa.literal(province_code), sa.Text),
            raised.c.owner,
            sa.literal(now, sa.DateTime(timezone=True)),
            sa.literal(deadline, sa.DateTime(timezone=True)),
            raised.c.record_keys,
            sa.cast(raised.c.evidence, pg.JSONB),
        ).order_by(raised.c.fingerprint),
    )
    is_obsolete = case.c.obsolete_since.is_not(None)
    restated = (CaseKind.AMBIGUOUS_UNIT, CaseKind.UNKNOWN_UNIT, CaseKind.DUPLICATE_HAMLET)
    of_unit = case.c.kind.in_([str(kind) for kind in restated])
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["fingerprint"],
            set_={
                "obsolete_since": None,
                "opened_at": sa.case((is_obsolete, insert.excluded.opened_at), else_=case.c.opened_at),
                "deadline": sa.case((is_obsolete, insert.excluded.deadline), else_=case.c.deadline),
                "evidence": insert.excluded.evidence,
                "owner": insert.excluded.owner,
            },
            where=sa.or_(
                is_obsolete,
                case.c.owner != insert.excluded.owner,
                sa.and_(of_unit, case.c.evidence != insert.excluded.evidence),
            ),
        )
    )
    connection.execute(
        case.update()
        .where(
            case.c.province_code == province_code,
            case.c.obsolete_since.is_(None),
            case.c.kind.not_in([str(kind) for kind in sorted(NOT_OF_A_RUN)]),
            case.c.evidence["reason"].astext.is_distinct_from(SAMPLED),
            ~sa.exists().where(raised.c.fingerprint == case.c.fingerprint),
        )
        .values(obsolete_since=now)
    )
    on_the_desk.put_back(connection, raised, standing=judgements.standing())
    counts = sa.select(case.c.kind, sa.func.count()).where(is_open(), case.c.province_code == province_code)
    return dict(connection.execute(counts.group_by(case.c.kind).order_by(case.c.kind)).all())


def close_come(connection: sa.Connection, *, kind: RecordKind, now: datetime) -> int:
    """Close the cases of versions of a kind that were missing and have come after all; return how many.

    Asks what has landed since the oldest of these cases was opened: of any longer ago nobody knew that it was missing.
    """
    record, missing = record_tables[kind], sa.cast(case.c.evidence["missing"].astext, sa.BigInteger)
    is_missing = sa.and_(case.c.kind == str(CaseKind.MISSING_VERSION), case.c.obsolete_since.is_(None))
    oldest = sa.select(sa.func.min(case.c.opened_at) - _CLOCKS_DIFFER).where(is_missing).scalar_subquery()
    since = sa.select(sa.func.min(batch.c.batch_id)).where(batch.c.kind == str(kind), batch.c.landed_at >= oldest)
    has_come = sa.exists().where(
        record.c.record_id >= since.scalar_subquery() * ROWS_PER_BATCH,
        *is_named(record, case.c.record_keys[1]),
        record.c.source_version == missing,
    )
    return connection.execute(case.update().where(is_missing, has_come).values(obsolete_since=now)).rowcount


def is_open() -> sa.ColumnElement[bool]:
    """Whether a case waits for a judgement: raised, and no judgement on it in force."""
    standing = judgements.standing().subquery()
    return sa.and_(case.c.obsolete_since.is_(None), ~sa.exists().where(standing.c.fingerprint == case.c.fingerprint))


def claims_given_up() -> sa.Select[tuple[str]]:
    """The provinces with an open case about a person whom no other province publishes under that number any more."""
    version, published = record_tables[RecordKind.PERSON], golden_tables[RecordKind.PERSON]
    asked = _at_once(
        "asked",
        sa.select(case.c.case_id, case.c.province_code, case.c.record_keys, case.c.evidence).where(
            case.c.kind == str(CaseKind.TWO_PROVINCES_ONE_PERSON), case.c.obsolete_since.is_(None)
        ),
    )
    named = _at_once("named", sa.select(asked.c.case_id, sa.func.unnest(asked.c.record_keys).label("key")))
    stated = _at_once(
        "stated",
        sa.select(named.c.case_id, version.c.personal_number)
        .join(record_head, sa.and_(*is_named(record_head, named.c.key)))
        .join(version, version.c.record_id == record_head.c.record_id),
    )
    subjects = sa.func.jsonb_array_elements_text(asked.c.evidence["subjects"]).label("subject_id")
    claimants = _at_once("claimants", sa.select(asked.c.case_id, subjects))
    still = (
        sa.select(claimants.c.case_id)
        .join(golden_head, golden_head.c.subject_id == claimants.c.subject_id)
        .join(published, published.c.change_id == golden_head.c.change_id)
        .join(
            stated,
            sa.and_(stated.c.case_id == claimants.c.case_id, stated.c.personal_number == published.c.personal_number),
        )
    )
    return sa.select(asked.c.province_code).where(asked.c.case_id.not_in(still))


def _at_once(name: str, query: sa.Select[Any]) -> sa.CTE:
    """The query answered by itself: left to join it all, the planner would read all that is published, case by case."""
    return query.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


def list_cases(
    engine: sa.Engine, *, province_code: str | None, kind: CaseKind | None, after: int, limit: int
) -> list[Case]:
    """Open cases with a higher case_id than `after`, in that order."""
    query = _questions().where(is_open(), case.c.case_id > after)
    if province_code is not None:
        query = query.where(case.c.province_code == province_code)
    if kind is not None:
        query = query.where(case.c.kind == str(kind))
    with engine.connect() as connection:
        return [_case(row) for row in connection.execute(query.order_by(case.c.case_id).limit(limit))]


def count(engine: sa.Engine) -> dict[str, int]:
    """How many cases are open, by kind."""
    query = sa.select(case.c.kind, sa.func.count()).where(is_open()).group_by(case.c.kind).order_by(case.c.kind)
    with engine.connect() as connection:
        return dict(connection.execute(query).all())


def find_case(connection: sa.Connection, case_id: int, *, lock: bool = False) -> Case | None:
    """A case, open or not; with `lock` nobody else can judge it until the transaction ends."""
    if lock:
        # By itself: what is read in the statement that waits for a lock is older than what it waited for.
        connection.execute(sa.select(case.c.case_id).where(case.c.case_id == case_id).with_for_update())
    row = connection.execute(_questions().where(case.c.case_id == case_id)).one_or_none()
    if row is None:
        return None
    standing = judgements.standing().subquery()
    resolved_by = connection.scalar(sa.select(standing.c.judgement_id).where(standing.c.fingerprint == row.fingerprint))
    return replace(_case(row), resolved_by=resolved_by)


def is_raised(connection: sa.Connection, case_id: int) -> bool:
    """Whether the records still raise the question, as far as the last run has seen."""
    return connection.scalar(sa.select(case.c.obsolete_since).where(case.c.case_id == case_id)) is None


def raise_again(connection: sa.Connection, fingerprint: str, *, now: datetime) -> None:
    """Open a case anew, with a new clock, until a run finds that its records no longer raise it."""
    deadline = lifecycle.deadline(State.AWAITING_STEWARD, since=now)
    reopened = case.update().where(case.c.fingerprint == fingerprint)
    connection.execute(reopened.values(obsolete_since=None, opened_at=now, deadline=deadline))


def find_case_of(connection: sa.Connection, fingerprint: str) -> Case:
    """The case a judgement is about."""
    query = _questions().where(case.c.fingerprint == fingerprint)
    return _case(connection.execute(query).one())


def _questions() -> sa.Select[Any]:
    return sa.select(case, judgements.newest_proposal().label("proposed_by"), _raised_to().label("raised_to"))


def _raised_to() -> sa.ScalarSelect[str]:
    """Whom the case has gone up to since its deadline passed."""
    of_wait = (case_escalation.c.case_id == case.c.case_id, case_escalation.c.deadline == case.c.deadline)
    raised = sa.select(case_escalation.c.to_owner).where(*of_wait).order_by(case_escalation.c.rung.desc())
    return raised.limit(1).correlate(case).scalar_subquery()


def _owners(asked: pa.Table, province_code: str) -> pa.ChunkedArray:
    roles = {str(kind): lifecycle.WAITING[state].role for kind, state in HOLDS.items()}
    role = pc.take(pa.array(roles.values(), pa.string()), pc.index_in(asked["kind"], pa.array(roles, pa.string())))
    local = pa.array([str(kind) for kind, state in HOLDS.items() if state in lifecycle.LOCAL], pa.string())
    unit = pc.if_else(pc.is_in(asked["kind"], local), asked["unit_code"], None)
    return pc.binary_join_element_wise(province_code, unit, role, "/", null_handling="skip")


def _case(row: sa.Row[Any]) -> Case:
    return Case(
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
        proposed_by=row.proposed_by,
        raised_to=row.raised_to,
    )
