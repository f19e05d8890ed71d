"""A normalised batch becomes durable: ledger, versions, heads, states, findings and quarantine, or none of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.catalogue import Source
from adapters.normalise import Normalised
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Batch, Finding, Receipt, State
from reconciliation.store import lifecycle_moves, streams
from reconciliation.store.copying import copy_in, these
from reconciliation.store.tables import ROWS_PER_BATCH, finding, quarantine, record_head, record_tables
from reconciliation.store.tables import batch as ledger


class Displaced(StrEnum):
    """Why a landed version is not the one that stands."""

    NEWER_VERSION = "NEWER_VERSION"  # it stood until this batch brought a newer one
    LATE_VERSION = "LATE_VERSION"  # a newer one was there before it came
    REPEATED = "REPEATED"  # the same version with the same content had come before
    VERSION_REUSED = "VERSION_REUSED"  # other content came later under the same version, as from dates without hours


MERGER = date(2025, 7, 1)  # codes of an older list name the units before it
LANDED_CHANNEL = "lienthong_landed"  # NOTIFY: a doorbell only, who listens polls as well


def find_receipt(engine: sa.Engine, *, source_id: str, epoch: str, sequence: int, sha256: bytes) -> Receipt | None:
    """The stored receipt of a batch that landed before, marked as replayed; None when it did not.

    Raises RejectedRequestError IDEMPOTENCY_KEY_REUSED when the key was used for other bytes.
    """
    with engine.connect() as connection:
        return _stored_receipt(connection, source_id=source_id, epoch=epoch, sequence=sequence, sha256=sha256)


def land(engine: sa.Engine, batch: Batch, normalised: Normalised, *, source: Source, now: datetime) -> Receipt:
    """Commit the batch and return its receipt. The same batch again, even at the same time, returns the stored one.

    Raises RejectedRequestError IDEMPOTENCY_KEY_REUSED, or RetryableStoreError: then the outcome is unknown and the
    sender asks again.
    """
    with engine.begin() as connection:
        # One landing of a source at a time: its records' heads are compared and set without a race or a deadlock.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(batch.source_id, 0))))
        known = _stored_receipt(
            connection, source_id=batch.source_id, epoch=batch.epoch, sequence=batch.sequence, sha256=batch.sha256
        )
        if known is not None:
            return known
        observed, drifted = streams.observe(connection, batch, normalised, source=source)
        if drifted.num_rows:
            findings = pa.concat_tables([drifted, normalised.findings]).combine_chunks()
            normalised = replace(normalised, findings=findings)
        batch_id = _open_ledger(connection, batch, normalised, source=source, now=now)
        superseded = _land_records(
            connection, batch_id, normalised.table, source=source, exported_on=batch.exported_on, now=now
        )
        _land_findings(connection, batch_id, normalised)
        streams.replace_forms(connection, batch_id, observed, source_id=batch.source_id)
        row = (
            connection.execute(
                ledger.update()
                .where(ledger.c.batch_id == batch_id)
                .values(superseded=superseded, accepted=ledger.c.accepted - superseded)
                .returning(*_RECEIPT)
            )
            .mappings()
            .one()
        )
        connection.execute(sa.select(sa.func.pg_notify(LANDED_CHANNEL, source.province_code)))
    return _receipt(row, replayed=False)


def last_durable_sequence(engine: sa.Engine, *, source_id: str, epoch: str) -> int:
    """The highest n such that batches 1 to n of the epoch have all landed; 0 when the first has not."""
    ours = sa.and_(ledger.c.source_id == source_id, ledger.c.epoch == epoch)
    numbered = (
        sa.select(ledger.c.sequence, sa.func.row_number().over(order_by=ledger.c.sequence).label("position"))
        .where(ours)
        .subquery()
    )
    contiguous = sa.select(sa.func.coalesce(sa.func.max(numbered.c.sequence), 0)).where(
        numbered.c.sequence == numbered.c.position
    )
    with engine.connect() as connection:
        return int(connection.scalar(contiguous) or 0)


def list_findings(engine: sa.Engine, receipt_id: UUID, *, after: int, limit: int) -> list[Finding]:
    """Findings of a landed batch in order, from the `after`-th on. Empty at the end, or without such a receipt."""
    query = (
        sa.select(finding)
        .join(ledger, ledger.c.batch_id == finding.c.batch_id)
        .where(ledger.c.receipt_id == receipt_id, finding.c.position >= after)
        .order_by(finding.c.position)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [
            Finding(
                row=row.row,
                column=row.column,
                code=row.code,
                severity=row.severity,
                seen=row.seen,
                source_record_id=row.source_record_id,
            )
            for row in connection.execute(query)
        ]


_RECEIPT = (
    ledger.c.receipt_id,
    ledger.c.source_id,
    ledger.c.epoch,
    ledger.c.sequence,
    ledger.c.sha256,
    ledger.c.received,
    ledger.c.accepted,
    ledger.c.superseded,
    ledger.c.quarantined,
    ledger.c.findings,
    ledger.c.landed_at,
)


def _receipt(row: sa.RowMapping, *, replayed: bool) -> Receipt:
    return Receipt(**row, replayed=replayed)


def _stored_receipt(
    connection: sa.Connection, *, source_id: str, epoch: str, sequence: int, sha256: bytes
) -> Receipt | None:
    key = (ledger.c.source_id == source_id, ledger.c.epoch == epoch, ledger.c.sequence == sequence)
    row = connection.execute(sa.select(*_RECEIPT).where(*key)).mappings().one_or_none()
    if row is None:
        return None
    receipt = _receipt(row, replayed=True)
    if receipt.sha256 != sha256:
        raise RejectedRequestError(
            "IDEMPOTENCY_KEY_REUSED",
            f"Batch {sequence} of {source_id} (epoch {epoch}) has landed before with other bytes.",
            next_step="send the changed content under the next sequence number.",
        )
    return receipt


def _open_ledger(
    connection: sa.Connection, batch: Batch, normalised: Normalised, *, source: Source, now: datetime
) -> int:
    row = {
        "source_id": batch.source_id,
        "epoch": batch.epoch,
        "sequence": batch.sequence,
        "sha256": batch.sha256,
        "format": str(batch.format),
        "exported_on": batch.exported_on,
        "kind": str(source.kind),
        "province_code": source.province_code,
        "received": normalised.received,
        "accepted": normalised.table.num_rows,
        "superseded": 0,
        "quarantined": normalised.quarantined.num_rows,
        "findings": normalised.findings.num_rows,
        "landed_at": now,
        "traceparent": batch.traceparent,
        "payload": batch.payload if normalised.quarantined.num_rows else None,
    }
    return int(connection.execute(ledger.insert().values(row).returning(ledger.c.batch_id)).scalar_one())


def _land_records(
    connection: sa.Connection, batch_id: int, table: pa.Table, *, source: Source, exported_on: date, now: datetime
) -> int:
    """Append the versions, move the heads, begin the updates; return how many were superseded on arrival."""
    if not table.num_rows:
        return 0
    first = batch_id * ROWS_PER_BATCH
    rows = (
        table.drop_columns(["row"])
        .add_column(0, "record_id", pc.add(table["row"].cast(pa.int64()), first))
        .add_column(1, "source_id", pa.repeat(source.source_id, table.num_rows))
    )
    target = record_tables[source.kind]
    copy_in(connection, target, rows)
    arrived = sa.select(target).where(target.c.record_id.between(first, first + ROWS_PER_BATCH - 1)).subquery("arrived")
    lifecycle_moves.begin(
        connection,
        sa.select(arrived.c.record_id),
        kind=source.kind,
        province_code=source.province_code,
        source_id=source.source_id,
        now=now,
    )
    displaced = _displaced(connection, arrived, target)
    reused = [came for cause, _, came in displaced if cause is Displaced.VERSION_REUSED]
    _advance_heads(connection, arrived, reused, source=source, before_merger=exported_on < MERGER)
    for cause in Displaced:
        if lost := [loser for why, loser, _ in displaced if why is cause]:
            lifecycle_moves.move(connection, these(lost), to=State.SUPERSEDED, cause=cause, now=now)
    if reused:
        _report_reused_versions(connection, batch_id, reused, arrived)
    return sum(loser >= first for _, loser, _ in displaced)


def _displaced(connection: sa.Connection, arrived: sa.Subquery, target: sa.Table) -> list[tuple[Displaced, int, int]]:
    """(cause, record id that is no head after this batch, record id that came): replaced heads, and its own late rows.

    Of two contents under one version the one that came later stands: a source's batches are landed in its own order.
    """
    head = target.alias("head")
    pairs = arrived.join(
        record_head,
        sa.and_(
            record_head.c.source_id == arrived.c.source_id,
            record_head.c.source_record_id == arrived.c.source_record_id,
        ),
    ).join(head, head.c.record_id == record_head.c.record_id)
    said = [column.name for column in target.c if column.name not in {"record_id", "source_id", "source_record_id"}]
    same = sa.and_(*(head.c[name].is_not_distinct_from(arrived.c[name]) for name in said))
    newer = head.c.source_version < arrived.c.source_version
    older = head.c.source_version > arrived.c.source_version
    cause = sa.case(
        (newer, sa.literal_column(f"'{Displaced.NEWER_VERSION}'")),
        (older, sa.literal_column(f"'{Displaced.LATE_VERSION}'")),
        (same, sa.literal_column(f"'{Displaced.REPEATED}'")),
        else_=sa.literal_column(f"'{Displaced.VERSION_REUSED}'"),
    )
    loser = sa.case((sa.or_(older, same), arrived.c.record_id), else_=head.c.record_id)
    found = connection.execute(sa.select(cause, loser, arrived.c.record_id).select_from(pairs))
    return [(Displaced(why), lost, came) for why, lost, came in found]


def _report_reused_versions(
    connection: sa.Connection, batch_id: int, reused: Sequence[int], arrived: sa.Subquery
) -> None:
    """Say, as findings of the batch, which records came with a version already used for other content."""
    said = (
        sa.select(
            sa.literal(batch_id, sa.BigInteger),
            ledger.c.findings + sa.func.row_number().over(order_by=arrived.c.record_id) - 1,
            arrived.c.record_id - batch_id * ROWS_PER_BATCH,
            sa.literal_column("'source_version'"),
            sa.literal_column(f"'{Displaced.VERSION_REUSED}'"),
            sa.literal_column("'warning'"),
            sa.cast(arrived.c.source_version, sa.Text),
            arrived.c.source_record_id,
        )
        .select_from(arrived.join(ledger, ledger.c.batch_id == batch_id))
        .where(arrived.c.record_id.in_(these(reused)))
    )
    columns = ["batch_id", "position", "row", "column", "code", "severity", "seen", "source_record_id"]
    connection.execute(finding.insert().from_select(columns, said))
    more = ledger.c.findings + len(reused)
    connection.execute(ledger.update().where(ledger.c.batch_id == batch_id).values(findings=more))


def _advance_heads(
    connection: sa.Connection, arrived: sa.Subquery, reused: Sequence[int], *, source: Source, before_merger: bool
) -> None:
    """Make the newest versions the heads. An export of before the merger can only name units of before it."""
    undeclared = sa.and_(arrived.c.unit_vintage.is_(None), sa.literal(before_merger))
    columns = [
        "source_id",
        "source_record_id",
        "record_id",
        "source_version",
        "kind",
        "province_code",
        "former_unit_code",
    ]
    insert = pg.insert(record_head).from_select(
        columns,
        sa.select(
            arrived.c.source_id,
            arrived.c.source_record_id,
            arrived.c.record_id,
            arrived.c.source_version,
            sa.cast(sa.literal(str(source.kind)), sa.Text),
            sa.cast(sa.literal(source.province_code), sa.Text),
            sa.case((sa.or_(arrived.c.unit_vintage < MERGER, undeclared), arrived.c.unit_code)),
        ).order_by(arrived.c.source_record_id),
    )
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["source_id", "source_record_id"],
            set_={
                "record_id": insert.excluded.record_id,
                "source_version": insert.excluded.source_version,
                "former_unit_code": sa.func.coalesce(insert.excluded.former_unit_code, record_head.c.former_unit_code),
            },
            where=sa.or_(
                record_head.c.source_version < insert.excluded.source_version,
                insert.excluded.record_id.in_(these(reused)),
            ),
        )
    )


def _land_findings(connection: sa.Connection, batch_id: int, normalised: Normalised) -> None:
    found = normalised.findings
    if found.num_rows:
        position = pa.array(range(found.num_rows), pa.int32())
        columns = {"batch_id": pa.repeat(batch_id, found.num_rows), "position": position}
        columns |= {name: found[name] for name in ("row", "column", "code", "severity", "seen", "source_record_id")}
        copy_in(connection, finding, pa.table(columns))
    held = normalised.quarantined
    if held.num_rows:
        codes = pc.binary_join(held["codes"], " ")
        columns = {"batch_id": pa.repeat(batch_id, held.num_rows), "codes": codes}
        columns |= {name: held[name] for name in ("row", "source_record_id", "raw")}
        copy_in(connection, quarantine, pa.table(columns))
