"""Each kind of question, raised where it has to be and only there; the same in every run; without anybody's data."""

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation import detecting
from reconciliation.detecting import DOUBTS, FACTS, HOLDS
from reconciliation.lifecycle import PENDING
from reconciliation.model import CaseKind
from reconciliation.standing import ELSEWHERE

CANARY = {"personal_number": "015180000017", "insurance_number": "0123456789", "name_key": "lo may thi"}


def fact(key: str, **said: object) -> dict[str, Any]:
    return {
        "record_key": key,
        "record_id": sum(map(ord, key)),
        "kind": "person",
        "subject_id": "s",
        "personal_number": CANARY["personal_number"],
        "insurance_number": None,
        "name_key": CANARY["name_key"],
        "birth_year": 1980,
        "birth_month": 5,
        "birth_day": 17,
        "unit_code": "02647",
        "event_date": date(2025, 8, 1),
    } | said


def book(key: str, **said: object) -> dict[str, Any]:
    return fact(key, kind="insurance", insurance_number=CANARY["insurance_number"]) | said


def found(*facts: dict[str, Any]) -> list[dict[str, Any]]:
    cases = detecting.conflicts(pa.Table.from_pylist(list(facts), schema=FACTS), ELSEWHERE.empty_table()).to_pylist()
    return [case | {"evidence": json.loads(case["evidence"])} for case in cases]


def kinds(*facts: dict[str, Any]) -> list[str]:
    return [case["kind"] for case in found(*facts)]


def test_every_kind_of_case_holds_an_update_where_somebody_decides():
    assert set(HOLDS) == set(CaseKind)
    assert set(HOLDS.values()) <= PENDING


def test_two_units_that_claim_one_person():
    (case,) = found(
        fact("b", unit_code="02671"),
        fact("a", event_date=None),
        fact("c", event_date=date(2025, 9, 1)),
    )

    assert case["kind"] == CaseKind.TWO_UNITS_ONE_PERSON
    assert case["record_keys"] == ["a", "b", "c"]
    assert case["evidence"] == {"units": ["02647", "02671"], "sides": [0, 1, 0], "newest": 2}


@pytest.mark.parametrize(
    "other",
    [
        fact("b"),
        fact("b", unit_code=None),
        fact("b", subject_id="t", personal_number=None, unit_code="02671"),
        book("b", unit_code="02671"),
    ],
)
def test_no_question_about_units(other):
    assert kinds(fact("a"), other) == []


def test_a_unit_claimed_by_other_records_than_before_is_another_question():
    one = found(fact("a"), fact("b"), fact("c", unit_code="02671"))
    other = found(fact("a"), fact("b", unit_code="02671"), fact("c", unit_code="02671"))

    assert one[0]["fingerprint"] != other[0]["fingerprint"]


def test_one_number_of_two_people_and_who_is_on_which_side():
    (case,) = found(fact("a"), fact("b", subject_id="t"), fact("c"))

    assert case["kind"] == CaseKind.ONE_NUMBER_TWO_PEOPLE
    assert (case["record_keys"], case["evidence"]["sides"]) == (["a", "b", "c"], [0, 1, 0])
    assert case["evidence"]["subjects"] == ["s", "t"]


def test_the_question_of_a_number_is_the_same_under_other_ids():
    (one,) = found(fact("a"), fact("b", subject_id="t"), fact("c"))
    (other,) = found(fact("a", subject_id="z"), fact("b", subject_id="y"), fact("c", subject_id="z"))

    assert one["fingerprint"] == other["fingerprint"]


