"""A channel that takes a new connection when our certificate changes: gRPC reads one once and keeps it for ever."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import grpc

from gateway.client.credentials import Credentials
from gateway.errors import FatalCertificateError
from observability.logs import get_logger

log = get_logger(__name__)

_RETIRED_SECONDS = 86_400.0  # the gateway ends a call at the latest when its certificate runs out

Options = Sequence[tuple[str, str | int]]


class RenewingChannel(grpc.aio.Channel):
    """Hands every call to a connection that was opened with the files as they are now.

    Calls that run when the files change end on the connection they began on. While new files do not fit together, as
    between the writing of a key and of its certificate, the connection before them is used. After a failed handshake
    gRPC itself connects again, and the next call looks at the files.
    """

    def __init__(self, address: str, credentials: Credentials, options: Options) -> None:
        """Raises FatalCertificateError when the files cannot be used."""
        self._address = address
        self._credentials = credentials
        self._options = options
        self._stamp = credentials.stamp()
        self._channel = self._open()
        self._methods: dict[tuple[str, str], Any] = {}
        self._retired: dict[asyncio.Task[None], grpc.aio.Channel] = {}
        self._generation = 1

    def look(self) -> int:
        """Take a new connection if the files changed and fit together. Returns how many there were so far."""
        stamp = self._credentials.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                fresh = self._open()
            except FatalCertificateError as error:
                log.warning("certificate_kept", exc_info=error)
            else:
                self._retire()
                self._channel, self._methods = fresh, {}
                self._generation += 1
        return self._generation

    def _open(self) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(self._address, self._credentials.open(), options=self._options)

    def _retire(self) -> None:
        ending = asyncio.create_task(self._channel.close(_RETIRED_SECONDS))
        self._retired[ending] = self._channel
        ending.add_done_callback(lambda ended: self._retired.pop(ended, None))

    def _method(self, form: str, method: str, *given: Any, **named: Any) -> Any:
        """What a stub keeps of a method; each of its calls looks at the files first."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.look()
            found = self._methods.get((form, method))
            if found is None:
                found = self._methods[form, method] = getattr(self._channel, form)(method, *given, **named)
            return found(*arguments, **options)

        return call

    def unary_unary(self, method: str, *given: Any, **named: Any) -> Any:
        """See grpc.aio.Channel; so the next three."""
        return self._method("unary_unary", method, *given, **named)

    def unary_stream(self, method: str, *given: Any, **named: Any) -> Any:
        """See unary_unary."""
        return self._method("unary_stream", method, *given, **named)

    def stream_unary(self, method: str, *given: Any, **named: Any) -> Any:
        """See unary_unary."""
        return self._method("stream_unary", method, *given, **named)

    def stream_stream(self, method: str, *given: Any, **named: Any) -> Any:
        """See unary_unary."""
        return self._method("stream_stream", method, *given, **named)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's
        """The state of the connection that further calls take."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until that state is another one."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until there is a connection."""
        await self._channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Close every connection; running calls have `grace` seconds."""
        retired = dict(self._retired)
        for ending in retired:
            ending.cancel()
        await asyncio.gather(*retired, return_exceptions=True)
        await asyncio.gather(*(channel.close(grace) for channel in (*retired.values(), self._channel)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def generation(channel: grpc.aio.Channel) -> int:
    """Which connection a call on `channel` would take now; it rises when our certificate changes."""
    return channel.look() if isinstance(channel, RenewingChannel) else 0
