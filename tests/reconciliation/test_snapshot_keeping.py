"""Old snapshots go: the newest, the young and those that are read stay. What is killed is ended by the next."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciliation import jobs, snapshot_keeping, snapshots
from reconciliation.store import auditing, feed, snapshot_holds, tables
from tests.reconciliation.store.changes import write
from tests.reconciliation.store.landings import NOW

POPULATION, INSURANCE = "population", "social-insurance"
DAY = timedelta(days=1)

# A process that purges and kills itself: before the n-th manifest goes, before it commits, before the n-th folder goes.
KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
import sqlalchemy as sa
from reconciliation import jobs, snapshots
from reconciliation.store.engine import connect

url, folder, now, place, hit = sys.argv[1:]
passed = 0


def deadly(*_):
    global passed
    passed += 1
    if passed == int(hit):
        os.kill(os.getpid(), signal.SIGKILL)


def before(function):
    return lambda *given: (deadly(), function(*given))[1]


engine = connect(url, pool_size=1)
if place == "commit":
    sa.event.listen(engine, "commit", deadly)
else:
    setattr(snapshots, place, before(getattr(snapshots, place)))
jobs.purge_snapshots(engine, folder=Path(folder), now=datetime.fromisoformat(now))
"""


@pytest.fixture
def folder(engine: sa.Engine, tmp_path: Path) -> Path:
    """Eight snapshots of a registry, the last one of today and each a day older, and two old ones of another."""
    for ago in range(7, -1, -1):
        with engine.begin() as connection:
            write(connection, f"S{ago}", full_name=f"name {ago}")
        feed.sequence(engine)
        jobs.publish_snapshot(engine, consumer_id=POPULATION, folder=tmp_path, now=NOW - ago * DAY)
        if ago > 5:
            jobs.publish_snapshot(engine, consumer_id=INSURANCE, folder=tmp_path, now=NOW - 100 * DAY)
    return tmp_path


def purge(engine: sa.Engine, folder: Path, **said: int) -> jobs.Counts:
    return jobs.purge_snapshots(engine, folder=folder, now=NOW + timedelta(hours=1), **said)


def standing(folder: Path, consumer_id: str = POPULATION) -> list[int]:
    """Where in the feed the snapshots stand, the newest first; there is no other folder."""
    found = list(snapshots.standing(folder, consumer_id))
    assert {path.name for path in (folder / consumer_id).iterdir()} == {one.snapshot_id for one in found}
    return [one.cursor.sequence for one in found]


def written_down(engine: sa.Engine) -> list[tuple[str, str]]:
    """Who and which snapshot, of those that were let go."""
    with engine.connect() as connection:
        gone = tables.snapshot_purge.c
        query = sa.select(gone.consumer_id, gone.snapshot_id).order_by(gone.consumer_id, gone.snapshot_id)
        return [(row.consumer_id, row.snapshot_id) for row in connection.execute(query)]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({}, [8, 7, 6, 5, 4, 3, 2]),  # younger than seven days, and one hour later no more
        ({"newest": 2, "keep_days": 4}, [8, 7, 6, 5]),
        ({"newest": 5, "keep_days": 1}, [8, 7, 6, 5, 4]),
        ({"newest": 100}, [8, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_the_newest_and_the_young_stay(engine: sa.Engine, folder: Path, said: dict[str, int], left: list[int]) -> None:
    before = {one.snapshot_id: one.size_bytes for one in snapshots.standing(folder, POPULATION)}

    counts = purge(engine, folder, **said)
    again = purge(engine, folder, **said)

    assert standing(folder) == left
    assert standing(folder, INSURANCE) == [2, 1]  # old, and the newest
    gone = {name: size for name, size in before.items() if int(name.partition("-")[2]) not in left}
    assert counts == {
        "kept": len(left) + 2, "held": 0, "gone": len(gone), "gone_bytes": sum(gone.values()), "left": 0,
    }  # fmt: skip
    assert again == {**counts, "gone": 0, "gone_bytes": 0}
    assert written_down(engine) == [(POPULATION, name) for name in sorted(gone)]


def test_what_a_registry_reads_stays_until_it_has_not_asked_for_a_day(engine: sa.Engine, folder: Path) -> None:
    oldest = min(one.snapshot_id for one in snapshots.standing(folder, POPULATION))
    for until in (NOW + 2 * DAY, NOW + DAY):  # the shorter one takes nothing from the longer
        snapshot_holds.hold(engine, POPULATION, oldest, until=until)

    held = purge(engine, folder, newest=1, keep_days=1)
    left = standing(folder)
    later = jobs.purge_snapshots(engine, folder=folder, now=NOW + 2 * DAY, newest=1, keep_days=1)

    assert (held["held"], left) == (1, [8, 1])
    assert (later["held"], later["gone"], standing(folder)) == (0, 1, [8])
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.snapshot_hold)) == 0


