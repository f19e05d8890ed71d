"""A new epoch begins when an operator says so or the server is another one; nothing from before is believed then."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Cursor, Grant, Outcome, OutcomeKind, State
from reconciliation.store import epochs, feed, tables
from tests.reconciliation.store.changes import awaiting_pull, cursor, published
from tests.reconciliation.store.landings import NOW

every_server = pytest.mark.every_server

POPULATION = {"consumer_id": "population"}


def moved_to(engine: sa.Engine, **server: int) -> None:
    """Make the feed believe that it was last sequenced on another server."""
    with engine.begin() as connection:
        connection.execute(tables.feed_head.update().values(**server))


def reason_of(call, *arguments, **named) -> str:
    with pytest.raises(RejectedRequestError) as refused:
        call(*arguments, **named)
    return refused.value.reason


@every_server
def test_an_operator_begins_an_epoch_and_who_when_and_why_is_kept(engine):
    published(engine, "a", "b")

    begun = [epochs.begin(engine, by="tester", reason=why, now=NOW) for why in ("restored", "again")]

    assert [(one.epoch, one.begun_by, one.reason, one.feed_seq, one.begun_at) for one in begun] == [
        (2, "tester", "restored", 2, NOW),
        (3, "tester", "again", 2, NOW),
    ]
    assert epochs.history(engine) == begun
    assert feed.head(engine) == Cursor(epoch=3, sequence=2)
    assert begun[0].system_identifier is not None
    assert begun[0].timeline == 1


@every_server
def test_the_first_server_is_noted_and_begins_nothing(engine):
    published(engine, "a")

    with engine.connect() as connection:
        noted = connection.execute(sa.select(tables.feed_head)).one()
        control = connection.execute(
            sa.text("SELECT system_identifier, timeline_id FROM pg_control_system(), pg_control_checkpoint()")
        ).one()

    assert (noted.system_identifier, noted.timeline) == tuple(control)
    assert (noted.epoch, epochs.history(engine)) == (1, [])


@every_server
@pytest.mark.parametrize(
    ("server", "keeps_all", "reason"),
    [
        ({"system_identifier": 7}, False, epochs.ANOTHER_SERVER),
        ({"system_identifier": 7}, True, epochs.ANOTHER_SERVER),
        ({"timeline": 7}, False, epochs.ANOTHER_TIMELINE),
        ({"timeline": 7}, True, None),
    ],
)
def test_another_server_is_noticed_before_anything_is_published_there(engine, server, keeps_all, reason):
    published(engine, "a")
    moved_to(engine, **server)

    counts = [feed.sequence(engine, failover_keeps_all=keeps_all) for _ in range(2)]
    published(engine, "b")

    begun = epochs.history(engine)
    assert counts == [0, 0]
    assert [(one.begun_by, one.reason, one.feed_seq) for one in begun] == ([("lienthong", reason, 1)] if reason else [])
    assert feed.head(engine) == Cursor(epoch=2 if reason else 1, sequence=2)
    if reason:
        assert {
            "system_identifier": begun[0].system_identifier,
            "timeline": begun[0].timeline,
        }.items() >= server.items()


def test_after_an_epoch_began_nothing_from_before_is_taken(engine):
    records = awaiting_pull(engine, "a", "b")
    before = cursor(engine, 1)
    feed.acknowledge(engine, upto=before, now=NOW, **POPULATION)
    epochs.begin(engine, by="tester", reason="restored", now=NOW)
    applied = [Outcome(feed_seq=1, kind=OutcomeKind.APPLIED)]

    resumed = feed.cursor_of(engine, **POPULATION)
    told = [
        reason_of(feed.fetch, engine, after=resumed, limit=10, **POPULATION),
        reason_of(feed.acknowledge, engine, upto=before, now=NOW, **POPULATION),
        reason_of(feed.report, engine, outcomes=applied, now=NOW, **POPULATION),
    ]

    assert resumed == before
    assert told == ["CURSOR_EPOCH"] * 3
    with engine.connect() as connection:
        states = dict(connection.execute(sa.select(tables.update_state.c.record_id, tables.update_state.c.state)).all())
    assert sorted(states.values()) == sorted([State.AWAITING_OUTCOME, State.AWAITING_PULL])
    assert set(states) == set(records)


def test_a_snapshot_leads_into_the_new_epoch_and_its_updates_move_on(engine):
    awaiting_pull(engine, "a", "b")
    feed.acknowledge(engine, upto=cursor(engine, 1), now=NOW, **POPULATION)
    epochs.begin(engine, by="tester", reason="restored", now=NOW)

    place, snapshot = feed.snapshot(engine, **POPULATION)
    moved = feed.acknowledge(engine, upto=place, now=NOW + timedelta(minutes=1), **POPULATION)
    again = feed.acknowledge(engine, upto=place, now=NOW, **POPULATION)
    recorded = feed.report(
        engine,
        outcomes=[Outcome(feed_seq=number, kind=OutcomeKind.APPLIED) for number in (1, 2)],
        now=NOW,
        **POPULATION,
    )

    assert place == Cursor(epoch=2, sequence=2)
    assert snapshot[RecordKind.PERSON].num_rows == 2
    assert (moved, again, recorded) == (1, 0, 2)
    assert feed.cursor_of(engine, **POPULATION) == place


def test_a_late_report_is_not_taken_for_one_on_the_changes_of_a_new_epoch(engine):
    awaiting_pull(engine, "a", "b")
    read = cursor(engine, 1)
    feed.acknowledge(engine, upto=read, now=NOW, **POPULATION)
    epochs.begin(engine, by="tester", reason="restored", now=NOW)
    place, _ = feed.snapshot(engine, **POPULATION)
    feed.acknowledge(engine, upto=place, now=NOW, **POPULATION)
    late = [Outcome(feed_seq=1, kind=OutcomeKind.REFUSED, reason="NAME_INVALID")]

    assert reason_of(feed.report, engine, outcomes=late, read_at=read, now=NOW, **POPULATION) == "CURSOR_EPOCH"
    assert feed.report(engine, outcomes=late, read_at=place, now=NOW, **POPULATION) == 1


def test_a_registry_may_read_a_new_epoch_from_its_beginning(engine):
    published(engine, *"abc")
    feed.acknowledge(engine, upto=cursor(engine, 3), now=NOW, **POPULATION)
    epochs.begin(engine, by="tester", reason="restored", now=NOW)

    page = feed.fetch(engine, after=cursor(engine, 0), limit=2, **POPULATION)
    feed.acknowledge(engine, upto=page.upto, now=NOW, **POPULATION)

    assert page.tables[RecordKind.PERSON]["subject_id"].to_pylist() == ["a", "b"]
    assert feed.cursor_of(engine, **POPULATION) == Cursor(epoch=2, sequence=2)


def test_a_registry_that_is_granted_in_a_later_epoch_begins_in_it(engine):
    published(engine, "a")
    epochs.begin(engine, by="tester", reason="restored", now=NOW)
    newcomer = Grant(
        consumer_id="newcomer", name="Mới", kind=RecordKind.PERSON, fields=("full_name",), of_record=False,
        purpose="thử", legal_reference="thử",
    )  # fmt: skip
    feed.grant(engine, [newcomer])

    page = feed.fetch(engine, consumer_id="newcomer", after=feed.cursor_of(engine, consumer_id="newcomer"), limit=10)

    assert page.changes == 1
