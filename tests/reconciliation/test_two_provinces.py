"""One person in two of today's provinces: what was published first stands, and the other province is asked."""

from datetime import date

import pytest
import sqlalchemy as sa

from reconciliation import jobs
from reconciliation.model import Case, CaseKind, Decision, State
from tests.reconciliation.province import Province, check, other_person, person

LAO_CAI, HA_NOI = "lao-cai.population", "ha-noi.population"
IN_HA_NOI = {"unit_code": "00004"}


@pytest.fixture
def first(engine: sa.Engine) -> Province:
    """Lào Cai, which has published Lò Thị Mẩy."""
    first = Province(engine)
    first.push(LAO_CAI, person("A", event_date=date(2025, 7, 1)))
    first.run()
    return first


@pytest.fixture
def second(engine: sa.Engine, first: Province) -> Province:
    """Hà Nội, which holds her too since."""
    second = Province(engine, code="01", day=first.day)
    second.push(HA_NOI, person("B", event_date=date(2025, 7, 9), **IN_HA_NOI), other_person("C", **IN_HA_NOI))
    second.run()
    return second


def asked(province: Province) -> Case:
    return province.case(CaseKind.TWO_PROVINCES_ONE_PERSON)


def units(province: Province) -> list[str]:
    """Of everybody published in the whole country; the other person is in 00004."""
    return sorted(row["unit_code"] for row in province.published().values())


def test_the_province_that_comes_later_is_asked_and_neither_overwrites(first, second):
    case = asked(second)

    assert case.record_keys == (f"{HA_NOI}|B",)
    assert case.evidence["provinces"] == ["15"]
    assert second.state(HA_NOI, "B") is State.AWAITING_STEWARD
    assert first.cases() == []
    assert units(second) == ["00004", "02647"]
    check(second)


def test_others_of_the_same_batch_go_on(second):
    assert second.state(HA_NOI, "C") is State.AWAITING_PULL


def test_the_question_is_the_same_in_every_run(second):
    before = asked(second)

    second.run()

    assert asked(second).case_id == before.case_id


def test_withdrawn_in_the_second_the_first_stands(second):
    second.judge(asked(second), Decision.WITHDRAW)
    second.run()

    assert second.cases() == []
    assert second.state(HA_NOI, "B") is State.WITHDRAWN
    assert units(second) == ["00004", "02647"]
    check(second)


def test_kept_in_the_second_she_is_published_there_and_the_first_is_asked_with_its_next_update(first, second):
    second.judge(asked(second), Decision.KEEP)
    second.run()
    first.day = second.day
    first.push(LAO_CAI, person("A", source_version=2, event_date=date(2025, 7, 12), hamlet="Thôn 2"))

    first.run()

    assert units(second) == ["00004", "00004", "02647"]
    assert asked(first).evidence["provinces"] == ["01"]
    assert first.state(LAO_CAI, "A") is State.AWAITING_STEWARD
    check(first)


def test_given_up_by_the_first_the_second_goes_on_by_itself(engine, first, second):
    second.judge(asked(second), Decision.KEEP)
    second.run()
    first.day = second.day
    first.run()
    first.judge(asked(first), Decision.WITHDRAW)
    first.day += 1
    first.run()

    second.day = first.day
    second.run()

    assert units(second) == ["00004", "00004"]
    assert first.cases() == second.cases() == []
    check(second)


def test_a_province_is_due_for_a_run_when_the_other_corrects_the_number(engine, first, second):
    assert jobs.provinces_with_landings(engine, now=second.now) == []
    first.push(LAO_CAI, person("A", source_version=2, personal_number=None, event_date=date(2025, 7, 12)))
    first.day = second.day
    first.run()

    assert jobs.provinces_with_landings(engine, now=first.now) == ["01"]
    second.day = first.day
    second.run()

    assert second.cases() == []
    assert second.state(HA_NOI, "B") is State.AWAITING_PULL
    assert jobs.provinces_with_landings(engine, now=second.now) == []
    check(second)
