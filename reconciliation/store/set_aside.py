"""Updates that a run cannot work on: set aside one by one for a person, and taken up again when the rule is mended.

The version before it stands again meanwhile, so that what is published of the record stays.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.lifecycle import KEPT_BACK
from reconciliation.model import State
from reconciliation.store import lifecycle_moves
from reconciliation.store.copying import these
from reconciliation.store.lifecycle_moves import POISONED
from reconciliation.store.tables import record_head, record_tables, update_state

AGAIN = "TAKEN_UP_AGAIN"
NEWER_STANDS = "NEWER_STANDS"


def put(connection: sa.Connection, records: Sequence[int], *, province_code: str, now: datetime) -> int:
    """Set the updates aside for a steward of the province; return how many."""
    ids = sa.select(update_state.c.record_id).where(update_state.c.record_id.in_(these(records)))
    moved = lifecycle_moves.move(
        connection, ids, to=State.AWAITING_STEWARD, cause=POISONED, now=now, province_code=province_code
    )
    for kind in RecordKind:
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
    connection.execute(record_head.delete().where(record_head.c.record_id.in_(these(records))))
    return moved


def take_up(connection: sa.Connection, *, province_code: str, now: datetime) -> int:
    """Let the next run see again what was set aside, unless a newer version stands by now; return how many."""
    aside = sa.and_(
        update_state.c.province_code == province_code,
        update_state.c.state == str(State.AWAITING_STEWARD),
        update_state.c.cause == POISONED,
    )
    taken = 0
    for kind in RecordKind:
        version = record_tables[kind]
        its = (
            sa.select(version.c.record_id, version.c.source_id, version.c.source_record_id, version.c.source_version)
            .join(update_state, update_state.c.record_id == version.c.record_id)
            .where(aside, update_state.c.kind == str(kind))
            .ext(pg.distinct_on(version.c.source_id, version.c.source_record_id))
            .order_by(version.c.source_id, version.c.source_record_id, version.c.source_version.desc())
            .cte("its")
        )
        same = sa.and_(
            record_head.c.source_id == its.c.source_id, record_head.c.source_record_id == its.c.source_record_id
        )
        newest = record_head.update().where(same, record_head.c.source_version < its.c.source_version)
        connection.execute(newest.values(record_id=its.c.record_id, source_version=its.c.source_version))
        own = sa.select(
            its.c.source_id,
            its.c.source_record_id,
            its.c.record_id,
            its.c.source_version,
            sa.cast(sa.literal(str(kind)), sa.Text).label("kind"),
            sa.cast(sa.literal(province_code), sa.Text).label("province_code"),
        ).where(~sa.exists().where(same))
        connection.execute(record_head.insert().from_select(own.selected_columns.keys(), own))
    stands = sa.exists().where(record_head.c.record_id == update_state.c.record_id)
    ids = sa.select(update_state.c.record_id).where(aside)
    taken += lifecycle_moves.move(
        connection,
        ids.where(stands),
        to=State.AWAITING_RECONCILIATION,
        cause=AGAIN,
        now=now,
        province_code=province_code,
    )
    lifecycle_moves.move(
        connection, ids.where(~stands), to=State.SUPERSEDED, cause=NEWER_STANDS, now=now, province_code=province_code
    )
    return taken


def _same_record(version: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(
        version.c.source_id == record_head.c.source_id, version.c.source_record_id == record_head.c.source_record_id
    )
