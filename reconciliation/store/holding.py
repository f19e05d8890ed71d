"""Versions kept back: one that follows a version which has not come, one that says a death no officer has signed.

They are landed and durable, and have their owner and deadline; they are not heads, and so no run looks at them. Each
waits for its own record alone. What lets them go comes in a landing, as a signature, or with the deadline.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.model import State
from reconciliation.store import lifecycle_moves
from reconciliation.store.copying import these
from reconciliation.store.tables import (
    ROWS_PER_BATCH,
    batch,
    kept_version,
    record_head,
    record_tables,
    update_state,
)
from reconciliation.store.versions import MERGER, Displaced, former_unit_code

PREDECESSOR_AWAITED = "PREDECESSOR_AWAITED"
UNSIGNED_EVENT = "UNSIGNED_EVENT"
UNSIGNED_IN_TIME = "UNSIGNED_IN_TIME"  # why a death ends that nobody signed before its record went on without it


@dataclass(frozen=True)
class Kept:
    """The record ids of those that arrived and are no candidates for the head; `repeated` of them have ended."""

    records: Sequence[int] = ()
    repeated: Sequence[int] = ()


def asks_to_wait(rows: pa.Table, *, officers_sign: bool) -> bool:
    """Whether some of the canonical `rows` may have to wait. Decided without the database: most batches have none."""
    is_dead = officers_sign and "died_on" in rows.column_names and rows["died_on"].null_count < rows.num_rows
    return is_dead or bool(rows["follows_version"].null_count < rows.num_rows)


def anything_kept(source_ids: Collection[str]) -> sa.ColumnElement[bool]:
    """Whether a version of one of the sources is kept back now: what a landing may let go."""
    return sa.exists().where(kept_version.c.source_id.in_(source_ids))


def hold(
    connection: sa.Connection,
    arrived: sa.Select[tuple[int]],
    *,
    kind: RecordKind,
    officers_sign: Collection[str],
    now: datetime,
) -> Kept:
    """Keep back those of `arrived` that have to wait, before any of `arrived` has become a head.

    `arrived` are record ids of the kind, of any batches and sources, whose updates have begun; `officers_sign` the
    sources whose deaths an officer has to sign.
    """
    found = connection.execute(_to_wait(arrived, kind=kind, officers_sign=officers_sign)).all()
    if not found:
        return Kept()
    records = [row.record_id for row in found]
    _keep(connection, records, kind=kind, officers_sign=officers_sign)
    _await_predecessor(connection, [row.record_id for row in found if row.is_gap], now=now)
    _await_signature(connection, [row.record_id for row in found if not row.is_gap], now=now)
    repeated = _repeated(connection, records, kind=kind)
    _end(connection, {Displaced.REPEATED: repeated}, now=now)
    return Kept(records, repeated)


def go_on(connection: sa.Connection, arrived: sa.Select[tuple[int]], *, kind: RecordKind, now: datetime) -> int:
    """Let go what no longer has to wait since `arrived` are there and the heads set; return how many were.

    Asking costs a look at each of `arrived`: ask `anything_kept` first.
    """
    record = record_tables[kind]
    touched = (
        sa.select(kept_version.c.source_id, kept_version.c.source_record_id)
        .distinct()
        .join(record, _same_record(record, kept_version))
        .where(record.c.record_id.in_(arrived))
    )
    return _settle(connection, _keys(connection.execute(touched).all()), kind=kind, now=now)


def let_go(connection: sa.Connection, freed: Mapping[str, Sequence[int]], *, kind: RecordKind, now: datetime) -> None:
    """Let the kept versions `freed` (record ids by cause) stand or be superseded, and with them who waited for them."""
    freed = {cause: records for cause, records in freed.items() if records}
    every = [record for records in freed.values() for record in records]
    if not every:
        return
    keys = sa.select(kept_version.c.source_id, kept_version.c.source_record_id).distinct()
    concerned = _keys(connection.execute(keys.where(kept_version.c.record_id.in_(these(every)))).all())
    _stand(connection, freed, kind=kind, now=now)
    _settle(connection, concerned, kind=kind, now=now)


def let_overdue_go(connection: sa.Connection, *, kind: RecordKind, now: datetime) -> dict[str, list[int]]:
    """Let those of a kind go whose deadline has passed; return the record ids, by why they do.

    PREDECESSOR_MISSING: a version goes on without the one it follows, if need be to wait for an officer.
    UNSIGNED_IN_TIME: a death that nobody signed ends, where a newer version has taken its place.
    """
    kept = kept_version.c
    overdue = sa.select(kept.record_id).join(update_state, update_state.c.record_id == kept.record_id)
    overdue = overdue.where(kept.kind == str(kind), update_state.c.deadline < now).order_by(kept.record_id)
    late = overdue.where(update_state.c.state == str(State.AWAITING_PREDECESSOR))
    missing = list(connection.scalars(late))
    unsigned = _unsigned(connection, missing, kind=kind)
    _await_signature(connection, unsigned, now=now)
    free = sorted(set(missing) - set(unsigned))
    let_go(connection, {lifecycle_moves.PREDECESSOR_MISSING: free}, kind=kind, now=now)
    overtaken = (
        overdue.join(record_head, _same_record(record_head, kept_version))
        .where(update_state.c.state == str(State.AWAITING_SIGNATURE))
        .where(record_head.c.source_version > kept.source_version)
    )
    ended = list(connection.scalars(overtaken))
    _end(connection, {UNSIGNED_IN_TIME: ended}, now=now)
    return {lifecycle_moves.PREDECESSOR_MISSING: missing, UNSIGNED_IN_TIME: ended}


def keep_unsigned(connection: sa.Connection, record_id: int, *, kind: RecordKind, now: datetime) -> None:
    """Keep back once more a version that says a death no officer has signed, and that has ended meanwhile."""
    source_id = connection.scalar(sa.select(update_state.c.source_id).where(update_state.c.record_id == record_id))
    _keep(connection, [record_id], kind=kind, officers_sign=[str(source_id)])
    _await_signature(connection, [record_id], now=now)


# --- who has to wait ----------------------------------------------------------------------------------------


def _to_wait(
    arrived: sa.Select[tuple[int]], *, kind: RecordKind, officers_sign: Collection[str]
) -> sa.Select[tuple[int, bool]]:
    """record_id and is_gap of those of `arrived` that have to wait."""
    record = record_tables[kind]
    versions = record.outerjoin(record_head, _same_record(record_head, record))
    stands = sa.func.coalesce(record_head.c.source_version, -(1 << 62))
    follows = record.c.follows_version
    is_gap = sa.func.coalesce(sa.and_(follows < record.c.source_version, stands < follows), sa.false())
    has_to: sa.ColumnElement[bool] = is_gap
    if kind is RecordKind.PERSON and officers_sign:
        said = record.alias("said")  # by the version that stands
        versions = versions.outerjoin(said, said.c.record_id == record_head.c.record_id)
        says_other = record.c.died_on.is_not(None) & record.c.died_on.is_distinct_from(said.c.died_on)
        has_to = sa.or_(is_gap, says_other & record.c.source_id.in_(officers_sign))
    return (
        sa.select(record.c.record_id, is_gap.label("is_gap"))
        .select_from(versions)
        .where(record.c.record_id.in_(arrived), has_to)
        .order_by(record.c.record_id)
    )


def _keep(
    connection: sa.Connection, records: Sequence[int], *, kind: RecordKind, officers_sign: Collection[str]
) -> None:
    record = record_tables[kind]
    died_on: sa.ColumnElement[Any] = sa.cast(sa.null(), sa.Date)
    if kind is RecordKind.PERSON:
        died_on = sa.case((record.c.source_id.in_(officers_sign), record.c.died_on))
    columns = [record.c[name] for name in ("source_id", "source_record_id", "source_version", "follows_version")]
    rows = sa.select(record.c.record_id, sa.cast(sa.literal(str(kind)), sa.Text), *columns, died_on)
    names = ["record_id", "kind", *(column.name for column in columns), "died_on"]
    connection.execute(kept_version.insert().from_select(names, rows.where(record.c.record_id.in_(these(records)))))


def _repeated(connection: sa.Connection, records: Sequence[int], *, kind: RecordKind) -> list[int]:
    """Those of the kept `records` whose like is kept already: the same version with the same content."""
    record, earlier = record_tables[kind], kept_version.alias("earlier")
    first = record.alias("first")
    said = [column.name for column in record.c if column.name not in {"record_id", "follows_version"}]
    query = (
        sa.select(kept_version.c.record_id)
        .distinct()
        .join(
            earlier,
            _same_record(earlier, kept_version)
            & (earlier.c.source_version == kept_version.c.source_version)
            & (earlier.c.record_id < kept_version.c.record_id),
        )
        .join(record, record.c.record_id == kept_version.c.record_id)
        .join(first, first.c.record_id == earlier.c.record_id)
        .where(kept_version.c.record_id.in_(these(records)))
        .where(*(first.c[name].is_not_distinct_from(record.c[name]) for name in said))
        .order_by(kept_version.c.record_id)
    )
    return list(connection.scalars(query))


def _unsigned(connection: sa.Connection, records: Sequence[int], *, kind: RecordKind) -> list[int]:
    """Those of the kept `records` that say a death which the version that stands does not say."""
    if kind is not RecordKind.PERSON or not records:
        return []
    stands = _standing(kind)
    query = (
        sa.select(kept_version.c.record_id)
        .outerjoin(stands, _same_record(stands, kept_version))
        .where(kept_version.c.record_id.in_(these(records)), kept_version.c.died_on.is_not(None))
        .where(kept_version.c.died_on.is_distinct_from(stands.c.died_on))
    )
    return list(connection.scalars(query))


# --- letting go ---------------------------------------------------------------------------------------------

Keys = tuple[list[str], list[str]]  # source ids, and the sources' own keys of the records, alongside


def _keys(rows: Sequence[sa.Row[Any, Any]]) -> Keys:
    return [row.source_id for row in rows], [row.source_record_id for row in rows]


def _settle(connection: sa.Connection, keys: Keys, *, kind: RecordKind, now: datetime) -> int:
    """Let go of the records `keys` what no longer has to wait, until that changes nothing more; return how many."""
    moved = 0
    while keys[0]:
        came = connection.scalars(_come(keys)).all()
        unsigned = _unsigned(connection, came, kind=kind)
        _await_signature(connection, unsigned, now=now)
        freed = {
            lifecycle_moves.PREDECESSOR_CAME: sorted(set(came) - set(unsigned)),
            lifecycle_moves.SAID_BEFORE: connection.scalars(_said_before(keys, kind=kind)).all(),
        }
        count = len(came) + len(freed[lifecycle_moves.SAID_BEFORE])
        if not count:
            break
        _stand(connection, freed, kind=kind, now=now)
        moved += count
    return moved


def _of(keys: Keys, state: State) -> sa.Subquery:
    """The kept versions of the records `keys` in `state`."""
    wanted = sa.func.unnest(*(sa.cast(one, pg.ARRAY(sa.Text)) for one in keys))
    wanted_keys = wanted.table_valued("source_id", "source_record_id", name="wanted").render_derived()
    return (
        sa.select(kept_version)
        .join(update_state, update_state.c.record_id == kept_version.c.record_id)
        .join(wanted_keys, _same_record(wanted_keys, kept_version))
        .where(update_state.c.state == str(state))
    ).subquery()


def _come(keys: Keys) -> sa.Select[int]:
    """Those whose predecessor, or a version after it, stands or waits for an officer only; and who follows them."""
    waiting, unsigned = _of(keys, State.AWAITING_PREDECESSOR), _of(keys, State.AWAITING_SIGNATURE)
    reached = sa.or_(
        sa.exists().where(
            _same_record(record_head, waiting), record_head.c.source_version >= waiting.c.follows_version
        ),
        sa.exists().where(_same_record(unsigned, waiting), unsigned.c.source_version >= waiting.c.follows_version),
    )
    columns = [waiting.c[name] for name in ("record_id", "source_id", "source_record_id", "source_version")]
    come = sa.select(*columns).where(reached).cte("come", recursive=True)
    following = sa.select(*columns).join(
        come, _same_record(come, waiting) & (waiting.c.follows_version <= come.c.source_version)
    )
    come = come.union(following)
    return sa.select(come.c.record_id)


def _said_before(keys: Keys, *, kind: RecordKind) -> sa.Select[int]:
    """Those that wait for an officer while the version that stands says the same death."""
    unsigned, stands = _of(keys, State.AWAITING_SIGNATURE), _standing(kind)
    return sa.select(unsigned.c.record_id).join(
        stands, _same_record(stands, unsigned) & (stands.c.died_on == unsigned.c.died_on)
    )


def _standing(kind: RecordKind) -> sa.Subquery:
    """source_id, source_record_id and died_on of the versions that stand."""
    record = record_tables[kind]
    died_on = record.c.died_on if kind is RecordKind.PERSON else sa.cast(sa.null(), sa.Date)
    return (
        sa.select(record_head.c.source_id, record_head.c.source_record_id, died_on.label("died_on"))
        .join(record, record.c.record_id == record_head.c.record_id)
        .subquery("stands")
    )


def _stand(connection: sa.Connection, freed: Mapping[str, Sequence[int]], *, kind: RecordKind, now: datetime) -> None:
    """Make the newest of each record's `freed` its head where it is newer than the head, and supersede the others."""
    every = [record for records in freed.values() for record in records]
    if not every:
        return
    placed = connection.execute(_placed(every)).all()
    standing = {row.record_id for row in placed if row.stands}
    _advance_heads(connection, sorted(standing), kind=kind)
    displaced: dict[str, list[int]] = {}
    for row in placed:
        if not row.stands:
            displaced.setdefault(row.cause, []).append(row.record_id)
        elif row.head_id is not None:
            displaced.setdefault(row.cause, []).append(row.head_id)
    for cause, records in freed.items():
        stands = sorted(standing.intersection(records))
        _move(connection, stands, to=State.AWAITING_RECONCILIATION, cause=cause, now=now)
    connection.execute(kept_version.delete().where(kept_version.c.record_id.in_(these(sorted(standing)))))
    _end(connection, displaced, now=now)


