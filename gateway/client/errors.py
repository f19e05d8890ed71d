"""What a call to the gateway can fail with, grouped by what the caller should do."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from gateway.errors import GatewayError
from gateway.wire.faults import Fault, read_call_error

# UNKNOWN and INTERNAL can come from a proxy that lost the gateway in the middle of an answer.
_TRANSIENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


# What gRPC says of a call that the gateway had ended when something was to be written: why it ended is lost.
_UNSAID = "Internal error from Core"


class CallFailedError(GatewayError):
    """A call failed; `fault` is all that is known of it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(told(fault))
        self.fault = fault


class RetryableGatewayError(CallFailedError):
    """The gateway could not be reached or did not answer: the outcome is unknown, send the same again."""


class RejectedByGatewayError(CallFailedError):
    """The gateway refused the call: the same again will be refused again."""


def told(fault: Fault) -> str:
    """A fault in English as a person reads it: the reason, what is wrong, and the next step where one is known."""
    said = f"{fault.reason or fault.code.name}: {fault.message}"
    step = _next_step(fault)
    if not step:
        return said
    return f"{said}{'' if said.endswith(('.', ':')) else '.'} Next: {step}"


def _next_step(fault: Fault) -> str:
    """What to do, where the message does not say it: as the gateway told, or about a line that never came to be."""
    words = fault.message.lower()
    if "next: " in words:
        return ""
    if fault.reason:
        step = fault.next_step
        return f"{step[0].lower()}{step[1:]}" if step else ""
    if "socket closed" in words or "handshake" in words:  # gRPC does not say why the gateway refused it
        return "if the gateway demands certificates, give --cert, --key and --ca, and run `lienthong doctor` with them."
    return "see that a gateway runs there, or give another --address." if "failed to connect" in words else ""


def hides_a_verdict(fault: Fault) -> bool:
    """Whether the gateway ended the call and its reason did not reach the caller."""
    return fault.code is grpc.StatusCode.INTERNAL and not fault.reason and fault.message == _UNSAID


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
