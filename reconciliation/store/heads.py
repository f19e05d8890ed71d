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
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.store.copying import copy_in
from reconciliation.store.tables import ROWS_PER_BATCH, record_head, record_tables
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
    keys = pc.binary_join_element_wise(arrived["source_id"], arrived["source_record_id"], "|")
    coded = keys.combine_chunks().dictionary_encode()
    key = coded.indices.to_numpy().astype(np.int64)
    stored = _stored_heads(connection, arrived, key, kind=kind, keys=len(coded.dictionary))
    is_stored = stored.record_id > 0
    losses = list(_fold(connection, arrived, key, stored, kind=kind))
    moved = stored.row >= 0
    _add(connection, arrived, stored.row[moved & ~is_stored], stored.former[moved & ~is_stored], kind=kind)
    _move(connection, arrived, stored.row[moved & is_stored], stored.former[moved & is_stored], kind=kind)
    return losses


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


def _stored_heads(connection: sa.Connection, arrived: pa.Table, key: Numbers, *, kind: RecordKind, keys: int) -> _Heads:
    heads = _Heads(*(np.zeros(keys, np.int64) for _ in range(2)), *(np.full(keys, -1, np.int64) for _ in range(2)))
    record_id = arrived["record_id"].to_numpy()
    batches = np.unique(record_id // ROWS_PER_BATCH).tolist()
    found = connection.execute(_find_heads(kind), {"batches": batches}).all()
    if found:
        came, head, version = np.array([tuple(row) for row in found], np.int64).T
        places = np.searchsorted(record_id, came)
        places, head, version = (one[np.isin(came, record_id)] for one in (places, head, version))
        heads.record_id[key[places]] = head
        heads.version[key[places]] = version
    return heads


@cache
def _find_heads(kind: RecordKind) -> sa.Select[tuple[int, int, int]]:
    """(record_id that came, record_id of its key's head, that one's version), where there is a head.

    Each step is a look-up by key that the planner cannot turn into reading a whole table.
    """
    listed = _listed("batch_id", "batches")
    first = listed.c.batch_id * ROWS_PER_BATCH
    version = record_tables[kind]
    came = (
        sa.select(version.c.record_id, version.c.source_id, version.c.source_record_id)
        .where(version.c.record_id.between(first, first + ROWS_PER_BATCH - 1))
        .offset(0)
        .lateral("came")
    )
    head = (
        sa.select(record_head.c.record_id, record_head.c.source_version)
        .where(record_head.c.source_id == came.c.source_id, record_head.c.source_record_id == came.c.source_record_id)
        .limit(1)
        .lateral("head")
    )
    found = listed.join(came, sa.true()).join(head, sa.true())
    return sa.select(came.c.record_id, head.c.record_id, head.c.source_version).select_from(found)


def _same_content(connection: sa.Connection, came: Numbers, head: Numbers, *, kind: RecordKind) -> list[int]:
    """Those that came and say nothing else than their head."""
    return list(connection.scalars(_find_repeated(kind), {"came": came.tolist(), "heads": head.tolist()}))


@cache
def _find_repeated(kind: RecordKind) -> sa.Select[tuple[int]]:
    pairs = (
        sa.func.unnest(_ids("came"), _ids("heads"))
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
    """Heads of records that had none, in the order of their key, in which the index is filled fastest."""
    new = arrived.take(pa.array(rows))
    columns = {name: new[name] for name in ("source_id", "source_record_id", "record_id", "source_version")}
    columns |= {"kind": pa.repeat(str(kind), len(rows)), "province_code": new["province_code"]}
    columns["former_unit_code"] = arrived["former_unit_code"].take(pa.array(former, mask=former < 0))
    by_key = [("source_id", "ascending"), ("source_record_id", "ascending")]
    copy_in(connection, record_head, pa.table(columns).sort_by(by_key))


def _move(connection: sa.Connection, arrived: pa.Table, rows: Numbers, former: Numbers, *, kind: RecordKind) -> None:
    """Other versions for heads that are there. A former unit that was named once stays known."""
    if not len(rows):
        return
    new = arrived.take(pa.array(rows))
    named = arrived["former_unit_code"].take(pa.array(former, mask=former < 0))
    values = {"ids": new["record_id"].to_pylist(), "former": named.to_pylist()}
    connection.execute(_move_heads(kind), values)


@cache
def _move_heads(kind: RecordKind) -> sa.Update:
    listed = (
        sa.func.unnest(_ids("ids"), sa.bindparam("former", type_=pg.ARRAY(sa.Text)))
        .table_valued(sa.column("record_id", sa.BigInteger), sa.column("former", sa.Text))
        .render_derived(name="listed")
    )
    came = record_tables[kind]
    return (
        sa.update(record_head)
        .where(
            came.c.record_id == listed.c.record_id,
            record_head.c.source_id == came.c.source_id,
            record_head.c.source_record_id == came.c.source_record_id,
        )
        .values(
            record_id=came.c.record_id,
            source_version=came.c.source_version,
            former_unit_code=sa.func.coalesce(listed.c.former, record_head.c.former_unit_code),
        )
    )


def _ids(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=pg.ARRAY(sa.BigInteger))


def _listed(column: str, name: str) -> sa.TableValuedAlias:
    return sa.func.unnest(_ids(name)).table_valued(sa.column(column, sa.BigInteger)).render_derived(name="listed")