def _placed(records: Sequence[int]) -> sa.Select[tuple[int, bool, str, int | None]]:
    """record_id, stands, cause and head_id of kept `records`: whether each is to stand now, and in whose place.

    `cause` is why the one that does not stand does not: itself, or the head whose place it takes.
    """
    kept, head = kept_version.c, record_head.c
    order: dict[str, Any] = {
        "partition_by": (kept.source_id, kept.source_record_id),
        "order_by": (kept.source_version.desc(), kept.record_id.desc()),
    }
    newest = sa.func.greatest(sa.func.first_value(kept.source_version).over(**order), head.source_version)
    is_newer = sa.or_(head.record_id.is_(None), head.source_version < kept.source_version)
    is_later = sa.and_(head.source_version == kept.source_version, head.record_id < kept.record_id)
    stands = sa.and_(sa.func.row_number().over(**order) == 1, sa.or_(is_newer, is_later))
    cause = sa.case(
        (sa.and_(stands, is_newer), sa.literal_column(f"'{Displaced.NEWER_VERSION}'")),
        (kept.source_version == newest, sa.literal_column(f"'{Displaced.VERSION_REUSED}'")),
        else_=sa.literal_column(f"'{Displaced.LATE_VERSION}'"),
    )
    return (
        sa.select(kept.record_id, stands.label("stands"), cause.label("cause"), head.record_id.label("head_id"))
        .outerjoin(record_head, _same_record(record_head, kept_version))
        .where(kept.record_id.in_(these(records)))
        .order_by(kept.record_id)
    )


