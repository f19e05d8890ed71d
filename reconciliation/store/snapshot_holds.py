"""Which snapshots registries are reading, and which were let go. Whoever reads one holds it for a while."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.store.engine import Connection, Engine, transaction
from reconciliation.store.tables import consumer, snapshot_hold, snapshot_purge

CLEARING_LOCK = 7_405_005  # any number that nothing else locks

Key = tuple[str, str]  # consumer_id, snapshot_id


@dataclass(frozen=True, kw_only=True)
class Clearing:
    """Snapshots are being let go, and nobody begins to hold one until that is over. `held` are not to go."""

    connection: Connection
    held: frozenset[Key]


def hold(engine: Engine, consumer_id: str, snapshot_id: str, *, until: datetime) -> None:
    """Keep a snapshot until then, or longer where that was said. Look afterwards whether it still stands.

    What lets snapshots go either sees this, or has taken their manifests away before it returns.
    """
    said = pg.insert(snapshot_hold).values(consumer_id=consumer_id, snapshot_id=snapshot_id, held_until=until)
    longer = {"held_until": sa.func.greatest(snapshot_hold.c.held_until, said.excluded.held_until)}
    with transaction(engine) as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(CLEARING_LOCK)))
        connection.execute(said.on_conflict_do_update(index_elements=["consumer_id", "snapshot_id"], set_=longer))


@contextmanager
def clearing(engine: Engine, *, now: datetime) -> Iterator[Clearing]:
    """What is held at `now`, while nothing more comes to be held. Commits when the context ends well."""
    with transaction(engine) as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CLEARING_LOCK)))
        connection.execute(snapshot_hold.delete().where(snapshot_hold.c.held_until <= now))
        rows = connection.execute(sa.select(snapshot_hold.c.consumer_id, snapshot_hold.c.snapshot_id))
        yield Clearing(connection=connection, held=frozenset((row.consumer_id, row.snapshot_id) for row in rows))


def note(clearing: Clearing, gone: Collection[tuple[Key, int]], *, by: str, now: datetime) -> list[int]:
    """Write down which snapshots go, and how large each is in bytes; return the sizes of those that were not yet."""
    rows = [
        {"consumer_id": consumer_id, "snapshot_id": snapshot_id, "size_bytes": size, "purged_at": now, "purged_by": by}
        for (consumer_id, snapshot_id), size in gone
    ]
    if not rows:
        return []
    said = pg.insert(snapshot_purge).values(rows).on_conflict_do_nothing().returning(snapshot_purge.c.size_bytes)
    return list(clearing.connection.scalars(said))


def known(clearing: Clearing) -> frozenset[str]:
    """The ids of all registries there ever were."""
    return frozenset(clearing.connection.scalars(sa.select(consumer.c.consumer_id)))
