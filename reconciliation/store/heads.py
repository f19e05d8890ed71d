"""Which version of each record stands: what arrived is held against the heads, in its order, for a whole group at once.

The result is the same as if every batch had come alone. One statement finds the heads, one moves those that fall and
one COPY adds those that are new; a record that comes several times in a group is folded in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.store.arrays import NumbersType, TextsType, numbers, texts
from reconciliation.store.copying import copy_in
from reconciliation.store.tables import record_head, record_tables
from reconciliation.store.versions import Displaced

Numbers = npt.NDArray[np.int64]

# What arrived, as the heads see it. Ascending record_id is the order of coming.
ARRIVED = pa.schema(
    [
        pa.field("record_id", pa.int64(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("source_record_id", pa.string(), nullable=False),
        pa.field("source_version", pa.int64(), nullable=False),
        pa.field("province_code", pa.string(), nullable=False),
        pa.field("former_unit_code", pa.string()),  # the unit, where it is named on a list of before the merger
    ]
)


@dataclass(frozen=True)
class Losses:
    """Versions that do not stand: why, which (record_id), and what came when it fell, itself or its successor."""

    cause: Displaced
    lost: Numbers
    came: Numbers


@dataclass(frozen=True)
class _Heads:
    """The head of each key, and the row of what arrived that it is now, -1 while it is the stored one or none."""

    record_id: Numbers  # 0 is none
    version: Numbers
    row: Numbers
    former: Numbers  # the row that last named a former unit, -1 for none


def advance(connection: sa.Connection, arrived: pa.Table, *, kind: RecordKind) -> list[Losses]:
    """Make the newest of the versions that `arrived` (ARRIVED) the heads, and say which do not stand.

    Of two contents under one version the one that came later stands: a source's batches are landed in its own order.
    The versions are in their table already, and the landing has its turn with each of their sources.
    """
    key, first = _keyed(arrived)
    stored = _stored_heads(connection, arrived, first)
    is_stored = stored.record_id > 0
    losses = list(_fold(connection, arrived, key, stored, kind=kind))
    moved = stored.row >= 0
    _add(connection, arrived, stored.row[moved & ~is_stored], stored.former[moved & ~is_stored], kind=kind)
    _move(connection, arrived, stored.row[moved & is_stored], stored.former[moved & is_stored])
    return losses


def _keyed(arrived: pa.Table) -> tuple[Numbers, Numbers]:
    """The number of each row's key, counted in the order of the keys, and the first row of each.

    In that order an index is searched and filled fastest.
    """
    keys = pc.binary_join_element_wise(arrived["source_id"], arrived["source_record_id"], "|").combine_chunks()
    order = pc.sort_indices(keys)
    in_order = keys.take(order)
    begins = np.ones(len(keys), np.bool_)
    begins[1:] = pc.not_equal(in_order[1:], in_order[:-1])
    rows = order.to_numpy().astype(np.int64)
    key = np.empty(len(keys), np.int64)
    key[rows] = np.cumsum(begins) - 1
    return key, rows[begins]


def _fold(
    connection: sa.Connection, arrived: pa.Table, key: Numbers, heads: _Heads, *, kind: RecordKind
) -> Iterator[Losses]:
    """Let what arrived come one version of each key after the other; `heads` are then those that stand."""
    record_id, version = (arrived[name].to_numpy() for name in ("record_id", "source_version"))
    names_former = pc.is_valid(arrived["former_unit_code"]).to_numpy()
    for rows in _turns(key):
        its, came, head = key[rows], record_id[rows], heads.record_id[key[rows]]
        is_known = head > 0
        newer = is_known & (version[rows] > heads.version[its])
        late = is_known & (version[rows] < heads.version[its])
        reused = is_known & ~newer & ~late
        repeated = np.zeros(len(rows), np.bool_)
        if reused.any():
            same = _same_content(connection, came[reused], head[reused], kind=kind)
            repeated = reused & np.isin(came, same)
            reused &= ~repeated
        yield Losses(Displaced.NEWER_VERSION, head[newer], came[newer])
        yield Losses(Displaced.LATE_VERSION, came[late], came[late])
        yield Losses(Displaced.REPEATED, came[repeated], came[repeated])
        yield Losses(Displaced.VERSION_REUSED, head[reused], came[reused])
        stands = ~late & ~repeated
        heads.record_id[its[stands]] = came[stands]
        heads.version[its[stands]] = version[rows][stands]
        heads.row[its[stands]] = rows[stands]
        named = stands & names_former[rows]
        heads.former[its[named]] = rows[named]


def _turns(key: Numbers) -> Iterator[Numbers]:
    """Rows, first those that are the first of their key, then the second ones, and so on."""
    order = np.argsort(key, kind="stable")
    begins = np.flatnonzero(np.diff(key[order], prepend=-1))
    of_key = np.arange(len(key)) - np.repeat(begins, np.diff(begins, append=len(key)))
    turn = np.empty(len(key), np.int64)
    turn[order] = of_key
    for number in range(int(turn.max(initial=-1)) + 1):
        yield np.flatnonzero(turn == number)


def _stored_heads(connection: sa.Connection, arrived: pa.Table, first: Numbers) -> _Heads:
    """The heads of the keys of the rows `first`, as they are stored."""
    count = len(first)
    heads = _Heads(np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, -1), np.full(count, -1))
    asked = arrived.select(["source_id", "source_record_id"]).take(pa.array(first))
    said = {"sources": texts(asked["source_id"]), "keys": texts(asked["source_record_id"])}
    found = connection.execute(_find_heads(), said).all()
    if found:
        place, record_id, version = np.array([tuple(row) for row in found], np.int64).T
        heads.record_id[place - 1] = record_id
        heads.version[place - 1] = version
    return heads


@cache
def _find_heads() -> sa.Select[tuple[int, int, int]]:
    """(place of the key in what is asked, from 1, record_id of its head, that one's version), where there is a head.

    Each is a look-up by key that the planner cannot turn into reading a whole table.
    """
    asked = (
        sa.func.unnest(_texts("sources"), _texts("keys"))
        .table_valued(sa.column("source_id", sa.Text), sa.column("source_record_id", sa.Text), with_ordinality="place")
        .render_derived(name="asked")
    )
    head = (
        sa.select(record_head.c.record_id, record_head.c.source_version)
        .where(record_head.c.source_id == asked.c.source_id, record_head.c.source_record_id == asked.c.source_record_id)
        .limit(1)
        .lateral("head")
    )
    found = asked.join(head, sa.true())
    return sa.select(asked.c.place, head.c.record_id, head.c.source_version).select_from(found)


def _same_content(connection: sa.Connection, came: Numbers, head: Numbers, *, kind: RecordKind) -> list[int]:
    """Those that came and say nothing else than their head."""
    return list(connection.scalars(_find_repeated(kind), {"came": numbers(came), "heads": numbers(head)}))


@cache
def _find_repeated(kind: RecordKind) -> sa.Select[tuple[int]]:
    pairs = (
        sa.func.unnest(_numbers("came"), _numbers("heads"))
        .table_valued(sa.column("came", sa.BigInteger), sa.column("head", sa.BigInteger))
        .render_derived(name="pair")
    )
    version = record_tables[kind]
    came, head = version.alias("came"), version.alias("head")
    unsaid = {"record_id", "source_id", "source_record_id", "follows_version"}
    said = [column.name for column in version.c if column.name not in unsaid]
    return (
        sa.select(came.c.record_id)
        .select_from(pairs.join(came, came.c.record_id == pairs.c.came).join(head, head.c.record_id == pairs.c.head))
        .where(*(head.c[name].is_not_distinct_from(came.c[name]) for name in said))
    )


def _add(connection: sa.Connection, arrived: pa.Table, rows: Numbers, former: Numbers, *, kind: RecordKind) -> None:
    """Heads of records that had none; the rows are in the order of their key."""
    new = arrived.take(pa.array(rows))
    columns = {name: new[name] for name in ("source_id", "source_record_id", "record_id", "source_version")}
    columns |= {"kind": pa.repeat(str(kind), len(rows)), "province_code": new["province_code"]}
    columns["former_unit_code"] = arrived["former_unit_code"].take(pa.array(former, mask=former < 0))
    copy_in(connection, record_head, pa.table(columns))


def _move(connection: sa.Connection, arrived: pa.Table, rows: Numbers, former: Numbers) -> None:
    """Other versions for heads that are there. A former unit that was named once stays known."""
    if not len(rows):
        return
    new = arrived.take(pa.array(rows))
    said: dict[str, object] = {f"{name}s": texts(new[name]) for name in ("source_id", "source_record_id")}
    said |= {f"{name}s": numbers(new[name].to_numpy()) for name in ("record_id", "source_version")}
    said["formers"] = texts(arrived["former_unit_code"].take(pa.array(former, mask=former < 0)))
    connection.execute(_move_heads(), said)


@cache
def _move_heads() -> sa.Update:
    lists = [_texts("source_ids"), _texts("source_record_ids"), _numbers("record_ids"), _numbers("source_versions")]
    columns: list[sa.ColumnClause[Any]] = [sa.column(name, sa.Text) for name in ("source_id", "source_record_id")]
    columns += [sa.column(name, sa.BigInteger) for name in ("record_id", "source_version")]
    came = (
        sa.func.unnest(*lists, _texts("formers"))
        .table_valued(*columns, sa.column("former", sa.Text))
        .render_derived(name="came")
    )
    return (
        sa.update(record_head)
        .where(record_head.c.source_id == came.c.source_id, record_head.c.source_record_id == came.c.source_record_id)
        .values(
            record_id=came.c.record_id,
            source_version=came.c.source_version,
            former_unit_code=sa.func.coalesce(came.c.former, record_head.c.former_unit_code),
        )
    )


def _texts(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=TextsType())


def _numbers(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=NumbersType())
