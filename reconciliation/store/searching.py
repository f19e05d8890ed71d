"""What somebody at the console looks for by an id: a case, a receipt, a record of a source. Never by who it is about.

Every answer is of the provinces one may see, and bounded. Ids of records are personal: they come in forms, not in
addresses, and go back as they came.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.model import CaseKind, Decision, UpdateStatus
from reconciliation.store import status
from reconciliation.store.cases import is_open
from reconciliation.store.tables import batch, case, judgement, quarantine

MOST_CASES = 50
MOST_QUARANTINED = 200


@dataclass(frozen=True, kw_only=True)
class FoundCase:
    """A case as a line of a list."""

    case_id: int
    kind: CaseKind
    province_code: str
    owner: str
    opened_at: datetime
    deadline: datetime
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class FoundBatch:
    """A batch as its receipt says it, and the rows of it that lie in quarantine: (row from 0, error codes)."""

    receipt_id: UUID
    source_id: str
    province_code: str
    kind: str
    sequence: int
    epoch: str
    landed_at: datetime
    received: int
    accepted: int
    superseded: int
    quarantined: int
    held: Sequence[tuple[int, str]]


def case_by_id(engine: sa.Engine, case_id: int, *, province_codes: Collection[str] | None) -> FoundCase | None:
    """A case, open or not. `province_codes` are those one may see; None is the whole country."""
    found = _cases(engine, case.c.case_id == case_id, province_codes)
    return found[0] if found else None


def cases_of_record(
    engine: sa.Engine, *, source_id: str, source_record_id: str, province_codes: Collection[str] | None
) -> list[FoundCase]:
    """The newest MOST_CASES cases about one record of a source, open ones or not."""
    about = case.c.record_keys.contains(sa.cast([f"{source_id}|{source_record_id}"], pg.ARRAY(sa.Text)))
    return _cases(engine, about, province_codes)


def record(
    engine: sa.Engine,
    *,
    source_id: str,
    source_record_id: str,
    now: datetime,
    sources: Collection[str] | None,
) -> UpdateStatus | None:
    """Where the newest version of a record is, with its history. `sources` are those one may see; None is all."""
    if sources is not None and source_id not in sources:
        return None
    return status.status_by_record(engine, source_id=source_id, source_record_id=source_record_id, now=now)


def receipt(engine: sa.Engine, receipt_id: UUID, *, province_codes: Collection[str] | None) -> FoundBatch | None:
    """A batch by its receipt, with the first MOST_QUARANTINED of its rows in quarantine."""
    query = sa.select(batch).where(batch.c.receipt_id == receipt_id, _among(batch.c.province_code, province_codes))
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        held = (
            sa.select(quarantine.c.row, quarantine.c.codes)
            .where(quarantine.c.batch_id == row.batch_id)
            .order_by(quarantine.c.row)
            .limit(MOST_QUARANTINED)
        )
        rows = [(number, codes) for number, codes in connection.execute(held)]
    names = [name for name in FoundBatch.__dataclass_fields__ if name != "held"]
    return FoundBatch(**{name: getattr(row, name) for name in names}, held=rows)


def receipt_row(
    engine: sa.Engine, *, receipt_id: UUID, row: int, now: datetime, sources: Collection[str] | None
) -> UpdateStatus | None:
    """Where what a row (from 0) of a receipt became is. `sources` are those one may see; None is all."""
    found = status.status_by_receipt(engine, receipt_id=receipt_id, row=row, now=now)
    return None if found is None or (sources is not None and found.source_id not in sources) else found


def _among(column: sa.ColumnElement[str], province_codes: Collection[str] | None) -> sa.ColumnElement[bool]:
    return sa.true() if province_codes is None else column.in_(sorted(province_codes))


def _cases(engine: sa.Engine, named: sa.ColumnElement[bool], province_codes: Collection[str] | None) -> list[FoundCase]:
    names = ("case_id", "kind", "province_code", "owner", "opened_at", "deadline")
    query: sa.Select[Any] = (
        sa.select(*(case.c[name] for name in names), is_open().label("is_open"))
        .where(named, _among(case.c.province_code, province_codes))
        .order_by(case.c.case_id.desc())
        .limit(MOST_CASES)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [FoundCase(**{**row, "kind": CaseKind(row["kind"])}) for row in rows]


@dataclass(frozen=True, kw_only=True)
class FoundJudgement:
    """A judgement in force as a line of a list, with its case."""

    judgement_id: int
    case_id: int
    kind: CaseKind
    province_code: str
    decision: Decision
    judged_at: datetime


def judgements_by(engine: sa.Engine, steward: str) -> list[FoundJudgement]:
    """The last MOST_CASES judgements of a steward that nobody took back, the newest first."""
    mine = sa.and_(judgement.c.steward == steward, judgement.c.reverses.is_(None))
    return _judgements(engine, mine)


def judgement_by_id(engine: sa.Engine, judgement_id: int) -> FoundJudgement | None:
    """A judgement, in force or taken back; None for a reversal, too."""
    with_id = sa.and_(judgement.c.judgement_id == judgement_id, judgement.c.reverses.is_(None))
    found = _judgements(engine, with_id, is_in_force=False)
    return found[0] if found else None


def _judgements(engine: sa.Engine, named: sa.ColumnElement[bool], *, is_in_force: bool = True) -> list[FoundJudgement]:
    reversal = judgement.alias("reversal")
    names = ("judgement_id", "decision", "judged_at")
    query = (
        sa.select(*(judgement.c[name] for name in names), case.c.case_id, case.c.kind, case.c.province_code)
        .join(case, case.c.fingerprint == judgement.c.fingerprint)
        .where(named)
        .order_by(judgement.c.judged_at.desc(), judgement.c.judgement_id.desc())
        .limit(MOST_CASES)
    )
    if is_in_force:
        query = query.where(~sa.exists().where(reversal.c.reverses == judgement.c.judgement_id))
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        FoundJudgement(**{**row, "kind": CaseKind(row["kind"]), "decision": Decision(row["decision"])}) for row in rows
    ]
