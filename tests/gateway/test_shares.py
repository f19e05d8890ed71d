"""Shares at the door: who is quick waits, who is new gets in, and nobody is told to come back when the others are."""

import asyncio
from contextlib import ExitStack

import pytest

from gateway.errors import Reason, RejectedCallError
from gateway.settings import Settings
from gateway.shares import Buckets, Shares, spread


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(shares: Shares, whose: str) -> RejectedCallError | None:
    """What a call is told, None when it is let in."""
    try:
        shares.call(whose)
    except RejectedCallError as error:
        return error
    return None


def test_a_source_that_calls_too_fast_is_told_when_to_come_back_and_others_are_not_held_up() -> None:
    clock = Clock()
    shares = Shares(Settings(calls_per_second=10), clock=clock)

    told = [refused(shares, "quick") for _ in range(21)]

    assert [one for one in told[:20] if one] == []
    assert told[20] is not None
    assert told[20].reason is Reason.RATE_EXCEEDED
    assert told[20].facts == {"limitCallsPerSecond": "10"}
    assert told[20].retry_seconds is not None
    assert 1.0 <= told[20].retry_seconds <= 1.5
    assert refused(shares, "other") is None
    clock.now += 1.0
    assert [refused(shares, "quick") for _ in range(11)].count(None) == 10


def test_who_is_turned_away_together_does_not_come_back_together() -> None:
    moments = {spread(2.0) for _ in range(34)}

    assert len(moments) == 34
    assert all(2.0 <= moment <= 3.0 for moment in moments)


def test_a_source_has_so_many_pushes_and_leaves_room_for_the_first_of_every_other() -> None:
    shares = Shares(Settings(push_streams=40, pushes_per_source=8), clock=Clock())

    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(shares.push("greedy"))
        with pytest.raises(RejectedCallError) as beyond:
            held.enter_context(shares.push("greedy"))
        for number in range(4):
            held.enter_context(shares.push(f"second-{number}"))
        for number in range(3):
            held.enter_context(shares.push(f"second-{number}"))
        with pytest.raises(RejectedCallError) as crowded:
            held.enter_context(shares.push("second-3"))
        for number in range(25):
            held.enter_context(shares.push(f"late-{number}"))
    with shares.push("greedy"), shares.push("greedy"):
        pass

    assert beyond.value.reason is crowded.value.reason is Reason.STREAMS_EXHAUSTED
    assert beyond.value.facts == {"limitPushesPerSource": "8"}
    assert crowded.value.retry_seconds is not None


def test_a_source_that_opens_pushes_without_end_is_slowed_down() -> None:
    shares = Shares(Settings(), clock=Clock())

    with pytest.raises(RejectedCallError) as caught:
        for _ in range(1_000):
            shares.open("restless")

    assert caught.value.reason is Reason.RATE_EXCEEDED


def test_the_pushes_of_a_fast_source_are_held_up_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    async def run() -> None:
        shares = Shares(Settings(push_bytes_per_second=1_000), clock=clock)
        for _ in range(100):
            await shares.pace("fast", 100)
        await shares.pace("other", 2_000)

    monkeypatch.setattr("gateway.shares.asyncio.sleep", sleep)

    asyncio.run(run())

    assert sum(slept) == pytest.approx(8.0)  # 10,000 bytes, 2,000 of them at once


def test_callers_that_are_made_up_take_no_memory() -> None:
    buckets = Buckets(1, Clock())

    for number in range(20_000):
        buckets.of(f"caller-{number}")

    assert len(buckets.held) == 10_000
