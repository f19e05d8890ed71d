"""IntakeService: batches in, receipts out, in order, and never a receipt before its COMMIT.

The next batch is decoded and normalised while this one commits; both halves read no further than their caps.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import grpc
from sqlalchemy import Engine

from adapters.catalogue import Catalogue, Source
from adapters.normalise import Normalised, normalise_file, normalise_rows
from adapters.readers import open_table
from gateway import access, caps
from gateway.budget import ByteBudget
from gateway.errors import Reason, RejectedCallError, explain
from gateway.failpoints import Failpoints
from gateway.settings import Failpoint, Settings
from gateway.typed import as_typed, read_typed
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire import intake as wire
from gateway.workers import Workers
from observability import metrics, telemetry
from observability.logs import get_logger
from reconciliation.errors import FatalStoreError, RetryableStoreError
from reconciliation.model import Batch, BatchFormat, Finding, Receipt
from reconciliation.store import landing

log = get_logger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A batch with its canonical rows, or with the receipt it had already."""

    batch: Batch
    outcome: Normalised | Receipt


@dataclass(frozen=True)
class Waiting:
    """A message that was read and not yet answered."""

    sequence: int
    payload_bytes: int
    prepared: asyncio.Task[Prepared]


@dataclass(frozen=True)
class OpenPush:
    """One open push: whose it is and what waits for its answer, oldest first; None is the end."""

    source: Source
    epoch: str
    room: asyncio.Semaphore  # taken from reading a batch until its answer is written
    waiting: asyncio.Queue[Waiting | None] = field(default_factory=asyncio.Queue)


