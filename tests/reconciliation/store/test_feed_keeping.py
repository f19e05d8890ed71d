"""A registry is set back by name only, and what the feed lets go nobody needs any more, or knows that it has to ask."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Outcome, OutcomeKind
from reconciliation.store import epochs, feed, feed_keeping, feed_pages, tables
from tests.reconciliation.store.changes import (
    apply,
    awaiting_pull,
    cursor,
    holding_of,
    pages,
    published,
    write,
)
from tests.reconciliation.store.landings import NOW

POPULATION, INSURANCE = "population", "social-insurance"
OTHERS = [INSURANCE]
DAY = timedelta(days=1)
NOBODY_WAITS = {"keep": DAY, "by": "operator", "why": "tested"}


def acknowledge(engine: sa.Engine, sequence: int, *consumers: str) -> None:
    for consumer_id in consumers or (POPULATION, INSURANCE):
        feed.acknowledge(engine, consumer_id=consumer_id, upto=cursor(engine, sequence), now=NOW)


def age(engine: sa.Engine, *, upto: int, days: int = 30) -> None:
    """Make what was published up to a place so many days old, by the clock that tests show."""
    with engine.begin() as connection:
        connection.execute(
            tables.feed_entry.update()
            .where(tables.feed_entry.c.feed_seq <= upto)
            .values(published_at=NOW - timedelta(days=days))
        )
        connection.execute(
            tables.feed_entry.update().where(tables.feed_entry.c.feed_seq > upto).values(published_at=NOW)
        )


def history(engine: sa.Engine) -> None:
    """Places 1 to 8: A thrice, B once and gone, C once, A again, D once."""
    with engine.begin() as connection:
        a = write(connection, "A", full_name="one")
        a = write(connection, "A", cause="CORRECTED", previous=a, full_name="two")
        b = write(connection, "B", full_name="b")
        a = write(connection, "A", cause="CORRECTED", previous=a, full_name="three")
        write(connection, "B", cause="RETRACTED", previous=b)
        write(connection, "C", full_name="c")
        write(connection, "A", cause="CORRECTED", previous=a, full_name="four")
        write(connection, "D", full_name="d")
    assert feed.sequence(engine) == 8


def kept(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(tables.feed_entry.c.feed_seq).order_by("feed_seq")))


# --- replay --------------------------------------------------------------------------------------------------


def test_a_registry_is_set_back_with_who_why_from_and_to(engine):
    published(engine, *"abcde")
    acknowledge(engine, 4)

    moved = feed.replay(engine, consumer_id=POPULATION, to=cursor(engine, 1), by="operator", why="lost a disk", now=NOW)
    again = feed.replay(engine, consumer_id=POPULATION, to=cursor(engine, 1), by="operator", why="once more", now=NOW)

    assert (moved, again) == ((4, 1), (1, 1))
    assert feed.cursor_of(engine, consumer_id=POPULATION).sequence == 1
    assert feed.cursor_of(engine, consumer_id=INSURANCE).sequence == 4
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tables.feed_replay)).mappings().all()
    assert [dict(row) for row in rows] == [
        {
            "replay_id": 1,
            "consumer_id": POPULATION,
            "epoch": 1,
            "from_seq": 4,
            "to_seq": 1,
            "asked_at": NOW,
            "asked_by": "operator",
            "why": "lost a disk",
        }
    ]


def test_nothing_else_sets_a_registry_back_and_a_replay_sets_nobody_ahead(engine):
    published(engine, *"abc")
    acknowledge(engine, 2)

    feed.acknowledge(engine, consumer_id=POPULATION, upto=cursor(engine, 1), now=NOW)
    with pytest.raises(RejectedRequestError) as ahead:
        feed.replay(engine, consumer_id=POPULATION, to=cursor(engine, 3), by="o", why="w", now=NOW)

    assert ahead.value.reason == "CURSOR_INVALID"
    assert feed.cursor_of(engine, consumer_id=POPULATION).sequence == 2
    with pytest.raises(sa.exc.IntegrityError, match="goes_back"), engine.begin() as connection:
        connection.execute(
            tables.feed_replay.insert().values(
                consumer_id=POPULATION, epoch=1, from_seq=1, to_seq=2, asked_at=NOW, asked_by="o", why="w"
            )
        )


def test_what_was_reported_before_a_replay_stands(engine):
    records = awaiting_pull(engine, "A", "B")
    acknowledge(engine, 2, POPULATION)
    feed.report(engine, consumer_id=POPULATION, outcomes=[Outcome(feed_seq=1, kind=OutcomeKind.APPLIED)], now=NOW)

    feed.replay(engine, consumer_id=POPULATION, to=cursor(engine, 0), by="o", why="w", now=NOW)
    moved = feed.acknowledge(engine, consumer_id=POPULATION, upto=cursor(engine, 2), now=NOW)
    again = feed.report(
        engine, consumer_id=POPULATION, outcomes=[Outcome(feed_seq=1, kind=OutcomeKind.APPLIED)], now=NOW
    )

    with engine.connect() as connection:
        states = dict(connection.execute(sa.select(tables.update_state.c.record_id, tables.update_state.c.state)).all())
    assert (moved, again) == (0, 0)
    assert [states[record] for record in records] == ["applied", "awaiting_outcome"]


# --- retention -----------------------------------------------------------------------------------------------


def test_only_what_is_old_superseded_and_acknowledged_by_all_is_let_go(engine):
    history(engine)
    acknowledge(engine, 8)
    age(engine, upto=6)

    first = feed_keeping.purge(engine, now=NOW, **NOBODY_WAITS)
    second = feed_keeping.purge(engine, now=NOW, **NOBODY_WAITS)

    assert (first.purged_upto, first.changes, list(first.expired)) == (6, 3, [])
    assert (second.purged_upto, second.changes) == (6, 0)
    assert kept(engine) == [4, 5, 6, 7, 8]  # of A what stood at 6, B's end, C; and all that came after


@pytest.mark.parametrize("lowest", [0, 1, 3, 4, 7])
def test_nothing_above_the_lowest_acknowledgement_is_let_go(engine, lowest):
    history(engine)
    acknowledge(engine, 8, POPULATION)
    acknowledge(engine, lowest, INSURANCE)
    age(engine, upto=8)

    done = feed_keeping.purge(engine, now=NOW, **NOBODY_WAITS)

    assert done.purged_upto == lowest
    assert [number for number in range(lowest + 1, 9) if number not in kept(engine)] == []
    feed.fetch(engine, consumer_id=INSURANCE, after=cursor(engine, lowest), limit=10)


def test_what_a_registry_left_behind_hears_is_to_take_a_snapshot_and_the_feed_continues_it(engine):
    history(engine)
    acknowledge(engine, 8, POPULATION)
    acknowledge(engine, 2, INSURANCE)
    age(engine, upto=6)

    done = feed_keeping.purge(engine, now=NOW, leaving_behind=OTHERS, **NOBODY_WAITS)
    after = feed_keeping.purge(engine, now=NOW, **NOBODY_WAITS | {"keep": timedelta(0)})

    assert (done.purged_upto, list(done.expired)) == (6, OTHERS)
    for call in (
        lambda place: feed.fetch(engine, consumer_id=INSURANCE, after=place, limit=1),
        lambda place: feed.replay(engine, consumer_id=POPULATION, to=place, by="o", why="w", now=NOW),
    ):
        with pytest.raises(RejectedRequestError) as expired:
            call(cursor(engine, 2))
        assert expired.value.reason == "CURSOR_EXPIRED"
        assert "snapshot" in expired.value.next_step
    assert after.purged_upto == 6, "published today"
    place, snapshot = feed.snapshot(engine, consumer_id=INSURANCE)
    feed.acknowledge(engine, consumer_id=INSURANCE, upto=place, now=NOW)
    assert snapshot[RecordKind.PERSON]["subject_id"].to_pylist() == ["A", "C", "D"]
    assert [one.is_expired for one in feed_keeping.following(engine)] == [False, False]


def test_a_purge_changes_neither_snapshot_nor_what_is_read_after_it(engine):
    history(engine)
    acknowledge(engine, 8)
    age(engine, upto=5)
    before, standing = feed.snapshot(engine, consumer_id=POPULATION), list(pages(engine, after=5))

    feed_keeping.purge(engine, now=NOW, **NOBODY_WAITS)

    place, snapshot = feed.snapshot(engine, consumer_id=POPULATION)
    assert (place, snapshot) == before
    assert list(pages(engine, after=5)) == standing
    folded = {(RecordKind.PERSON, "A"): {}}
    for page in standing:
        apply(folded, page, upto=8)
    assert folded[RecordKind.PERSON, "A"] == holding_of(snapshot)[RecordKind.PERSON, "A"]


def test_an_update_that_waits_for_its_outcome_keeps_its_change(engine):
    awaiting_pull(engine, "A")
    with engine.begin() as connection:
        first = connection.scalar(sa.select(tables.change.c.change_id))
        subject = connection.scalar(sa.select(tables.change.c.subject_id))
        write(connection, subject, cause="CORRECTED", previous=first)
    feed.sequence(engine)
    acknowledge(engine, 2)
    age(engine, upto=2)

    done = feed_keeping.purge(engine, now=NOW, **NOBODY_WAITS)
    told = feed.report(
        engine, consumer_id=POPULATION, outcomes=[Outcome(feed_seq=1, kind=OutcomeKind.APPLIED)], now=NOW
    )

    assert (done.changes, told, kept(engine)) == (0, 1, [1, 2])


def test_nobody_unknown_is_left_behind(engine):
    with pytest.raises(RejectedRequestError) as refused:
        feed_keeping.purge(engine, now=NOW, leaving_behind=["atlantis"], **NOBODY_WAITS)

    assert refused.value.reason == "CONSUMER_UNKNOWN"


def test_how_far_behind_a_registry_is_is_told_in_changes_and_since_when(engine):
    history(engine)
    age(engine, upto=3, days=2)
    acknowledge(engine, 2, POPULATION)
    acknowledge(engine, 8, INSURANCE)

    population, insurance = feed_keeping.following(engine)

    assert (population.behind, population.waiting_since) == (6, NOW - 2 * DAY)
    assert (insurance.behind, insurance.waiting_since) == (0, None)
    assert feed_keeping.following(engine, consumer_id=INSURANCE) == [insurance]


def test_changes_whose_ids_lie_far_apart_are_read_as_those_that_lie_together(engine):
    def read() -> list[dict[str, object]]:
        return [row for page in pages(engine, limit=2) for row in page[RecordKind.PERSON].to_pylist()]

    history(engine)
    with engine.connect() as connection:
        near = feed_pages.stretch(connection, after=0, upto=8)
    together = read()
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT setval('change_id_seq', 1000000)"))
        write(connection, "Z", full_name="far")
    feed.sequence(engine)
    with engine.connect() as connection:
        far = feed_pages.stretch(connection, after=0, upto=9)
        nothing = feed_pages.stretch(connection, after=9, upto=9)

    assert near.ids is not None
    assert far.ids is nothing.ids is None
    assert read()[:8] == together
    assert read()[8]["full_name"] == "far"


def test_who_has_acknowledged_nothing_in_this_epoch_has_to_take_a_snapshot_and_holds_nothing(engine: sa.Engine) -> None:
    history(engine)
    acknowledge(engine, 3)
    epochs.begin(engine, by="operator", reason="restored", now=NOW)
    acknowledge(engine, 8, INSURANCE)
    age(engine, upto=8)

    behind = {one.consumer_id: one for one in feed_keeping.following(engine)}
    with pytest.raises(RejectedRequestError) as caught:
        feed.replay(engine, consumer_id=POPULATION, to=cursor(engine, 0), by="x", why="y", now=NOW)
    done = feed_keeping.purge(engine, now=NOW, **NOBODY_WAITS)

    assert (behind[POPULATION].acknowledged, behind[POPULATION].behind, behind[POPULATION].is_expired) == (0, 8, True)
    assert not behind[INSURANCE].is_expired
    assert caught.value.reason == "CURSOR_EPOCH"
    assert (done.purged_upto, done.expired) == (8, [POPULATION])