@pytest.mark.parametrize(
    "other",
    [
        fact("b", subject_id="t", personal_number="015180000018"),
        fact("b", subject_id="t", personal_number=None),
        book("b", subject_id="t"),
    ],
)
def test_no_question_about_a_number(other):
    assert kinds(fact("a"), other) == []


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({"name_key": "a giang pao"}, ["full_name"]),
        ({"birth_year": 1981}, ["birth_year"]),
        ({"birth_month": 17, "birth_day": 5}, ["birth_day"]),
        ({"personal_number": "015180000018", "birth_year": 1990}, ["birth_year", "personal_number"]),
    ],
)
def test_a_book_that_contradicts_all_of_the_register(said, fields):
    (case,) = found(fact("b"), book("c", **said), fact("a"))

    assert case["kind"] == CaseKind.BOOK_AGAINST_REGISTER
    assert case["record_keys"] == ["a", "b", "c"]
    assert case["evidence"] == {"fields": fields, "sides": [0, 0, 1]}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"name_key": "b"},  # neither the first nor the last of the register's three
        {"name_key": None, "birth_year": None, "birth_month": None, "birth_day": None, "personal_number": None},
        {"birth_day": None},
        {"subject_id": "t", "name_key": "b"},
    ],
)
def test_no_question_about_a_book(said):
    register = [fact("a"), fact("a2", name_key="a"), fact("a3", name_key="b"), fact("a4", name_key="z")]

    assert kinds(*register, book("c", **said)) == []


def test_what_the_register_does_not_say_contradicts_nobody():
    assert kinds(fact("a", name_key=None, birth_day=None, birth_year=None, personal_number=None), book("c")) == []


def test_two_books_of_one_person():
    (case,) = found(book("b", insurance_number="1"), book("a"), book("c", insurance_number="1"))

    assert case["kind"] == CaseKind.TWO_INSURANCE_BOOKS
    assert case["record_keys"] == ["a", "b", "c"]
    assert case["evidence"] == {"books": 2, "sides": [0, 1, 1]}


@pytest.mark.parametrize("other", [book("b"), book("b", insurance_number=None), book("b", subject_id="t")])
def test_no_question_about_two_books(other):
    assert kinds(book("a"), other) == []


DIED = date(2025, 7, 20)


def test_an_update_after_the_death_and_which_records_say_it():
    (case,) = found(
        fact("b", died_on=DIED),
        fact("a"),
        fact("c", event_date=DIED),  # on the day itself: it may well be about the living
        fact("d", died_on=DIED, event_date=None),
        fact("e", event_date=None),
        book("f", died_on=None),
    )

    assert case["kind"] == CaseKind.DEATH_THEN_UPDATE
    assert case["record_keys"] == ["a", "b", "d"]
    assert case["evidence"] == {"reason": "later_update", "dead": [1, 2], "sides": [1, 0, 0]}


def test_two_days_of_one_death():
    (case,) = found(fact("b", died_on=DIED), fact("a", died_on=date(2025, 7, 21)), fact("c", died_on=DIED))

    assert case["kind"] == CaseKind.DEATH_THEN_UPDATE
    assert case["record_keys"] == ["a", "b", "c"]
    assert case["evidence"] == {"reason": "two_days", "dead": [0, 1, 2], "sides": [1, 0, 0]}


def test_a_death_that_its_own_record_takes_back():
    (case,) = found(fact("b", died_before=1), fact("a", event_date=date(2025, 6, 1)))

    assert case["kind"] == CaseKind.DEATH_THEN_UPDATE
    assert case["record_keys"] == ["b"]
    assert case["evidence"] == {"reason": "resurrected", "dead": [], "sides": [0]}


def test_every_question_about_one_death_is_asked():
    cases = found(
        fact("a", died_on=DIED), fact("b", died_on=date(2025, 7, 21)), fact("c", died_before=1, event_date=None),
        fact("d", event_date=date(2025, 7, 22)),
    )  # fmt: skip

    asked = {case["evidence"]["reason"]: case["record_keys"] for case in cases}
    assert asked == {"later_update": ["a", "b", "d"], "two_days": ["a", "b"], "resurrected": ["c"]}
    assert len({case["fingerprint"] for case in cases}) == 3


