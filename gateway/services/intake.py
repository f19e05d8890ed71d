"""IntakeService: batches in, receipts out, in order, and never a receipt before its COMMIT.

Batches are decoded and normalised while those before them commit, which batches of all streams do together; no stream
is read further than its caps.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import grpc

from adapters.catalogue import Catalogue, Source
from adapters.normalise import Normalised
from gateway import access, caps, identity, receiving
from gateway.access import GrantedSource, KnownGrants
from gateway.budget import ByteBudget
from gateway.committing import Committer
from gateway.errors import Reason, RejectedCallError, explain
from gateway.failpoints import Failpoints
from gateway.identity import Caller
from gateway.lanes import Lanes
from gateway.preparing import Preparer
from gateway.receiving import Received
from gateway.rehearsing import rehearse
from gateway.services import keeping_in_step, officer_signatures
from gateway.services.describing import describe
from gateway.services.online import Online, submit_update
from gateway.settings import Settings
from gateway.signatures import Signatures
from gateway.submitting import Submitter
from gateway.turns import Turn, Turns
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire import intake as wire
from gateway.workers import Workers
from observability import metrics, telemetry
from observability.logs import get_logger
from reconciliation.errors import FatalStoreError, RetryableStoreError
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Batch, Finding, Receipt
from reconciliation.store import landing
from reconciliation.store.landing import Arrival

log = get_logger(__name__)


@dataclass(frozen=True)
class Waiting:
    """A message that was read and not yet answered."""

    sequence: int
    payload_bytes: int
    answer: asyncio.Task[intake_pb2.PushResponse]


@dataclass(frozen=True)
class OpenPush:
    """One open push: whose it is and what waits for its answer, oldest first; None is the end."""

    source: Source
    caller: Caller
    epoch: str
    is_rehearsal: bool  # nothing of it is looked up, landed or counted as received
    last_landed: int  # no batch of a higher number had landed when it began
    room: asyncio.Semaphore  # taken from reading a batch until its answer is written
    waiting: asyncio.Queue[Waiting | None] = field(default_factory=asyncio.Queue)


@dataclass
class IntakeService(intake_pb2_grpc.IntakeServiceServicer):
    """Takes batches from sources."""

    catalogue: Catalogue
    workers: Workers
    settings: Settings
    clock: Callable[[], datetime]
    known: KnownGrants
    signatures: Signatures = field(default_factory=Signatures)

    def __post_init__(self) -> None:
        self.committer = Committer(self.workers, clock=self.clock, failpoints=Failpoints(self.settings.failpoint))
        self.preparer = Preparer(self.workers, threads=self.settings.normalise_threads)
        self.streams = asyncio.Semaphore(self.settings.push_streams)
        self.budget = ByteBudget(self.settings.bytes_in_flight)
        self.draining = False
        self.reading: set[asyncio.Task[None]] = set()

        lanes = Lanes(self.settings.updates_waiting, self.settings.updates_waiting_of_source)
        submitter = Submitter(lanes, self.workers, self.clock, Failpoints(self.settings.failpoint))
        self.online = Online(submitter, self.clock, self.signatures)

    def drain(self) -> None:
        """Read no more: every push answers what it has read and then ends with DRAINING."""
        self.draining = True
        for reading in self.reading:
            reading.cancel()

    async def Push(  # noqa: N802 - gRPC's name
        self,
        request_iterator: AsyncIterator[intake_pb2.PushRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[intake_pb2.PushResponse]:
        """Answers every batch of one stream; see intake.proto."""
        self._check_open()
        async with self.streams:
            hello = wire.read_hello(await anext(request_iterator, intake_pb2.PushRequest()))
            caller = identity.caller(context)
            granted = await self._granted(caller, hello.source_id)
            source = granted.source
            named = {"source_id": source.source_id, "epoch": hello.epoch}
            durable = await self.workers.store(landing.last_durable_sequence, **named)
            last = await self.workers.store(landing.last_sequence, **named)
            in_flight = self.settings.batches_in_flight
            yield wire.write_welcome(
                last_durable=durable,
                batches_in_flight=in_flight,
                kind=source.kind,
                now=self.clock(),
                validate_only=hello.validate_only,
                signature_required=granted.signature_required,
                client_time=wire.read_client_time(hello),
            )
            push = OpenPush(source, caller, hello.epoch, hello.validate_only, last, asyncio.Semaphore(in_flight))
            reading = asyncio.create_task(self._read(push, request_iterator))
            self.reading.add(reading)
            try:
                while (waiting := await push.waiting.get()) is not None:
                    try:
                        yield await waiting.answer
                    finally:
                        await self.budget.give_back(waiting.payload_bytes)
                        push.room.release()
                await self._end(reading)
            finally:
                await self._abandon(push, reading)

    async def SubmitSignatures(  # noqa: N802 - gRPC's name
        self,
        request: intake_pb2.SubmitSignaturesRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> intake_pb2.SubmitSignaturesResponse:
        """Lets go the events that officers signed; see officer_signatures."""
        granted = await self._granted(identity.caller(context), request.source_id)
        return await officer_signatures.submit(
            request, source=granted.source, signatures=self.signatures, workers=self.workers, now=self.clock()
        )

    async def DescribeSource(  # noqa: N802
        self, request: intake_pb2.DescribeSourceRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> intake_pb2.DescribeSourceResponse:
        """What the caller may send for a source; see describing.py."""
        return await describe(
            request, context, catalogue=self.catalogue, known=self.known, workers=self.workers, clock=self.clock
        )

    async def _granted(self, caller: Caller, source_id: str) -> GrantedSource:
        grants, today = await self.known.standing(), self.clock().astimezone(VIETNAM).date()
        return access.source(self.catalogue, grants, caller, source_id, on=today)

    async def SubmitUpdate(  # noqa: N802 - gRPC's name
        self,
        request: intake_pb2.SubmitUpdateRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> intake_pb2.SubmitUpdateResponse:
        """Answers one record of an online system; see intake.proto."""
        if self.draining:
            raise RejectedCallError(Reason.DRAINING, "The gateway is shutting down.")
        granted = await self._granted(identity.caller(context), request.source_id)
        return await submit_update(self.online, request, granted)

    async def AttestSilence(  # noqa: N802
        self,
        request: intake_pb2.AttestSilenceRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> intake_pb2.AttestSilenceResponse:
        """Notes that a source has nothing to send."""
        granted = await self._granted(identity.caller(context), request.source_id)
        return await keeping_in_step.attest(self.workers, granted.source, request, now=self.clock())

    async def CompareBatches(  # noqa: N802
        self,
        request: intake_pb2.CompareBatchesRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> intake_pb2.CompareBatchesResponse:
        """Says in which batches a sender and the ledger differ."""
        granted = await self._granted(identity.caller(context), request.source_id)
        return await keeping_in_step.compare(self.workers, granted.source, request)

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
                left.answer.cancel()
                await asyncio.gather(left.answer, return_exceptions=True)
                await self.budget.give_back(left.payload_bytes)

    async def _read(self, push: OpenPush, messages: AsyncIterator[intake_pb2.PushRequest]) -> None:
        turns = Turns()
        try:
            while not self.draining:
                await push.room.acquire()
                message = await anext(messages, None)
                if message is None:
                    return
                size = await self.budget.take(len(message.batch.payload))
                answer = asyncio.create_task(self._answer(push, message, turns.join()))
                push.waiting.put_nowait(Waiting(message.batch.sequence, size, answer))
        finally:
            push.waiting.put_nowait(None)

    async def _answer(self, push: OpenPush, message: intake_pb2.PushRequest, turn: Turn) -> intake_pb2.PushResponse:
        """The `turn` has come when all batches before this one are on their way into the store, or will not be."""
        sequence = message.batch.sequence
        named = {"source_id": push.source.source_id, "sequence": sequence}
        if not push.is_rehearsal:
            metrics.BATCHES_RECEIVED.add(source_id=push.source.source_id)
        with telemetry.span("intake.batch", parent=message.batch.traceparent, attributes=named) as span:
            try:
                answer = await self._taken(push, message, turn)
            except (RetryableStoreError, FatalStoreError):
                raise  # no verdict on the batch: the stream ends, nothing passes it, and its sender asks again
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
                answer = wire.write_refusal(sequence, told, help_url=self.settings.help_url)
            turn.end()
            return answer

    async def _taken(self, push: OpenPush, message: intake_pb2.PushRequest, turn: Turn) -> intake_pb2.PushResponse:
        """The answer to a batch that nothing speaks against: what has landed, or what a rehearsal found."""
        granted = await self._granted(push.caller, push.source.source_id)  # a grant may end while a push is open
        batch = await self.workers.columns(
            receiving.admit,
            receiving.read_batch(message, source=push.source, epoch=push.epoch),
            signatures=self.signatures,
            identities=granted.identity_uris,
            required=granted.signature_required,
            now=self.clock(),
        )
        stated = message.batch.record_count
        known: Receipt | None = None
        if batch.sequence <= push.last_landed and not push.is_rehearsal:
            known = await self._known(batch)
        if known:
            receipt, findings = known, await self._findings(known)
        else:
            received = Received(batch, push.source, granted.province_codes, stated, telemetry.current_traceparent())
            normalised = await self.preparer.prepare(received)
            if push.is_rehearsal:
                counts, findings = rehearse(normalised, most=caps.RECEIPT_FINDINGS)
                return wire.write_rehearsal(batch.sequence, counts, findings)
            await turn.has_come.wait()
            receipt = await self._landed(Arrival(batch, normalised, push.source), turn)
            findings = await self._findings(receipt, normalised)
            _count(receipt, normalised, push.source)
        return wire.write_receipt(receipt, findings, signature=self.signatures.sign_receipt(receipt, now=self.clock()))

    async def _landed(self, arrival: Arrival, turn: Turn) -> Receipt:
        """The receipt, a replay when the same batch has landed meanwhile. The next one's turn comes when it is put."""
        batch = arrival.batch
        with telemetry.span("intake.land", attributes={"source_id": batch.source_id}) as span:
            traced = replace(batch, traceparent=span.traceparent or batch.traceparent)
            landed = self.committer.put(replace(arrival, batch=traced))
            turn.end()
            receipt = await landed
            span.set(receipt_id=receipt.receipt_id, received=receipt.received, replayed=receipt.replayed)
            return receipt

    async def _known(self, batch: Batch) -> Receipt | None:
        """The receipt of a batch that landed before."""
        key = {"source_id": batch.source_id, "epoch": batch.epoch}
        known = await self.workers.store(landing.find_receipt, **key, sequence=batch.sequence, sha256=batch.sha256)
        if known:
            metrics.BATCHES_REPLAYED.add(source_id=batch.source_id)
        return known

    async def _findings(self, receipt: Receipt, normalised: Normalised | None = None) -> Sequence[Finding]:
        """The first findings of a receipt; from the batch itself where landing it found no more."""
        if not receipt.findings:
            return ()
        if normalised and not receipt.replayed and receipt.findings == normalised.findings.num_rows:
            return rehearse(normalised, most=caps.RECEIPT_FINDINGS)[1]
        return await self.workers.store(
            landing.list_findings,
            receipt.receipt_id,
            after=0,
            limit=caps.RECEIPT_FINDINGS,
            source_ids=[receipt.source_id],
        )


def _count(receipt: Receipt, outcome: Normalised, source: Source) -> None:
    if receipt.replayed:
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
