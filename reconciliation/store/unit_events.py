"""Changes of units that operators loaded: appended, revocable, and read as they were known at any moment."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import sqlalchemy as sa

from adapters.errors import RejectedUnitsError
from adapters.reference.unit_events import Event, apply_all, package_events, read_packed
from adapters.reference.unit_findings import UnitFault, UnitFinding
from adapters.reference.units import UnitTables, load_units
from reconciliation.errors import FatalStoreError
from reconciliation.store.tables import unit_event

_LOCK = 7_405_002  # one writer at a time; any number that nothing else locks


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of what is known: an event that was loaded, and when and by whom it was taken back, if it was."""

    event_id: str
    effective_on: date
    recorded_at: datetime
    recorded_by: str
    sha256: bytes
    revoked_at: datetime | None
    revoked_by: str | None


def propose(engine: sa.Engine, event: Event) -> UnitTables:
    """The tables as they would be with `event` loaded. Nothing is written.

    Raises RejectedUnitsError with every finding: its own, and those of a later event that it would break.
    """
    with engine.connect() as connection:
        return _with(connection, event)


def load(engine: sa.Engine, event: Event, *, by: str, now: datetime) -> None:
    """Append `event`. Raises as `propose` does."""
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        _with(connection, event)
        connection.execute(
            unit_event.insert().values(
                event_id=event.event_id,
                effective_on=event.effective_on,
                recorded_at=now,
                recorded_by=by,
                sha256=hashlib.sha256(event.content).digest(),
                content=event.content,
            )
        )


def _with(connection: sa.Connection, event: Event) -> UnitTables:
    loaded = _events(_contents(connection, at=None))
    if event.event_id in {one.event_id for one in (*package_events(), *loaded)}:
        repeated = UnitFinding(UnitFault.REPEATED, "event.toml: id", event.event_id)
        raise RejectedUnitsError(event.event_id, [repeated])
    return apply_all(load_units(), [*loaded, event])


def unload(engine: sa.Engine, event_id: str, *, by: str, now: datetime) -> None:
    """Append that the loaded event `event_id` is revoked.

    Raises RejectedUnitsError when no such event is loaded, or when a later one rests on it.
    """
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        query = _standing(at=None).where(unit_event.c.event_id == event_id)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise RejectedUnitsError(event_id, [UnitFinding(UnitFault.NOT_LOADED, "event", event_id)])
        others = [one for one in _events(_contents(connection, at=None)) if one.event_id != event_id]
        try:
            apply_all(load_units(), others)
        except RejectedUnitsError as error:
            raise RejectedUnitsError(event_id, [UnitFinding(UnitFault.RESTED_ON, "event", error.name)]) from error
        connection.execute(
            unit_event.insert().values(
                event_id=event_id,
                effective_on=row.effective_on,
                recorded_at=now,
                recorded_by=by,
                revokes=row.entry_id,
            )
        )


def entries(engine: sa.Engine) -> list[Entry]:
    """Every event that was ever loaded, in that order."""
    revocation = unit_event.alias("revocation")
    query = (
        sa.select(
            *(unit_event.c[name] for name in ("event_id", "effective_on", "recorded_at", "recorded_by", "sha256")),
            revocation.c.recorded_at.label("revoked_at"),
            revocation.c.recorded_by.label("revoked_by"),
        )
        .outerjoin(revocation, revocation.c.revokes == unit_event.c.entry_id)
        .where(unit_event.c.revokes.is_(None))
        .order_by(unit_event.c.entry_id)
    )
    with engine.connect() as connection:
        return [Entry(**row) for row in connection.execute(query).mappings()]


def tables_known(engine: sa.Engine, *, at: datetime | None = None) -> UnitTables:
    """The unit tables as known at one moment (now when None): the package's own, and what was loaded by then."""
    with engine.connect() as connection:
        return read_tables(connection, at=at)


def read_tables(connection: sa.Connection, *, at: datetime | None = None) -> UnitTables:
    """As `tables_known`, in the caller's transaction. The same events are the same object, so that answers are kept."""
    return _tables(tuple(_contents(connection, at=at)))


def _standing(*, at: datetime | None) -> sa.Select[tuple[int, date, bytes]]:
    """The entries in force at a moment, in the order in which they were loaded."""
    revocation = unit_event.alias("revocation")
    revoked = sa.exists().where(revocation.c.revokes == unit_event.c.entry_id)
    query = sa.select(unit_event.c.entry_id, unit_event.c.effective_on, unit_event.c.content)
    query = query.where(unit_event.c.revokes.is_(None))
    if at is not None:
        query = query.where(unit_event.c.recorded_at <= at)
        revoked = revoked.where(revocation.c.recorded_at <= at)
    return query.where(~revoked).order_by(unit_event.c.entry_id)


def _contents(connection: sa.Connection, *, at: datetime | None) -> Sequence[bytes]:
    return [bytes(row.content) for row in connection.execute(_standing(at=at))]


@lru_cache(maxsize=64)
def _event(content: bytes) -> Event:
    return read_packed(content)


def _events(contents: Iterable[bytes]) -> list[Event]:
    """The events of `contents`, but for those that this release brings itself."""
    brought = {event.event_id for event in package_events()}
    return [event for event in map(_event, contents) if event.event_id not in brought]


@lru_cache(maxsize=16)
def _tables(contents: tuple[bytes, ...]) -> UnitTables:
    events = _events(contents)
    try:
        return apply_all(load_units(), events) if events else load_units()
    except RejectedUnitsError as error:
        raise FatalStoreError(
            f"The loaded event {error.name} does not fit the tables of this release. Next: look at it with"
            " `lienthong units events`, then take it back with `lienthong units unload`."
        ) from error