@pytest.mark.parametrize(
    "other",
    [
        fact("b", died_on=DIED),
        fact("b", event_date=DIED),
        fact("b", event_date=None),
        fact("b", subject_id="t", personal_number=None, event_date=date(2025, 9, 1)),
        fact("b", subject_id="t", personal_number=None, died_on=date(2025, 7, 21)),
        fact("b", died_on=DIED, died_before=1),
        book("b", event_date=date(2025, 9, 1)),
    ],
)
def test_no_question_about_a_death(other):
    assert kinds(fact("a", died_on=DIED), other) == []


def test_another_day_of_death_is_another_question_and_another_update_is_not():
    later = {"event_date": date(2025, 9, 1)}

    (one,) = found(fact("a", died_on=DIED), fact("b", **later))
    (same,) = found(fact("a", died_on=DIED), fact("b", event_date=date(2025, 9, 2)))
    (other,) = found(fact("a", died_on=date(2025, 7, 21)), fact("b", **later))

    assert one["fingerprint"] == same["fingerprint"] != other["fingerprint"]


def test_taking_back_another_statement_of_death_is_another_question():
    (one,), (other,) = (found(fact("a", died_before=version)) for version in (1, 3))

    assert one["fingerprint"] != other["fingerprint"]


def test_a_doubt_and_a_unit_in_question_name_their_records():
    pairs = pa.Table.from_pylist(
        [{"left_key": "a", "right_key": "b", "weight": 1.234, "reason": "twins"}], schema=DOUBTS
    )

    (doubt,) = detecting.doubtful(pairs).to_pylist()

    assert (doubt["kind"], doubt["record_keys"]) == (CaseKind.DOUBTFUL_MATCH, ["a", "b"])
    assert json.loads(doubt["evidence"]) == {"weight": 1.23, "reason": "twins", "sides": [0, 1]}


_fact = st.builds(
    lambda kind, subject, number, books, name, day, unit, event, died, before: {
        "kind": kind, "subject_id": subject, "personal_number": number, "insurance_number": books,
        "name_key": name, "birth_year": 1980, "birth_month": 5, "birth_day": day, "unit_code": unit,
        "event_date": event, "died_on": died, "died_before": before,
    },
    st.sampled_from(["person", "insurance"]), st.sampled_from(["s", "t", "u"]),
    st.sampled_from([None, CANARY["personal_number"], "015180000018"]),
    st.sampled_from([None, CANARY["insurance_number"], "9876543210"]),
    st.sampled_from([None, CANARY["name_key"], "a giang pao"]), st.sampled_from([None, 17, 18]),
    st.sampled_from([None, "02647", "02671"]), st.sampled_from([None, date(2025, 8, 1), date(2025, 8, 2)]),
    st.sampled_from([None, None, date(2025, 8, 1), date(2025, 8, 3)]), st.sampled_from([None, None, 7]),
)  # fmt: skip


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(said=st.lists(_fact, max_size=8), order=st.randoms(use_true_random=False))
def test_questions_do_not_depend_on_order_and_hold_nobodys_data(said, order):
    facts = [fact(f"key-{number}", **one, record_id=number) for number, one in enumerate(said)]
    asked = found(*facts)
    order.shuffle(facts)

    assert found(*facts) == asked
    assert len({case["fingerprint"] for case in asked}) == len(asked)
    by_key = {one["record_key"]: one for one in facts}
    for case in asked:
        assert case["record_keys"] == sorted(set(case["record_keys"]))
        assert len(case["evidence"]["sides"]) == len(case["record_keys"])
        assert set(case["evidence"]["sides"]) == set(range(max(case["evidence"]["sides"]) + 1))
        assert max(case["evidence"]["sides"]) > 0 or case["evidence"]["reason"] == "resurrected"
        told = json.dumps(case["evidence"])
        personal = {"personal_number", "insurance_number", "name_key", "record_key", "event_date", "died_on"}
        values = {str(one[name]) for one in by_key.values() for name in personal} - {"None"}
        assert not any(value in told for value in values)
