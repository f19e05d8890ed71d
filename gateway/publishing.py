"""Tells the streams that wait for it that the feed has grown. One look at its head serves all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from reconciliation.errors import RetryableStoreError
from reconciliation.model import Cursor


class Published:
    """The head of the feed as it was last seen, and who waits for it to move."""

    def __init__(self, read: Callable[[], Awaitable[Cursor]]) -> None:
        self._read = read
        self._head: Cursor | None = None
        self._moved = asyncio.Event()
        self._waiting = 0

    async def watch(
        self, interval_seconds: float, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Look every `interval_seconds` until cancelled, while somebody waits. A silent store moves nothing."""
        while True:
            if self._waiting:
                with suppress(RetryableStoreError):
                    self._show(await self._read())
            await pause(interval_seconds)

    def wake(self) -> None:
        """Let everybody look for themselves, whatever the head is."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def beyond(self, place: Cursor, *, seconds: float) -> None:
        """Wait until the head is known to be beyond `place`, or `wake` is called, for `seconds` at most."""
        if self._head is not None and _order(self._head) > _order(place):
            return
        self._waiting += 1
        with suppress(TimeoutError):
            try:
                async with asyncio.timeout(seconds):
                    await self._moved.wait()
            finally:
                self._waiting -= 1

    def _show(self, head: Cursor) -> None:
        if head != self._head:
            self._head = head
            self.wake()


def _order(cursor: Cursor) -> tuple[int, int]:
    return (cursor.epoch, cursor.sequence)
