"""Nobody is served whose certificate is not good: asked at every call, and of open streams at every look.

TLS has proved by then that the certificate is of an authority of ours; here it is asked what TLS does not ask: one
identity, our trust domain, not revoked, and not run out since the connection began.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc
from grpc_status import rpc_status

from gateway.certificates import Shown
from gateway.errors import Reason, RejectedCallError, explain
from gateway.identity import Identity, Role, identity_of, shown
from gateway.refusals import Refusals
from gateway.tls import Certificates
from gateway.wire.faults import write_status
from observability import metrics

Context = grpc.aio.ServicerContext[Any, Any]
_SHOWN_AS = {Role.SOURCE: "source_id", Role.CONSUMER: "consumer_id"}  # other names may be people's


@dataclass(eq=False)
class OpenStream:
    """A stream that is being served. `refused` is set when its caller may no longer speak."""

    task: asyncio.Task[Any]
    context: Context
    certificate: Shown
    greeting: asyncio.Task[None] | None = None  # sends what goes before the first response
    is_writing: bool = False  # gRPC has a response of it that its caller may never read
    is_told: bool = False
    refused: RejectedCallError | None = None


class Admission(grpc.aio.ServerInterceptor):
    """Stands before every method of the server, health and reflection included."""

    def __init__(
        self, certificates: Certificates, *, trust_domain: str, clock: Callable[[], datetime], help_url: str
    ) -> None:
        self._certificates = certificates
        self._trust_domain = trust_domain
        self._clock = clock
        self._help_url = help_url
        self._handlers: dict[str, Any] = {}  # by method, of which the server has few
        self._open: set[OpenStream] = set()
        self._telling: set[asyncio.Task[None]] = set()
        self._refusals = Refusals("identity_refused", metrics.IDENTITIES_REFUSED)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, behind the question who calls."""
        method = handler_call_details.method
        if method not in self._handlers:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            self._handlers[method] = self._wrapped(handler)
        return self._handlers[method]

    def _wrapped(self, handler: Any) -> Any:
        forms = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._unary(handler.unary_unary), *forms)
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(self._unary(handler.stream_unary), *forms)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._stream(handler.unary_stream), *forms)
        return grpc.stream_stream_rpc_method_handler(self._stream(handler.stream_stream), *forms)

    async def watch(
        self, interval_seconds: float, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Look at the files and the open streams every `interval_seconds` until cancelled."""
        while True:
            self.look()
            await pause(interval_seconds)

    def look(self) -> None:
        """Take changed files, and end the streams of those who may no longer speak."""
        self._certificates.look()
        self._certificates.show(self._clock())
        for stream in self._open:
            try:
                self._judge(stream.certificate)
            except RejectedCallError as error:
                if stream.refused is None:
                    stream.refused = error
                    self._end(stream, error)

    def _end(self, stream: OpenStream, error: RejectedCallError) -> None:
        if not stream.is_writing:
            stream.task.cancel()  # and the stream itself tells its caller why
            return
        # A task that is cancelled while gRPC writes tells nobody: its caller would wait for ever.
        stream.is_told = True
        telling = asyncio.create_task(self._refuse(error, stream.context))
        self._telling.add(telling)
        telling.add_done_callback(self._told)
        asyncio.get_running_loop().call_soon(stream.task.cancel)  # once the status is on its way

    def _told(self, telling: asyncio.Task[None]) -> None:
        """Aborting a call always raises, also when all went well; greeting one does when its caller has gone."""
        self._telling.discard(telling)
        if not telling.cancelled():
            telling.exception()

    def _admit(self, context: Context) -> Shown:
        certificate = shown(context)
        if certificate is None:
            raise RejectedCallError(Reason.IDENTITY_REQUIRED, "The connection is not of TLS.")
        self._judge(certificate)
        return certificate

    def _judge(self, certificate: Shown) -> Identity:
        identity = identity_of(certificate)
        if identity.trust_domain != self._trust_domain:
            raise RejectedCallError(Reason.IDENTITY_INVALID, "The identity is of another trust domain.")
        if certificate.expires_at <= self._clock():
            raise RejectedCallError(Reason.IDENTITY_INVALID, "The certificate has run out.")
        if self._certificates.material.revocations.hold(certificate):
            raise RejectedCallError(Reason.CERTIFICATE_REVOKED, "The authority has revoked the certificate.")
        return identity

    def _unary(self, serve: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def call(request: object, context: Context) -> object:
            try:
                self._admit(context)
            except RejectedCallError as error:
                await self._refuse(error, context)
            return await serve(request, context)

        return call

    def _stream(self, serve: Callable[..., Any]) -> Callable[..., Any]:
        async def yielding(requests: object, context: Context) -> AsyncIterator[Any]:
            async with self._watched(context) as stream, aclosing(serve(requests, context)) as responses:
                async for response in responses:
                    await self._greet(stream)
                    stream.is_writing = True
                    yield response
                    stream.is_writing = False

        async def writing(requests: object, context: Context) -> None:
            async with self._watched(context) as stream:
                await self._greet(stream)
                await serve(requests, context)

        # gRPC knows a stream by the form of its handler: ours yield, that of health writes to the context.
        return yielding if inspect.isasyncgenfunction(serve) else writing

    async def _greet(self, stream: OpenStream) -> None:
        """Send the headers before the first response, not with it: until gRPC knows them sent no status can be sent."""
        if stream.greeting is None:
            stream.greeting = asyncio.create_task(stream.context.send_initial_metadata(()))
            stream.greeting.add_done_callback(self._told)
            await asyncio.shield(stream.greeting)

    @asynccontextmanager
    async def _watched(self, context: Context) -> AsyncIterator[OpenStream]:
        """Serve a stream for as long as its caller may speak."""
        try:
            certificate = self._admit(context)
        except RejectedCallError as error:
            await self._refuse(error, context)
            raise
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        stream = OpenStream(task, context, certificate)
        self._open.add(stream)
        try:
            yield stream
        except asyncio.CancelledError:
            if stream.refused is None or stream.is_told:
                raise
            task.uncancel()
            if stream.greeting:
                await asyncio.wait({stream.greeting})
            await self._refuse(stream.refused, context)
        finally:
            self._open.discard(stream)

    async def _refuse(self, error: RejectedCallError, context: Context) -> None:
        """End the call as the table says. Always raises."""
        self._refusals.note(str(error.reason), **_whose(context))
        status = write_status(explain(error), help_url=self._help_url)
        await context.abort_with_status(rpc_status.to_status(status))


def _whose(context: Context) -> dict[str, str]:
    try:
        certificate = shown(context)
        identity = identity_of(certificate) if certificate else None
    except RejectedCallError:
        return {}
    return {_SHOWN_AS[identity.role]: identity.name} if identity and identity.role in _SHOWN_AS else {}
