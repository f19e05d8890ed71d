"""What provinces told of their hamlets: a row that turns out otherwise is closed, and its successor appended."""

from datetime import datetime
from functools import lru_cache

import pyarrow as pa
import sqlalchemy as sa

from adapters.reference.hamlets import HAMLETS, Hamlets, register_of
from reconciliation.store.copying import copy_out, staged
from reconciliation.store.tables import hamlet

_STORED = {"valid_from": "named_from", "valid_to": "named_to"}  # the columns under another name here
_HAMLET = ("province_code", "former_unit_code", "name_key")


def tell(engine: sa.Engine, rows: pa.Table, *, by: str, now: datetime) -> dict[str, int]:
    """Make `rows` (HAMLETS, of one province) what is known of the hamlets they name; return how many rows were added,
    replaced, or known already.

    Of hamlets that `rows` do not name, what was told stays. Telling the same again changes nothing.
    """
    named = rows.rename_columns([_STORED.get(name, name) for name in rows.column_names])
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE hamlet IN SHARE ROW EXCLUSIVE MODE"))
        told = staged(connection, "told_hamlets", named)
        same = sa.and_(*(hamlet.c[name].is_not_distinct_from(told.c[name]) for name in named.column_names))
        of_the_same = sa.and_(*(hamlet.c[name].is_not_distinct_from(told.c[name]) for name in _HAMLET))
        stands = hamlet.c.replaced_at.is_(None)
        replaced = connection.execute(
            hamlet.update()
            .where(stands, sa.exists().where(of_the_same), ~sa.exists().where(same))
            .values(replaced_at=now)
        ).rowcount
        said = [told.c[name] for name in named.column_names]
        recorded = [sa.literal(now, sa.DateTime(timezone=True)), sa.cast(sa.literal(by), sa.Text)]
        fresh = sa.select(*said, *recorded).where(~sa.exists().where(stands, same)).distinct()
        columns = [*named.column_names, "recorded_at", "recorded_by"]
        added = connection.execute(hamlet.insert().from_select(columns, fresh.order_by(*said))).rowcount
    return {"added": added, "replaced": replaced, "known": named.num_rows - added}


def told(engine: sa.Engine, *, province_code: str | None = None, at: datetime | None = None) -> pa.Table:
    """HAMLETS as known at one moment (now when None), ordered by province, former commune and name."""
    with engine.connect() as connection:
        return _read(connection, province_code, at)


def register_known(engine: sa.Engine, province_code: str, *, at: datetime | None = None) -> Hamlets:
    """The register of one province as known at one moment, now when None."""
    with engine.connect() as connection:
        return read_register(connection, province_code, at=at)


def read_register(connection: sa.Connection, province_code: str, *, at: datetime | None = None) -> Hamlets:
    """As `register_known`, in the caller's transaction. The same rows are the same object, so that answers are kept."""
    return _register(_Rows(_read(connection, province_code, at)))


class _Rows:
    """A table that is equal to another of the same rows."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        self._bytes = sink.getvalue().to_pybytes()

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rows) and other._bytes == self._bytes


@lru_cache(maxsize=64)
def _register(rows: _Rows) -> Hamlets:
    return register_of(rows.table)


def _read(connection: sa.Connection, province_code: str | None, at: datetime | None) -> pa.Table:
    columns = [hamlet.c[_STORED.get(name, name)].label(name) for name in HAMLETS.names]
    query = sa.select(*columns)
    if province_code is not None:
        query = query.where(hamlet.c.province_code == province_code)
    if at is None:
        query = query.where(hamlet.c.replaced_at.is_(None))
    else:
        query = query.where(
            hamlet.c.recorded_at <= at, sa.or_(hamlet.c.replaced_at.is_(None), hamlet.c.replaced_at > at)
        )
    return copy_out(connection, query.order_by(*columns), HAMLETS)
