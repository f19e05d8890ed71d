"""The only statements that change an update's state. Every move is checked against lifecycle.py and appended.

The first one of an update is the landing of its batch, which the ledger has: it needs no row of its own.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation import lifecycle
from reconciliation.model import State
from reconciliation.store.arrays import NumbersType, TextsType, numbers, texts
from reconciliation.store.copying import copy_in
from reconciliation.store.tables import update_move, update_state

_TIME = pa.timestamp("us", "UTC")
LANDED = "LANDED"  # why an update waits that no run has seen yet
SIGNED = "SIGNED"  # as LANDED, after it was kept back: an officer signed its event,
SAID_BEFORE = "SAID_BEFORE"  # or the version that stands says the same event
PREDECESSOR_CAME = "PREDECESSOR_CAME"
PREDECESSOR_MISSING = "PREDECESSOR_MISSING"  # it did not come in time
UNSEEN = (LANDED, SIGNED, SAID_BEFORE, PREDECESSOR_CAME, PREDECESSOR_MISSING)
POISONED = "POISONED"  # why an update waits for a steward that no run can work on, see set_aside.py
REFUSED_BY_REGISTRY = "REFUSED_BY_REGISTRY"  # why an update waits for a steward after it was published


def begin(
    connection: sa.Connection,
    arrived: pa.Table,
    *,
    kind: str,
    now: datetime,
    superseded: Mapping[int, str] | None = None,
) -> None:
    """Give what arrived (record_id, source_id, province_code) its first state, which the ledger tells of by itself.

    Those of `superseded` (record_id: cause) end at once: they came late, or fell before their landing was over.
    """
    fallen = superseded or {}
    state = State.AWAITING_RECONCILIATION
    record_id = arrived["record_id"]
    ended = pc.is_in(record_id, value_set=pa.array(list(fallen), pa.int64()))
    causes = pa.array([fallen.get(one) for one in record_id.filter(ended).to_pylist()], pa.string())
    all_causes = pc.replace_with_mask(pa.repeat(LANDED, arrived.num_rows), ended.combine_chunks(), causes)
    due = pa.scalar(lifecycle.deadline(state, since=now), _TIME)
    owner = pa.scalar(lifecycle.owner(state, province_code=""), pa.string())
    rows = {
        "record_id": record_id,
        "kind": pa.repeat(str(kind), arrived.num_rows),
        "province_code": arrived["province_code"],
        "source_id": arrived["source_id"],
        "state": pc.if_else(ended, str(State.SUPERSEDED), str(state)),
        "cause": all_causes,
        "since": pa.repeat(pa.scalar(now, _TIME), arrived.num_rows),
        "owner": pc.if_else(ended, pa.scalar(None, pa.string()), owner),
        "deadline": pc.if_else(ended, pa.scalar(None, _TIME), due),
    }
    copy_in(connection, update_state, pa.table(rows))
    if len(causes):
        moves = {
            "record_id": record_id.filter(ended),
            "moved_at": pa.repeat(pa.scalar(now, _TIME), len(causes)),
            "from_state": pa.repeat(str(state), len(causes)),
            "to_state": pa.repeat(str(State.SUPERSEDED), len(causes)),
            "cause": causes,
        }
        copy_in(connection, update_move, pa.table(moves))


def supersede(connection: sa.Connection, causes: Mapping[int, str], *, now: datetime) -> int:
    """End the updates of `causes` (record_id: cause) whose state allows it, each for its own; return how many ended."""
    if not causes:
        return 0
    ids = sorted(causes)
    why = pa.array([str(causes[one]) for one in ids], pa.string())
    said = {"ids": numbers(np.array(ids, np.int64)), "causes": texts(why), "now": now}
    return connection.execute(_supersede(), said).rowcount


@cache
def _supersede() -> sa.Insert:
    fallen = (
        sa.func.unnest(sa.bindparam("ids", type_=NumbersType()), sa.bindparam("causes", type_=TextsType()))
        .table_valued(sa.column("record_id", sa.BigInteger), sa.column("cause", sa.Text))
        .render_derived(name="fallen")
    )
    now = sa.bindparam("now", type_=sa.DateTime(timezone=True))
    before = (
        sa.select(update_state.c.record_id, update_state.c.state, fallen.c.cause)
        .join(fallen, fallen.c.record_id == update_state.c.record_id)
        .where(update_state.c.state.in_(sorted(lifecycle.may_come_from(State.SUPERSEDED))))
        .order_by(update_state.c.record_id)  # everyone locks in one order, so that nobody deadlocks
        .with_for_update(of=update_state)
        .cte("before")
    )
    moved = (
        update_state.update()
        .where(update_state.c.record_id == before.c.record_id)
        .values(state=str(State.SUPERSEDED), cause=before.c.cause, since=now, owner=None, deadline=None)
        .returning(update_state.c.record_id, before.c.state, before.c.cause)
        .cte("moved")
    )
    appended = update_move.insert().from_select(
        ["record_id", "moved_at", "from_state", "to_state", "cause"],
        sa.select(moved.c.record_id, now, moved.c.state, *_text(State.SUPERSEDED), moved.c.cause),
    )
    return appended.add_cte(moved)


def move(
    connection: sa.Connection,
    records: sa.Select[tuple[int]],
    *,
    to: State,
    cause: str,
    now: datetime,
    province_code: str = "",
    consumer_id: str | None = None,
) -> int:
    """Move those of `records` (record_id) to `to` from where that is legal; return how many moved.

    An update that is in `to` already, for the same cause and registry, keeps its clock and its owner: a nightly run
    must not push deadlines away, and whose desk it is within the province is for own_locally and hand-overs to say.
    One whose present state does not allow the move is left alone. Who owns a version that is kept back is said by its
    own province and source; `records` may be of several.
    """
    owner = _owner_of_kept(to) if to in lifecycle.KEPT_BACK else _owner(to, province_code, consumer_id)
    before = (
        sa.select(update_state.c.record_id, update_state.c.state)
        .where(update_state.c.record_id.in_(records))
        .where(update_state.c.state.in_(sorted(lifecycle.may_come_from(to))))
        .where(
            sa.or_(
                sa.tuple_(update_state.c.state, update_state.c.cause) != sa.tuple_(*_text(to, cause)),
                update_state.c.owner.is_distinct_from(owner) if _is_of_a_registry(to) else sa.false(),
            )
        )
        .order_by(update_state.c.record_id)  # everyone locks in one order, so that nobody deadlocks
        .with_for_update()
        .cte("before")
    )
    moved = (
        update_state.update()
        .where(update_state.c.record_id == before.c.record_id)
        .values(
            state=str(to),
            cause=cause,
            since=now,
            owner=owner,
            deadline=lifecycle.deadline(to, since=now),
        )
        .returning(update_state.c.record_id, before.c.state)
        .cte("moved")
    )
    appended = update_move.insert().from_select(
        ["record_id", "moved_at", "from_state", "to_state", "cause"],
        sa.select(
            moved.c.record_id,
            sa.literal(now, sa.DateTime(timezone=True)),
            moved.c.state,
            *_text(to, cause),
        ),
    )
    return connection.execute(appended.add_cte(moved)).rowcount


def own_locally(connection: sa.Connection, records: sa.Select[tuple[int, str | None]]) -> int:
    """Give those of `records` (record_id, unit_code) that wait in one of lifecycle.LOCAL to the desk of their commune.

    A null unit_code is the province's. Whoever else has it hands it over as it is: the clock goes on. How many did.
    """
    wanted = records.subquery("wanted")
    role = sa.func.split_part(update_state.c.owner, "/", -1)
    desk = sa.func.concat_ws(sa.literal_column("'/'"), update_state.c.province_code, wanted.c.unit_code, role)
    before = (
        sa.select(update_state.c.record_id, desk.label("owner"))
        .join(wanted, wanted.c.record_id == update_state.c.record_id)
        .where(
            update_state.c.state.in_([str(state) for state in sorted(lifecycle.LOCAL)]), update_state.c.owner != desk
        )
        .order_by(update_state.c.record_id)  # everyone locks in one order, so that nobody deadlocks
        .with_for_update(of=update_state)
        .cte("before")
    )
    given = update_state.update().where(update_state.c.record_id == before.c.record_id).values(owner=before.c.owner)
    return connection.execute(given).rowcount


def _is_of_a_registry(to: State) -> bool:
    return to not in lifecycle.TERMINAL and lifecycle.WAITING[to].role is lifecycle.Role.REGISTRY


def _owner(to: State, province_code: str, consumer_id: str | None) -> sa.ColumnElement[str | None]:
    owner = lifecycle.owner(to, province_code=province_code, consumer_id=consumer_id)
    return sa.cast(sa.literal(owner), pg.TEXT)


def _owner_of_kept(to: State) -> sa.ColumnElement[str]:
    role = lifecycle.WAITING[to].role
    owning = update_state.c.source_id if role is lifecycle.Role.SENDER else update_state.c.province_code
    return owning + sa.cast(sa.literal(f"/{role}"), pg.TEXT)


def is_pending() -> sa.ColumnElement[bool]:
    """Whether an update waits for something before it may be published. What a registry refused has been published."""
    return sa.and_(
        update_state.c.state.in_([str(state) for state in sorted(lifecycle.PENDING)]),
        update_state.c.cause != REFUSED_BY_REGISTRY,
    )


def _text(*values: str) -> list[sa.ColumnElement[str]]:
    # The driver would send a bare parameter as "unknown", which a SELECT list cannot resolve.
    return [sa.cast(sa.literal(str(value)), pg.TEXT) for value in values]
