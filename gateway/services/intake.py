"""IntakeService: batches in, receipts out, in order, and never a receipt before its COMMIT.

The next batch is decoded and normalised while this one commits; both halves read no further than their caps.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import grpc

from adapters.catalogue import Catalogue, Source
from adapters.normalise import Normalised
from gateway import access, caps, receiving
from gateway.budget import ByteBudget
from gateway.errors import Reason, RejectedCallError, explain
from gateway.failpoints import Failpoints
from gateway.rehearsing import rehearse
from gateway.settings import Failpoint, Settings
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire import intake as wire
from gateway.workers import Workers
from observability import metrics, telemetry
from observability.logs import get_logger
from reconciliation.errors import FatalStoreError, RetryableStoreError
from reconciliation.model import Batch, Finding, Receipt
from reconciliation.store import landing
from reconciliation.store.engine import Engine

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
    traceparent: str
    prepared: asyncio.Task[Prepared]


@dataclass(frozen=True)
class OpenPush:
    """One open push: whose it is and what waits for its answer, oldest first; None is the end."""

    source: Source
    epoch: str
    is_rehearsal: bool  # nothing of it is looked up, landed or counted as received
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
                last_durable=durable,
                batches_in_flight=in_flight,
                kind=source.kind,
                now=self.clock(),
                validate_only=hello.validate_only,
            )
            push = OpenPush(source, hello.epoch, hello.validate_only, asyncio.Semaphore(in_flight))
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
                push.waiting.put_nowait(Waiting(message.batch.sequence, size, message.batch.traceparent, prepared))
        finally:
            push.waiting.put_nowait(None)

    async def _answer(self, push: OpenPush, waiting: Waiting) -> intake_pb2.PushResponse:
        named = {"source_id": push.source.source_id, "sequence": waiting.sequence}
        if not push.is_rehearsal:
            metrics.BATCHES_RECEIVED.add(source_id=push.source.source_id)
        with telemetry.span("intake.batch", parent=waiting.traceparent, attributes=named) as span:
            try:
                prepared = await waiting.prepared
                if push.is_rehearsal:
                    return _rehearsed(waiting.sequence, prepared)
                receipt, findings = await self.workers.store(self._commit, push.source, prepared)
            except (RetryableStoreError, FatalStoreError):
                raise  # no verdict on the batch: the stream ends, and its sender asks again
            except Exception as error:  # whatever one batch does, the next one gets its answer
                explanation = explain(error, trace_id=telemetry.current_trace_id())
                span.fail(type(error).__name__, reason=str(explanation.reason))
                if explanation.reason is Reason.INTERNAL_FAULT:
                    log.error("batch_failed", **named, exc_info=error)
                else:
                    log.info("batch_refused", **named, reason=str(explanation.reason))
                if not push.is_rehearsal:
                    metrics.BATCHES_REFUSED.add(source_id=push.source.source_id, reason=str(explanation.reason))
                facts = {name: str(value) for name, value in named.items()} | dict(explanation.facts)
                told = replace(explanation, facts=facts)
                return wire.write_refusal(waiting.sequence, told, help_url=self.settings.help_url)
        _count(receipt, prepared.outcome, push.source)
        return wire.write_receipt(receipt, findings)

    async def _prepare(self, push: OpenPush, message: intake_pb2.PushRequest) -> Prepared:
        batch = receiving.read_batch(message, source=push.source, epoch=push.epoch)
        await self.workers.columns(receiving.check_hash, batch)
        if not push.is_rehearsal and (known := await self._known(batch)):
            return Prepared(batch, known)
        stated = message.batch.record_count
        normalised = await self.workers.columns(receiving.normalise, batch, source=push.source, stated=stated)
        return Prepared(batch, normalised)

    async def _known(self, batch: Batch) -> Receipt | None:
        """The receipt of a batch that landed before."""
        key = {"source_id": batch.source_id, "epoch": batch.epoch}
        return await self.workers.store(landing.find_receipt, **key, sequence=batch.sequence, sha256=batch.sha256)

    def _commit(self, engine: Engine, source: Source, prepared: Prepared) -> tuple[Receipt, list[Finding]]:
        """Runs on a thread of the store. The same batch may have landed meanwhile: then the receipt is a replay."""
        batch, outcome = prepared.batch, prepared.outcome
        with telemetry.span("intake.land", attributes={"source_id": batch.source_id}) as span:
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


def _rehearsed(sequence: int, prepared: Prepared) -> intake_pb2.PushResponse:
    if isinstance(prepared.outcome, Receipt):
        raise TypeError("a rehearsal looks up no receipt")
    counts, findings = rehearse(prepared.outcome, most=caps.RECEIPT_FINDINGS)
    return wire.write_rehearsal(sequence, counts, findings)


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
