"""No more than the cap over any stretch of time, by a clock that the test moves."""

import asyncio

import pytest

from gateway.agent.pacing import Bandwidth, Progress


class Clock:
    """Time that passes when somebody waits, or when it is set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("sizes", [[100] * 50, [1_000] * 9, [5_000, 10, 10, 5_000, 10], [1] * 3_000])
def test_the_cap_holds_from_the_first_byte_to_the_last(sizes):
    clock = Clock()
    bandwidth = Bandwidth(1_000, clock, clock.pause)
    sent = []

    async def send() -> None:
        for size in sizes:
            await bandwidth.take(size)
            sent.append((clock.now - 1_000.0, size))

    asyncio.run(send())

    before = 0
    for at, size in sent:  # what went out before a batch, and as much of it as the bucket may lend
        assert before <= 1_000 * (at + 1) + 1
        before += size
    seconds = sent[-1][0]
    assert seconds >= (sum(sizes) - sizes[-1] - 1_000) / 1_000
    assert seconds <= sum(sizes) / 1_000 + 0.01


def test_no_cap_never_waits():
    async def never(_: float) -> None:
        raise AssertionError("it waited")

    asyncio.run(Bandwidth(0, Clock(), never).take(10**9))


def test_progress_rises_and_the_time_left_follows_the_last_minute():
    clock = Clock()
    progress = Progress(clock)
    assert (progress.seconds_left(0), progress.seconds_left(500)) == (0.0, None)
    for _ in range(10):
        clock.now += 1
        progress.landed(100)
    assert (progress.batches, progress.payload_bytes) == (10, 1_000)
    assert progress.bytes_per_second() == pytest.approx(1_000 / 9)
    assert progress.seconds_left(1_000) == pytest.approx(9)
    clock.now += 61
    assert (progress.bytes_per_second(), progress.seconds_left(1), progress.payload_bytes) == (0.0, None, 1_000)
