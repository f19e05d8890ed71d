"""Who was refused and why, counted always and logged at most so often, so that a crowd at the door fills no disk."""

import time
from collections.abc import Callable

from observability.logs import get_logger
from observability.metrics import Counter

log = get_logger(__name__)

LINES = 5  # of one reason …
SECONDS = 60.0  # … within this time; what is held back is told with the next line


class Refusals:
    """Notes refusals under one counter and one event. May be called from several threads."""

    def __init__(self, event: str, counter: Counter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._counter = counter
        self._clock = clock
        self._told: dict[str, list[float]] = {}
        self._held_back: dict[str, int] = {}

    def note(self, reason: str, **fields: object) -> None:
        """One refusal for `reason`, an upper-case code; `fields` are of the vocabulary."""
        self._counter.add(reason=reason)
        now = self._clock()
        recent = [at for at in self._told.get(reason, ()) if now - at < SECONDS]
        if len(recent) >= LINES:
            self._held_back[reason] = self._held_back.get(reason, 0) + 1
            return
        self._told[reason] = [*recent, now]
        held_back = self._held_back.pop(reason, 0)
        log.warning(self._event, reason=reason, count=1 + held_back, **fields)
