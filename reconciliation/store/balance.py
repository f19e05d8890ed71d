"""Conservation: what came in is what is there, and the people of the former units are the people of today's.

Each figure is counted from the tables that hold it, never from a running total, so that a loss cannot hide.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.lifecycle import TERMINAL
from reconciliation.model import State
from reconciliation.statement import Statement, from_bytes
from reconciliation.store.lifecycle_moves import is_pending
from reconciliation.store.tables import (
    balance_statement,
    batch,
    case,
    cluster_member,
    golden_head,
    golden_tables,
    household_identity,
    link,
    placement,
    quarantine,
    record_head,
    update_state,
)


@dataclass(frozen=True, kw_only=True)
class Conservation:
    """The records of one kind in one province. Closed when received = accepted + quarantined + superseded + pending.

    `received` is what the receipts say; the others are counted where the records lie: `pending` waits for a decision
    before it may be published, `accepted` is published or ended.
    """

    province_code: str
    kind: str
    received: int
    accepted: int
    quarantined: int
    superseded: int
    pending: int

    @property
    def closed(self) -> bool:
        """Whether nothing was lost and nothing came from nowhere."""
        return self.received == self.accepted + self.quarantined + self.superseded + self.pending


@dataclass(frozen=True, kw_only=True)
class UnitBalance:
    """One unit of today: the records that the former units brought, and the subjects they became.

    Closed when records = subjects + doubles + waiting: `subjects` are published, `doubles` were joined to another
    record of the same subject, `waiting` records wait for a decision. Of a published subject whose records all wait
    again, one stands for it. A `unit_code` of None gathers the records whose unit is in question.
    """

    province_code: str
    unit_code: str | None
    former_units: int
    records: int
    waiting: int
    doubles: int
    subjects: int

    @property
    def closed(self) -> bool:
        """Whether every record is accounted for."""
        return self.records == self.subjects + self.doubles + self.waiting


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A balance of a province as it is kept: the bytes that are signed, what they say, and the gateway's signature.

    `signature` is None until a gateway with a key has seen it. What a later look confirmed is not kept again.
    """

    statement_id: int
    content: bytes
    statement: Statement
    signature: str | None


def latest(engine: sa.Engine, province_code: str) -> Kept | None:
    """The last balance of a province, which stands as long as no later one says otherwise; None before the first."""
    with engine.connect() as connection:
        return newest(connection, province_code)


