"""What a batch goes through before it may land: its message read and checked, its payload hashed and normalised."""

import hashlib
import time

from adapters.catalogue import Source
from adapters.normalise import Normalised, normalise_file, normalise_rows, say_of_batch
from adapters.readers import open_table
from gateway import caps
from gateway.errors import Reason, RejectedCallError
from gateway.typed import as_typed, holds_newer_fields, read_typed
from gateway.v1 import intake_pb2
from gateway.wire import intake as wire
from observability import metrics, telemetry
from reconciliation.model import Batch, BatchFormat


def read_batch(message: intake_pb2.PushRequest, *, source: Source, epoch: str) -> Batch:
    """The batch of a message, within the caps and of the source's kind.

    Raises RejectedCallError HELLO_REPEATED, TOO_LARGE, FIELD_INVALID or KIND_MISMATCH.
    """
    if message.WhichOneof("message") != "batch":
        raise RejectedCallError(
            Reason.HELLO_REPEATED,
            "A Hello came after the first message.",
            field_path="hello",
            facts={"field": "hello"},
        )
    if len(message.batch.payload) > caps.MAX_PAYLOAD_BYTES:
        raise RejectedCallError(
            Reason.TOO_LARGE,
            f"The payload is {len(message.batch.payload)} bytes.",
            field_path="batch.payload",
            facts={"limitBytesPerBatch": str(caps.MAX_PAYLOAD_BYTES)},
        )
    batch = wire.read_batch(message.batch, source_id=source.source_id, epoch=epoch)
    _check_kind(message.batch, source)
    return batch


def check_hash(batch: Batch) -> None:
    """Raises HASH_MISMATCH when the payload is not what its sender hashed."""
    if hashlib.sha256(batch.payload).digest() != batch.sha256:
        raise RejectedCallError(
            Reason.HASH_MISMATCH,
            "The payload's SHA-256 is not the one stated.",
            field_path="batch.sha256",
            facts={"source_id": batch.source_id, "sequence": str(batch.sequence)},
        )


def _check_kind(message: intake_pb2.Batch, source: Source) -> None:
    stated = wire.read_batch_kind(message)
    if stated not in {None, source.kind}:
        raise RejectedCallError(
            Reason.KIND_MISMATCH,
            f"The batch states {stated}; {source.source_id} holds {source.kind}.",
            field_path="batch.kind",
            facts={"source_id": source.source_id},
        )


def normalise(batch: Batch, *, source: Source, stated: int) -> Normalised:
    """The canonical rows of a batch. `stated` is how many records its sender counted, 0 when it does not say.

    Raises RejectedBatchError, or RejectedCallError KIND_MISMATCH, TOO_MANY_RECORDS, UNREADABLE, RECORD_COUNT_MISMATCH.
    """
    with telemetry.span(
        "intake.normalise",
        parent=batch.traceparent,
        attributes={"source_id": source.source_id, "sequence": batch.sequence, "batch_format": batch.format},
    ):
        started = time.perf_counter()
        match batch.format:
            case BatchFormat.SOURCE_FILE:
                normalised = normalise_file(batch.payload, source=source, exported_on=batch.exported_on)
            case BatchFormat.ARROW_IPC:
                rows = open_table(batch.payload, source_id=source.source_id)
                normalised = normalise_rows(rows, source=source, exported_on=batch.exported_on)
            case BatchFormat.TYPED_RECORDS:
                rows = read_typed(batch.payload, kind=source.kind)
                normalised = normalise_rows(rows, source=as_typed(source), exported_on=batch.exported_on)
                if holds_newer_fields(batch.payload):
                    normalised = say_of_batch(normalised, "SCHEMA_NEWER")
        if stated not in {0, normalised.received}:
            raise RejectedCallError(
                Reason.RECORD_COUNT_MISMATCH,
                f"The batch states {stated} records and holds {normalised.received}.",
                field_path="batch.record_count",
                facts={"stated": str(stated), "found": str(normalised.received)},
            )
        metrics.NORMALISE_SECONDS.record(time.perf_counter() - started, record_kind=source.kind)
        return normalised
