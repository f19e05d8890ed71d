"""A connection to a gateway, with the service config that every client should use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from gateway import caps
from gateway.client.credentials import Credentials
from gateway.client.renewing import RenewingChannel
from gateway.v1 import SERVICE_CONFIG

DEADLINE_SECONDS = 30.0  # of a unary call
CONNECT_SECONDS = 15.0
KEEPALIVE_SECONDS = 30.0  # of silence until the line is asked whether it lives; two thirds of that again for its answer


@asynccontextmanager
async def connect(
    address: str, *, credentials: Credentials | None = None, keepalive_seconds: float = KEEPALIVE_SECONDS
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the gateway at host:port, closed at the end of the context; with TLS if there are `credentials`.

    When the files of the credentials change, further calls take a new connection and running ones end on the old one.
    Raises FatalCertificateError when the files cannot be used at the start.
    """
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", SERVICE_CONFIG),
        ("grpc.max_receive_message_length", caps.MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", caps.MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", round(keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", round(keepalive_seconds * 2000 / 3)),
        # A ping that gRPC sent for its own ends stands in for the keepalive's, and would be waited for a minute.
        ("grpc.http2.ping_timeout_ms", round(keepalive_seconds * 5000 / 3)),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
        # In spite of its name: for how long an attempt may take. TCP, TLS and HTTP/2 are four round trips.
        ("grpc.min_reconnect_backoff_ms", round(CONNECT_SECONDS * 1000)),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.dns_min_time_between_resolutions_ms", 2_000),  # a gateway that moved is found again in seconds
    ]
    channel = (
        RenewingChannel(address, credentials, options)
        if credentials
        else grpc.aio.insecure_channel(address, options=options)
    )
    async with channel:
        yield channel