def newest(connection: sa.Connection, province_code: str) -> Kept | None:
    """As `latest`, within a transaction."""
    kept = balance_statement.c
    query = (
        sa.select(kept.statement_id, kept.content, kept.signature)
        .where(kept.province_code == province_code)
        .order_by(kept.statement_id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return Kept(**row, statement=from_bytes(row["content"])) if row else None


def conservation(engine: sa.Engine) -> list[Conservation]:
    """One row a province and kind, ordered by them."""
    key = (batch.c.province_code, batch.c.kind)
    received = sa.select(*key, sa.func.sum(batch.c.received).label("received")).group_by(*key).subquery()
    held = (
        sa.select(*key, sa.func.count().label("quarantined"))
        .join(quarantine, quarantine.c.batch_id == batch.c.batch_id)
        .group_by(*key)
        .subquery()
    )
    pending = is_pending()
    is_superseded = update_state.c.state == str(State.SUPERSEDED)
    states = (
        sa.select(
            update_state.c.province_code,
            update_state.c.kind,
            sa.func.count().filter(is_superseded).label("superseded"),
            sa.func.count().filter(pending).label("pending"),
            sa.func.count().filter(~pending, ~is_superseded).label("accepted"),
        )
        .group_by(update_state.c.province_code, update_state.c.kind)
        .subquery()
    )
    number = [
        sa.func.coalesce(column, 0).label(column.name)
        for column in (states.c.accepted, held.c.quarantined, states.c.superseded, states.c.pending)
    ]
    same = (received.c.province_code, received.c.kind)
    query = (
        sa.select(*same, received.c.received, *number)
        .select_from(
            received.outerjoin(held, sa.and_(held.c.province_code == same[0], held.c.kind == same[1])).outerjoin(
                states, sa.and_(states.c.province_code == same[0], states.c.kind == same[1])
            )
        )
        .order_by(*same)
    )
    with engine.connect() as connection:
        return [Conservation(**row) for row in connection.execute(query).mappings()]


def units(engine: sa.Engine, kind: RecordKind) -> list[UnitBalance]:
    """The people or households (RecordKind.PERSON, RecordKind.HOUSEHOLD) of each unit, ordered by province and unit.

    A subject whose records name two units is counted where its published version places it. Records and subjects are
    counted apart from each other, so that closing proves something: it does after a run, before the next judgement.
    """
    with engine.connect() as connection:
        return units_of(connection, kind)


def units_of(connection: sa.Connection, kind: RecordKind, *, province_code: str | None = None) -> list[UnitBalance]:
    """As `units`, of one province or of all."""
    if kind is RecordKind.INSURANCE:
        raise ValueError("insurance books belong to people, and people to units")
    told = sa.union_all(_standing_records(kind, province_code), _standing_subjects(kind, province_code)).subquery()
    spoken = sa.func.count(told.c.subject_id).filter(~told.c.is_waiting)
    joined = sa.func.count(sa.distinct(told.c.subject_id)).filter(~told.c.is_waiting)
    query = (
        sa.select(
            told.c.province_code,
            told.c.unit_code,
            sa.func.count(sa.distinct(told.c.former_unit_code)).label("former_units"),
            sa.func.count().filter(~told.c.is_published).label("records"),
            sa.func.count().filter(told.c.is_waiting).label("waiting"),
            (spoken - joined).label("doubles"),
            sa.func.count().filter(told.c.is_published).label("subjects"),
        )
        .group_by(told.c.province_code, told.c.unit_code)
        .order_by(told.c.province_code, told.c.unit_code)
    )
    return [UnitBalance(**row) for row in connection.execute(query).mappings()]


def _standing_records(kind: RecordKind, province_code: str | None) -> sa.Select[Any]:
    """A row for each standing record: where it is counted, and whether it waits."""
    subject = subjects(kind)
    published = golden_tables[kind]
    of_subject = subject.c.subject_id
    stands_in = sa.and_(
        golden_head.c.subject_id.is_not(None),
        sa.func.bool_and(is_pending()).over(partition_by=of_subject),
        sa.func.row_number().over(partition_by=of_subject, order_by=record_head.c.record_id) == 1,
    )
    records = (
        sa.select(
            record_head.c.province_code,
            published.c.unit_code.label("published_unit"),
            placement.c.unit_code.label("own_unit"),
            record_head.c.former_unit_code,
            sa.and_(is_pending(), ~stands_in).label("is_waiting"),
            subject.c.subject_id,
            golden_head.c.subject_id.is_not(None).label("has_published"),
        )
        .select_from(
            record_head.join(update_state, update_state.c.record_id == record_head.c.record_id)
            .outerjoin(placement, placement.c.record_id == record_head.c.record_id)
            .outerjoin(
                subject,
                sa.and_(
                    subject.c.source_id == record_head.c.source_id,
                    subject.c.source_record_id == record_head.c.source_record_id,
                ),
            )
            .outerjoin(golden_head, golden_head.c.subject_id == subject.c.subject_id)
            .outerjoin(published, published.c.change_id == golden_head.c.change_id)
        )
        .where(record_head.c.kind == str(kind), update_state.c.state != str(State.WITHDRAWN))
        .where(_in_province(record_head, province_code))
        .subquery()
    )
    counted_as_published = sa.and_(records.c.has_published, ~records.c.is_waiting)
    return sa.select(
        records.c.province_code,
        sa.case((counted_as_published, records.c.published_unit), else_=records.c.own_unit).label("unit_code"),
        records.c.former_unit_code,
        records.c.is_waiting,
        sa.func.coalesce(records.c.subject_id, "").label("subject_id"),
        sa.false().label("is_published"),
    )


def _standing_subjects(kind: RecordKind, province_code: str | None) -> sa.Select[Any]:
    """A row for each published subject."""
    published = golden_tables[kind]
    return (
        sa.select(
            golden_head.c.province_code,
            published.c.unit_code,
            sa.null().label("former_unit_code"),
            sa.false().label("is_waiting"),
            sa.null().label("subject_id"),
            sa.true().label("is_published"),
        )
        .join(published, published.c.change_id == golden_head.c.change_id)
        .where(golden_head.c.kind == str(kind), _in_province(golden_head, province_code))
    )


def _in_province(table: sa.Table, province_code: str | None) -> sa.ColumnElement[bool]:
    return sa.true() if province_code is None else table.c.province_code == province_code


def subjects_published(engine: sa.Engine) -> dict[str, int]:
    """How many subjects of each kind stand published: what `units` must add up to."""
    query = sa.select(golden_head.c.kind, sa.func.count()).group_by(golden_head.c.kind).order_by(golden_head.c.kind)
    with engine.connect() as connection:
        return dict(connection.execute(query).all())


def recoded(engine: sa.Engine) -> dict[str, int]:
    """How many standing records have which outcome of recoding (current, retired, judged, ambiguous, unknown)."""
    query = (
        sa.select(placement.c.outcome, sa.func.count())
        .join(record_head, record_head.c.record_id == placement.c.record_id)
        .group_by(placement.c.outcome)
        .order_by(placement.c.outcome)
    )
    with engine.connect() as connection:
        return dict(connection.execute(query).all())


def unowned(engine: sa.Engine) -> int:
    """How many updates that have not ended, and open cases, nobody has to act on: 0, or a promise is broken."""
    has_ended = update_state.c.state.in_(sorted(TERMINAL))
    is_nobodys = sa.or_(update_state.c.owner.is_(None), update_state.c.owner == "", update_state.c.deadline.is_(None))
    updates = sa.select(sa.func.count()).select_from(update_state).where(~has_ended, is_nobodys)
    cases = sa.select(sa.func.count()).select_from(case).where(case.c.owner == "", case.c.obsolete_since.is_(None))
    with engine.connect() as connection:
        return int(connection.execute(updates).scalar_one() + connection.execute(cases).scalar_one())


def cases_seen(engine: sa.Engine) -> dict[str, int]:
    """How many questions of each kind were ever raised, the closed ones included, by kind."""
    query = sa.select(case.c.kind, sa.func.count()).group_by(case.c.kind).order_by(case.c.kind)
    with engine.connect() as connection:
        return dict(connection.execute(query).all())


def links_made(engine: sa.Engine) -> int:
    """How many pairs of records are held to be one person."""
    with engine.connect() as connection:
        made = sa.select(sa.func.count()).select_from(link).where(link.c.decision == "link")
        return int(connection.execute(made).scalar_one())


def rekeyed(engine: sa.Engine) -> int:
    """How many households have a new number because theirs clashed in today's unit."""
    with engine.connect() as connection:
        clashed = sa.select(sa.func.count()).select_from(household_identity).where(household_identity.c.rekeyed)
        return int(connection.execute(clashed).scalar_one())


def subjects(kind: RecordKind) -> sa.Subquery:
    """source_id, source_record_id, subject_id of every standing record; of a book it is the person insured."""
    match kind:
        case RecordKind.PERSON | RecordKind.INSURANCE:
            key = record_head.c.source_id + "|" + record_head.c.source_record_id
            return (
                sa.select(record_head.c.source_id, record_head.c.source_record_id, cluster_member.c.subject_id)
                .join(cluster_member, cluster_member.c.record_key == key)
                .where(record_head.c.kind == str(kind))
                .subquery()
            )
        case RecordKind.HOUSEHOLD:
            return sa.select(
                household_identity.c.source_id,
                household_identity.c.source_record_id,
                household_identity.c.household_id.label("subject_id"),
            ).subquery()
