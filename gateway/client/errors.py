"""What a call to the gateway can fail with, grouped by what the caller should do."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from gateway.errors import GatewayError
from gateway.wire.faults import Fault, read_call_error

# UNKNOWN and INTERNAL can come from a proxy that lost the gateway in the middle of an answer.
_TRANSIENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


class CallFailedError(GatewayError):
    """A call failed; `fault` is all that is known of it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.reason or fault.code.name}: {fault.message}{_next_step(fault)}")
        self.fault = fault


class RetryableGatewayError(CallFailedError):
    """The gateway could not be reached or did not answer: the outcome is unknown, send the same again."""


class RejectedByGatewayError(CallFailedError):
    """The gateway refused the call: the same again will be refused again."""


def _next_step(fault: Fault) -> str:
    """What to do about a connection that never came to be: gRPC does not say why the gateway refused it."""
    words = fault.message.lower()
    if fault.reason or not ("socket closed" in words or "handshake" in words):
        return ""
    return (
        " Next: if the gateway demands certificates, give --cert, --key and --ca, and run `lienthong doctor` with them."
    )


def of(error: grpc.aio.AioRpcError) -> CallFailedError:
    """The error of a failed call."""
    fault = read_call_error(error)
    # Without a reason of ours the failure came from the line or from gRPC, and says nothing about what was sent.
    lost = not fault.reason and fault.code in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
    if lost or fault.code in _TRANSIENT or fault.retry_seconds is not None:
        return RetryableGatewayError(fault)
    return RejectedByGatewayError(fault)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what gRPC raises inside into RetryableGatewayError or RejectedByGatewayError."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise of(error) from error