def _advance_heads(connection: sa.Connection, records: Sequence[int], *, kind: RecordKind) -> None:
    if not records:
        return
    record = record_tables[kind]
    former = former_unit_code(record, is_before_merger=batch.c.exported_on < MERGER)
    rows = (
        sa.select(
            *(record.c[name] for name in ("source_id", "source_record_id", "record_id", "source_version")),
            update_state.c.kind,
            update_state.c.province_code,
            former.label("former_unit_code"),
        )
        .join(update_state, update_state.c.record_id == record.c.record_id)
        .join(batch, batch.c.batch_id == (record.c.record_id // ROWS_PER_BATCH))
        .where(record.c.record_id.in_(these(records)))
        .order_by(record.c.source_id, record.c.source_record_id)
    )
    insert = pg.insert(record_head).from_select(rows.selected_columns.keys(), rows)
    known = sa.func.coalesce(insert.excluded.former_unit_code, record_head.c.former_unit_code)
    values = {name: insert.excluded[name] for name in ("record_id", "source_version")}
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["source_id", "source_record_id"], set_=values | {"former_unit_code": known}
        )
    )


def _await_predecessor(connection: sa.Connection, records: Sequence[int], *, now: datetime) -> None:
    _move(connection, records, to=State.AWAITING_PREDECESSOR, cause=PREDECESSOR_AWAITED, now=now)


def _await_signature(connection: sa.Connection, records: Sequence[int], *, now: datetime) -> None:
    _move(connection, records, to=State.AWAITING_SIGNATURE, cause=UNSIGNED_EVENT, now=now)


def _end(connection: sa.Connection, records: Mapping[str, Sequence[int]], *, now: datetime) -> None:
    """Supersede `records` (by cause): kept versions, which are kept no longer, and heads."""
    for cause, ended in records.items():
        _move(connection, ended, to=State.SUPERSEDED, cause=cause, now=now)
        if ended:
            connection.execute(kept_version.delete().where(kept_version.c.record_id.in_(these(ended))))


def _move(connection: sa.Connection, records: Sequence[int], *, to: State, cause: str, now: datetime) -> None:
    if records:
        lifecycle_moves.move(connection, these(records), to=to, cause=cause, now=now)


def _same_record(one: sa.FromClause, other: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(one.c.source_id == other.c.source_id, one.c.source_record_id == other.c.source_record_id)
