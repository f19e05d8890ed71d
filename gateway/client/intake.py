"""Pushing batches so that nothing is lost or doubled, whatever happens to the line or the gateway.

A batch that was sent and not answered is sent again, the same bytes under the same number, until it is answered.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import grpc
import tenacity

from adapters.canonical import RecordKind
from gateway import signatures, signing
from gateway.authorities import Authorities, SignatureRefusedError
from gateway.client import errors
from gateway.client.errors import RejectedByGatewayError, RetryableGatewayError
from gateway.client.renewing import generation
from gateway.errors import Explanation, Reason
from gateway.rehearsing import Rehearsed
from gateway.signing import Signer
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire import intake as wire
from gateway.wire.faults import Fault, read_status, write_status
from gateway.wire.intake import OfferedSignature
from reconciliation.model import Batch, BatchFormat, Finding, Receipt, SignatureOutcome

CLIENT_SOFTWARE = "lienthong-python/0.1.0"


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A batch to be pushed. `record_count` 0 and `kind` None mean that the sender does not say."""

    sequence: int
    payload: bytes = field(repr=False)
    format: BatchFormat
    exported_on: date
    record_count: int = 0
    kind: RecordKind | None = None
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class Landed:
    """The batch is durable. `findings` are the first of receipt.findings; StatusClient lists the rest.

    `signature` is the gateway's under the receipt, for keeping; empty when it has no key.
    """

    sequence: int
    receipt: Receipt
    findings: tuple[Finding, ...]
    signature: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The batch was not taken and nothing of it was stored."""

    sequence: int
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class Validated:
    """The batch was only validated, and this is what would become of it. Nothing of it was stored."""

    sequence: int
    rehearsed: Rehearsed
    findings: tuple[Finding, ...]


Answer = Landed | Validated | Refused


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a push has come. `skipped` batches were durable before it began."""

    sent: int
    answered: int
    skipped: int
    connections: int


class IntakeClient:
    """Pushes the batches of sources over one channel."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        give_up_seconds: float = 120.0,
        signer: Signer | None = None,
        authorities: Authorities | None = None,
        trust_domain: str = "lienthong",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`give_up_seconds`: how long to go on without a single answer before RetryableGatewayError is raised.

        With a `signer` every batch is signed. With `authorities` every receipt has to be signed by a gateway of the
        trust domain: one that is not ends the push. Both go by the gateway's time, so that a `clock` that is wrong
        spoils no signature.
        """
        self._channel = channel
        self._stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
        self._give_up_seconds = give_up_seconds
        self._seals = _Seals(signer, authorities, trust_domain, clock)

    async def push(
        self,
        batches: Iterable[Outgoing] | AsyncIterable[Outgoing],
        *,
        source_id: str,
        epoch: str,
        window: int = 4,
        skip_durable: bool = True,
        validate_only: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> AsyncGenerator[Answer]:
        """Send batches of rising sequence and yield the answer to each; reconnect for as long as needed.

        With `validate_only` it is a rehearsal: every batch is sent, nothing lands, and the answers are Validated.

        At most `window` batches are unanswered at a time. With `skip_durable` those that an earlier push made durable
        are not sent and not answered. Raises RejectedByGatewayError when the push itself is refused, and
        RetryableGatewayError when the gateway stays away: a later push of the same batches then goes on.
        """
        run = _Run(
            source_id=source_id,
            epoch=epoch,
            coming=_each(batches),
            window=window,
            skip_durable=skip_durable and not validate_only,
            validate_only=validate_only,
            seals=self._seals,
        )
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: self._may_come_back(run, error)),
            wait=_wait,
            stop=lambda _: time.monotonic() - run.last_answer > self._give_up_seconds,
            reraise=True,
        ):
            with attempt:
                async with aclosing(self._connected(run)) as answers:
                    async for answer in answers:
                        run.last_answer = time.monotonic()
                        run.answered += 1
                        if on_progress:
                            on_progress(run.progress())
                        yield answer
                        # The time until the caller comes back is not the gateway's.
                        run.last_answer = time.monotonic()

    async def submit_signatures(
        self, offered: Sequence[OfferedSignature], *, source_id: str, timeout_seconds: float = 30.0
    ) -> list[SignatureOutcome]:
        """Bring officers' signatures, at most 1,000, to the events of a source that wait for them; one outcome each.

        The same again does no harm. Raises RejectedByGatewayError or RetryableGatewayError.
        """
        with errors.translated():
            answer = await self._stub.SubmitSignatures(
                wire.write_signatures(source_id, offered), timeout=timeout_seconds
            )
        return wire.read_signature_outcomes(answer)

    def _may_come_back(self, run: "_Run", error: BaseException) -> bool:
        """Whether another connection may bring what this one did not; so when our certificate was renewed meanwhile."""
        if isinstance(error, RejectedByGatewayError) and error.fault.code is grpc.StatusCode.UNAUTHENTICATED:
            return generation(self._channel) > run.generation
        return isinstance(error, RetryableGatewayError)

    async def _connected(self, run: "_Run") -> AsyncGenerator[Answer]:
        """The answers that come over one stream, until it breaks or everything is answered."""
        run.generation = generation(self._channel)
        call = self._stub.Push()
        news: asyncio.Queue[Answer | Exception | None] = asyncio.Queue()
        tasks: list[asyncio.Task[None]] = []
        try:
            with errors.translated():
                await _greet(call, run)
                tasks += [asyncio.create_task(_told(news, work(call, run, news))) for work in (_send, _receive)]
                ended = 0
                while ended < len(tasks):
                    match await news.get():
                        case None:
                            ended += 1
                        case Exception() as error:
                            raise error
                        case answer:
                            yield answer
        except RetryableGatewayError as error:
            if error.fault.reason:
                run.told = error
            elif run.told is not None and errors.hides_a_verdict(error.fault):
                raise run.told from error
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            call.cancel()


