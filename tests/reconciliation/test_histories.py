"""What was published of a subject, when it was known and since when it held, by whom and why."""

from datetime import date, datetime

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.histories import History, Value, is_personal, read_history
from reconciliation.model import Decision
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, person


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def history_of(province: Province) -> History:
    return read_history(province.engine, province.one()["subject_id"])


def said(values: tuple[Value, ...], field: str) -> list[object]:
    return [one.value for one in values if one.field == field]


def known(history: History, field: str, place: int) -> datetime:
    moment = [one for one in history.values if one.field == field][place].known_from
    assert moment is not None
    return moment


def test_a_value_names_its_record_the_rank_that_chose_it_and_the_law(province):
    province.push(YEN_BAI, person("A", event_date=date(2025, 7, 5), hamlet="Thôn 1"))
    province.push(LAO_CAI, person("B", event_date=date(2025, 7, 9), hamlet="Thôn 2"))
    province.run()

    (hamlet,) = [one for one in history_of(province).values if one.field == "hamlet"]

    assert (hamlet.value, hamlet.valid_from, hamlet.rank) == ("Thôn 2", date(2025, 7, 9), "event_date")
    assert (hamlet.origin.source_id, hamlet.origin.source_record_id, hamlet.origin.source_version) == (LAO_CAI, "B", 1)
    assert hamlet.law.startswith("Luật Cư trú")
    assert hamlet.vi
    assert hamlet.en


def test_what_holds_and_what_was_known_are_two_times(province):
    province.push(YEN_BAI, person("A", event_date=date(2025, 7, 5), hamlet="Thôn 1"))
    province.run()
    province.push(YEN_BAI, person("A", event_date=date(2025, 8, 5), hamlet="Thôn 2", source_version=2))
    province.run()

    history = history_of(province)
    first, second = known(history, "hamlet", 0), known(history, "hamlet", 1)

    assert said(history.at(), "hamlet") == ["Thôn 2"]
    assert said(history.at(valid_on=date(2025, 7, 20)), "hamlet") == ["Thôn 1"]
    assert said(history.at(valid_on=date(2025, 6, 20)), "hamlet") == []
    assert said(history.at(known_at=first), "hamlet") == ["Thôn 1"]
    assert said(history.at(known_at=first, valid_on=date(2025, 8, 20)), "hamlet") == ["Thôn 1"]
    assert said(history.at(known_at=second, valid_on=date(2025, 8, 20)), "hamlet") == ["Thôn 2"]


def test_a_value_that_was_corrected_for_the_same_day_never_held(province):
    province.push(YEN_BAI, person("A", event_date=date(2025, 7, 5), sex="male"))
    province.run()
    province.push(YEN_BAI, person("A", event_date=date(2025, 7, 5), sex="female", source_version=2))
    province.run()

    history = history_of(province)

    assert said(history.at(valid_on=date(2025, 7, 20)), "sex") == ["female"]
    assert said(history.at(known_at=known(history, "sex", 0)), "sex") == ["male"]


def test_what_no_record_says_any_more_is_known_only_of_before(province):
    province.push(YEN_BAI, person("A", hamlet="Thôn 1", address="Số 1"))
    province.run()
    province.push(YEN_BAI, person("A", hamlet="Thôn 1", source_version=2))
    province.run()

    history = history_of(province)

    assert said(history.at(), "address") == []
    assert said(history.at(known_at=known(history, "address", 0)), "address") == ["Số 1"]


def test_a_subject_that_is_gone_says_what_became_of_it(province):
    province.push(YEN_BAI, person("A", personal_number=None, birth_month=None, birth_day=None))
    province.run()
    subject = province.one()["subject_id"]
    province.push(YEN_BAI, person("A", personal_number=None, unit_code="99999", source_version=2))
    province.run()
    province.judge(province.case(), Decision.WITHDRAW)
    province.run()

    history = read_history(province.engine, subject)

    assert (history.ended, history.replaced_by) == ("RETRACTED", None)
    assert history.at() == ()
    assert said(history.at(known_at=known(history, "sex", 0)), "sex") == ["female"]


def test_a_subject_that_nobody_published_is_refused(province):
    with pytest.raises(RejectedRequestError) as refused:
        read_history(province.engine, "nobody")

    assert refused.value.reason == "UPDATE_UNKNOWN"


def test_codes_are_shown_and_what_is_about_a_person_is_masked():
    assert not is_personal(RecordKind.PERSON, "unit_code")
    assert is_personal(RecordKind.PERSON, "full_name")
    assert is_personal(RecordKind.INSURANCE, "insurance_number")
