"""What rehearsing a change of units reads: of each province, the records that the change can touch."""

import contextlib
from collections.abc import Collection, Iterator

import pyarrow as pa
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.clustering import ASSIGNMENT
from reconciliation.golden import stands_schema
from reconciliation.recoding import PLACED
from reconciliation.standing import DEATHS, ELSEWHERE, Standing, heads_schema
from reconciliation.store import hamlets, judgements, reconciling, unit_events
from reconciliation.store.reconciling import IDLE_SECONDS, STATEMENT_SECONDS
from reconciliation.store.tables import installation, placement, record_head

_NAMES = (*(name for name in PLACED.names if name != "event_date"), "exported_on")


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that sees one moment of the registry, and has the time that reading all of it takes."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(sa.text(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"))
        connection.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
        yield connection


def provinces(connection: sa.Connection, codes: Collection[str]) -> dict[str, int]:
    """The provinces with a record that a change of the units `codes` can touch, and how many records stand in each."""
    touched = (
        sa.select(record_head.c.province_code)
        .outerjoin(placement, placement.c.record_id == record_head.c.record_id)
        .where(_can_be_touched(codes))
    )
    query = (
        sa.select(record_head.c.province_code, sa.func.count())
        .where(record_head.c.province_code.in_(touched))
        .group_by(record_head.c.province_code)
        .order_by(record_head.c.province_code)
    )
    return dict(connection.execute(query).all())


def read(connection: sa.Connection, province_code: str, codes: Collection[str]) -> Standing:
    """The province, with the records that a change of the units `codes` can touch and with nothing of its people.

    Of people and books only what recoding reads is there, and nothing of clusters or of what is published of them.
    """
    heads = {
        kind: reconciling.heads(
            connection,
            kind,
            province_code,
            schema=_schema(kind),
            where=_can_be_touched(codes),
        )
        for kind in RecordKind
    }
    nothing = {kind: stands_schema(kind).empty_table() for kind in RecordKind}
    return Standing(
        namespace=str(connection.execute(sa.select(installation.c.namespace)).scalar_one()),
        heads=heads,
        deaths=DEATHS.empty_table(),
        elsewhere=ELSEWHERE.empty_table(),
        identities=reconciling.identities(connection, province_code),
        assignment=ASSIGNMENT.empty_table(),
        golden=nothing | {RecordKind.HOUSEHOLD: reconciling.golden(connection, RecordKind.HOUSEHOLD, province_code)},
        judgements=judgements.in_force(connection, province_code),
        units=unit_events.read_tables(connection),
        hamlets=hamlets.read_register(connection, province_code),
    )


def _schema(kind: RecordKind) -> pa.Schema:
    whole = heads_schema(kind)
    return whole if kind is RecordKind.HOUSEHOLD else pa.schema([whole.field(name) for name in _NAMES])


def _can_be_touched(codes: Collection[str]) -> sa.ColumnElement[bool]:
    """Records in one of the units or sent as one, those of no one unit, and those whose code says no list or a name."""
    named = sorted(codes)
    return sa.or_(
        placement.c.record_id.is_(None),
        placement.c.unit_code.in_(named),
        placement.c.sent_code.in_(named),
        placement.c.unit_code.is_(None),
        placement.c.sent_vintage.is_(None),
        placement.c.sent_name.is_not(None),
    )
