"""What the feed's readers get: stretches of changes and whole snapshots, cut in SQL to what one registry may see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.store.copying import copy_out, copy_out_in_parts
from reconciliation.store.tables import change, feed_entry, feed_purge, golden_tables

_SPREAD = 4  # how many times as many ids as changes a stretch may span, and still be read as a range of ids

_ARROW_TYPES: dict[type[sa.types.TypeEngine[Any]], pa.DataType] = {
    sa.Text: pa.string(),
    sa.SmallInteger: pa.int16(),
    sa.BigInteger: pa.int64(),
    sa.Date: pa.date32(),
}


@dataclass(frozen=True)
class Granted:
    """What may be seen of one kind; no provinces are the whole country."""

    kind: RecordKind
    fields: Sequence[str]
    province_codes: Sequence[str]

    def covers(self, changes: sa.FromClause) -> sa.ColumnElement[bool]:
        """Whether a change is about somebody of a granted province."""
        return _covers(changes) if self.province_codes else sa.true()


@dataclass(frozen=True)
class Stretch:
    """The changes of (after, upto], and the least and greatest of their ids where these lie close together."""

    after: int
    upto: int
    ids: tuple[int, int] | None


def earliest(connection: sa.Connection) -> int:
    """The first place that can be read from: up to it, superseded changes were let go."""
    return int(connection.scalar(sa.select(sa.func.max(feed_purge.c.purged_upto))) or 0)


def stretch(connection: sa.Connection, *, after: int, upto: int) -> Stretch:
    """Where to look for the changes of (after, upto].

    Ids are given out in the order of writing, so those of a stretch of the feed are nearly a range: to read that range
    is several times as fast as to look each of them up. One that was held open for long makes the range too wide.
    """
    change_id = feed_entry.c.change_id + 0  # a bare column is looked for along the index of ids, from the first of all
    query = sa.select(sa.func.min(change_id), sa.func.max(change_id)).where(
        feed_entry.c.feed_seq > after, feed_entry.c.feed_seq <= upto
    )
    least, greatest = connection.execute(query).one() if upto > after else (None, None)
    if least is None or greatest is None or greatest - least >= _SPREAD * (upto - after):
        return Stretch(after, upto, None)
    return Stretch(after, upto, (least, greatest))


def changes(connection: sa.Connection, granted: Granted, within: Stretch) -> pa.Table:
    """The changes of one kind, by feed_seq. Of a subject that leaves the granted provinces the last one is of nulls."""
    statement = _changes(
        granted.kind, tuple(granted.fields), bool(granted.province_codes), is_range=within.ids is not None
    )
    if within.upto <= within.after:
        return statement.schema.empty_table()
    least, greatest = within.ids or (None, None)
    values = {
        "after": within.after,
        "upto": within.upto,
        "least": least,
        "greatest": greatest,
        "province_codes": list(granted.province_codes),
    }
    known = {name: value for name, value in values.items() if name in statement.compiled.params}
    return _ordered(copy_out(connection, statement.compiled, statement.schema, parameters=known))


def published(connection: sa.Connection, granted: Granted, *, upto: int) -> pa.Table:
    """Every subject of one kind as the feed had published it at `upto`, by subject."""
    query, schema = _published(granted, upto)
    return copy_out(connection, query, schema)


def published_in_parts(
    connection: sa.Connection, granted: Granted, *, upto: int
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """As `published`, in parts of some megabytes each, so that a whole country needs no more memory than one."""
    query, schema = _published(granted, upto)
    return schema, copy_out_in_parts(connection, query, schema)


def arrow_type(column: sa.ColumnElement[Any]) -> pa.DataType:
    """The Arrow type in which a column of the golden tables leaves the store."""
    return _ARROW_TYPES[type(column.type)]


@dataclass(frozen=True)
class _Statement:
    compiled: sa.Compiled
    schema: pa.Schema


@lru_cache(maxsize=256)
def _changes(kind: RecordKind, fields: tuple[str, ...], is_of_provinces: bool, *, is_range: bool) -> _Statement:  # noqa: FBT001 - a state, not a switch
    golden = golden_tables[kind]
    previous = golden.alias("previous")
    before = change.alias("before")
    columns: list[sa.ColumnElement[Any]] = [
        feed_entry.c.feed_seq,
        change.c.subject_id,
        change.c.cause,
        change.c.replaced_by,
        change.c.traceparent,
        *(golden.c[name] for name in fields),
        *(previous.c[name].label(f"previous_{name}") for name in fields),
    ]
    covers = _covers if is_of_provinces else (lambda _: sa.true())
    came = feed_entry.join(change, change.c.change_id == feed_entry.c.change_id)
    previous_id: sa.ColumnElement[int] = change.c.previous_change_id
    is_theirs = covers(change)
    if is_of_provinces:
        came = came.outerjoin(before, sa.and_(before.c.change_id == previous_id, covers(before)))
        previous_id, is_theirs = before.c.change_id, sa.or_(is_theirs, before.c.change_id.is_not(None))
    stands = [golden.c.change_id == change.c.change_id, covers(change)]
    wanted = [
        feed_entry.c.feed_seq > sa.bindparam("after", type_=sa.BigInteger),
        feed_entry.c.feed_seq <= sa.bindparam("upto", type_=sa.BigInteger),
        change.c.kind == sa.literal_column(f"'{kind}'"),
        is_theirs,
    ]
    if is_range:
        least, greatest = (sa.bindparam(name, type_=sa.BigInteger) for name in ("least", "greatest"))
        stands.append(golden.c.change_id.between(least, greatest))
        wanted.append(change.c.change_id.between(least, greatest))
    query = (
        sa.select(*columns)
        .select_from(came.outerjoin(golden, sa.and_(*stands)).outerjoin(previous, previous.c.change_id == previous_id))
        .where(*wanted)
    )
    schema = pa.schema([pa.field(column.name, arrow_type(column)) for column in columns])
    return _Statement(query.compile(dialect=pg.dialect()), schema)  # type: ignore[no-untyped-call]


def _covers(changes: sa.FromClause) -> sa.ColumnElement[bool]:
    codes = sa.bindparam("province_codes", type_=pg.ARRAY(sa.Text))
    return changes.c.province_code == sa.any_(sa.cast(codes, pg.ARRAY(sa.Text)))


def _ordered(table: pa.Table) -> pa.Table:
    """By feed_seq. The database hands the rows out as they lie, mostly in that order, and would sort them on disk."""
    numbers = table["feed_seq"].combine_chunks()
    if len(numbers) > 1 and not pc.all(pc.greater(numbers[1:], numbers[:-1])).as_py():
        return table.sort_by("feed_seq")
    return table


def _published(granted: Granted, upto: int) -> tuple[sa.Select[Any], pa.Schema]:
    golden = golden_tables[granted.kind]
    newest = (
        sa.select(change.c.subject_id, change.c.change_id, change.c.province_code, feed_entry.c.feed_seq)
        .ext(pg.distinct_on(change.c.subject_id))
        .join(feed_entry, feed_entry.c.change_id == change.c.change_id)
        .where(change.c.kind == str(granted.kind), feed_entry.c.feed_seq <= upto)
        .order_by(change.c.subject_id, feed_entry.c.feed_seq.desc())
        .subquery()
    )
    columns = [newest.c.subject_id, newest.c.feed_seq, *(golden.c[name] for name in granted.fields)]
    # A subject whose last change took it away has no golden row there, and so no row here.
    query = (
        sa.select(*columns)
        .join(golden, golden.c.change_id == newest.c.change_id)
        .where(granted.covers(newest))
        .order_by(newest.c.subject_id)
    )
    if granted.province_codes:
        query = query.params(province_codes=list(granted.province_codes))
    return query, pa.schema([pa.field(column.name, arrow_type(column)) for column in columns])
