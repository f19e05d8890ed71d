"""How much one caller may ask where updates are, and what of that may be about records that it names itself.

A portal that names records could try names until one is known. Its misses are counted apart: they are a small share of
what it may ask, and while they are used up it may name nothing, known or not. Receipts need no such limit beside the
common one: nobody guesses their ids. Shares are of one process.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.errors import VERDICTS, Reason, RejectedCallError
from gateway.settings import Settings
from gateway.shares import Buckets, spread
from observability import metrics


class Quotas:
    """The counts of one gateway, by `whose` they are."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._settings = settings
        self._asked = Buckets(settings.statuses_per_second, clock)
        self._named = Buckets(settings.portal_records_per_second, clock)
        self._missed = Buckets(settings.portal_misses_per_second, clock)
        self._watches: Counter[str] = Counter()
        self._watching = 0

    def ask(self, whose: str) -> None:
        """Let a question in, or raise RATE_EXCEEDED with the moment to come back."""
        self._let_in(self._asked.of(whose).take(1, now=self._clock()), "limitStatusesPerSecond", self._asked.rate)

    def name(self, portal_id: str) -> None:
        """Let a portal name a record, or raise RATE_EXCEEDED with the moment to come back."""
        wait = self._missed.of(portal_id).take(0, now=self._clock())
        self._let_in(wait, "limitMissesPerSecond", self._missed.rate)
        wait = self._named.of(portal_id).take(1, now=self._clock())
        self._let_in(wait, "limitRecordsPerSecond", self._named.rate)

    def miss(self, portal_id: str) -> None:
        """Note that a portal named what it may not see or what is not there, which is the same."""
        self._missed.of(portal_id).owe(1, now=self._clock())

    @contextmanager
    def watch(self, whose: str) -> Iterator[None]:
        """A place for a watch while the context lasts, or STREAMS_EXHAUSTED."""
        for limit, most, held in (
            ("limitWatchesPerCaller", self._settings.update_watches_per_caller, self._watches[whose]),
            ("limitWatches", self._settings.update_watches, self._watching),
        ):
            if held >= most:
                raise RejectedCallError(
                    Reason.STREAMS_EXHAUSTED,
                    f"{held} watches are open.",
                    facts={limit: str(most)},
                    retry_seconds=spread(VERDICTS[Reason.STREAMS_EXHAUSTED].retry_seconds or 0.0),
                )
        self._watches[whose] += 1
        self._open(+1)
        try:
            yield
        finally:
            self._watches[whose] -= 1
            if not self._watches[whose]:
                del self._watches[whose]
            self._open(-1)

    def _open(self, more: int) -> None:
        self._watching += more
        metrics.WATCHES_OPEN.set(self._watching)

    @staticmethod
    def _let_in(wait: float, limit: str, rate: float) -> None:
        if wait > 0:
            usual = VERDICTS[Reason.RATE_EXCEEDED].retry_seconds or 0.0
            raise RejectedCallError(
                Reason.RATE_EXCEEDED,
                f"More than {rate:g} a second.",
                facts={limit: f"{rate:g}"},
                retry_seconds=spread(max(wait, usual)),
            )