def test_the_audit_and_the_runs_tell_of_it_in_counts(engine: sa.Engine, folder: Path) -> None:
    counts = purge(engine, folder, newest=1, keep_days=7)

    acts = auditing.entries(engine, before=NOW + DAY, acts=[auditing.Act.SNAPSHOT_PURGED], who="purge_snapshots")
    assert {one.about for one in acts} == {POPULATION, INSURANCE}
    assert sum(int(one.detail) for one in acts) == counts["gone_bytes"] > 0
    with engine.connect() as connection:
        run = tables.run.c
        kept = connection.scalar(sa.select(run.counts).where(run.job == "purge_snapshots"))
    assert kept == counts


def test_folders_of_nobody_and_of_a_writer_at_work_are_left_and_what_a_dead_one_left_goes(
    engine: sa.Engine, folder: Path
) -> None:
    strange, at_work, dead = (
        folder / "somebody-else" / "1-000000000001",
        folder / POPULATION / ".1-000000000009.4711.part",
        folder / POPULATION / ".1-000000000008.4712.part",
    )
    for path in (strange, at_work, dead):
        path.mkdir(parents=True)
        (path / "person.parquet").write_bytes(b"x")
    os.utime(dead, (0.0, (NOW - 2 * DAY).timestamp()))
    os.utime(at_work, (0.0, NOW.timestamp()))

    counts = purge(engine, folder)

    assert (strange.exists(), at_work.exists(), dead.exists()) == (True, True, False)
    assert counts["gone"] == 1  # what was never finished is no snapshot


@pytest.mark.parametrize(("place", "hit"), [("withdraw", 3), ("commit", 1), ("remove", 3)])
def test_a_purge_that_is_killed_anywhere_is_ended_by_the_next(
    engine: sa.Engine, database_url: str, folder: Path, place: str, hit: int
) -> None:
    later = NOW + 4 * DAY  # by then five are older than seven days and not among the three newest
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, database_url, str(folder), later.isoformat(), place, str(hit)],
        check=False, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    told = [one.cursor.sequence for one in snapshots.standing(folder, POPULATION)]
    assert set(told) >= {8, 7, 6, 5}
    for one in snapshots.standing(folder, POPULATION):  # what is told of is whole
        assert all((one.folder / file.file).stat().st_size == file.size_bytes for file in one.files)

    jobs.purge_snapshots(engine, folder=folder, now=later)

    assert standing(folder) == [8, 7, 6, 5]
    assert written_down(engine) == [(POPULATION, f"1-{sequence:012}") for sequence in (1, 2, 3, 4)]
    assert jobs.purge_snapshots(engine, folder=folder, now=later)["gone"] == 0


def test_several_at_once_come_to_the_same_end(engine: sa.Engine, folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: purge(engine, folder, newest=1, keep_days=2), range(4)))

    assert sum(one["gone"] for one in counts) == len(written_down(engine)) == 7
    assert (standing(folder), standing(folder, INSURANCE)) == ([8, 7], [2])


def test_the_newest_is_never_given_up(engine: sa.Engine, folder: Path) -> None:
    with pytest.raises(ValueError, match="always kept"):
        snapshot_keeping.clear(engine, folder, newest=0, now=NOW, by="test")