@dataclass(frozen=True)
class _Seals:
    """What the sender signs by and whose signatures it believes."""

    signer: Signer | None
    authorities: Authorities | None
    trust_domain: str
    clock: Callable[[], datetime]

    def sealed(self, batch: Batch, *, ahead: timedelta) -> Batch:
        if self.signer is None:
            return batch
        return replace(batch, signature=signing.sign_batch(self.signer, batch, now=self.clock() - ahead))

    def check(self, receipt: Receipt, signature: str, *, ahead: timedelta) -> None:
        if self.authorities is None:
            return
        is_gateway = signatures.is_gateway(self.trust_domain)
        try:
            now = self.clock() - ahead
            signing.verify_receipt(self.authorities, signature, receipt, is_gateway=is_gateway, now=now)
        except SignatureRefusedError as error:
            message = f"The receipt of batch {receipt.sequence} is not signed by a gateway ({error.doubt})."
            raise RejectedByGatewayError(Fault(code=grpc.StatusCode.UNAUTHENTICATED, message=message)) from error


@dataclass(kw_only=True)
class _Run:
    """One push over however many streams: what was sent and not answered, and the batches still to come."""

    source_id: str
    epoch: str
    coming: AsyncGenerator[Outgoing]
    window: int
    skip_durable: bool
    validate_only: bool
    seals: _Seals
    ahead: timedelta = timedelta()  # how far our clock is ahead of the gateway's
    last_answer: float = field(default_factory=time.monotonic)
    unanswered: dict[int, tuple[Batch, intake_pb2.PushRequest]] = field(default_factory=dict)  # in the order sent
    room: asyncio.Condition = field(default_factory=asyncio.Condition)
    limits: intake_pb2.Limits = field(default_factory=intake_pb2.Limits)
    next_batch: asyncio.Task[Outgoing | None] | None = None  # outlives a stream: a source must not be cut off
    already_durable: int = 0  # as the first Welcome said
    last_sequence: int = 0
    sent: int = 0
    answered: int = 0
    skipped: int = 0
    connections: int = 0
    told: RetryableGatewayError | None = None  # why the gateway itself ended a stream last, since its last welcome
    generation: int = 0  # of the certificate that the open stream shows

    def progress(self) -> Progress:
        return Progress(sent=self.sent, answered=self.answered, skipped=self.skipped, connections=self.connections)

    async def pull(self) -> Outgoing | None:
        """The next batch to be sent, None when there is none left."""
        while True:
            if self.next_batch is None:
                self.next_batch = asyncio.create_task(anext(self.coming, None))
            outgoing = await asyncio.shield(self.next_batch)
            self.next_batch = None
            if outgoing is None:
                return None
            if outgoing.sequence <= self.last_sequence:
                raise ValueError(f"batch {outgoing.sequence} comes after batch {self.last_sequence}")
            self.last_sequence = outgoing.sequence
            if outgoing.sequence > self.already_durable or not self.skip_durable:
                return outgoing
            self.skipped += 1


Call = grpc.aio.StreamStreamCall[intake_pb2.PushRequest, intake_pb2.PushResponse]
News = asyncio.Queue[Answer | Exception | None]


