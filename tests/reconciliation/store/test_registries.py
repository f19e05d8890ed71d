"""A registry sees the fields of its grants, acknowledges what it holds, and says of each change what became of it."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.model import CaseKind, Outcome, OutcomeKind
from reconciliation.store import cases, feed, tables
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
GRANTED = {
    "population": {
        "person": "personal_number cmnd full_name birth_year birth_month birth_day sex ethnic_group died_on unit_code"
        " hamlet address household_id household_number relation_to_head",
        "household": "household_number former_number head_personal_number head_name member_count unit_code hamlet"
        " address",
    },
    "social-insurance": {
        "person": "personal_number full_name birth_year birth_month birth_day sex died_on unit_code",
        "insurance": "person_id insurance_number personal_number full_name health_card scheme valid_from valid_to"
        " first_clinic unit_code",
    },
}


@every_server
@pytest.mark.parametrize("consumer_id", GRANTED)
def test_a_registry_gets_the_fields_of_its_grants_and_no_other(engine, consumer_id):
    with engine.begin() as connection:
        for kind, types in GOLDEN_FIELDS.items():
            values = {name: f"{kind} {name}" for name, data_type in types.items() if str(data_type) == "string"}
            first = write(connection, f"{kind} 1", kind=kind, **values)
            write(connection, f"{kind} 1", kind=kind, cause="UPDATED", previous=first, **values)
    feed.sequence(engine)
    granted = {kind: fields.split() for kind, fields in GRANTED[consumer_id].items()}

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
