"""The background task that frees what a gateway holds that hangs: every gateway looks after all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from observability.logs import get_logger
from reconciliation.errors import RetryableStoreError

log = get_logger(__name__)

LOOKS = 4  # within the time after which a gateway is taken to hang


async def run_freeing(
    end_stalled: Callable[[], Awaitable[int]],
    *,
    after_seconds: float,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `end_stalled`, which ends what has hung for `after_seconds`, often enough for that until cancelled."""
    while True:
        with suppress(RetryableStoreError):  # the sequencer tells of it, and health shows it
            if ended := await end_stalled():
                log.warning("stalled_copies_ended", count=ended)
        await pause(after_seconds / LOOKS)
