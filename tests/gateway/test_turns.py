"""Batches of a stream are made ready side by side and land in their order, whatever becomes of one in the middle."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.preparing import Preparer
from gateway.turns import Turns
from reconciliation.store import tables
from tests.gateway.batches import JSONL_SOURCE, hello, message, people
from tests.gateway.conftest import Serve
from tests.gateway.test_intake import talk


def test_a_turn_comes_when_all_before_it_are_done() -> None:
    turns = Turns()
    first, second, third = (turns.join() for _ in range(3))
    assert [one.has_come.is_set() for one in (first, second, third)] == [True, False, False]

    second.end()
    assert not third.has_come.is_set()
    first.end()
    assert third.has_come.is_set()
    third.end()
    assert turns.join().has_come.is_set()


def test_what_follows_a_refused_batch_does_not_pass_what_came_before_it(
    serve: Serve, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes long to make ready, the second cannot be read, the third is ready before the first."""
    real = Preparer.prepare

    async def run() -> list[Any]:
        third_is_ready = asyncio.Event()

        async def prepare(preparer: Preparer, received: Any) -> Any:
            try:
                found = await real(preparer, received)
            finally:
                if received.batch.sequence == 3:
                    third_is_ready.set()
            if received.batch.sequence == 1:
                await third_is_ready.wait()
            return found

        monkeypatch.setattr(Preparer, "prepare", prepare)
        async with serve() as channel:
            return await talk(channel, [hello(), message(1, people(0, 2)), message(2, b"{"), message(3, people(0, 2))])

    _, first, refused, third = asyncio.run(run())
    with engine.connect() as connection:
        landed = connection.scalars(
            sa.select(tables.batch.c.sequence)
            .where(tables.batch.c.source_id == JSONL_SOURCE)
            .order_by(tables.batch.c.batch_id)
        ).all()

    assert landed == [1, 3]
    assert (first.receipt.accepted, refused.WhichOneof("message"), third.receipt.superseded) == (2, "refusal", 2)
