"""The background task that keeps the feed moving, and tells by its own fortune whether the database is there."""

import asyncio
from collections.abc import Awaitable, Callable

from observability import metrics
from observability.logs import get_logger
from reconciliation.errors import RetryableStoreError

log = get_logger(__name__)


async def run_sequencer(
    sequence: Callable[[], Awaitable[int]],
    *,
    interval_seconds: float,
    tell: Callable[[bool], Awaitable[None]],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `sequence` every `interval_seconds` until cancelled; `tell` whether the store answers when that changes."""
    answered: bool | None = None
    while True:
        try:
            published = await sequence()
        except RetryableStoreError:
            answers = False
        else:
            answers = True
            if published:
                metrics.FEED_PUBLISHED.add(published)
        if answers is not answered:
            if not answers or answered is not None:
                log.warning("store_answers" if answers else "store_is_silent")
            await tell(answers)
            answered = answers
        await pause(interval_seconds)
