"""What holds for every call: a deadline on the unary ones, one trace span, and errors as the table says."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from grpc_status import rpc_status

from gateway.errors import Explanation, Reason, RejectedCallError, explain
from gateway.wire.faults import write_status
from observability import metrics, telemetry
from observability.logs import get_logger

log = get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class CallPolicy(grpc.aio.ServerInterceptor):
    """Wraps the handlers of our own services; health and reflection keep to their own rules."""

    def __init__(self, *, help_url: str) -> None:
        self._help_url = help_url

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, with the policy around it."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith("/gateway.v1."):
            return handler
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        return grpc.stream_stream_rpc_method_handler(
            self._stream(method, handler.stream_stream), handler.request_deserializer, handler.response_serializer
        )

    def _unary(self, method: str, serve: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def call(request: object, context: Context) -> object:
            started = time.perf_counter()
            with telemetry.span("call", attributes={"method": method}):
                try:
                    if context.time_remaining() is None:
                        raise RejectedCallError(
                            Reason.DEADLINE_REQUIRED, "The call has no deadline.", facts={"method": method}
                        )
                    response = await serve(request, context)
                except Exception as error:  # noqa: BLE001 - the edge: every error leaves as the table says
                    await self._fail(method, error, context, started)
                _observe(method, grpc.StatusCode.OK, started)
                return response

        return call

    def _stream(self, method: str, serve: Callable[..., AsyncGenerator[Any]]) -> Callable[..., Any]:
        async def call(requests: object, context: Context) -> AsyncIterator[Any]:
            started = time.perf_counter()
            try:
                async with aclosing(serve(requests, context)) as responses:
                    async for response in responses:
                        yield response
            except Exception as error:  # noqa: BLE001 - the edge: every error leaves as the table says
                await self._fail(method, error, context, started)
            _observe(method, grpc.StatusCode.OK, started)

        return call

    async def _fail(self, method: str, error: Exception, context: Context, started: float) -> None:
        if isinstance(error, grpc.aio.AbortError | grpc.aio.BaseError):
            raise error
        explanation = explain(error, trace_id=telemetry.current_trace_id())
        self._note(method, error, explanation)
        _observe(method, explanation.verdict.status, started)
        status = write_status(explanation, help_url=self._help_url)
        await context.abort_with_status(rpc_status.to_status(status))

    @staticmethod
    def _note(method: str, error: Exception, explanation: Explanation) -> None:
        reason = str(explanation.reason)
        match explanation.reason:
            case Reason.INTERNAL_FAULT | Reason.STORE_UNFIT:
                log.error("call_failed", method=method, reason=reason, exc_info=error)
            case Reason.STORE_UNAVAILABLE:
                log.warning("call_failed", method=method, reason=reason, exc_info=error)
            case _:
                log.info("call_refused", method=method, reason=reason)


def _observe(method: str, code: grpc.StatusCode, started: float) -> None:
    metrics.REQUEST_SECONDS.record(time.perf_counter() - started, method=method, status_code=code.name)
