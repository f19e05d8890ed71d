"""A connection to a gateway, with the service config that every client should use."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from gateway import caps

# Only what may be repeated without harm is retried by gRPC itself, and only when the gateway was not there.
_RETRIED = (
    {"service": "gateway.v1.StatusService"},
    {"service": "gateway.v1.FeedService"},
    {"service": "gateway.v1.UnitsService"},
)
SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": _RETRIED,
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
)
DEADLINE_SECONDS = 30.0  # of a unary call


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the gateway at host:port, closed at the end of the context."""
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", SERVICE_CONFIG),
        ("grpc.max_receive_message_length", caps.MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", caps.MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 200),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel
