"""Who is served now and who has to come back: a share for each, so that no caller and no herd keeps the others out.

Shares are of one process. A caller is told when to come back, each at another moment.
"""

import asyncio
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.errors import VERDICTS, Reason, RejectedCallError
from gateway.settings import Settings

_MOST_REMEMBERED = 10_000  # callers; whoever was forgotten begins with a full bucket
_BURST_SECONDS = 2.0  # how long a caller that was quiet may go twice as fast
_EXTRA_SHARE = 4  # of all places, one in so many may be the second or a further push of a source

_random = secrets.SystemRandom()


def spread(seconds: float) -> float:
    """A moment between `seconds` and half as much again: who was turned away together does not come back together."""
    return seconds * (1.0 + 0.5 * _random.random())


@dataclass
class Bucket:
    """Tokens that fill up at a steady rate. One may take more than there is once, and then waits for it."""

    rate: float
    most: float
    tokens: float
    filled_at: float

    def take(self, count: float, *, now: float) -> float:
        """Take `count` and return 0, or take nothing and return after how many seconds there will be enough."""
        self._fill(now)
        missing = min(count, self.most) - self.tokens
        if missing > 0:
            return missing / self.rate
        self.tokens -= count
        return 0.0

    def owe(self, count: float, *, now: float) -> float:
        """Take `count` in any case and return how many seconds the taker has to wait for it."""
        self._fill(now)
        self.tokens -= count
        return max(0.0, -self.tokens / self.rate)

    def _fill(self, now: float) -> None:
        self.tokens = min(self.most, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now


@dataclass
class Buckets:
    """One bucket a caller, all alike; the ones not used for longest are forgotten first."""

    rate: float
    clock: Callable[[], float]
    held: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def of(self, whose: str) -> Bucket:
        """The caller's bucket, full for one who is new."""
        bucket = self.held.get(whose)
        if bucket is None:
            most = self.rate * _BURST_SECONDS
            bucket = self.held[whose] = Bucket(self.rate, most, most, self.clock())
            if len(self.held) > _MOST_REMEMBERED:
                self.held.popitem(last=False)
        self.held.move_to_end(whose)
        return bucket


class Shares:
    """The door's counts and buckets, each for `whose` share it is."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._calls = Buckets(settings.calls_per_second, clock)
        self._opened = Buckets(settings.pushes_per_second, clock)
        self._bytes = Buckets(settings.push_bytes_per_second, clock)
        self._open: Counter[str] = Counter()

    def call(self, whose: str) -> None:
        """Let a unary call in, or raise RATE_EXCEEDED with the moment to come back."""
        self._let_in(self._calls, whose, limit=("limitCallsPerSecond", self._settings.calls_per_second))

    def open(self, whose: str) -> None:
        """Let a push be opened, or raise RATE_EXCEEDED with the moment to come back."""
        self._let_in(self._opened, whose, limit=("limitPushesPerSecond", self._settings.pushes_per_second))

    @contextmanager
    def push(self, whose: str) -> Iterator[None]:
        """A place for a push of a source while the context lasts, or STREAMS_EXHAUSTED.

        A source's first push has a place as long as the gateway has one; its further ones have to leave room.
        """
        most = self._settings.pushes_per_source
        extra = self._open.total() - len(self._open)
        crowded = extra >= max(1, self._settings.push_streams // _EXTRA_SHARE)
        if self._open[whose] >= (1 if crowded else most):
            raise RejectedCallError(
                Reason.STREAMS_EXHAUSTED,
                f"{self._open[whose]} pushes of the source are open.",
                facts={"limitPushesPerSource": str(most)},
                retry_seconds=spread(VERDICTS[Reason.STREAMS_EXHAUSTED].retry_seconds or 0.0),
            )
        self._open[whose] += 1
        try:
            yield
        finally:
            self._open[whose] -= 1
            self._open += Counter()  # forgets who has none

    async def pace(self, whose: str, size: int) -> None:
        """Wait until a payload of `size` bytes is within the caller's share; its sender is held up meanwhile."""
        if wait := self._bytes.of(whose).owe(size, now=self._clock()):
            await asyncio.sleep(wait)

    def _let_in(self, buckets: Buckets, whose: str, *, limit: tuple[str, int]) -> None:
        wait = buckets.of(whose).take(1, now=self._clock())
        if wait:
            usual = VERDICTS[Reason.RATE_EXCEEDED].retry_seconds or 0.0
            raise RejectedCallError(
                Reason.RATE_EXCEEDED,
                f"More than {limit[1]} a second.",
                facts={limit[0]: str(limit[1])},
                retry_seconds=spread(max(wait, usual)),
            )
