"""Which batches of an epoch are durable, as the bytes that two sides compare."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.store.tables import batch as ledger

_AT_ONCE = 100_000  # sequences a query looks at: 4 MB of leaves


def read(engine: sa.Engine, *, source_id: str, epoch: str, first: int, last: int) -> bytes:
    """The leaves of the batches `first` to `last` that are durable, by sequence: each 8 bytes of sequence and 32 of
    SHA-256. They are put together in the database; no row is touched here.
    """
    with engine.connect() as connection:
        return b"".join(
            connection.scalar(_leaves(source_id, epoch, begin, end)) or b"" for begin, end in _ranges(first, last)
        )


def _ranges(first: int, last: int) -> Iterator[tuple[int, int]]:
    for begin in range(first, last + 1, _AT_ONCE):
        yield begin, min(last, begin + _AT_ONCE - 1)


def _leaves(source_id: str, epoch: str, begin: int, end: int) -> sa.Select[bytes]:
    leaf = sa.func.int8send(ledger.c.sequence).op("||")(ledger.c.sha256)
    in_order = pg.aggregate_order_by(sa.literal(b"", sa.LargeBinary), ledger.c.sequence)
    return sa.select(sa.func.string_agg(leaf, in_order, type_=sa.LargeBinary)).where(
        ledger.c.source_id == source_id, ledger.c.epoch == epoch, ledger.c.sequence.between(begin, end)
    )
