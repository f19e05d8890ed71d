"""What a batch goes through before it may land: its message read and checked, its payload hashed and normalised."""

import hashlib
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime

from adapters.catalogue import Source
from adapters.declaration import Dialect
from adapters.entitlement import outside
from adapters.normalise import Normalised, normalise_together, say_of_batch
from adapters.readers import Raw, check_table, open_table, read
from gateway import access, caps, rules
from gateway.errors import Reason, RejectedCallError
from gateway.signatures import Signatures
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
    rules.check_batch(message.batch)
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


def admit(batch: Batch, *, signatures: Signatures, identities: Collection[str], required: bool, now: datetime) -> Batch:
    """The batch with who signed it, before anything of its payload is read.

    Raises HASH_MISMATCH, SIGNATURE_REQUIRED or SIGNATURE_INVALID.
    """
    check_hash(batch)
    return signatures.check_batch(batch, identities=identities, required=required, now=now)


def _check_kind(message: intake_pb2.Batch, source: Source) -> None:
    stated = wire.read_batch_kind(message)
    if stated not in {None, source.kind}:
        raise RejectedCallError(
            Reason.KIND_MISMATCH,
            f"The batch states {stated}; {source.source_id} holds {source.kind}.",
            field_path="batch.kind",
            facts={"source_id": source.source_id},
        )


@dataclass(frozen=True)
class Received:
    """A batch that was read, whose people it may be about, and how many records its sender counted, 0 if not said."""

    batch: Batch
    source: Source
    province_codes: Collection[str]
    stated: int
    traceparent: str | None = None  # of whoever waits for it


Likeness = tuple[Dialect, date]


def likeness(received: Received) -> Likeness:
    """What batches have in common that may be normalised together, of whatever sources: their dialect and day."""
    return _spoken(received).dialect, received.batch.exported_on


def normalise(batch: Batch, *, source: Source, stated: int, province_codes: Collection[str]) -> Normalised:
    """The canonical rows of a batch. `stated` is how many records its sender counted, 0 when it does not say.

    Rows about people of other provinces than `province_codes` are held back.

    Raises RejectedBatchError, or RejectedCallError KIND_MISMATCH, TOO_MANY_RECORDS, UNREADABLE, RECORD_COUNT_MISMATCH.
    """
    return _normalised([Received(batch, source, province_codes, stated)])[0]


def prepare(received: Sequence[Received]) -> list[Normalised | Exception]:
    """The canonical rows of batches of one likeness, or why there are none; each as if it came alone.

    The errors are those of `normalise`.
    """
    with ExitStack() as spans:
        for one in received:
            named = {
                "source_id": one.source.source_id,
                "sequence": one.batch.sequence,
                "batch_format": one.batch.format,
            }
            spans.enter_context(telemetry.span("intake.normalise", parent=one.traceparent, attributes=named))
        started = time.perf_counter()
        try:
            return list(_normalised(received))
        except Exception as error:  # noqa: BLE001 - it is the answer to its batch
            if len(received) == 1:
                return [error]
        finally:
            metrics.NORMALISE_SECONDS.record(time.perf_counter() - started, record_kind=received[0].source.kind)
    return [found for one in received for found in prepare([one])]


def _normalised(received: Sequence[Received]) -> list[Normalised]:
    sources = [_spoken(one) for one in received]
    raws = [_read(one.batch, source) for one, source in zip(received, sources, strict=True)]
    together = normalise_together(raws, sources=sources, exported_on=received[0].batch.exported_on)
    return [_checked(one, normalised) for one, normalised in zip(received, together, strict=True)]


def _spoken(received: Received) -> Source:
    """The source with the dialect in which the batch is."""
    return as_typed(received.source) if received.batch.format is BatchFormat.TYPED_RECORDS else received.source


def _read(batch: Batch, source: Source) -> Raw:
    match batch.format:
        case BatchFormat.SOURCE_FILE:
            return read(batch.payload, source.dialect, source_id=source.source_id)
        case BatchFormat.ARROW_IPC:
            rows = open_table(batch.payload, source_id=source.source_id)
        case BatchFormat.TYPED_RECORDS:
            rows = read_typed(batch.payload, kind=source.kind)
    return check_table(rows, source_id=source.source_id)


def _checked(received: Received, normalised: Normalised) -> Normalised:
    """What is seen only when the rows are."""
    batch, stated = received.batch, received.stated
    if batch.format is BatchFormat.TYPED_RECORDS and holds_newer_fields(batch.payload):
        normalised = say_of_batch(normalised, "SCHEMA_NEWER")
    if stated not in {0, normalised.received}:
        raise RejectedCallError(
            Reason.RECORD_COUNT_MISMATCH,
            f"The batch states {stated} records and holds {normalised.received}.",
            field_path="batch.record_count",
            facts={"stated": str(stated), "found": str(normalised.received)},
        )
    allowed = outside(normalised, province_codes=received.province_codes)
    if foreign := normalised.table.num_rows - allowed.table.num_rows:
        access.note_outside(received.source.source_id, foreign, sequence=batch.sequence)
    return allowed
