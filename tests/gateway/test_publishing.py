"""Who waits for the feed to grow is woken when it has, and one look at the store serves all."""

import asyncio

import pytest

from gateway.publishing import Published
from reconciliation.errors import RetryableStoreError
from reconciliation.model import Cursor

LONG = 30.0


def place(sequence: int, epoch: int = 1) -> Cursor:
    return Cursor(epoch=epoch, sequence=sequence)


class Feed:
    """A head that tests move, and how often it was looked at."""

    def __init__(self) -> None:
        self.head, self.looks, self.is_silent = place(1), 0, False

    async def read(self) -> Cursor:
        self.looks += 1
        if self.is_silent:
            raise RetryableStoreError("silent")
        return self.head


async def watched(feed: Feed, published: Published, work: "asyncio.Future[object]") -> None:
    """Do `work` while the head is looked at without a pause."""
    watching = asyncio.create_task(published.watch(0.0))
    async with asyncio.timeout(LONG):
        await work
    watching.cancel()


def test_all_who_wait_are_woken_by_one_growth() -> None:
    async def run() -> int:
        feed = Feed()
        published = Published(feed.read)
        waiting = [asyncio.create_task(published.beyond(place(4), seconds=LONG)) for _ in range(100)]

        async def grow() -> None:
            while not feed.looks:
                await asyncio.sleep(0)
            feed.head = place(5)
            await asyncio.gather(*waiting)

        await watched(feed, published, asyncio.ensure_future(grow()))
        return feed.looks

    assert asyncio.run(run()) < 100


@pytest.mark.parametrize(
    ("behind", "waits"), [(place(0), False), (place(1), True), (place(9), True), (place(0, 2), True)]
)
def test_who_is_behind_what_is_known_does_not_wait(behind: Cursor, waits: bool) -> None:
    async def run() -> bool:
        feed = Feed()
        published = Published(feed.read)
        first = asyncio.create_task(published.beyond(place(0), seconds=LONG))
        await watched(feed, published, asyncio.ensure_future(first))
        later = asyncio.create_task(published.beyond(behind, seconds=LONG))
        for _ in range(3):
            await asyncio.sleep(0)
        is_waiting = not later.done()
        later.cancel()
        return is_waiting

    assert asyncio.run(run()) is waits


def test_a_silent_store_wakes_nobody_and_nobody_who_waits_is_no_look() -> None:
    async def run() -> tuple[int, int]:
        feed = Feed()
        feed.is_silent = True
        published = Published(feed.read)
        idle = asyncio.create_task(published.watch(0.0))
        for _ in range(5):
            await asyncio.sleep(0)
        before = feed.looks
        await published.beyond(place(0), seconds=0.05)
        idle.cancel()
        return before, feed.looks

    before, after = asyncio.run(run())

    assert before == 0
    assert after > 0


def test_waking_ends_a_wait_whatever_the_head_is() -> None:
    async def run() -> None:
        published = Published(Feed().read)
        waiting = asyncio.create_task(published.beyond(place(9), seconds=LONG))
        await asyncio.sleep(0)
        published.wake()
        async with asyncio.timeout(LONG):
            await waiting

    asyncio.run(run())
