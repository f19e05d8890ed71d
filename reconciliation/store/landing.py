"""Normalised batches become durable: ledger, versions, heads, states, findings and quarantine, or none of it.

Batches of many sources share a transaction and its statements; what becomes of each is what had become of it alone.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from adapters.catalogue import Source
from adapters.findings import CATALOGUE, FINDINGS
from adapters.normalise import QUARANTINED, Normalised
from adapters.streams import FEWEST_ROWS
from reconciliation.errors import ReconciliationError, RejectedRequestError, RetryableStoreError
from reconciliation.model import Batch, Finding, Receipt
from reconciliation.store import holding, lifecycle_moves, streams
from reconciliation.store.copying import copy_in, reserve, these
from reconciliation.store.heads import ARRIVED, Losses, advance
from reconciliation.store.isolation import NotGrantedError, speak_for
from reconciliation.store.ledger import LEDGER, Key, correct, find_known, key_of, replay
from reconciliation.store.tables import ROWS_PER_BATCH, finding, quarantine, record_tables
from reconciliation.store.tables import batch as ledger
from reconciliation.store.versions import MERGER, Displaced, take_turns

LANDED_CHANNEL = "lienthong_landed"  # NOTIFY: a doorbell only, who listens polls as well
# How long a group waits for a lock: who holds up one source must not hold up those that share its transaction.
GROUP_LOCK_SECONDS = 1


@dataclass(frozen=True)
class Arrival:
    """A normalised batch on its way into the registry."""

    batch: Batch
    normalised: Normalised
    source: Source


class HeldUpError(RetryableStoreError):
    """Somebody holds what one source of a group needs: land each source by itself."""


Verdict = Receipt | Exception


def find_receipt(engine: sa.Engine, *, source_id: str, epoch: str, sequence: int, sha256: bytes) -> Receipt | None:
    """The stored receipt of a batch that landed before, marked as replayed; None when it did not.

    Raises RejectedRequestError IDEMPOTENCY_KEY_REUSED when the key was used for other bytes.
    """
    with engine.connect() as connection:
        receipt = find_known(connection, [(source_id, epoch, sequence)]).get((source_id, epoch, sequence))
    return None if receipt is None else replay(receipt, sha256)


def land(engine: sa.Engine, batch: Batch, normalised: Normalised, *, source: Source, now: datetime) -> Receipt:
    """Commit the batch and return its receipt. The same batch again, even at the same time, returns the stored one.

    Raises RejectedRequestError IDEMPOTENCY_KEY_REUSED, or RetryableStoreError: then the outcome is unknown and the
    sender asks again.
    """
    with engine.begin() as connection:
        (verdict,) = land_within(connection, [Arrival(batch, normalised, source)], now=now)
    if isinstance(verdict, Exception):
        raise verdict
    return verdict


def land_many(engine: sa.Engine, items: Sequence[Arrival], *, now: datetime) -> list[Verdict]:
    """Commit batches of whatever sources together; one receipt or error each, in their order, which is that of landing.

    A batch that the database refuses takes no other with it. Raises RetryableStoreError: then every outcome is unknown
    and the senders ask again; as HeldUpError nothing has landed.
    """
    sources = {item.source.source_id for item in items}
    try:
        with engine.begin() as connection:
            if len(sources) > 1:
                connection.execute(_SET, {"name": "lock_timeout", "value": f"{GROUP_LOCK_SECONDS}s"})
            return land_within(connection, items, now=now)
    except RetryableStoreError as error:
        if len(sources) > 1 and isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise HeldUpError(str(error)) from error
        raise
    except ReconciliationError:
        raise
    except (sa.exc.SQLAlchemyError, psycopg.Error, pa.ArrowException, ValueError) as error:
        if len(items) == 1:
            return [error]
    return [verdict for item in items for verdict in land_many(engine, [item], now=now)]


def land_within(connection: sa.Connection, items: Sequence[Arrival], *, now: datetime) -> list[Verdict]:
    """As land_many, in the caller's transaction, which makes it durable; its first statements."""
    refused = _refused(connection, {item.source.source_id for item in items})
    granted = [item for item in items if item.source.source_id not in refused]
    take_turns(connection, [item.source.source_id for item in granted])
    verdicts = iter(land_in_turn(connection, granted, now=now))
    return [refused.get(item.source.source_id) or next(verdicts) for item in items]