async def _told(news: News, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` and say how it ended, so that neither half of a stream waits for the other for ever."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - raised again by who reads the news
        news.put_nowait(error)
    else:
        news.put_nowait(None)


async def _greet(call: Call, run: _Run) -> None:
    hello = wire.write_hello(
        source_id=run.source_id,
        epoch=run.epoch,
        client_software=CLIENT_SOFTWARE,
        validate_only=run.validate_only,
        client_time=run.seals.clock(),
    )
    with suppress(asyncio.InvalidStateError):  # the call is over; reading it says why
        await call.write(hello)
    answer = await _read(call)
    if answer is None or not answer.HasField("welcome"):
        raise _broken("The gateway ended the push without a welcome.")
    if run.validate_only and not answer.welcome.validate_only:
        raise RejectedByGatewayError(
            Fault(
                code=grpc.StatusCode.UNIMPLEMENTED, message="The gateway knows no rehearsal: it would land the batches."
            )
        )
    run.ahead = run.seals.clock() - wire.read_welcome_time(answer)
    run.limits = answer.welcome.limits
    if run.connections == 0:
        run.already_durable = answer.welcome.last_durable_sequence
    run.connections += 1
    run.told = None


async def _read(call: Call) -> intake_pb2.PushResponse | None:
    """The next message, None at the end of a stream that ended well."""
    message = await call.read()
    return message if isinstance(message, intake_pb2.PushResponse) else None


async def _send(call: Call, run: _Run, news: News) -> None:
    try:
        for message in [wire_batch for _, wire_batch in run.unanswered.values()]:
            await call.write(message)
        while True:
            async with run.room:
                await run.room.wait_for(lambda: len(run.unanswered) < run.window)
            # From here to its entry in `unanswered` nothing is awaited: a stream that ends now must not lose it.
            outgoing = await run.pull()
            if outgoing is None:
                break
            if len(outgoing.payload) > run.limits.max_payload_bytes:
                news.put_nowait(Refused(sequence=outgoing.sequence, fault=_too_large(outgoing, run.limits)))
                continue
            batch = run.seals.sealed(_batch(outgoing, run), ahead=run.ahead)
            message = wire.write_batch(batch, kind=outgoing.kind, record_count=outgoing.record_count)
            run.unanswered[outgoing.sequence] = (batch, message)
            run.sent += 1
            await call.write(message)
        await call.done_writing()
    except (asyncio.InvalidStateError, grpc.aio.InternalError):
        return  # the stream is over; _receive knows why


async def _receive(call: Call, run: _Run, news: News) -> None:
    while (message := await _read(call)) is not None:
        reply = message.receipt if message.HasField("receipt") else message.refusal
        async with run.room:
            batch, _ = run.unanswered.pop(reply.sequence)
            run.room.notify_all()
        if message.HasField("receipt") and run.validate_only:
            rehearsed, findings = wire.read_rehearsal(message.receipt)
            news.put_nowait(Validated(sequence=reply.sequence, rehearsed=rehearsed, findings=findings))
        elif message.HasField("receipt"):
            receipt, findings = wire.read_receipt(message.receipt, batch=batch)
            run.seals.check(receipt, message.receipt.signature, ahead=run.ahead)
            signature = message.receipt.signature
            news.put_nowait(Landed(sequence=receipt.sequence, receipt=receipt, findings=findings, signature=signature))
        else:
            news.put_nowait(Refused(sequence=reply.sequence, fault=read_status(message.refusal.status)))
    if run.unanswered:
        raise _broken("The gateway ended the push before every batch was answered.")


def _batch(outgoing: Outgoing, run: _Run) -> Batch:
    return Batch(
        source_id=run.source_id,
        epoch=run.epoch,
        sequence=outgoing.sequence,
        format=outgoing.format,
        sha256=hashlib.sha256(outgoing.payload).digest(),
        exported_on=outgoing.exported_on,
        payload=outgoing.payload,
        traceparent=outgoing.traceparent,
    )


def _too_large(outgoing: Outgoing, limits: intake_pb2.Limits) -> Fault:
    """What the gateway would say: such a batch is not sent, since gRPC would end the stream over it."""
    explanation = Explanation(
        reason=Reason.TOO_LARGE,
        message=f"The payload is {len(outgoing.payload)} bytes.",
        field_path="batch.payload",
        facts={"limitBytesPerBatch": str(limits.max_payload_bytes)},
    )
    return read_status(write_status(explanation, help_url=""))


def _broken(message: str) -> RetryableGatewayError:
    return RetryableGatewayError(Fault(code=grpc.StatusCode.UNAVAILABLE, message=message))


async def _each(batches: Iterable[Outgoing] | AsyncIterable[Outgoing]) -> AsyncGenerator[Outgoing]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield batch
    else:
        for batch in batches:
            yield batch


_backoff = tenacity.wait_random_exponential(multiplier=0.2, max=5)


def _wait(state: tenacity.RetryCallState) -> float:
    """As long as the gateway asked for, at least; else a random share of a bound that doubles up to 5 s."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.fault.retry_seconds if isinstance(error, RetryableGatewayError) else None
    return (asked or 0.0) + _backoff(state)
