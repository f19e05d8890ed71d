import asyncio

import pytest

from gateway.freeing import LOOKS, run_freeing
from reconciliation.errors import RetryableStoreError


class Stopped(Exception):  # noqa: N818 - ends a loop, is no error
    """The script has been played."""


def test_it_goes_on_whether_something_was_ended_or_the_store_is_away() -> None:
    script = iter([0, 2, RetryableStoreError("gone"), 0])
    pauses: list[float] = []

    async def end_stalled() -> int:
        step = next(script, Stopped())
        if isinstance(step, Exception):
            raise step
        return step

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    with pytest.raises(Stopped):
        asyncio.run(run_freeing(end_stalled, after_seconds=30.0, pause=pause))

    assert pauses == [30.0 / LOOKS] * 4
