"""What holds for every call: a deadline, the contract's rules, a share, an id, a span, and errors as the table says.

The call's time goes with it into the database, and a call that is given up stops what runs for it there.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc_status import rpc_status

from gateway import rules
from gateway.errors import Explanation, Reason, RejectedCallError, explain
from gateway.shares import Shares, spread
from gateway.v1 import intake_pb2
from gateway.wire.faults import write_status
from observability import metrics, telemetry, vocabulary
from observability.logs import get_logger
from reconciliation.store.bounding import Bound, bounded

log = get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

REQUEST_ID = "x-request-id"
PUSHBACK = "grpc-retry-pushback-ms"
_NEVER = "-1"  # what gRPC takes as: do not retry


@dataclass(frozen=True)
class Asked:
    """One call as it came in."""

    method: str
    request_id: str
    started: float


class CallPolicy(grpc.aio.ServerInterceptor):
    """Wraps the handlers of our own services; health and reflection keep to their own rules."""

    def __init__(self, *, help_url: str, shares: Shares) -> None:
        self._help_url = help_url
        self._shares = shares
        self._handlers: dict[str, Any] = {}  # by method, of which ours are few
        self._stopping: set[asyncio.Future[None]] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, with the policy around it."""
        method = handler_call_details.method
        if wrapped := self._handlers.get(method):
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith("/gateway.v1."):
            return handler
        self._handlers[method] = self._wrapped(method, handler)
        return self._handlers[method]

    def _wrapped(self, method: str, handler: Any) -> Any:
        read = rules.reader(_request_of(method))
        if handler.unary_unary:
            serve = self._unary(method, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(serve, read, handler.response_serializer)
        if handler.unary_stream:
            serve = self._answers(method, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(serve, read, handler.response_serializer)
        serve = self._stream(method, handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(serve, read, handler.response_serializer)

    def _unary(self, method: str, serve: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def call(request: Message | rules.Misread, context: Context) -> object:
            asked = Asked(method, _request_id(context), time.perf_counter())
            about = {"method": method, "request_id": asked.request_id}
            with telemetry.span("call", attributes=about), bounded(context.time_remaining()) as bound:
                try:
                    self._admit(asked, request, context)
                    response = await serve(request, context)
                except asyncio.CancelledError:
                    self._stop(bound)
                    raise
                except Exception as error:  # noqa: BLE001 - the edge: every error leaves as the table says
                    await self._fail(asked, error, context)
                context.set_trailing_metadata(((REQUEST_ID, asked.request_id),))
                _observe(asked, grpc.StatusCode.OK)
                return response

        return call

    def _answers(self, method: str, serve: Callable[..., AsyncGenerator[Any]]) -> Callable[..., Any]:
        async def call(request: Message | rules.Misread, context: Context) -> AsyncIterator[Any]:
            asked = Asked(method, _request_id(context), time.perf_counter())
            try:
                self._admit(asked, request, context, needs_deadline=False)
                async with aclosing(serve(request, context)) as responses:
                    async for response in responses:
                        yield response
            except Exception as error:  # noqa: BLE001 - the edge: every error leaves as the table says
                await self._fail(asked, error, context)
            context.set_trailing_metadata(((REQUEST_ID, asked.request_id),))
            _observe(asked, grpc.StatusCode.OK)

        return call

    def _stream(self, method: str, serve: Callable[..., AsyncGenerator[Any]]) -> Callable[..., Any]:
        async def call(requests: AsyncIterator[Message | rules.Misread], context: Context) -> AsyncIterator[Any]:
            asked = Asked(method, _request_id(context), time.perf_counter())
            with ExitStack() as place:
                try:
                    async with (
                        aclosing(self._let_in(requests, context, place)) as let_in,
                        aclosing(serve(let_in, context)) as responses,
                    ):
                        async for response in responses:
                            yield response
                except Exception as error:  # noqa: BLE001 - the edge: every error leaves as the table says
                    await self._fail(asked, error, context)
            context.set_trailing_metadata(((REQUEST_ID, asked.request_id),))
            _observe(asked, grpc.StatusCode.OK)

        return call

    def _admit(
        self, asked: Asked, request: Message | rules.Misread, context: Context, *, needs_deadline: bool = True
    ) -> None:
        if needs_deadline and context.time_remaining() is None:
            raise RejectedCallError(
                Reason.DEADLINE_REQUIRED, "The call has no deadline.", facts={"method": asked.method}
            )
        if isinstance(request, rules.Misread):
            raise request.error
        rules.check(request)
        self._shares.call(_caller(context) or _named(request))

    async def _let_in(
        self, requests: AsyncIterator[Message | rules.Misread], context: Context, place: ExitStack
    ) -> AsyncGenerator[Message]:
        """The messages of a push. Its Hello takes the place that it keeps; each batch is asked for by its service."""
        whose = None
        async for message in requests:
            if isinstance(message, rules.Misread):
                raise message.error
            if isinstance(message, intake_pb2.PushRequest):
                if whose is None and message.HasField("hello"):
                    rules.check(message.hello, within="hello")
                    caller = _caller(context)
                    whose = f"{caller}\n{message.hello.source_id}"
                    self._shares.open(caller or whose)
                    place.enter_context(self._shares.push(whose))
                elif whose is not None:
                    await self._shares.pace(whose, len(message.batch.payload))
            yield message

    def _stop(self, bound: Bound) -> None:
        stopping = asyncio.get_running_loop().run_in_executor(None, bound.cancel)
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)

    async def _fail(self, asked: Asked, error: Exception, context: Context) -> None:
        if isinstance(error, grpc.aio.AbortError | grpc.aio.BaseError):
            raise error
        explanation = explain(error, trace_id=telemetry.current_trace_id())
        if (usual := explanation.verdict.retry_seconds) and explanation.stated_retry_seconds is None:
            explanation = replace(explanation, stated_retry_seconds=spread(usual))
        self._note(asked, error, explanation)
        _observe(asked, explanation.verdict.status)
        status = write_status(explanation, help_url=self._help_url, request_id=asked.request_id)
        written = rpc_status.to_status(status)
        pushback = _NEVER if explanation.retry_seconds is None else str(round(explanation.retry_seconds * 1000))
        told = ((REQUEST_ID, asked.request_id), (PUSHBACK, pushback), *written.trailing_metadata)
        await context.abort(written.code, written.details, told)

    @staticmethod
    def _note(asked: Asked, error: Exception, explanation: Explanation) -> None:
        about = {"method": asked.method, "request_id": asked.request_id, "reason": str(explanation.reason)}
        match explanation.reason:
            case Reason.INTERNAL_FAULT | Reason.STORE_UNFIT:
                log.error("call_failed", **about, exc_info=error)
            case Reason.STORE_UNAVAILABLE | Reason.STORE_FULL:
                log.warning("call_failed", **about, exc_info=error)
            case _:
                log.info("call_refused", **about)


def _request_id(context: Context) -> str:
    """The caller's own id of the call when it sent one that is a UUID, else a new one."""
    sent = dict(context.invocation_metadata() or ()).get(REQUEST_ID)
    return sent if isinstance(sent, str) and vocabulary.fits("request_id", sent) else str(uuid4())


def _caller(context: Context) -> str:
    """Who shows a certificate takes from its own share, whomever it names; empty where none was shown."""
    return "\n".join(identity.decode("utf-8", "replace") for identity in context.peer_identities() or ())


def _named(request: Message) -> str:
    """Whom a call without a certificate says it speaks for."""
    return str(getattr(request, "source_id", "") or getattr(request, "consumer_id", ""))


def _request_of(method: str) -> type[Message]:
    service, _, name = method.removeprefix("/").partition("/")
    found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    return message_factory.GetMessageClass(found.input_type)


def _observe(asked: Asked, code: grpc.StatusCode) -> None:
    elapsed = time.perf_counter() - asked.started
    metrics.REQUEST_SECONDS.record(elapsed, method=asked.method, status_code=code.name)
