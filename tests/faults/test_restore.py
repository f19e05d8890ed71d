"""F23: PostgreSQL comes back from a backup older than what registries have read and provinces have receipts of."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.agent.telling import Event
from reconciliation.store import epochs, feed
from reconciliation.store.engine import connect
from tests.database import open_folder
from tests.faults.following import Registry, reconciled, serving, state
from tests.faults.processes import SMALL, Database, database
from tests.faults.pushing import landed
from tests.faults.replicas import copied, restored, until
from tests.gateway.agent.agents import Province
from tests.gateway.agent.test_running import run_once
from tests.gateway.batches import people
from tests.gateway.test_resuming import landed_records

FILES = [people(number * 10, 4) for number in range(1, 6)]
PEOPLE = [f"P{number * 10 + row:07d}" for number in range(1, 6) for row in range(4)]
AT_BACKUP = 3  # files


@dataclass
class Told:
    """What a registry and a province were told after the restore."""

    begun: Sequence[epochs.Epoch]
    refusals: list[str]
    events: list[Event]


async def live(engine: sa.Engine, province: Province, registry: Registry, *, files: Sequence[int]) -> None:
    """The province sends files, they are reconciled, and the registry reads and acknowledges all."""
    async with serving(engine) as address:
        registry.address = address
        for number in files:
            province.export(f"{number} 2025-07-10.jsonl", FILES[number])
        await run_once(province, address)
        await asyncio.to_thread(reconciled, engine)
        await registry.catch_up()


async def come_back(engine: sa.Engine, province: Province, registry: Registry) -> Told:
    async with serving(engine) as address:
        await asyncio.to_thread(until, str(engine.url), "SELECT count(*) FROM feed_epoch", 1)
        registry.address = address
        refusals = [await registry.refusal()]
        registry.cursor = ""  # the place that the gateway itself kept, which is of before, too
        refusals.append(await registry.refusal())
        registry.take_snapshot(engine)
        await registry.catch_up()
        events = await run_once(province, address)
        await asyncio.to_thread(reconciled, engine)
        await registry.catch_up()
        return Told(epochs.history(engine), refusals, events)


@pytest.mark.parametrize("notices", [True, False], ids=["recovered", "files copied back"])
def test_f23_after_a_restore_registries_begin_anew_and_provinces_send_again(
    cluster: Path, tmp_path: Path, notices: bool
) -> None:
    province, registry = Province(tmp_path / "province"), Registry("")

    with open_folder() as backup:
        with copied(cluster) as folder, database(folder, SMALL) as postgres:
            engine = connect(postgres.url, pool_size=8)
            asyncio.run(live(engine, province, registry, files=range(AT_BACKUP)))
            at_backup = feed.head(engine)
            postgres.copy_to(backup)
            asyncio.run(live(engine, province, registry, files=range(AT_BACKUP, len(FILES))))
            read = feed.head(engine)
            engine.dispose()
        receipts = province.receipts()
        with restored(backup, notices=notices) as again:
            told, held = after_the_restore(again, province, registry, notices=notices)

    (epoch,) = told.begun
    assert at_backup.sequence < read.sequence
    assert epoch.feed_seq == at_backup.sequence
    assert epoch.reason == (epochs.ANOTHER_TIMELINE if notices else "backup of 03:00")
    assert told.refusals == ["CURSOR_EPOCH", "CURSOR_EPOCH"]
    (differs,) = [event for event in told.events if event.event == "differs"]
    assert differs.facts["missing"] == [4, 5]
    assert [event.facts["sequence"] for event in told.events if event.event == "landed"] == [4, 5]
    assert registry.holding == held
    assert [one["sequence"] for one in receipts] == [1, 2, 3, 4, 5]


def after_the_restore(
    again: Database, province: Province, registry: Registry, *, notices: bool
) -> tuple[Told, dict[object, object]]:
    """What was told then, and what a registry has to hold in the end, which is everything."""
    engine = connect(again.url, pool_size=8)
    if not notices:
        epochs.begin(engine, by="operator", reason="backup of 03:00")
    told = asyncio.run(come_back(engine, province, registry))
    held = state(engine)
    assert landed(engine, epoch=province.receipts()[0]["epoch"]) == [1, 2, 3, 4, 5]
    assert landed_records(engine) == PEOPLE
    assert len(held) >= len(PEOPLE)
    assert feed.cursor_of(engine, consumer_id="population") == feed.head(engine)
    assert feed.head(engine).epoch == 2
    engine.dispose()
    return told, dict(held)
