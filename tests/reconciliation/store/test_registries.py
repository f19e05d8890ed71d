"""A registry sees the fields of its grants, acknowledges what it holds, and says of each change what became of it."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.model import CaseKind, Outcome, OutcomeKind
from reconciliation.store import cases, feed, grants, tables
from tests.reconciliation.store.changes import awaiting_pull, cursor, published, write
from tests.reconciliation.store.landings import NOW

every_server = pytest.mark.every_server

POPULATION = {"consumer_id": "population"}


def states(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(tables.update_state.c.state).order_by("record_id")))


# --- grants --------------------------------------------------------------------------------------------------

FIXED = ["feed_seq", "subject_id", "cause", "replaced_by", "traceparent"]

# What each registry gets, written down a second time: a change of registries.toml has to be meant.
GOLDEN = Path(__file__).parent / "granted_fields.json"
GRANTED: dict[str, dict[str, list[str]]] = json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_fields_of_each_registry_are_those_that_were_accepted(engine, golden):
    read = {
        consumer_id: {str(grant.kind): list(grant.fields) for grant in held}
        for consumer_id, held in grants.standing(engine).consumers.items()
    }

    golden.check(GOLDEN, json.dumps(read, indent=2) + "\n")


@every_server
@pytest.mark.parametrize("consumer_id", GRANTED)
def test_a_registry_gets_the_fields_of_its_grants_and_no_other(engine, consumer_id):
    with engine.begin() as connection:
        for kind, types in GOLDEN_FIELDS.items():
            values = {name: f"{kind} {name}" for name, data_type in types.items() if str(data_type) == "string"}
            first = write(connection, f"{kind} 1", kind=kind, **values)
            write(connection, f"{kind} 1", kind=kind, cause="UPDATED", previous=first, **values)
    feed.sequence(engine)
    granted = GRANTED[consumer_id]

    page = feed.fetch(engine, consumer_id=consumer_id, after=cursor(engine, 0), limit=100)
    _, snapshot = feed.snapshot(engine, consumer_id=consumer_id)

    assert {str(kind): table.column_names for kind, table in page.tables.items()} == {
        kind: [*FIXED, *fields, *(f"previous_{name}" for name in fields)] for kind, fields in granted.items()
    }
    assert {str(kind): table.column_names for kind, table in snapshot.items()} == {
        kind: ["subject_id", "feed_seq", *fields] for kind, fields in granted.items()
    }
    received = repr([table.to_pylist() for table in (*page.tables.values(), *snapshot.values())])
    withheld = [
        f"'{kind} {name}'"
        for kind, types in GOLDEN_FIELDS.items()
        for name in types
        if name not in granted.get(str(kind), [])
    ]
    assert withheld
    assert [value for value in withheld if value in received] == []
    assert "'person full_name'" in received  # the values are there at all


@every_server
def test_an_updates_former_values_are_those_of_the_version_before(engine):
    with engine.begin() as connection:
        first = write(connection, "A", full_name="Lò Thị Mẩy", hamlet='100%\\n, "Nậm"\nRịa')
        second = write(connection, "A", cause="UPDATED", previous=first, full_name="")
        write(connection, "A", cause="RETRACTED", previous=second)
    feed.sequence(engine)

    changes = feed.fetch(engine, after=cursor(engine, 0), limit=9, **POPULATION).tables[RecordKind.PERSON].to_pylist()

    said = [tuple(row[name] for name in ("full_name", "previous_full_name", "previous_hamlet")) for row in changes]
    assert said == [
        ("Lò Thị Mẩy", None, None),
        ("", "Lò Thị Mẩy", '100%\\n, "Nậm"\nRịa'),
        (None, "", None),
    ]


def test_a_registry_without_a_grant_is_unknown(engine):
    published(engine, "a")
    place = cursor(engine, 1)
    outcome = Outcome(feed_seq=1, kind=OutcomeKind.APPLIED)
    calls = [
        lambda who: feed.fetch(engine, consumer_id=who, after=place, limit=1),
        lambda who: feed.snapshot(engine, consumer_id=who),
        lambda who: feed.cursor_of(engine, consumer_id=who),
        lambda who: feed.acknowledge(engine, consumer_id=who, upto=place, now=NOW),
        lambda who: feed.report(engine, consumer_id=who, outcomes=[outcome], now=NOW),
    ]

    for call, who in itertools.product(calls, ("nobody", "", "population' OR '1'='1", "Population")):
        with pytest.raises(RejectedRequestError) as refused:
            call(who)
        assert refused.value.reason == "CONSUMER_UNKNOWN"


def test_a_registry_whose_grant_is_taken_away_sees_nothing_more(engine):
    published(engine, "a")
    feed.acknowledge(engine, upto=cursor(engine, 1), now=NOW, **POPULATION)
    with engine.begin() as connection:
        connection.execute(tables.consumer_grant.delete().where(tables.consumer_grant.c.consumer_id == "population"))

    with pytest.raises(RejectedRequestError) as refused:
        feed.fetch(engine, after=cursor(engine, 0), limit=1, **POPULATION)

    assert refused.value.reason == "CONSUMER_UNKNOWN"


def change_grants(engine: sa.Engine, consumer_id: str, **values: object) -> None:
    with engine.begin() as connection:
        theirs = tables.consumer_grant.c.consumer_id == consumer_id
        connection.execute(tables.consumer_grant.update().where(theirs).values(**values))


@pytest.mark.parametrize(
    ("days", "is_granted"),
    [
        ({"granted_from": None, "granted_until": None}, True),
        ({"granted_from": NOW.date(), "granted_until": NOW.date()}, True),
        ({"granted_until": NOW.date() - timedelta(days=1)}, False),
        ({"granted_from": NOW.date() + timedelta(days=1)}, False),
    ],
)
def test_a_grant_of_other_days_is_none(engine, days, is_granted):
    published(engine, "a")
    change_grants(engine, "population", **days)
    calls = [
        lambda: feed.fetch(engine, after=cursor(engine, 0), limit=1, on=NOW.date(), **POPULATION),
        lambda: feed.snapshot(engine, on=NOW.date(), **POPULATION),
        lambda: feed.cursor_of(engine, on=NOW.date(), **POPULATION),
        lambda: feed.acknowledge(engine, upto=cursor(engine, 1), now=NOW, on=NOW.date(), **POPULATION),
        lambda: feed.report(engine, outcomes=[], now=NOW, on=NOW.date(), **POPULATION),
    ]

    for call in calls:
        if is_granted:
            call()
            continue
        with pytest.raises(RejectedRequestError) as refused:
            call()
        assert refused.value.reason == "CONSUMER_UNKNOWN"


def test_a_grant_that_has_ended_by_the_databases_clock_is_none_where_no_day_is_named(engine):
    published(engine, "a")
    change_grants(engine, "population", granted_until=date(2025, 1, 1))

    with pytest.raises(RejectedRequestError):
        feed.snapshot(engine, **POPULATION)


@every_server
def test_a_registry_of_some_provinces_sees_their_people_and_when_they_leave(engine):
    with engine.begin() as connection:
        for name in ("stays", "leaves", "elsewhere", "comes"):
            first = write(connection, name, full_name=f"{name} first")
            code = "01" if name in {"elsewhere", "comes"} else "15"
            move_to(connection, first, code)
            second = write(connection, name, cause="UPDATED", previous=first, full_name=f"{name} second")
            move_to(connection, second, {"leaves": "01", "comes": "15"}.get(name, code))
    feed.sequence(engine)
    change_grants(engine, "social-insurance", province_codes=["15"])
    theirs = {"consumer_id": "social-insurance"}

    changes = feed.fetch(engine, after=cursor(engine, 0), limit=99, **theirs).tables[RecordKind.PERSON].to_pylist()
    _, snapshot = feed.snapshot(engine, **theirs)
    whole = feed.fetch(engine, after=cursor(engine, 0), limit=99, **POPULATION).tables[RecordKind.PERSON]

    assert [(row["subject_id"], row["full_name"], row["previous_full_name"]) for row in changes] == [
        ("stays", "stays first", None),
        ("stays", "stays second", "stays first"),
        ("leaves", "leaves first", None),
        ("leaves", None, "leaves first"),
        ("comes", "comes second", None),
    ]
    assert snapshot[RecordKind.PERSON]["full_name"].to_pylist() == ["comes second", "stays second"]
    assert whole.num_rows == 8


def move_to(connection: sa.Connection, change_id: int, province_code: str) -> None:
    of_it = tables.change.c.change_id == change_id
    connection.execute(tables.change.update().where(of_it).values(province_code=province_code))


# --- acknowledging and reporting -----------------------------------------------------------------------------


@every_server
def test_acknowledging_moves_the_updates_and_never_goes_back(engine):
    awaiting_pull(engine, "A", "B", "C")

    moved = [feed.acknowledge(engine, upto=cursor(engine, place), now=NOW, **POPULATION) for place in (2, 1, 2, 0, 3)]

    assert moved == [2, 0, 0, 0, 1]
    assert feed.cursor_of(engine, **POPULATION) == cursor(engine, 3)
    assert states(engine) == ["awaiting_outcome"] * 3


def test_a_registry_that_is_not_of_record_moves_no_update(engine):
    awaiting_pull(engine, "A")

    moved = feed.acknowledge(engine, consumer_id="social-insurance", upto=cursor(engine, 1), now=NOW)
    new = feed.report(engine, consumer_id="social-insurance", outcomes=[refused_outcome(1)], now=NOW)

    assert (moved, new) == (0, 1)
    assert states(engine) == ["awaiting_pull"]
    assert cases.count(engine) == {}


def test_many_acknowledgements_at_once_end_at_the_highest(engine):
    awaiting_pull(engine, *"ABCDEFGH")

    with ThreadPoolExecutor(8) as pool:
        moved = list(
            pool.map(
                lambda place: feed.acknowledge(engine, upto=cursor(engine, place), now=NOW, **POPULATION), range(1, 9)
            )
        )

    assert sum(moved) == 8
    assert feed.cursor_of(engine, **POPULATION).sequence == 8


def applied(feed_seq: int) -> Outcome:
    return Outcome(feed_seq=feed_seq, kind=OutcomeKind.APPLIED)


def refused_outcome(feed_seq: int, reason: str | None = "DOUBLE_NUMBER") -> Outcome:
    return Outcome(feed_seq=feed_seq, kind=OutcomeKind.REFUSED, reason=reason)


def report(engine: sa.Engine, *outcomes: Outcome) -> int:
    return feed.report(engine, outcomes=outcomes, now=NOW, **POPULATION)


def outcomes_of(engine: sa.Engine) -> list[tuple[int, str, str | None]]:
    told = tables.feed_outcome.c
    with engine.connect() as connection:
        query = sa.select(told.feed_seq, told.outcome, told.reason).order_by(told.feed_seq)
        return [tuple(row) for row in connection.execute(query)]


@every_server
def test_an_applied_change_ends_its_update_and_a_refused_one_opens_a_case(engine):
    awaiting_pull(engine, "A", "B")
    feed.acknowledge(engine, upto=cursor(engine, 2), now=NOW, **POPULATION)

    new = report(engine, applied(1), refused_outcome(2))

    assert new == 2
    assert states(engine) == ["applied", "awaiting_steward"]
    assert cases.count(engine) == {str(CaseKind.REFUSED_BY_REGISTRY): 1}


def test_a_report_may_be_repeated_and_the_first_word_stands(engine):
    awaiting_pull(engine, "A", "B")
    feed.acknowledge(engine, upto=cursor(engine, 2), now=NOW, **POPULATION)
    report(engine, applied(1))

    again = report(engine, applied(1))
    changed = report(engine, refused_outcome(1), refused_outcome(2, "FIRST"), applied(2), refused_outcome(2, "LAST"))

    assert (again, changed) == (0, 1)
    assert outcomes_of(engine) == [(1, "applied", None), (2, "refused", "FIRST")]
    assert states(engine) == ["applied", "awaiting_steward"]
    assert cases.count(engine) == {str(CaseKind.REFUSED_BY_REGISTRY): 1}


def test_the_first_word_stands_however_many_follow_in_one_report(engine):
    published(engine, *map(str, range(50)))
    feed.acknowledge(engine, upto=cursor(engine, 50), now=NOW, **POPULATION)
    told = [refused_outcome(number, f"ROUND_{turn}") for turn in range(40) for number in range(1, 51)]

    assert report(engine, *told) == 50

    assert {reason for _, _, reason in outcomes_of(engine)} == {"ROUND_0"}


def test_a_refusal_without_a_reason_is_refused_whole(engine):
    awaiting_pull(engine, "A", "B")
    feed.acknowledge(engine, upto=cursor(engine, 2), now=NOW, **POPULATION)

    for reason in (None, ""):
        with pytest.raises(RejectedRequestError) as refused:
            report(engine, applied(1), refused_outcome(2, reason))
        assert refused.value.reason == "OUTCOME_INVALID"

    assert outcomes_of(engine) == []
    assert states(engine) == ["awaiting_outcome"] * 2


def test_a_report_on_what_was_not_acknowledged_is_refused_whole(engine):
    awaiting_pull(engine, "A", "B")
    feed.acknowledge(engine, upto=cursor(engine, 1), now=NOW, **POPULATION)

    for feed_seq in (2, 3, 0, -1, 2**70):
        with pytest.raises(RejectedRequestError) as refused:
            report(engine, applied(1), applied(feed_seq))
        assert refused.value.reason == "OUTCOME_INVALID"

    assert outcomes_of(engine) == []


def test_a_report_of_nothing_is_no_report(engine):
    assert report(engine) == 0
