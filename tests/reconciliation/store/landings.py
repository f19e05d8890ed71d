"""Batches for the store's tests: a source that does not exist, and rows that say just what a test needs."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa

from adapters import catalogue
from adapters.canonical import SCHEMAS, RecordKind
from adapters.findings import FINDINGS
from adapters.normalise import QUARANTINED, Normalised
from reconciliation.model import Batch, BatchFormat

NOW = datetime(2025, 9, 3, 3, 0, tzinfo=UTC)


def source(source_id: str = "yen-bai.population") -> catalogue.Source:
    """A source of the catalogue."""
    return catalogue.load().sources[source_id]


def rows(kind: RecordKind, *records: dict[str, object]) -> pa.Table:
    """Canonical rows; `row` counts up, the version is 1 and the vintage today's list unless a record says otherwise."""
    filled = [
        {"row": row, "source_version": 1, "unit_vintage": date(2025, 7, 1), "event_date": date(2025, 8, 1)} | record
        for row, record in enumerate(records)
    ]
    schema = SCHEMAS[kind]
    return pa.Table.from_pylist([{name: record.get(name) for name in schema.names} for record in filled], schema=schema)


def normalised(table: pa.Table, quarantined: Sequence[dict[str, object]] = ()) -> Normalised:
    """A normalised batch of `table` and of rows in quarantine, with a finding for each of these."""
    held = pa.Table.from_pylist(list(quarantined), schema=QUARANTINED)
    findings = [
        {"row": row["row"], "column": "NGAY_SINH", "code": "DATE_INVALID", "severity": "error", "seen": "99/99/9999"}
        for row in quarantined
    ]
    return Normalised(
        table=table,
        findings=pa.Table.from_pylist(findings, schema=FINDINGS),
        quarantined=held,
        received=table.num_rows + held.num_rows,
    )


def batch(
    sequence: int = 1, *, source_id: str = "yen-bai.population", payload: bytes = b"payload", epoch: str = "e1"
) -> Batch:
    """A batch with the given key and bytes."""
    return Batch(
        source_id=source_id,
        epoch=epoch,
        sequence=sequence,
        format=BatchFormat.SOURCE_FILE,
        sha256=hashlib.sha256(payload).digest(),
        exported_on=date(2025, 8, 15),
        payload=payload,
    )


def other(one: Batch, **changes: object) -> Batch:
    """`one` with some fields changed."""
    return replace(one, **changes)  # type: ignore[arg-type]
