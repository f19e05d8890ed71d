import asyncio
from collections.abc import Iterator

import pytest

from gateway.sequencing import run_sequencer
from reconciliation.errors import RetryableStoreError


class Stopped(Exception):  # noqa: N818 - ends a loop, is no error
    """The script has been played."""


def play(script: Iterator[int | Exception]) -> tuple[list[bool], list[float]]:
    """What the sequencer tells and how long it waits while the store answers as in `script`."""
    told: list[bool] = []
    pauses: list[float] = []

    async def sequence() -> int:
        step = next(script, Stopped())
        if isinstance(step, Exception):
            raise step
        return step

    async def tell(answers: bool) -> None:
        told.append(answers)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    with pytest.raises(Stopped):
        asyncio.run(run_sequencer(sequence, interval_seconds=0.2, tell=tell, pause=pause))
    return told, pauses


def test_it_goes_on_after_the_store_was_away_and_tells_each_change_once() -> None:
    away = RetryableStoreError("gone")

    told, pauses = play(iter([1, 0, away, away, 3]))

    assert told == [True, False, True]
    assert pauses == [0.2] * 5
