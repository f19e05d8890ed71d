"""The feed is dense and in an order that no reader can overtake, and a snapshot is the feed, folded."""

import itertools
import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Cursor
from reconciliation.store import feed, tables
from reconciliation.store.engine import connect
from tests.reconciliation.store.changes import apply, cursor, holding_of, pages, published, write
from tests.reconciliation.store.landings import NOW

every_server = pytest.mark.every_server

WRITERS = 16
TRANSACTIONS = 20  # of each writer
POPULATION = {"consumer_id": "population"}


def entries(engine: sa.Engine) -> list[tuple[int, str]]:
    """(feed_seq, subject_id) of everything published."""
    query = sa.select(tables.feed_entry.c.feed_seq, tables.change.c.subject_id).join(
        tables.change, tables.change.c.change_id == tables.feed_entry.c.change_id
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(tables.feed_entry.c.feed_seq))]


# --- order ---------------------------------------------------------------------------------------------------


@every_server
def test_reading_by_change_id_loses_what_commits_late_and_the_feed_does_not(engine):
    newer = sa.select(tables.change.c.subject_id).where(tables.change.c.change_id > sa.bindparam("cursor"))
    with engine.connect() as slow, engine.connect() as quick, engine.connect() as naive:
        write(slow, "slow")
        naive_cursor = write(quick, "quick")
        quick.commit()
        seen_naively = list(naive.scalars(newer, {"cursor": 0}))
        naive.rollback()
        published_early = feed.sequence(engine)
        slow.commit()
        seen_naively += naive.scalars(newer, {"cursor": naive_cursor})

    feed.sequence(engine)

    assert seen_naively == ["quick"]  # the trap: the slow one is never seen
    assert published_early == 0
    assert entries(engine) == [(1, "slow"), (2, "quick")]


@dataclass
class Transaction:
    """One small transaction of a writer: what it wrote, and between which ticks of the common count it lived."""

    subjects: list[str]
    decision: "queue.Queue[bool]" = field(default_factory=lambda: queue.Queue(1))
    began: int = 0
    ended: int = 0


class Crowd:
    """Writers whose transactions stay open until they are told to end, so that they commit in any order."""

    def __init__(self, engine: sa.Engine, dice: random.Random) -> None:
        self.engine, self.dice = engine, dice
        self.committed: list[Transaction] = []
        self._ticks = itertools.count()
        self._opened: queue.SimpleQueue[Transaction | BaseException | None] = queue.SimpleQueue()

    def run(self) -> None:
        sizes = [[self.dice.randint(1, 3) for _ in range(TRANSACTIONS)] for _ in range(WRITERS)]
        with ThreadPoolExecutor(WRITERS) as pool:
            for number, ours in enumerate(sizes):
                pool.submit(self._write, number, ours)
            self._conduct()

    def _conduct(self) -> None:
        writing, waiting = WRITERS, []
        while writing or waiting:
            while waiting and len(waiting) >= min(writing, 12):
                chosen = waiting.pop(self.dice.randrange(len(waiting)))
                chosen.decision.put(self.dice.random() < 0.85)
                if writing:
                    break
            match self._opened.get() if writing else None:
                case Transaction() as opened:
                    waiting.append(opened)
                case BaseException() as error:
                    raise error
                case None:
                    writing = max(0, writing - 1)

    def _write(self, number: int, sizes: list[int]) -> None:
        try:
            for turn, size in enumerate(sizes):
                one = Transaction([f"{number}-{turn}-{part}" for part in range(size)])
                one.began = next(self._ticks)
                with self.engine.connect() as connection:
                    for subject in one.subjects:
                        write(connection, subject)
                    self._opened.put(one)
                    if not one.decision.get():
                        connection.rollback()
                        continue
                    connection.commit()
                one.ended = next(self._ticks)
                self.committed.append(one)
            self._opened.put(None)
        except BaseException as error:
            self._opened.put(error)
            raise


class Follower:
    """A registry that reads on while writers write; every page has to begin where the last one ended."""

    def __init__(self, engine: sa.Engine, dice: random.Random) -> None:
        self.engine, self.dice = engine, dice
        self.seen: list[tuple[int, str]] = []
        self.cursor = feed.head(engine)

    def read(self) -> bool:
        """One page; whether there was anything on it."""
        page = feed.fetch(self.engine, after=self.cursor, limit=self.dice.randint(1, 9), **POPULATION)
        table = page.tables[RecordKind.PERSON]
        numbers = table["feed_seq"].to_pylist()
        assert numbers == list(range(self.cursor.sequence + 1, page.upto.sequence + 1))
        self.seen += zip(numbers, table["subject_id"].to_pylist(), strict=True)
        self.cursor = page.upto
        return bool(numbers)


