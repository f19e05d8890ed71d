"""Updates that a run cannot work on: set aside one by one, each a case, and taken up again when its rule is mended.

The version before it stands again meanwhile, so that what is published of the record stays; without one the record is
there and no run looks at it. The version itself stays as it landed: rows of record tables are only ever appended.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation import lifecycle
from reconciliation.lifecycle import KEPT_BACK
from reconciliation.model import Case, CaseKind, Decision, State
from reconciliation.store import lifecycle_moves
from reconciliation.store.copying import these
from reconciliation.store.lifecycle_moves import POISONED
from reconciliation.store.tables import ROWS_PER_BATCH, batch, case, record_head, record_tables, update_state
from reconciliation.store.versions import MERGER, former_unit_code, take_turns

AGAIN = "TAKEN_UP_AGAIN"
NEWER_STANDS = "NEWER_STANDS"
WITHDRAWN_BY_STEWARD = "WITHDRAWN_BY_STEWARD"


def put(
    connection: sa.Connection,
    records: Sequence[int],
    *,
    province_code: str,
    error_type: str,
    place: str | None,
    now: datetime,
) -> int:
    """Set the updates aside for a steward of the province, with a case each; return how many.

    `error_type` and `place` say how and where the rule broke, without a word of the record's.
    """
    ids = sa.select(update_state.c.record_id).where(update_state.c.record_id.in_(these(records)))
    moved = lifecycle_moves.move(
        connection, ids, to=State.AWAITING_STEWARD, cause=POISONED, now=now, province_code=province_code
    )
    broke = {"error": error_type} | ({"place": place} if place else {})
    for kind in RecordKind:
        _ask(connection, kind, records, broke, now=now)
        version = record_tables[kind]
        same = _same_record(version)
        earlier = (
            sa.select(record_head.c.record_id.label("poisoned"), version.c.record_id, version.c.source_version)
            .select_from(record_head.join(version, same))
            .join(update_state, update_state.c.record_id == version.c.record_id)
            .where(record_head.c.record_id.in_(these(records)), record_head.c.kind == str(kind))
            .where(version.c.record_id != record_head.c.record_id, update_state.c.cause != POISONED)
            .where(update_state.c.state.not_in(sorted({*KEPT_BACK, State.WITHDRAWN})))
            .ext(pg.distinct_on(record_head.c.source_id, record_head.c.source_record_id))
            .order_by(record_head.c.source_id, record_head.c.source_record_id, version.c.source_version.desc())
            .cte("earlier")
        )
        back = record_head.update().where(record_head.c.record_id == earlier.c.poisoned)
        connection.execute(back.values(record_id=earlier.c.record_id, source_version=earlier.c.source_version))
    return moved


def take_up(connection: sa.Connection, *, province_code: str, now: datetime) -> int:
    """Let the next run see again what was set aside, unless a newer version stands by now; return how many."""
    aside = sa.select(update_state.c.record_id).where(_is_aside(), update_state.c.province_code == province_code)
    taken = _stand_again(connection, aside, cause=AGAIN, now=now)
    close(connection, province_code=province_code, now=now)
    return taken


def close(connection: sa.Connection, *, province_code: str, now: datetime) -> int:
    """Close the cases of updates that are set aside no more, unless a steward withdrew them; return how many.

    An update of which a newer version stands by now is ended first.
    """
    asked = (
        sa.select(case.c.case_id, _update_of().label("record_id"))
        .where(case.c.kind == str(CaseKind.POISONED), case.c.province_code == province_code)
        .where(case.c.obsolete_since.is_(None))
    )
    found = connection.execute(asked).all()
    if not found:
        return 0
    records = sorted({row.record_id for row in found})
    for kind in RecordKind:
        version = record_tables[kind]
        replaced = (
            sa.select(version.c.record_id)
            .join(update_state, sa.and_(update_state.c.record_id == version.c.record_id, _is_aside()))
            .join(record_head, sa.and_(_same_record(version), record_head.c.kind == str(kind)))
            .where(version.c.record_id.in_(these(records)))
            .where(record_head.c.source_version > version.c.source_version)
        )
        lifecycle_moves.move(connection, replaced, to=State.SUPERSEDED, cause=NEWER_STANDS, now=now)
    waits = sa.or_(_is_aside(), update_state.c.state == str(State.WITHDRAWN))
    still = set(
        connection.scalars(
            sa.select(update_state.c.record_id).where(update_state.c.record_id.in_(these(records)), waits)
        )
    )
    over = [row.case_id for row in found if row.record_id not in still]
    return connection.execute(case.update().where(case.c.case_id.in_(over)).values(obsolete_since=now)).rowcount


def answer(connection: sa.Connection, asked: Case, decision: Decision, *, cause: str, now: datetime) -> int:
    """Let the next run see again the version that a case is about (KEEP), or end it (WITHDRAW).

    Returns 1, or 0 when it is set aside no more or a newer one stands.
    """
    aside = _of(asked).where(_is_aside())
    if decision is Decision.KEEP:
        return _stand_again(connection, aside, cause=cause, now=now)
    return lifecycle_moves.move(connection, aside, to=State.WITHDRAWN, cause=WITHDRAWN_BY_STEWARD, now=now)


def take_back(connection: sa.Connection, asked: Case, *, cause: str, now: datetime) -> int:
    """Let the next run see again what a steward withdrew, unless a newer version stands by now; return how many."""
    ended = _of(asked).where(update_state.c.state == str(State.WITHDRAWN))
    return _stand_again(connection, ended, cause=cause, now=now)


def _stand_again(connection: sa.Connection, chosen: sa.Select[tuple[int]], *, cause: str, now: datetime) -> int:
    """Make heads again of the versions `chosen`, but for those of which a newer one stands: these end."""
    found = connection.execute(chosen.add_columns(update_state.c.source_id).order_by(update_state.c.record_id)).all()
    if not found:
        return 0
    take_turns(connection, {row.source_id for row in found})
    records = [row.record_id for row in found]
    ids = sa.select(update_state.c.record_id).where(update_state.c.record_id.in_(these(records)))
    lifecycle_moves.move(connection, ids, to=State.AWAITING_RECONCILIATION, cause=cause, now=now)
    for kind in RecordKind:
        _make_heads(connection, kind, records)
    stands = sa.exists().where(record_head.c.record_id == update_state.c.record_id)
    ended = lifecycle_moves.move(connection, ids.where(~stands), to=State.SUPERSEDED, cause=NEWER_STANDS, now=now)
    return len(records) - ended


def _make_heads(connection: sa.Connection, kind: RecordKind, records: Sequence[int]) -> None:
    version = record_tables[kind]
    former = former_unit_code(version, is_before_merger=batch.c.exported_on < MERGER)
    newest = (
        sa.select(
            *(version.c[name] for name in ("source_id", "source_record_id", "record_id", "source_version")),
            update_state.c.kind,
            update_state.c.province_code,
            former.label("former_unit_code"),
        )
        .join(update_state, update_state.c.record_id == version.c.record_id)
        .join(batch, batch.c.batch_id == version.c.record_id // ROWS_PER_BATCH)
        .where(version.c.record_id.in_(these(records)))
        .ext(pg.distinct_on(version.c.source_id, version.c.source_record_id))
        .order_by(version.c.source_id, version.c.source_record_id, version.c.source_version.desc())
    )
    insert = pg.insert(record_head).from_select(newest.selected_columns.keys(), newest)
    said = insert.excluded
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["source_id", "source_record_id"],
            set_={
                "record_id": said.record_id,
                "source_version": said.source_version,
                "former_unit_code": sa.func.coalesce(said.former_unit_code, record_head.c.former_unit_code),
            },
            where=record_head.c.source_version < said.source_version,
        )
    )


def _ask(
    connection: sa.Connection, kind: RecordKind, records: Sequence[int], broke: dict[str, str], *, now: datetime
) -> None:
    """Open a case for each of the updates that are versions of `kind`.

    What was put to a steward and answered is another question when it breaks once more; else it is the same.
    """
    version, answered = record_tables[kind], case.alias("answered")
    record = sa.cast(version.c.record_id, sa.Text)
    times = (
        sa.select(sa.func.count())
        .where(answered.c.kind == str(CaseKind.POISONED), answered.c.judged_by.is_not(None))
        .where(answered.c.province_code == update_state.c.province_code)
        .where(answered.c.evidence["update"].astext == record)
        .correlate(version, update_state)
        .scalar_subquery()
    )
    asked = sa.cast(sa.literal("poisoned|"), sa.Text) + record + "|" + sa.cast(times, sa.Text)
    evidence = sa.func.jsonb_build_object(
        sa.literal_column("'update'"),
        version.c.record_id,
        sa.literal_column("'version'"),
        version.c.source_version,
        sa.literal_column("'receipt'"),
        batch.c.receipt_id,
        sa.literal_column("'row'"),
        version.c.record_id % ROWS_PER_BATCH,
    )
    aside = (
        sa.select(
            sa.func.encode(sa.func.sha256(sa.cast(asked, sa.LargeBinary)), sa.literal_column("'hex'")),
            sa.literal_column(f"'{CaseKind.POISONED}'"),
            update_state.c.province_code,
            update_state.c.province_code + f"/{lifecycle.Role.STEWARD}",
            sa.literal(now, sa.DateTime(timezone=True)),
            sa.literal(lifecycle.deadline(State.AWAITING_STEWARD, since=now), sa.DateTime(timezone=True)),
            pg.array([version.c.source_id + "|" + version.c.source_record_id]),
            evidence.op("||")(sa.cast(sa.literal(broke, pg.JSONB), pg.JSONB)),
        )
        .select_from(version.join(update_state, update_state.c.record_id == version.c.record_id))
        .join(batch, batch.c.batch_id == version.c.record_id // ROWS_PER_BATCH)
        .where(version.c.record_id.in_(these(records)))
        .order_by(version.c.record_id)
    )
    names = ["fingerprint", "kind", "province_code", "owner", "opened_at", "deadline", "record_keys", "evidence"]
    opened = pg.insert(case).from_select(names, aside)
    said = opened.excluded
    is_obsolete = case.c.obsolete_since.is_not(None)
    connection.execute(
        opened.on_conflict_do_update(
            index_elements=["fingerprint"],
            set_={
                "obsolete_since": None,
                "opened_at": sa.case((is_obsolete, said.opened_at), else_=case.c.opened_at),
                "deadline": sa.case((is_obsolete, said.deadline), else_=case.c.deadline),
                "evidence": said.evidence,
            },
        )
    )


def _is_aside() -> sa.ColumnElement[bool]:
    return sa.and_(update_state.c.state == str(State.AWAITING_STEWARD), update_state.c.cause == POISONED)


def _of(asked: Case) -> sa.Select[tuple[int]]:
    return sa.select(update_state.c.record_id).where(update_state.c.record_id == asked.evidence["update"])


def _update_of() -> sa.ColumnElement[int]:
    return sa.cast(case.c.evidence["update"].astext, sa.BigInteger)


def _same_record(version: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(
        version.c.source_id == record_head.c.source_id, version.c.source_record_id == record_head.c.source_record_id
    )
