"""Changes for the feed's tests, written as reconciliation writes them; and what a registry makes of pages."""

from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import Cursor, State
from reconciliation.store import feed, landing, lifecycle_moves, tables
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

GONE = frozenset({"MERGED", "RETRACTED"})
Holding = dict[tuple[RecordKind, str], dict[str, object]]


def write(
    connection: sa.Connection,
    subject_id: str,
    *,
    kind: RecordKind = RecordKind.PERSON,
    cause: str = "CREATED",
    previous: int | None = None,
    replaced_by: str | None = None,
    records: tuple[int, ...] = (),
    **values: object,
) -> int:
    """Write one change in the caller's transaction, with its golden version unless the subject goes; its change_id."""
    change_id = connection.scalar(sa.select(tables.change_id_sequence.next_value()))
    connection.execute(
        tables.change.insert().values(
            change_id=change_id,
            kind=str(kind),
            province_code="15",
            subject_id=subject_id,
            cause=cause,
            previous_change_id=previous,
            replaced_by=replaced_by,
        )
    )
    if cause not in GONE:
        connection.execute(
            tables.golden_tables[kind]
            .insert()
            .values(change_id=change_id, subject_id=subject_id, provenance="{}", **values)
        )
    for record_id in records:
        connection.execute(tables.change_record.insert().values(change_id=change_id, record_id=record_id))
    return change_id


def published(engine: sa.Engine, *subjects: str) -> None:
    """One change for each of `subjects`, in the feed."""
    with engine.begin() as connection:
        for subject in subjects:
            write(connection, subject, full_name=f"name of {subject}")
    assert feed.sequence(engine) == len(subjects)


def awaiting_pull(engine: sa.Engine, *keys: str) -> list[int]:
    """The record_ids of people's records that are published in the feed, one change each, and wait for the registry."""
    one = normalised(rows(RecordKind.PERSON, *({"source_record_id": key} for key in keys)))
    landing.land(engine, batch(), one, source=source(), now=NOW)
    with engine.begin() as connection:
        records = list(connection.scalars(sa.select(tables.record_head.c.record_id).order_by("record_id")))
        for record_id in records:
            write(connection, f"subject {record_id}", records=(record_id,))
        lifecycle_moves.move(
            connection,
            sa.select(tables.record_head.c.record_id),
            to=State.AWAITING_PULL,
            cause="PUBLISHED",
            now=NOW,
            consumer_id="population",
        )
    feed.sequence(engine)
    return records


def cursor(engine: sa.Engine, sequence: int) -> Cursor:
    """A place in the feed's present epoch."""
    return Cursor(epoch=feed.head(engine).epoch, sequence=sequence)


def pages(
    engine: sa.Engine, consumer_id: str = "population", *, after: int = 0, limit: int = 3
) -> Iterator[dict[RecordKind, pa.Table]]:
    """The feed from `after` to its head, page by page."""
    head = feed.head(engine)
    cursor = Cursor(epoch=head.epoch, sequence=after)
    while cursor.sequence < head.sequence:
        page = feed.fetch(engine, consumer_id=consumer_id, after=cursor, limit=limit)
        yield page.tables
        cursor = page.upto


def apply(holding: Holding, page: dict[RecordKind, pa.Table], *, upto: int) -> None:
    """What a registry does with a page: the last word on each subject stands, up to feed_seq `upto`."""
    for kind, table in page.items():
        for row in table.to_pylist():
            if row["feed_seq"] > upto:
                continue
            if row["cause"] in GONE:
                holding.pop((kind, row["subject_id"]), None)
            else:
                fixed = {"subject_id", "cause", "replaced_by", "traceparent"}
                kept = {name: value for name, value in row.items() if not name.startswith("previous_")}
                holding[kind, row["subject_id"]] = {name: value for name, value in kept.items() if name not in fixed}


def holding_of(snapshot: dict[RecordKind, pa.Table]) -> Holding:
    """A snapshot as a registry would hold it."""
    return {
        (kind, row["subject_id"]): {name: value for name, value in row.items() if name != "subject_id"}
        for kind, table in snapshot.items()
        for row in table.to_pylist()
    }