@every_server
def test_sixteen_writers_that_commit_in_any_order_lose_and_double_nothing(engine, dice):
    crowd = Crowd(engine, random.Random(dice.random()))
    follower = Follower(engine, random.Random(dice.random()))
    written = threading.Event()

    def sequence() -> int:
        total = feed.sequence(engine)
        while not written.is_set():
            total += feed.sequence(engine)
        return total

    def follow() -> None:
        while not written.is_set():
            follower.read()

    with ThreadPoolExecutor(3) as pool:
        sequencers = [pool.submit(sequence) for _ in range(2)]
        following = pool.submit(follow)
        try:
            crowd.run()
        finally:
            written.set()
        following.result()
        numbered = sum(sequencer.result() for sequencer in sequencers) + feed.sequence(engine)
    while follower.read():
        pass

    expected = {subject for one in crowd.committed for subject in one.subjects}
    place = {subject: number for number, subject in follower.seen}
    assert 0 < len(crowd.committed) < WRITERS * TRANSACTIONS  # some were rolled back
    assert [number for number, _ in follower.seen] == list(range(1, numbered + 1))
    assert sorted(place) == sorted(expected)
    assert len(follower.seen) == len(expected)
    assert follower.seen == entries(engine)  # what was read early is what stands
    for one, other in itertools.permutations(crowd.committed, 2):
        if one.ended < other.began:
            assert max(map(place.__getitem__, one.subjects)) < min(map(place.__getitem__, other.subjects))


@every_server
@pytest.mark.parametrize("ends_well", [True, False])
def test_a_transaction_left_open_holds_the_feed_and_nothing_is_lost_after_it(engine, ends_well):
    with engine.connect() as open_for_long:
        write(open_for_long, "long")
        for subject in ("a", "b"):
            with engine.begin() as connection:
                write(connection, subject)
        held = [feed.sequence(engine), feed.sequence(engine)]
        head_meanwhile = feed.head(engine).sequence
        open_for_long.commit() if ends_well else open_for_long.rollback()

    count = feed.sequence(engine)

    assert (held, head_meanwhile) == ([0, 0], 0)
    assert count == (3 if ends_well else 2)
    assert entries(engine) == list(enumerate(["long", "a", "b"] if ends_well else ["a", "b"], start=1))


@every_server
def test_a_reader_left_open_holds_nothing(engine):
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(sa.select(tables.change)).all()

        published(engine, "a")

        assert reader.execute(sa.select(tables.change)).all() == []


@every_server
def test_many_sequencers_at_once_publish_each_change_once(engine):
    with engine.begin() as connection:
        for number in range(100):
            write(connection, str(number))
    together = threading.Barrier(8)

    def sequence(_: int) -> int:
        together.wait()
        return feed.sequence(engine)

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(sequence, range(8)))

    assert sum(counts) == 100
    assert sorted(counts)[:-1] == [0] * 7
    assert [number for number, _ in entries(engine)] == list(range(1, 101))


def test_a_second_sequencer_does_not_wait(engine):
    with engine.begin() as connection:
        write(connection, "a")
    with engine.begin() as first:
        first.execute(sa.select(sa.func.pg_advisory_xact_lock(feed.SEQUENCER_LOCK)))

        assert feed.sequence(engine) == 0

    assert feed.sequence(engine) == 1


