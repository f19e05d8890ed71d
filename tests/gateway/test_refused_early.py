"""A push that is refused before its first message is written: its sender learns why, and when to come back."""

import asyncio
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from gateway.client import IntakeClient
from gateway.client.errors import RetryableGatewayError
from gateway.v1 import intake_pb2_grpc
from tests.gateway.batches import JSONL_SOURCE, hello, outgoing, people
from tests.gateway.conftest import Serve


class Late:
    """A call that writes when it is over, as one does whose sender was busy."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def write(self, message: object) -> None:
        await self._call.code()
        await self._call.write(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class Untold:
    """A call that had ended when gRPC wrote to it, in the moment before it learnt why."""

    error = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), "Internal error from Core"
    )

    async def write(self, _message: object) -> None:
        raise self.error

    async def read(self) -> None:
        raise self.error

    def cancel(self) -> None:
        pass


def refused(serve: Serve, *later: object) -> RetryableGatewayError:
    """What a pusher ends with whose first call is written to late, the second is `later`, when there is no place."""

    async def run() -> RetryableGatewayError:
        async with serve(push_streams=1) as channel:
            holding = intake_pb2_grpc.IntakeServiceStub(channel).Push()
            await holding.write(hello())
            await holding.read()
            client = IntakeClient(channel, give_up_seconds=0.5 if later else 0.0)
            calls = iter([Late(client._stub.Push()), *later])
            client._stub = SimpleNamespace(Push=lambda: next(calls))  # type: ignore[assignment]
            with pytest.raises(RetryableGatewayError) as caught:
                async for _ in client.push([outgoing(1, people(0, 2))], source_id=JSONL_SOURCE, epoch="e1"):
                    pass
            holding.cancel()
            return caught.value

    return asyncio.run(run())


def test_a_pusher_that_is_slower_than_the_refusal_learns_why(serve: Serve) -> None:
    error = refused(serve)

    assert error.fault.reason == "STREAMS_EXHAUSTED"
    assert error.fault.retry_seconds is not None


def test_where_grpc_lost_why_what_the_gateway_said_last_is_told(serve: Serve) -> None:
    error = refused(serve, Untold())

    assert error.fault.reason == "STREAMS_EXHAUSTED"
    assert isinstance(error.__cause__, RetryableGatewayError)
    assert error.__cause__.fault.code is grpc.StatusCode.INTERNAL