def _refused(connection: sa.Connection, source_ids: Collection[str]) -> dict[str, Exception]:
    """Bind the transaction to the rows of these sources; those that have no grant, with the error for their batches."""
    try:
        speak_for(connection, sorted(source_ids))
    except NotGrantedError as error:
        return dict.fromkeys(error.source_ids, error)
    return {}


def land_in_turn(connection: sa.Connection, items: Sequence[Arrival], *, now: datetime) -> list[Verdict]:
    """As land_within, in a transaction that speaks for the sources and has their turns."""
    if not items:
        return []
    known = find_known(connection, [key_of(item.batch) for item in items])
    fresh: list[Arrival] = []
    coming: dict[Key, bytes] = {}
    for item in items:
        key = key_of(item.batch)
        if key not in known and key not in coming:
            coming[key] = item.batch.sha256
            fresh.append(item)
    for group in _groups(fresh):
        known |= _land_new(connection, group, now=now)
    return _verdicts(items, known, coming)


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


def last_sequence(engine: sa.Engine, *, source_id: str, epoch: str) -> int:
    """The highest number of a batch of the epoch that has landed; 0 when none has."""
    ours = sa.and_(ledger.c.source_id == source_id, ledger.c.epoch == epoch)
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.max(ledger.c.sequence)).where(ours)) or 0)


def list_findings(
    engine: sa.Engine, receipt_id: UUID, *, after: int, limit: int, source_ids: Sequence[str] | None = None
) -> list[Finding]:
    """Findings of a landed batch in order, from the `after`-th on. Empty at the end, or without such a receipt.

    With `source_ids` only theirs are there.
    """
    query = (
        sa.select(finding)
        .join(ledger, ledger.c.batch_id == finding.c.batch_id)
        .where(ledger.c.receipt_id == receipt_id, finding.c.position >= after)
        .order_by(finding.c.position)
        .limit(limit)
    )
    with engine.connect() as connection:
        if source_ids is not None:
            speak_for(connection, source_ids)
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


_SET = sa.select(sa.func.set_config(sa.bindparam("name"), sa.bindparam("value"), sa.true()))


def _verdicts(items: Sequence[Arrival], receipts: dict[Key, Receipt], fresh: dict[Key, bytes]) -> list[Verdict]:
    """What each is told. The first with a fresh key is its batch; every other is a replay, or uses the key again."""
    told: list[Verdict] = []
    for item in items:
        key = key_of(item.batch)
        if fresh.pop(key, None) is not None:
            told.append(receipts[key])
            continue
        try:
            told.append(replay(receipts[key], item.batch.sha256))
        except RejectedRequestError as error:
            told.append(error)
    return told


