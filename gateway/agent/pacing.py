"""How fast an agent may send, how far it is and how long it will take; all by a clock that nobody can set."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

RATE_SECONDS = 60.0  # over how long a rate is taken
_ROUNDING = 1e-3  # of a byte


@dataclass
class Bandwidth:
    """A bucket of payload bytes that fills at `bytes_per_second`; 0 is no cap. It holds one second's worth.

    A batch larger than the bucket is let through once it is full, and paid off before the next.
    """

    bytes_per_second: int
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._at = float(self.bytes_per_second), self.clock()

    async def take(self, size: int) -> None:
        """Wait until `size` bytes may be sent."""
        if not self.bytes_per_second:
            return
        needed = min(float(size), float(self.bytes_per_second))
        while (short := needed - self._fill()) > _ROUNDING:
            await self.pause(short / self.bytes_per_second)
        self._level -= size

    def _fill(self) -> float:
        now = self.clock()
        self._level = min(float(self.bytes_per_second), self._level + (now - self._at) * self.bytes_per_second)
        self._at = now
        return self._level


@dataclass
class Progress:
    """What has landed since the agent started. It only rises."""

    clock: Callable[[], float]
    batches: int = 0
    payload_bytes: int = 0
    _landed: deque[tuple[float, int]] = field(default_factory=deque)

    def landed(self, size: int) -> None:
        """Note a receipt."""
        self.batches += 1
        self.payload_bytes += size
        self._landed.append((self.clock(), size))

    def bytes_per_second(self) -> float:
        """The rate of the last minute; 0 when nothing landed in it."""
        now = self.clock()
        while self._landed and now - self._landed[0][0] > RATE_SECONDS:
            self._landed.popleft()
        if not self._landed:
            return 0.0
        return sum(size for _, size in self._landed) / max(1.0, now - self._landed[0][0])

    def seconds_left(self, owed: int) -> float | None:
        """How long `owed` bytes will take at this rate; None when nothing can be said."""
        rate = self.bytes_per_second()
        return owed / rate if rate else (0.0 if not owed else None)
