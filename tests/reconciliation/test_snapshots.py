"""A snapshot on disk is the feed, folded: with what comes after it, the state at any cursor, whatever the history."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from adapters.canonical import RecordKind
from reconciliation import jobs, snapshots
from reconciliation.store import feed, feed_keeping
from tests.database import clean
from tests.reconciliation.store.changes import Holding, apply, cursor, holding_of, pages, write
from tests.reconciliation.store.landings import NOW

POPULATION = "population"
# One turn of a history: a few changes in one transaction, each of one of four subjects, and what is done after it.
TURNS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from(["say", "say", "retract", "merge"])), min_size=1, max_size=5
        ),
        st.sampled_from(["nothing", "snapshot", "purge"]),
    ),
    min_size=1,
    max_size=6,
)


def live(engine: sa.Engine, steps: list[tuple[int, str]], standing: dict[str, int], said: Iterator[int]) -> None:
    """Make the changes of one turn; `standing` holds each subject's newest change."""
    with engine.begin() as connection:
        for number, step in steps:
            subject = f"S{number}"
            previous = standing.pop(subject, None)
            if step == "say":
                cause = "NEW" if previous is None else "CORRECTED"
                name = f"name {next(said)}"
                standing[subject] = write(connection, subject, cause=cause, previous=previous, full_name=name)
            elif previous is not None:
                gone = {"cause": "RETRACTED"} if step == "retract" else {"cause": "MERGED", "replaced_by": "S0"}
                write(connection, subject, previous=previous, **gone)
    feed.sequence(engine)


def digest(holding: Holding) -> str:
    """The hash of everything that a registry holds."""
    rows = sorted((str(kind), subject, row) for (kind, subject), row in holding.items())
    return hashlib.sha256(json.dumps(rows, default=str, sort_keys=True).encode()).hexdigest()


def loaded(snapshot: snapshots.Snapshot) -> Holding:
    return holding_of({one.kind: parquet.read_table(snapshot.folder / one.file) for one in snapshot.files})


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=TURNS)
def test_a_snapshot_and_the_feed_after_it_are_the_state_at_any_cursor(engine, database_url, tmp_path, turns):
    clean(database_url)
    folder = tmp_path / hashlib.sha256(repr(turns).encode()).hexdigest()
    states = lived(engine, turns, folder)
    jobs.publish_snapshot(engine, consumer_id=POPULATION, folder=folder, now=NOW)

    head, earliest = feed.head(engine).sequence, feed_keeping.following(engine)[0].earliest
    for snapshot in snapshots.standing(folder, POPULATION):
        held, place = loaded(snapshot), snapshot.cursor.sequence
        assert digest(held) == states.get(place, digest({}))
        for later in range(place, head if place >= earliest else place):
            step(engine, held, after=later)
            assert digest(held) == states[later + 1]


def lived(engine: sa.Engine, turns: list[tuple[list[tuple[int, str]], str]], folder: Path) -> dict[int, str]:
    """Live through the turns; the hash of what a registry that follows them holds at each place."""
    standing, said, states = {}, iter(range(10**6)), {}
    followed: Holding = {}
    for steps, then in turns:
        before = feed.head(engine).sequence
        live(engine, steps, standing, said)
        here = feed.head(engine)
        for place in range(before, here.sequence):
            step(engine, followed, after=place)
            states[place + 1] = digest(followed)
        if then == "snapshot":
            jobs.publish_snapshot(engine, consumer_id=POPULATION, folder=folder, now=NOW)
        if then == "purge":
            for consumer_id in (POPULATION, "social-insurance"):
                feed.acknowledge(engine, consumer_id=consumer_id, upto=here, now=NOW)
            feed_keeping.purge(engine, keep=timedelta(0), now=NOW + timedelta(days=36_500), by="test", why="test")
    return states


def step(engine: sa.Engine, holding: Holding, *, after: int) -> None:
    """Apply the one change after a place."""
    apply(holding, next(pages(engine, after=after, limit=1)), upto=after + 1)


@pytest.fixture
def published(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        write(connection, "A", full_name="a")
        write(connection, "H", kind=RecordKind.HOUSEHOLD)
    assert feed.sequence(engine) == 2
    return engine


def test_the_manifest_says_what_is_there(published, tmp_path):
    jobs.publish_snapshot(published, consumer_id=POPULATION, folder=tmp_path, now=NOW)

    (snapshot,) = snapshots.standing(tmp_path, POPULATION)
    assert (snapshot.snapshot_id, snapshot.cursor, snapshot.written_at) == ("1-000000000002", cursor(published, 2), NOW)
    assert [one.kind for one in snapshot.files] == [RecordKind.HOUSEHOLD, RecordKind.PERSON]
    for one in snapshot.files:
        data = (snapshot.folder / one.file).read_bytes()
        table = parquet.read_table(snapshot.folder / one.file)
        assert (one.rows, one.size_bytes) == (table.num_rows, len(data)) == (1, len(data))
        assert one.sha256 == hashlib.sha256(data).hexdigest()
        assert dict(one.schema) == {field.name: str(field.type) for field in table.schema}
        assert list(one.schema) == ["subject_id", "feed_seq", *one.fields]


def test_a_snapshot_appears_whole_or_not_at_all_and_is_never_written_again(published, tmp_path, monkeypatch):
    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="the disk is full"):
        patched.setattr(snapshots, "_put", fails)
        jobs.publish_snapshot(published, consumer_id=POPULATION, folder=tmp_path, now=NOW)
    assert list(snapshots.standing(tmp_path, POPULATION)) == []

    jobs.publish_snapshot(published, consumer_id=POPULATION, folder=tmp_path, now=NOW)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    jobs.publish_snapshot(published, consumer_id=POPULATION, folder=tmp_path, now=NOW + timedelta(days=1))

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == written
    assert [path.name for path in (tmp_path / POPULATION).iterdir()] == ["1-000000000002"]


def test_the_newest_snapshot_is_the_first_also_after_nine_epochs(tmp_path):
    for name in ("9-000000000007", "10-000000000002", "10-000000000001", ".11-000000000001.5.part"):
        folder: Path = tmp_path / POPULATION / name
        folder.mkdir(parents=True)
        epoch, _, sequence = name.partition("-")
        said = {"consumer_id": POPULATION, "epoch": epoch, "feed_seq": sequence, "written_at": NOW.isoformat()}
        (folder / snapshots.MANIFEST).write_text(json.dumps(said | {"files": []}))

    found = [one.snapshot_id for one in snapshots.standing(tmp_path, POPULATION)]

    assert found == ["10-000000000002", "10-000000000001", "9-000000000007"]