@dataclass
class IntakeService(intake_pb2_grpc.IntakeServiceServicer):
    """Takes batches from sources."""

    catalogue: Catalogue
    workers: Workers
    settings: Settings
    clock: Callable[[], datetime]

    def __post_init__(self) -> None:
        self.failpoints = Failpoints(self.settings.failpoint)
        self.streams = asyncio.Semaphore(self.settings.push_streams)
        self.budget = ByteBudget(self.settings.bytes_in_flight)
        self.draining = False
        self.reading: set[asyncio.Task[None]] = set()

    def drain(self) -> None:
        """Read no more: every push answers what it has read and then ends with DRAINING."""
        self.draining = True
        for reading in self.reading:
            reading.cancel()

    async def Push(  # noqa: N802 - gRPC's name
        self,
        request_iterator: AsyncIterator[intake_pb2.PushRequest],
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> AsyncIterator[intake_pb2.PushResponse]:
        """Answers every batch of one stream; see intake.proto."""
        self._check_open()
        async with self.streams:
            hello = wire.read_hello(await anext(request_iterator, intake_pb2.PushRequest()))
            source = access.source(self.catalogue, hello.source_id)
            named = {"source_id": source.source_id, "epoch": hello.epoch}
            durable = await self.workers.store(landing.last_durable_sequence, **named)
            in_flight = self.settings.batches_in_flight
            yield wire.write_welcome(
                last_durable=durable, batches_in_flight=in_flight, kind=source.kind, now=self.clock()
            )
            push = OpenPush(source, hello.epoch, asyncio.Semaphore(in_flight))
            reading = asyncio.create_task(self._read(push, request_iterator))
            self.reading.add(reading)
            try:
                while (waiting := await push.waiting.get()) is not None:
                    try:
                        yield await self._answer(push, waiting)
                    finally:
                        await self.budget.give_back(waiting.payload_bytes)
                        push.room.release()
                await self._end(reading)
            finally:
                await self._abandon(push, reading)

    def _check_open(self) -> None:
        if self.draining:
            raise RejectedCallError(Reason.DRAINING, "The gateway is shutting down.")
        if self.streams.locked():
            raise RejectedCallError(
                Reason.STREAMS_EXHAUSTED,
                f"{self.settings.push_streams} pushes are open.",
                facts={"limitPushStreams": str(self.settings.push_streams)},
            )

    async def _end(self, reading: asyncio.Task[None]) -> None:
        if self.draining:
            raise RejectedCallError(Reason.DRAINING, "The gateway is shutting down.")
        await reading

    async def _abandon(self, push: OpenPush, reading: asyncio.Task[None]) -> None:
        """Let go of what a push that ended early had read; what is being committed stays committed."""
        self.reading.discard(reading)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        while not push.waiting.empty():
            if left := push.waiting.get_nowait():
                left.prepared.cancel()
                await asyncio.gather(left.prepared, return_exceptions=True)
                await self.budget.give_back(left.payload_bytes)

    async def _read(self, push: OpenPush, messages: AsyncIterator[intake_pb2.PushRequest]) -> None:
        try:
            while not self.draining:
                await push.room.acquire()
                message = await anext(messages, None)
                if message is None:
                    return
                size = await self.budget.take(len(message.batch.payload))
                prepared = asyncio.create_task(self._prepare(push, message))
                push.waiting.put_nowait(Waiting(message.batch.sequence, size, prepared))
        finally:
            push.waiting.put_nowait(None)

    async def _answer(self, push: OpenPush, waiting: Waiting) -> intake_pb2.PushResponse:
        source_id = push.source.source_id
        metrics.BATCHES_RECEIVED.add(source_id=source_id)
        try:
            receipt, findings = await self._land(push, await waiting.prepared)
        except (RetryableStoreError, FatalStoreError):
            raise  # no verdict on the batch: the stream ends, and its sender asks again
        except Exception as error:  # whatever one batch does, the next one gets its answer
            explained = explain(error, trace_id=telemetry.current_trace_id())
            named = {"source_id": source_id, "sequence": str(waiting.sequence)}
            explanation = replace(explained, facts={**named, **explained.facts})
            reason = explanation.reason
            if reason is Reason.INTERNAL_FAULT:
                log.error("batch_failed", source_id=source_id, sequence=waiting.sequence, exc_info=error)
            else:
                log.info("batch_refused", source_id=source_id, sequence=waiting.sequence, reason=str(reason))
            metrics.BATCHES_REFUSED.add(source_id=source_id, reason=str(reason))
            return wire.write_refusal(waiting.sequence, explanation, help_url=self.settings.help_url)
        return wire.write_receipt(receipt, findings)

    async def _prepare(self, push: OpenPush, message: intake_pb2.PushRequest) -> Prepared:
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
        batch = wire.read_batch(message.batch, source_id=push.source.source_id, epoch=push.epoch)
        await self.workers.columns(_check_hash, batch)
        _check_kind(message.batch, push.source)
        key = {"source_id": batch.source_id, "epoch": batch.epoch}
        known = await self.workers.store(landing.find_receipt, **key, sequence=batch.sequence, sha256=batch.sha256)
        if known is not None:
            return Prepared(batch, known)
        stated = message.batch.record_count
        normalised = await self.workers.columns(_normalise, batch, source=push.source, stated=stated)
        return Prepared(batch, normalised)

    async def _land(self, push: OpenPush, prepared: Prepared) -> tuple[Receipt, list[Finding]]:
        receipt, findings = await self.workers.store(self._commit, push.source, prepared)
        _count(receipt, prepared.outcome, push.source)
        return receipt, findings

    def _commit(self, engine: Engine, source: Source, prepared: Prepared) -> tuple[Receipt, list[Finding]]:
        """Runs on a thread of the store. The same batch may have landed meanwhile: then the receipt is a replay."""
        batch, outcome = prepared.batch, prepared.outcome
        with telemetry.span(
            "intake.land",
            parent=batch.traceparent,
            attributes={"source_id": batch.source_id, "sequence": batch.sequence},
        ) as span:
            if isinstance(outcome, Receipt):
                receipt = outcome
            else:
                self.failpoints.reach(Failpoint.BEFORE_COMMIT)
                started = time.perf_counter()
                traced = replace(batch, traceparent=span.traceparent or batch.traceparent)
                receipt = landing.land(engine, traced, outcome, source=source, now=self.clock())
                metrics.LANDING_SECONDS.record(time.perf_counter() - started, record_kind=source.kind)
                self.failpoints.reach(Failpoint.AFTER_COMMIT_BEFORE_RECEIPT)
            span.set(receipt_id=receipt.receipt_id, received=receipt.received, replayed=receipt.replayed)
            if not receipt.findings:
                return receipt, []
            return receipt, landing.list_findings(engine, receipt.receipt_id, after=0, limit=caps.RECEIPT_FINDINGS)


def _check_hash(batch: Batch) -> None:
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


def _normalise(batch: Batch, *, source: Source, stated: int) -> Normalised:
    """The canonical rows of a batch. Raises RejectedBatchError or RejectedCallError. Runs on a normalising thread."""
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
        if stated not in {0, normalised.received}:
            raise RejectedCallError(
                Reason.RECORD_COUNT_MISMATCH,
                f"The batch states {stated} records and holds {normalised.received}.",
                field_path="batch.record_count",
                facts={"stated": str(stated), "found": str(normalised.received)},
            )
        metrics.NORMALISE_SECONDS.record(time.perf_counter() - started, record_kind=source.kind)
        return normalised


def _count(receipt: Receipt, outcome: Normalised | Receipt, source: Source) -> None:
    if receipt.replayed or isinstance(outcome, Receipt):
        metrics.BATCHES_REPLAYED.add(source_id=source.source_id)
        return
    split = {"province_code": source.province_code, "record_kind": source.kind}
    metrics.BATCHES_LANDED.add(source_id=source.source_id)
    metrics.RECORDS_ACCEPTED.add(receipt.accepted, **split)
    metrics.RECORDS_QUARANTINED.add(receipt.quarantined, **split)
    metrics.RECORDS_SUPERSEDED.add(receipt.superseded, **split)
    counted = outcome.findings.group_by(["code", "severity"], use_threads=False).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        metrics.FINDINGS.add(row["count_all"], source_id=source.source_id, code=row["code"], severity=row["severity"])
