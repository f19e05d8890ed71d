"""F22: PostgreSQL restarts under a registry that pulls; a standby takes over, one that had everything or had not."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.client import Answer, Landed
from reconciliation.model import Cursor
from reconciliation.store import epochs, feed
from reconciliation.store.engine import connect
from tests.faults.following import Registry, reconciled, serving, state, written
from tests.faults.processes import SMALL, Database, database
from tests.faults.pushing import landed, push
from tests.faults.replicas import copied, either, following, promote, stop_following
from tests.gateway.batches import outgoing, people

PARCELS = [outgoing(number, people(number * 10, 2)) for number in range(1, 9)]


@dataclass
class Told:
    """What senders and a registry were told by a gateway whose server was lost."""

    before: list[Answer]
    unfollowed: list[Answer]  # acknowledged while the standby, if it was let go, heard of nothing
    after: list[Answer]
    there: list[int]  # what had landed when the standby took over
    read: int  # the place up to which the registry had read by then
    refusal: str
    registry: Registry


async def lose_the_primary(engine: sa.Engine, primary: Database, standby: Database, *, keeps_all: bool) -> Told:
    async with serving(engine, failover_keeps_all=keeps_all) as address:
        before = await push(address, PARCELS[:4])
        await asyncio.to_thread(reconciled, engine)
        registry = Registry(address)
        await registry.catch_up()
        if not keeps_all:
            await asyncio.to_thread(stop_following, standby)
        unfollowed = await push(address, PARCELS[4:6])
        await asyncio.to_thread(reconciled, engine)
        await registry.catch_up(acknowledges=False)
        read = feed.head(engine).sequence
        pushing = asyncio.create_task(push(address, PARCELS[6:], window=1))
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(promote, standby)
        there = await asyncio.to_thread(landed, engine)
        after = await pushing
        await asyncio.to_thread(reconciled, engine)
        refusal = await registry.refusal()
        if refusal:
            registry.take_snapshot(engine)
        await registry.catch_up()
        after += await push(address, PARCELS)  # as agents do that hold their receipts against the ledger
        await asyncio.to_thread(reconciled, engine)
        await registry.catch_up()
        return Told(before, unfollowed, after, there, read, refusal, registry)


@pytest.mark.parametrize("is_synchronous", [True, False], ids=["synchronous", "asynchronous"])
def test_f22_a_standby_takes_over_and_nothing_is_lost_or_it_is_told(cluster: Path, is_synchronous: bool) -> None:
    with (
        copied(cluster) as one,
        copied(cluster) as other,
        database(one, SMALL) as primary,
        following(primary, other, is_synchronous=is_synchronous) as standby,
    ):
        engine = connect(either(primary, standby), pool_size=8)
        told = asyncio.run(lose_the_primary(engine, primary, standby, keeps_all=is_synchronous))
        begun, there, held = epochs.history(engine), landed(engine), state(engine)
        head = feed.head(engine)
        engine.dispose()

    assert all(isinstance(answer, Landed) for answer in [*told.before, *told.unfollowed, *told.after])
    assert there == list(range(1, 9)), "in the end everything is there, whoever had lost it"
    assert told.registry.holding == held
    assert len(held) >= 16
    if is_synchronous:
        assert set(told.there) >= {1, 2, 3, 4, 5, 6}
        assert (begun, told.refusal, told.registry.snapshots) == ([], "", 0)
        assert told.registry.applied == list(range(1, head.sequence + 1))
    else:
        assert told.there[:4] == [1, 2, 3, 4]
        assert not {5, 6} & set(told.there), "the acknowledged batches that the standby never heard of"
        (epoch,) = begun
        assert (epoch.reason, epoch.begun_by) == (epochs.ANOTHER_TIMELINE, epochs.BY_ITSELF)
        assert epoch.feed_seq < told.read, "the registry had read what is no more"
        assert (told.refusal, told.registry.snapshots) == ("CURSOR_EPOCH", 1)


def test_f22_a_restart_costs_a_registry_nothing_but_time(cluster: Path) -> None:
    async def run(postgres: Database, engine: sa.Engine) -> Registry:
        async with serving(engine) as address:
            registry = Registry(address)
            await asyncio.to_thread(written, engine, *map(str, range(20)))
            await registry.catch_up(page_size=3)
            await asyncio.to_thread(postgres.stop)
            await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(written, engine, *map(str, range(20, 30)))
            await registry.catch_up(page_size=3)
            return registry

    with copied(cluster) as folder, database(folder, SMALL) as postgres:
        engine = connect(postgres.url, pool_size=8)
        registry = asyncio.run(run(postgres, engine))
        held, head, begun = state(engine), feed.head(engine), epochs.history(engine)
        engine.dispose()

    assert registry.applied == list(range(1, 31))
    assert registry.holding == held
    assert (head, begun) == (Cursor(epoch=1, sequence=30), [])
