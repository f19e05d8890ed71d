"""What a gateway says of itself before anything is sent: its clock, its caps, and how far the sender's clock is off."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import grpc

from gateway.client import CLIENT_SOFTWARE
from gateway.client.errors import translated
from gateway.v1 import intake_pb2, intake_pb2_grpc
from gateway.wire.values import invalid, read_time, write_time

MOST_SKEW = timedelta(minutes=5)  # beyond it the day of an export may be taken for another
GREETING_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """A gateway's Welcome. `skew` is how far this machine's clock is ahead of the gateway's."""

    last_durable_sequence: int
    server_time: datetime
    skew: timedelta
    signature_required: bool

    @property
    def clock_is_wrong(self) -> bool:
        """True when this machine's clock is more than 5 minutes off."""
        return abs(self.skew) > MOST_SKEW


@dataclass
class Clock:
    """The time by the gateway's clock once it was told, by this machine's until then; in between it is counted on.

    Whoever sets this machine's clock changes nothing after the first greeting.
    """

    machine: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    _told: tuple[datetime, float] | None = field(default=None)

    def learn(self, server_time: datetime) -> None:
        """Take over the gateway's time."""
        self._told = (server_time, self.monotonic())

    def now(self) -> datetime:
        """The best there is."""
        if self._told is None:
            return self.machine()
        told, at = self._told
        return told + timedelta(seconds=self.monotonic() - at)


async def greet(channel: grpc.aio.Channel, *, source_id: str, epoch: str, now: datetime) -> Greeting:
    """Open a push as a rehearsal, hear the Welcome and end it. `now` is this machine's own clock.

    Raises RetryableGatewayError, or RejectedByGatewayError when the source may not push.
    """
    stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
    hello = intake_pb2.Hello(
        source_id=source_id,
        epoch=epoch,
        client_software=CLIENT_SOFTWARE,
        validate_only=True,
        client_time=write_time(now),
    )
    with translated():
        call = stub.Push(timeout=GREETING_SECONDS)
        await call.write(intake_pb2.PushRequest(hello=hello))
        await call.done_writing()
        answer = await call.read()
        # To its end: a push that is left open counts against the gateway's streams.
        while not isinstance(rest := await call.read(), type(grpc.aio.EOF)):
            raise invalid("welcome", f"has to be all that is said to a Hello, not {type(rest).__name__}")
    if not isinstance(answer, intake_pb2.PushResponse) or not answer.HasField("welcome"):
        raise invalid("welcome", "has to be the first answer of a push")
    welcome = answer.welcome
    server_time = read_time(welcome.server_time)
    skew = welcome.clock_skew.ToTimedelta() if welcome.HasField("clock_skew") else now - server_time
    return Greeting(
        last_durable_sequence=welcome.last_durable_sequence,
        server_time=server_time,
        skew=skew,
        signature_required=welcome.signature_required,
    )
