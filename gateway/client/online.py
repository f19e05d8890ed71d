"""Sending single records so that nothing is lost or doubled: the same request until it is answered."""

import time
from datetime import date
from uuid import UUID, uuid4

import grpc
import tenacity

from gateway.client import errors
from gateway.client.channel import DEADLINE_SECONDS
from gateway.client.errors import RetryableGatewayError
from gateway.v1 import intake_pb2_grpc
from gateway.wire import online as wire
from reconciliation.model import SubmissionAnswer


class OnlineClient:
    """Sends the records of online systems over one channel."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        give_up_seconds: float = 120.0,
    ) -> None:
        """`deadline_seconds` of one attempt; `give_up_seconds`: after so long no further one is made."""
        self._stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
        self._deadline_seconds = deadline_seconds
        self._give_up_seconds = give_up_seconds

    async def submit(
        self,
        record: bytes,
        *,
        source_id: str,
        request_id: UUID | None = None,
        exported_on: date | None = None,
        validate_only: bool = False,
    ) -> SubmissionAnswer:
        """Send one encoded record and return its durable answer.

        Whoever wants to go on after a crash of his own gives a `request_id` that he has kept. Raises
        RejectedByGatewayError when the record is not taken, and RetryableGatewayError when the gateway stays away: the
        outcome is unknown then, and the same request finds it.
        """
        request = wire.write_update(
            record,
            source_id=source_id,
            request_id=request_id or uuid4(),
            exported_on=exported_on,
            validate_only=validate_only,
        )
        begun = time.monotonic()
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(RetryableGatewayError),
            wait=_wait,
            stop=lambda _: time.monotonic() - begun > self._give_up_seconds,
            reraise=True,
        ):
            with attempt, errors.translated():
                answer = await self._stub.SubmitUpdate(request, timeout=self._deadline_seconds)
        return wire.read_answer(answer)


_backoff = tenacity.wait_random_exponential(multiplier=0.2, max=5)


def _wait(state: tenacity.RetryCallState) -> float:
    """As long as the gateway asked for, at least; else a random share of a bound that doubles up to 5 s."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.fault.retry_seconds if isinstance(error, RetryableGatewayError) else None
    return (asked or 0.0) + _backoff(state)
