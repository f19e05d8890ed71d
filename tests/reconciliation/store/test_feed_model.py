"""The sequencer and the cursors against a model of them: transactions that are open at once and end in any order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Cursor, Outcome, OutcomeKind
from reconciliation.store import epochs, feed, tables
from tests.database import clean
from tests.nemesis.sabotage import SABOTAGES
from tests.reconciliation.store.changes import write
from tests.reconciliation.store.landings import NOW

WRITERS = 4
CONSUMERS = ("population", "social-insurance")


@dataclass
class Open:
    """A transaction under way: when it began among the others, and what it has written."""

    connection: sa.Connection
    began: int
    subjects: list[str] = field(default_factory=list)


@dataclass
class Model:
    """What the feed has to hold, and where its registries stand. Transactions publish in the order they began, each
    only when none that began before it is open."""

    waiting: dict[int, list[str]] = field(default_factory=dict)  # committed, by when they began
    published: list[str] = field(default_factory=list)
    epoch: int = 1
    acknowledged: dict[str, tuple[int, int]] = field(default_factory=lambda: dict.fromkeys(CONSUMERS, (1, 0)))
    reported: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in CONSUMERS})

    def sequence(self, oldest_open: int | None) -> int:
        """Publish what can be; return how many changes."""
        due = [began for began in sorted(self.waiting) if oldest_open is None or began < oldest_open]
        fresh = [subject for began in due for subject in self.waiting.pop(began)]
        self.published += fresh
        return len(fresh)


Told = TypeVar("Told")
consumers = st.sampled_from(CONSUMERS)


class Following(RuleBasedStateMachine):
    """Four writers, a sequencer and two registries. A test says at which database."""

    engine: ClassVar[sa.Engine]
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        clean(self.url)
        self.model = Model()
        self.open: dict[int, Open] = {}
        self.begun = 0
        self.subjects = 0
        self.cursors = dict.fromkeys(CONSUMERS, Cursor(epoch=1, sequence=0))

    @rule(writer=st.integers(0, WRITERS - 1))
    def write(self, writer: int) -> None:
        if writer not in self.open:
            self.begun += 1
            self.open[writer] = Open(self.engine.connect(), self.begun)
        self.subjects += 1
        subject = f"s{self.subjects}"
        write(self.open[writer].connection, subject, full_name=f"name of {subject}")
        self.open[writer].subjects.append(subject)

    @initialize()
    def begin_with_three(self) -> None:
        for _ in range(3):
            self.write_at_once(sequences=True)

    @rule(sequences=st.booleans())
    def write_at_once(self, sequences: bool) -> None:
        self.begun += 1
        self.subjects += 1
        subject = f"s{self.subjects}"
        with self.engine.begin() as connection:
            write(connection, subject, full_name=f"name of {subject}")
        self.model.waiting[self.begun] = [subject]
        if sequences:
            self.sequence()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), commits=st.sampled_from((True, True, False)))
    def end(self, data: st.DataObject, commits: bool) -> None:
        one = self.open.pop(data.draw(st.sampled_from(sorted(self.open))))
        if commits:
            one.connection.commit()
            self.model.waiting[one.began] = one.subjects
        else:
            one.connection.rollback()
        one.connection.close()

    @rule()
    def sequence(self) -> None:
        oldest = min((one.began for one in self.open.values()), default=None)
        assert feed.sequence(self.engine) == self.model.sequence(oldest)

    @rule(consumer_id=consumers, limit=st.integers(1, 4), acknowledges=st.booleans())
    def fetch(self, consumer_id: str, limit: int, acknowledges: bool) -> None:
        after = self.cursors[consumer_id]
        page = self._told(lambda: feed.fetch(self.engine, consumer_id=consumer_id, after=after, limit=limit), after)
        if page is None:
            place, held = feed.snapshot(self.engine, consumer_id=consumer_id)
            assert sorted(held[RecordKind.PERSON]["subject_id"].to_pylist()) == sorted(self.model.published)
            self.cursors[consumer_id] = place
            return
        table = page.tables[RecordKind.PERSON]
        expected = self.model.published[after.sequence : after.sequence + limit]
        assert table["subject_id"].to_pylist() == expected
        assert table["feed_seq"].to_pylist() == [after.sequence + 1 + place for place in range(len(expected))]
        assert page.head == len(self.model.published)
        self.cursors[consumer_id] = page.upto
        if acknowledges:
            self.acknowledge(consumer_id, back=0)

    @precondition(lambda self: self.model.published)
    @rule(consumer_id=consumers, back=st.integers(0, 3))
    def acknowledge(self, consumer_id: str, back: int) -> None:
        cursor = self.cursors[consumer_id]
        upto = Cursor(epoch=cursor.epoch, sequence=max(0, cursor.sequence - back))
        feed_call = lambda: feed.acknowledge(self.engine, consumer_id=consumer_id, upto=upto, now=NOW)  # noqa: E731
        if self._told(feed_call, upto) is not None:
            before = self.model.acknowledged[consumer_id]
            self.model.acknowledged[consumer_id] = max(before, (upto.epoch, upto.sequence))

    @precondition(lambda self: self.model.published)
    @rule(consumer_id=consumers, ahead=st.integers(1, 3))
    def acknowledge_what_is_not_there(self, consumer_id: str, ahead: int) -> None:
        beyond = Cursor(epoch=self.model.epoch, sequence=len(self.model.published) + ahead)
        with pytest.raises(RejectedRequestError) as refused:
            feed.acknowledge(self.engine, consumer_id=consumer_id, upto=beyond, now=NOW)
        assert refused.value.reason == "CURSOR_INVALID"

    @precondition(lambda self: self.model.published)
    @rule(consumer_id=consumers, data=st.data())
    def report(self, consumer_id: str, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, len(self.model.published)))
        epoch, acknowledged = self.model.acknowledged[consumer_id]
        outcomes = [Outcome(feed_seq=number, kind=OutcomeKind.APPLIED)]
        try:
            new = feed.report(self.engine, consumer_id=consumer_id, outcomes=outcomes, now=NOW)
        except RejectedRequestError as error:
            expected = "CURSOR_EPOCH" if epoch != self.model.epoch else "OUTCOME_INVALID"
            assert error.reason == expected
            assert epoch != self.model.epoch or number > acknowledged
        else:
            assert epoch == self.model.epoch
            assert number <= acknowledged
            assert new == (number not in self.model.reported[consumer_id])
            self.model.reported[consumer_id].add(number)

    @precondition(lambda self: len(self.model.published) >= 5 * self.model.epoch)
    @rule()
    def begin_epoch(self) -> None:
        self.model.epoch += 1
        begun = epochs.begin(self.engine, by="model", reason="drawn", now=NOW)
        assert (begun.epoch, begun.feed_seq) == (self.model.epoch, len(self.model.published))

    def _told(self, call: Callable[[], Told], cursor: Cursor) -> Told | None:
        """What a call with a cursor says; None where it has to be, and is, refused as of another epoch."""
        if cursor.epoch == self.model.epoch:
            return call()
        with pytest.raises(RejectedRequestError) as refused:
            call()
        assert refused.value.reason == "CURSOR_EPOCH"
        return None

    @invariant()
    def what_is_published_is_dense_and_stands(self) -> None:
        query = sa.select(tables.feed_entry.c.feed_seq, tables.change.c.subject_id).join(
            tables.change, tables.change.c.change_id == tables.feed_entry.c.change_id
        )
        with self.engine.connect() as connection:
            there = [tuple(row) for row in connection.execute(query.order_by(tables.feed_entry.c.feed_seq))]
        assert there == list(enumerate(self.model.published, start=1))

    @invariant()
    def each_registry_stands_where_it_said(self) -> None:
        for consumer_id, (epoch, sequence) in self.model.acknowledged.items():
            cursor = feed.cursor_of(self.engine, consumer_id=consumer_id)
            assert (cursor.epoch, cursor.sequence) == (epoch, sequence)

    def teardown(self) -> None:
        for one in self.open.values():
            one.connection.close()


def follow(engine: sa.Engine, url: str, *, examples: int) -> None:
    run_state_machine_as_test(
        type("FollowingHere", (Following,), {"engine": engine, "url": url}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            phases=(Phase.generate,),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_sequencer_and_cursors_do_what_their_model_does(engine: sa.Engine, database_url: str) -> None:
    follow(engine, database_url, examples=12)


@pytest.mark.parametrize("name", ["skip_the_horizon", "read_by_number", "acknowledge_beyond_what_was_sent"])
def test_a_feed_that_breaks_its_promises_is_not_what_the_model_does(
    engine: sa.Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for function in ("sequence", "acknowledge"):
        monkeypatch.setattr(feed, function, getattr(feed, function))  # put back at the end
    SABOTAGES[name]()

    with pytest.raises(AssertionError):
        follow(engine, database_url, examples=60)