@every_server
def test_an_idle_sequencer_writes_nothing(engine):
    published(engine, "a")
    head = sa.text("SELECT ctid::text, xmin::text, feed_seq, horizon::text FROM feed_head")
    with engine.connect() as connection:
        before = connection.execute(head).one()
    assigned = []

    @sa.event.listens_for(engine, "commit")
    def _look(connection: sa.Connection) -> None:
        assigned.append(connection.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()").scalar())

    counts = [feed.sequence(engine) for _ in range(3)]

    sa.event.remove(engine, "commit", _look)
    with engine.connect() as connection:
        assert connection.execute(head).one() == before
    assert (counts, assigned) == ([0] * 3, [None] * 3)


@every_server
def test_a_feed_restored_on_another_server_goes_on(engine):
    published(engine, "a", "b")
    with engine.begin() as connection:
        write(connection, "c")
        for table, column in (("change", "xid"), ("feed_head", "horizon")):
            ahead = f"({column}::text::bigint + 1000000000000)::text::xid8"
            connection.execute(sa.text(f"UPDATE {table} SET {column} = {ahead}"))
    with engine.begin() as connection:
        write(connection, "d")

    counts = [feed.sequence(engine), feed.sequence(engine)]
    published(engine, "e")

    assert counts == [2, 0]
    assert entries(engine) == list(enumerate("abcde", start=1))


@every_server
def test_a_feed_restored_with_nothing_to_publish_goes_on(engine):
    published(engine, "a")
    with engine.begin() as connection:
        connection.execute(tables.feed_head.update().values(horizon="1000000000000"))

    counts = [feed.sequence(engine), feed.sequence(engine)]
    published(engine, "b")

    assert counts == [0, 0]
    assert entries(engine) == [(1, "a"), (2, "b")]


# --- cursors -------------------------------------------------------------------------------------------------


def test_a_cursor_this_feed_never_gave_out_is_refused(engine):
    published(engine, "a", "b")
    foreign = [Cursor(epoch=epoch, sequence=sequence) for epoch, sequence in ((2, 0), (0, 0), (2, 9))]
    impossible = [Cursor(epoch=1, sequence=sequence) for sequence in (3, -1, 2**63 - 1)]

    for place in (*foreign, *impossible):
        with pytest.raises(RejectedRequestError) as fetching:
            feed.fetch(engine, after=place, limit=10, **POPULATION)
        with pytest.raises(RejectedRequestError) as acknowledging:
            feed.acknowledge(engine, upto=place, now=NOW, **POPULATION)

        reason = "CURSOR_EPOCH" if place in foreign else "CURSOR_INVALID"
        assert (fetching.value.reason, acknowledging.value.reason) == (reason, reason)
    assert feed.cursor_of(engine, **POPULATION).sequence == 0


def test_after_a_new_epoch_old_cursors_are_refused(engine):
    published(engine, "a")
    old = feed.head(engine)
    with engine.begin() as connection:
        connection.execute(tables.feed_head.update().values(epoch=old.epoch + 1))

    with pytest.raises(RejectedRequestError) as refused:
        feed.fetch(engine, after=old, limit=10, **POPULATION)

    assert refused.value.reason == "CURSOR_EPOCH"
    assert "snapshot" in refused.value.next_step


def test_a_page_of_nothing_stays_where_it_is(engine):
    published(engine, "a", "b")

    empty = [feed.fetch(engine, after=cursor(engine, 1), limit=limit, **POPULATION) for limit in (0, -1, -1_000)]

    assert [(page.upto.sequence, page.changes, page.head) for page in empty] == [(1, 0, 2)] * 3


def test_a_page_holds_at_most_its_limit_and_says_where_it_ended(engine):
    published(engine, *"abcde")

    sizes = [page[RecordKind.PERSON].num_rows for page in pages(engine, limit=2)]
    at_head = feed.fetch(engine, after=feed.head(engine), limit=2, **POPULATION)

    assert sizes == [2, 2, 1]
    assert (at_head.changes, at_head.upto) == (0, feed.head(engine))


@every_server
def test_fetching_is_repeatable_and_needs_no_right_to_write(engine, database_url):
    published(engine, "a", "b")
    url = sa.make_url(database_url).update_query_dict({"options": "-c default_transaction_read_only=on"})
    reading = connect(url.render_as_string(hide_password=False), pool_size=1)

    first, second = (feed.fetch(reading, after=cursor(engine, 0), limit=10, **POPULATION) for _ in range(2))
    place, _ = feed.snapshot(reading, **POPULATION)

    reading.dispose()
    assert first == second
    assert first.changes == 2
    assert place == feed.head(engine)
    assert feed.cursor_of(engine, **POPULATION).sequence == 0


# --- snapshots -----------------------------------------------------------------------------------------------


@every_server
def test_a_snapshot_is_the_feed_folded_and_the_feed_goes_on_from_it(engine, dice):
    standing: dict[tuple[RecordKind, str], int] = {}
    taken = []
    for _ in range(6):
        _live(engine, dice, standing)
        feed.sequence(engine)
        taken.append(feed.snapshot(engine, consumer_id="population"))

    _, last = taken[-1]
    for place, snapshot in taken:
        folded = {}
        for page in pages(engine):
            apply(folded, page, upto=place.sequence)
        assert folded == holding_of(snapshot)
        for page in pages(engine, after=place.sequence, limit=7):
            apply(folded, page, upto=feed.head(engine).sequence)
        assert folded == holding_of(last)
    assert {key for key in standing if key[0] is not RecordKind.INSURANCE} == set(holding_of(last))


def _live(engine: sa.Engine, dice: random.Random, standing: dict[tuple[RecordKind, str], int]) -> None:
    """Random changes of random subjects, in a few transactions; `standing` holds each subject's newest change."""
    for _ in range(4):
        with engine.begin() as connection:
            for _ in range(6):
                kind, subject = dice.choice(list(RecordKind)), f"S{dice.randrange(8)}"
                previous = standing.pop((kind, subject), None)
                if previous is None:
                    change = write(connection, subject, kind=kind, unit_code=f"{dice.randrange(100):05}")
                elif dice.random() < 0.4:
                    gone = {"cause": "RETRACTED"} if dice.random() < 0.5 else {"cause": "MERGED", "replaced_by": "S0"}
                    write(connection, subject, kind=kind, previous=previous, **gone)
                    continue
                else:
                    values = {"cause": "UPDATED", "previous": previous, "hamlet": dice.choice([None, "", "TDP 2"])}
                    if kind is RecordKind.INSURANCE:
                        del values["hamlet"]
                    change = write(connection, subject, kind=kind, **values)
                standing[kind, subject] = change


def test_a_snapshot_holds_nothing_that_the_feed_has_not_published(engine):
    published(engine, "a")
    with ExitStack() as open_for_long:
        held = open_for_long.enter_context(engine.connect())
        write(held, "held")
        with engine.begin() as connection:
            write(connection, "b")

        place, snapshot = feed.snapshot(engine, **POPULATION)

    assert place.sequence == 1
    assert snapshot[RecordKind.PERSON]["subject_id"].to_pylist() == ["a"]
