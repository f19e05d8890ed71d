"""A death is published, contradicting it is a question, and what is published of it stands until somebody decides."""

from datetime import date

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision, State
from reconciliation.store import tables
from tests.reconciliation.province import BOOKS, LAO_CAI, YEN_BAI, Province, book, check_settled, person

DIED = date(2025, 7, 20)
BEFORE, AFTER = date(2025, 7, 1), date(2025, 8, 15)


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """Where Lò Thị Mẩy is in two registers, and the first has said that she died."""
    province = Province(engine)
    province.push(YEN_BAI, person("A", died_on=DIED, event_date=date(2025, 7, 22)))
    province.push(LAO_CAI, person("B", event_date=BEFORE))
    settle(province)
    assert province.cases() == []
    return province


def settle(province: Province) -> None:
    province.run()
    check_settled(province)


def dead(province: Province) -> list[date | None]:
    return [row["died_on"] for row in province.published().values()]


def update(province: Province, **said: object) -> None:
    """The second register changes its record after the death."""
    province.push(LAO_CAI, person("B", source_version=2, event_date=AFTER, hamlet="Thôn 2") | said)
    settle(province)


def take_back(province: Province) -> None:
    """The first register says no more that she died."""
    province.push(YEN_BAI, person("A", source_version=2, event_date=AFTER))
    settle(province)


def test_a_death_is_published_with_the_record_that_says_it(province):
    found = province.one()

    assert found["died_on"] == DIED
    (said,) = province.query(sa.select(tables.record_tables[RecordKind.PERSON]).where(sa.text("died_on IS NOT NULL")))
    assert f'"died_on":{said["record_id"]}' in found["provenance"]


def test_an_update_after_the_death_waits_for_the_steward_and_the_death_stands(province):
    update(province)

    case = province.case()
    assert (case.kind, case.owner) == (CaseKind.DEATH_THEN_UPDATE, "15/02647/steward")
    assert case.record_keys == (f"{LAO_CAI}|B", f"{YEN_BAI}|A")
    assert case.evidence == {"reason": "later_update", "dead": [1], "sides": [1, 0]}
    assert province.state(LAO_CAI, "B") is State.AWAITING_STEWARD
    assert province.state(YEN_BAI, "A") is State.AWAITING_PULL
    assert dead(province) == [DIED]


def test_a_later_update_that_is_withdrawn_settles_it_until_the_judgement_is_reversed(province):
    update(province)
    asked = province.case()

    judgement = province.judge(asked, Decision.WITHDRAW, f"{LAO_CAI}|B")
    settle(province)

    assert (province.cases(), dead(province)) == ([], [DIED])
    assert province.state(LAO_CAI, "B") is State.WITHDRAWN
    province.reverse(judgement)
    settle(province)
    assert province.case().fingerprint == asked.fingerprint


def test_a_death_that_is_withdrawn_is_taken_back_and_the_update_goes_out(province):
    update(province)

    province.judge(province.case(), Decision.WITHDRAW, f"{YEN_BAI}|A")
    settle(province)

    assert (province.cases(), dead(province)) == ([], [None])
    assert province.one()["hamlet"] == "Thôn 2"


def test_both_can_be_right_and_the_question_is_not_asked_again(province):
    update(province)

    province.judge(province.case(), Decision.KEEP)
    settle(province)
    update(province, source_version=3, event_date=date(2025, 8, 20), hamlet="Thôn 3")

    assert (province.cases(), dead(province)) == ([], [DIED])
    assert province.one()["hamlet"] == "Thôn 3"


def test_who_died_and_who_was_updated_can_be_two_people(province):
    update(province, personal_number=None)

    province.judge(province.case(), Decision.NOT_SAME)
    settle(province)

    assert province.cases() == []
    assert sorted(dead(province), key=str) == [DIED, None]


def test_a_second_day_of_death_is_a_question_and_the_first_stands(province):
    update(province, died_on=date(2025, 7, 21))

    assert province.case().evidence == {"reason": "two_days", "dead": [0, 1], "sides": [1, 0]}
    assert dead(province) == [DIED]


def test_a_resurrection_waits_and_the_death_stands_whatever_other_registers_say(province):
    take_back(province)

    case = province.case()
    assert case.record_keys == (f"{YEN_BAI}|A",)
    assert case.evidence == {"reason": "resurrected", "dead": [], "sides": [0]}
    assert province.state(YEN_BAI, "A") is State.AWAITING_STEWARD
    assert dead(province) == [DIED]
    with pytest.raises(RejectedRequestError, match="nobody to part"):
        province.judge(case, Decision.NOT_SAME)


def test_a_death_whose_record_waits_for_its_unit_stands_whatever_other_registers_say(province):
    province.push(YEN_BAI, person("A", source_version=2, died_on=DIED, event_date=AFTER, unit_code="99999"))
    settle(province)

    assert province.case().kind is CaseKind.UNKNOWN_UNIT
    assert dead(province) == [DIED]


def test_a_resurrection_that_is_kept_is_published_and_can_be_reversed(province):
    take_back(province)

    judgement = province.judge(province.case(), Decision.KEEP)
    settle(province)

    assert (province.cases(), dead(province)) == ([], [None])
    province.reverse(judgement)
    settle(province)
    assert province.case().kind is CaseKind.DEATH_THEN_UPDATE


def test_a_resurrection_that_is_withdrawn_leaves_her_dead(province):
    take_back(province)

    province.judge(province.case(), Decision.WITHDRAW)
    settle(province)

    assert (province.cases(), dead(province)) == ([], [DIED])


def test_a_death_that_was_withdrawn_is_not_taken_back_by_its_next_version(province):
    update(province)
    province.judge(province.case(), Decision.WITHDRAW, f"{YEN_BAI}|A")
    settle(province)

    take_back(province)

    assert (province.cases(), dead(province)) == ([], [None])


def test_a_death_said_again_is_no_question(province):
    take_back(province)
    province.push(YEN_BAI, person("A", source_version=3, event_date=AFTER, died_on=DIED))
    settle(province)

    assert (province.cases(), dead(province)) == ([], [DIED])


def test_a_book_after_the_death_is_no_question(province):
    province.push(BOOKS, book("I", event_date=AFTER))
    settle(province)

    assert (province.cases(), dead(province)) == ([], [DIED])