def _groups(items: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Cut where a source goes on to another day's export: that one is held against the forms of the day before.

    A batch with versions that may have to wait goes alone: whether they wait depends on what came before.
    """
    day: dict[str, date] = {}
    group: list[Arrival] = []
    for item in items:
        waits = _may_wait(item)
        if group and (waits or day.get(item.source.source_id, item.batch.exported_on) != item.batch.exported_on):
            yield group
            group, day = [], {}
        if waits:
            yield [item]
            continue
        day[item.source.source_id] = item.batch.exported_on
        group.append(item)
    if group:
        yield group


def _may_wait(item: Arrival) -> bool:
    return holding.asks_to_wait(item.normalised.table, officers_sign=item.source.officers_sign)


@dataclass(frozen=True)
class _New:
    """A batch that is being landed."""

    batch_id: int
    arrival: Arrival
    findings: pa.Table  # FINDINGS, of the normaliser and of the stream
    observed: pa.Table  # the forms of its columns, where it is the one that shows them

    @property
    def first(self) -> int:
        """The record_id of row 0."""
        return self.batch_id * ROWS_PER_BATCH


def _land_new(connection: sa.Connection, items: Sequence[Arrival], *, now: datetime) -> dict[Key, Receipt]:
    """Land batches that have not landed, each source's on one day; their receipts."""
    numbers = reserve(connection, _BATCH_ID, len(items))
    landing = list(_observed(connection, items, numbers))
    # Before what belongs to it, which is held against it; nearly always with the figures that stay.
    expected = [_receipt(new, superseded=0, findings=new.findings.num_rows, now=now) for new in landing]
    copy_in(connection, ledger, _ledger_rows(landing, expected))
    losses: list[Losses] = []
    for kind in RecordKind:
        if its := [new for new in landing if new.arrival.source.kind == kind and new.arrival.normalised.table.num_rows]:
            losses += _land_versions(connection, its, kind=kind, now=now)
    superseded, reused = _by_batch(losses, numbers)
    findings = {new.batch_id: _with_reused(new, reused[new.batch_id]) for new in landing}
    receipts = [
        _counted(new, receipt, superseded=superseded[new.batch_id], findings=findings[new.batch_id].num_rows)
        for new, receipt in zip(landing, expected, strict=True)
    ]
    if receipts != expected:
        correct(connection, [new.batch_id for new in landing], receipts)
    _land_said(connection, finding, [(number, table) for number, table in findings.items() if table.num_rows])
    _land_quarantined(connection, landing)
    for new in landing:
        streams.replace_forms(connection, new.batch_id, new.observed, source_id=new.arrival.source.source_id)
    connection.execute(_RING, {"provinces": sorted({new.arrival.source.province_code for new in landing})})
    return {(one.source_id, one.epoch, one.sequence): one for one in receipts}


_BATCH_ID = sa.Sequence("batch_batch_id_seq")
_RING = sa.select(
    sa.func.pg_notify(
        sa.cast(sa.literal(LANDED_CHANNEL), sa.Text),
        sa.func.unnest(sa.bindparam("provinces", type_=pg.ARRAY(sa.Text))),
    )
)


def _observed(connection: sa.Connection, items: Sequence[Arrival], numbers: Sequence[int]) -> Iterator[_New]:
    """Hold the first batch of a source's export that is large enough against how the source was last seen."""
    large = {item.source.source_id for item in items if item.normalised.received >= FEWEST_ROWS}
    seen = streams.last_days(connection, sorted(large)) if large else {}
    for number, item in zip(numbers, items, strict=True):
        batch, normalised = item.batch, item.normalised
        observed, findings = streams.NOTHING, normalised.findings
        if normalised.received >= FEWEST_ROWS and seen.get(batch.source_id, date.min) < batch.exported_on:
            observed, drifted = streams.observe(connection, batch, normalised, source=item.source)
            if observed.num_rows:
                seen[batch.source_id] = batch.exported_on
            if drifted.num_rows:
                findings = pa.concat_tables([drifted, findings])
        yield _New(number, item, findings, observed)


def _land_versions(
    connection: sa.Connection, landing: Sequence[_New], *, kind: RecordKind, now: datetime
) -> list[Losses]:
    """Append the versions of one kind, move the heads, begin the updates; say which do not stand."""
    tables = [_version_rows(new) for new in landing]
    copy_in(connection, record_tables[kind], pa.concat_tables(tables))
    arrived = pa.concat_tables([_arrived(new, rows) for new, rows in zip(landing, tables, strict=True)])
    arrived = arrived.combine_chunks()
    if any(_may_wait(new.arrival) for new in landing):
        losses = _stand_or_wait(connection, arrived, landing, kind=kind, now=now)
    else:
        losses = advance(connection, arrived, kind=kind)
        lost = _causes(losses)
        lifecycle_moves.begin(connection, arrived, superseded=lost, kind=kind, now=now)
        stood = np.setdiff1d(np.array(list(lost), np.int64), arrived["record_id"].to_numpy()).tolist()
        lifecycle_moves.supersede(connection, {one: lost[one] for one in stood}, now=now)
    if connection.scalar(sa.select(holding.anything_kept([new.arrival.source.source_id for new in landing]))):
        holding.go_on(connection, these(arrived["record_id"].to_pylist()), kind=kind, now=now)
    return losses


def _stand_or_wait(
    connection: sa.Connection, arrived: pa.Table, landing: Sequence[_New], *, kind: RecordKind, now: datetime
) -> list[Losses]:
    """As versions that came: but those that have to wait are no heads. A repeated one that would wait is lost."""
    lifecycle_moves.begin(connection, arrived, kind=kind, now=now)
    signing = sorted({new.arrival.source.source_id for new in landing if new.arrival.source.officers_sign})
    came = these(arrived["record_id"].to_pylist())
    kept = holding.hold(connection, came, kind=kind, officers_sign=signing, now=now)
    waits = pc.is_in(arrived["record_id"], value_set=pa.array(kept.records, pa.int64()))
    losses = advance(connection, arrived.filter(pc.invert(waits)).combine_chunks(), kind=kind)
    lifecycle_moves.supersede(connection, _causes(losses), now=now)
    repeated = np.array(kept.repeated, np.int64)
    return [*losses, Losses(Displaced.REPEATED, repeated, repeated)]


def _causes(losses: Sequence[Losses]) -> dict[int, str]:
    """By record id: why it does not stand."""
    return {int(one): said.cause for said in losses for one in said.lost.tolist()}


def _version_rows(new: _New) -> pa.Table:
    table = new.arrival.normalised.table
    record_id = pc.add(table["row"].cast(pa.int64()), new.first)
    source_id = pa.repeat(new.arrival.source.source_id, table.num_rows)
    rest = table.drop_columns(["row"])
    return pa.Table.from_arrays(
        [record_id, source_id, *rest.columns], names=["record_id", "source_id", *rest.column_names]
    )


def _arrived(new: _New, rows: pa.Table) -> pa.Table:
    """What the heads need to know (ARRIVED). An export of before the merger can only name units of before it."""
    before_merger = new.arrival.batch.exported_on < MERGER
    is_former = pc.fill_null(pc.less(rows["unit_vintage"], pa.scalar(MERGER, pa.date32())), before_merger)
    columns = {name: rows[name] for name in ("record_id", "source_id", "source_record_id", "source_version")}
    columns["province_code"] = pa.repeat(new.arrival.source.province_code, rows.num_rows)
    columns["former_unit_code"] = pc.if_else(is_former, rows["unit_code"], pa.scalar(None, pa.string()))
    return pa.table(columns, schema=ARRIVED)


def _by_batch(losses: Sequence[Losses], numbers: Sequence[int]) -> tuple[dict[int, int], dict[int, list[int]]]:
    """By batch: how many were superseded on arrival, and the record ids that came under a version used before."""
    superseded: dict[int, int] = dict.fromkeys(numbers, 0)
    reused: dict[int, list[int]] = defaultdict(list)
    for one in losses:
        match one.cause:
            case Displaced.LATE_VERSION | Displaced.REPEATED:
                for number, count in zip(*np.unique(one.lost // ROWS_PER_BATCH, return_counts=True), strict=True):
                    superseded[int(number)] += int(count)
            case Displaced.VERSION_REUSED:
                for came in np.sort(one.came).tolist():
                    reused[came // ROWS_PER_BATCH].append(came)
            case Displaced.NEWER_VERSION:
                pass
    return superseded, reused


def _with_reused(new: _New, reused: Sequence[int]) -> pa.Table:
    """The findings of a batch, with those records that came under a version already used for other content."""
    if not reused:
        return new.findings
    table = new.arrival.normalised.table
    wanted = pa.array([came - new.first for came in sorted(reused)], pa.int32())
    rows = table.filter(pc.is_in(table["row"], value_set=wanted)).sort_by("row")
    said = {
        "row": rows["row"],
        "column": pa.repeat("source_version", rows.num_rows),
        "code": pa.repeat(str(Displaced.VERSION_REUSED), rows.num_rows),
        "severity": pa.repeat(CATALOGUE[Displaced.VERSION_REUSED].severity.value, rows.num_rows),
        "seen": rows["source_version"].cast(pa.string()),
        "source_record_id": rows["source_record_id"],
    }
    return pa.concat_tables([new.findings, pa.table(said, schema=FINDINGS)])


def _receipt(new: _New, *, superseded: int, findings: int, now: datetime) -> Receipt:
    batch, normalised = new.arrival.batch, new.arrival.normalised
    return Receipt(
        receipt_id=uuid4(),
        source_id=batch.source_id,
        epoch=batch.epoch,
        sequence=batch.sequence,
        sha256=batch.sha256,
        received=normalised.received,
        accepted=normalised.table.num_rows - superseded,
        superseded=superseded,
        quarantined=normalised.quarantined.num_rows,
        findings=findings,
        landed_at=now,
    )


def _counted(new: _New, receipt: Receipt, *, superseded: int, findings: int) -> Receipt:
    accepted = new.arrival.normalised.table.num_rows - superseded
    return replace(receipt, accepted=accepted, superseded=superseded, findings=findings)


def _ledger_rows(landing: Sequence[_New], receipts: Sequence[Receipt]) -> pa.Table:
    """The batches as the ledger has them: with the figures that their receipts state."""
    rows = [
        {
            "batch_id": new.batch_id,
            "receipt_id": receipt.receipt_id.bytes,
            "source_id": receipt.source_id,
            "epoch": receipt.epoch,
            "sequence": receipt.sequence,
            "sha256": receipt.sha256,
            "format": str(new.arrival.batch.format),
            "exported_on": new.arrival.batch.exported_on,
            "kind": str(new.arrival.source.kind),
            "province_code": new.arrival.source.province_code,
            "received": receipt.received,
            "accepted": receipt.accepted,
            "superseded": receipt.superseded,
            "quarantined": receipt.quarantined,
            "findings": receipt.findings,
            "landed_at": receipt.landed_at,
            "traceparent": new.arrival.batch.traceparent,
            "payload": new.arrival.batch.payload if receipt.quarantined else None,
            "signature": new.arrival.batch.signature,
            "signed_by": new.arrival.batch.signed_by,
        }
        for new, receipt in zip(landing, receipts, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=LEDGER)


def _land_said(connection: sa.Connection, target: sa.Table, tables: Sequence[tuple[int, pa.Table]]) -> None:
    """Append the findings of each batch, numbered in their order."""
    if not tables:
        return
    sizes = [table.num_rows for _, table in tables]
    number = np.repeat([number for number, _ in tables], sizes)
    position = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
    said = pa.concat_tables([table for _, table in tables])
    numbered = said.append_column("batch_id", pa.array(number)).append_column("position", pa.array(position))
    copy_in(connection, target, numbered)


def _land_quarantined(connection: sa.Connection, landing: Sequence[_New]) -> None:
    held = [(new.batch_id, new.arrival.normalised.quarantined) for new in landing]
    held = [(number, table) for number, table in held if table.num_rows]
    if not held:
        return
    rows = pa.concat_tables([table for _, table in held])
    numbers = np.repeat([number for number, _ in held], [table.num_rows for _, table in held])
    place = QUARANTINED.get_field_index("codes")
    codes = pc.binary_join(rows["codes"], " ")
    copy_in(connection, quarantine, rows.set_column(place, "codes", codes).append_column("batch_id", pa.array(numbers)))
