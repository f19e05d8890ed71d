"""The balance closes when all is there, and does not when something is lost or came from nowhere."""

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import CaseKind, Decision, OutcomeKind, State
from reconciliation.store import balance, stuck, tables
from tests.reconciliation.province import (
    BOOKS,
    HOUSES,
    LAO_CAI,
    YEN_BAI,
    Province,
    book,
    doubtful,
    household,
    other_person,
    person,
)


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """Two people, one of them held by two systems; a third waits; a household; a book; an old version."""
    found = Province(engine)
    found.push(YEN_BAI, person("A"), other_person("B"), doubtful("C", unit_code="99999"))
    found.push(LAO_CAI, person("A", unit_code="02641", unit_vintage=None))
    found.push(HOUSES, household("H", "1"), household("K", "2", unit_code="99999"))
    found.push(BOOKS, book("I"))
    found.push(YEN_BAI, other_person("B", source_version=2, sex="female"))
    return found


def of(province: Province, kind: RecordKind) -> balance.Conservation:
    (found,) = [row for row in balance.conservation(province.engine) if row.kind == kind]
    return found


def people(province: Province, kind: RecordKind = RecordKind.PERSON) -> dict[str | None, balance.UnitBalance]:
    return {row.unit_code: row for row in balance.units(province.engine, kind)}


def test_conservation_closes_before_and_after_a_run_and_counts_each_update_once(province):
    before = of(province, RecordKind.PERSON)
    assert (before.received, before.accepted, before.superseded, before.pending) == (5, 0, 1, 4)

    province.run()

    after = of(province, RecordKind.PERSON)
    assert (after.received, after.accepted, after.quarantined, after.superseded, after.pending) == (5, 3, 0, 1, 1)
    assert all(row.closed for row in balance.conservation(province.engine))
    assert [row.kind for row in balance.conservation(province.engine)] == ["household", "insurance", "person"]


def test_what_a_registry_refused_has_been_accepted_here(province):
    province.run()
    province.refuse()

    assert of(province, RecordKind.PERSON).pending == 1
    assert of(province, RecordKind.PERSON).closed


def test_units_say_where_the_people_of_the_former_units_are(province):
    province.run()

    found = people(province)
    assert {code: (row.records, row.subjects, row.doubles, row.waiting) for code, row in found.items()} == {
        "02647": (3, 2, 1, 0),
        None: (1, 0, 0, 1),
    }
    assert all(row.closed for row in found.values())
    households = people(province, RecordKind.HOUSEHOLD)
    assert (households["02647"].subjects, households[None].waiting) == (1, 1)
    assert balance.subjects_published(province.engine) == {"household": 1, "insurance": 1, "person": 2}
    with pytest.raises(ValueError, match="people"):
        balance.units(province.engine, RecordKind.INSURANCE)


def test_a_published_subject_whose_records_all_wait_again_is_counted_once_and_where_it_stands(province):
    province.run()
    province.push(YEN_BAI, other_person("B", source_version=3, unit_code="99999"))
    assert all(row.closed for row in people(province).values()), "a new version has landed"

    province.run()

    assert province.state(YEN_BAI, "B") is State.AWAITING_UNIT
    assert (people(province)["02647"].subjects, people(province)["02647"].records) == (2, 3)
    assert all(row.closed for row in people(province).values())


@pytest.mark.parametrize("lost", ["record", "subject", "state"])
def test_a_loss_cannot_hide(province, lost):
    province.run()
    with province.engine.begin() as connection:
        if lost == "record":
            connection.execute(tables.record_head.delete().where(tables.record_head.c.source_record_id == "B"))
        elif lost == "subject":
            connection.execute(tables.golden_head.delete().where(tables.golden_head.c.kind == "person"))
        else:
            connection.execute(tables.update_state.delete().where(tables.update_state.c.source_id == LAO_CAI))

    rows = [*balance.conservation(province.engine), *people(province).values()]

    assert not all(row.closed for row in rows)


def test_a_withdrawn_record_is_counted_as_ended_and_no_longer_in_its_unit(province):
    province.run()
    (case,) = province.cases(CaseKind.UNKNOWN_UNIT)[:1]
    withdrawn = case.record_keys[0]
    province.judge(case, Decision.WITHDRAW)
    province.run()

    assert all(row.closed for row in balance.conservation(province.engine))
    kind = RecordKind.HOUSEHOLD if withdrawn.startswith(HOUSES) else RecordKind.PERSON
    assert None not in people(province, kind)
    assert of(province, kind).pending == 0


def test_the_other_counts_are_of_what_stands(province):
    province.run()
    province.acknowledge()
    province.report(OutcomeKind.APPLIED, 1)

    assert balance.recoded(province.engine) == {"current": 5, "unknown": 2}
    assert balance.links_made(province.engine) >= 1
    assert balance.rekeyed(province.engine) == 0
    states = stuck.by_state(province.engine)
    assert states["superseded"] == 1
    assert sum(states.values()) == sum(row.received for row in balance.conservation(province.engine))
