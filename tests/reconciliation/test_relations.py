"""Relatives who cannot be and periods of one book that overlap: asked where they have to be, and only there."""

import json
from datetime import date, timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation import detecting
from reconciliation.detecting import FACTS, LEAST_MONTHS, MOST_PEOPLE
from reconciliation.model import CaseKind, Decision, State
from reconciliation.standing import ELSEWHERE
from tests.reconciliation.province import BOOKS, LAO_CAI, Province, book, check, other_person, person

KINDS = (CaseKind.CIRCULAR_RELATIONS, CaseKind.OVERLAPPING_PERIODS)
FIRST, SECOND = "015180000017", "015090000021"  # the numbers of Lò Thị Mẩy and of Giàng A Páo


def fact(key: str, number: str | None, born: int | None = None, **said: object) -> dict[str, Any]:
    """A person of one record."""
    return {
        "record_key": key, "record_id": 1, "kind": "person", "subject_id": key, "personal_number": number,
        "birth_year": born,
    } | said  # fmt: skip


def period(key: str, first: int, last: int | None, **said: object) -> dict[str, Any]:
    """A record of one book, by days of 2025."""
    day = date(2024, 12, 31)
    return {
        "record_key": key, "record_id": 1, "kind": "insurance", "subject_id": "s", "insurance_number": "0123456789",
        "scheme": "BHYT", "valid_from": day + timedelta(days=first),
        "valid_to": None if last is None else day + timedelta(days=last),
    } | said  # fmt: skip


def found(*facts: dict[str, Any]) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist(list(facts), schema=FACTS)
    cases = detecting.conflicts(table, ELSEWHERE.empty_table()).to_pylist()
    return [case | {"evidence": json.loads(case["evidence"])} for case in cases if case["kind"] in set(KINDS)]


@pytest.mark.parametrize("relation", ["father", "mother"])
def test_a_record_that_names_its_own_number_as_a_parent(relation):
    (case,) = found(fact("a", "1", **{f"{relation}_number": "1"}), fact("b", "2", father_number="3"))

    assert case["kind"] == CaseKind.CIRCULAR_RELATIONS
    assert case["record_keys"] == ["a"]
    assert case["evidence"] == {"reason": "own_parent", "relations": [relation]}


def test_a_person_whose_other_record_is_their_parent():
    (case,) = found(fact("a", "1", subject_id="s", mother_number="2"), fact("b", "2", subject_id="s"))

    assert (case["record_keys"], case["evidence"]["reason"]) == (["a"], "own_parent")


@pytest.mark.parametrize("people", range(2, MOST_PEOPLE + 1))
def test_a_circle_is_one_question_about_all_who_close_it(people):
    circle = [fact(f"k{one}", str(one), father_number=str((one + 1) % people)) for one in range(people)]

    (case,) = found(*circle, fact("z", "z", father_number="0"))

    assert case["record_keys"] == [f"k{one}" for one in range(people)]
    assert case["evidence"] == {"reason": "circle", "relations": ["father"] * people, "people": people}


def test_every_record_that_names_a_parent_of_a_circle_is_asked_about():
    (case,) = found(
        fact("a", "1", subject_id="s", father_number="2"), fact("b", None, subject_id="s", father_number="2"),
        fact("c", "2", subject_id="t", mother_number="1"), fact("d", "2", subject_id="t"),
    )  # fmt: skip

    assert case["record_keys"] == ["a", "b", "c"]


def test_a_circle_of_more_people_than_are_followed_is_seen_by_their_ages_only():
    people = MOST_PEOPLE + 1
    circle = [
        fact(f"k{one}", str(one), 1900 + one * 20, mother_number=str((one - 1) % people)) for one in range(people)
    ]

    (case,) = found(*circle)

    assert (case["record_keys"], case["evidence"]["reason"]) == (["k0"], "age")


@pytest.mark.parametrize(
    ("parent", "child", "is_asked"),
    [
        ({"born": 1980}, {"born": 1990}, True),
        ({"born": 1980}, {"born": 1991}, True),  # within the twelfth year whatever the months are
        ({"born": 1980}, {"born": 1992}, False),
        ({"born": 1990}, {"born": 1980}, True),
        ({"born": 1980, "birth_month": 6}, {"born": 1992, "birth_month": 5}, True),
        ({"born": 1980, "birth_month": 6}, {"born": 1992, "birth_month": 6}, False),
        ({"born": 1980, "birth_month": 6}, {"born": 1992}, False),
        ({"born": None}, {"born": 1990}, False),
        ({"born": 1980}, {"born": None}, False),
    ],
)
def test_a_parent_is_asked_about_only_where_no_reading_of_the_births_makes_them_old_enough(parent, child, is_asked):
    cases = found(fact("p", "1", **parent), fact("c", "2", father_number="1", **child))

    assert [(case["record_keys"], case["evidence"]["reason"]) for case in cases] == [(["c"], "age")] * is_asked
    assert all(case["evidence"]["months"] < LEAST_MONTHS for case in cases)


@pytest.mark.parametrize(
    "others",
    [
        [fact("b", "2", 1955), fact("c", "3", 1950)],
        [fact("b", "2", 1985), fact("d", "2", 1985)],  # two people claim the number: that is another question
        [fact("b", None, 1985)],
        [{**period("b", 1, 2), "personal_number": "2", "birth_year": 1985}],  # a book is nobody's parent
    ],
)
def test_no_question_about_relatives(others):
    assert found(fact("a", "1", 1980, father_number="2", mother_number="3"), *others) == []


def test_another_parent_of_another_age_is_another_question_and_the_same_under_other_ids_is_not():
    parents = [fact("b", "2", 1975), fact("c", "3", 1979)]

    (one,) = found(fact("a", "1", 1980, father_number="2"), *parents)
    (other,) = found(fact("a", "1", 1980, father_number="3"), *parents)
    (same,) = found(fact("a", "1", 1980, father_number="2", subject_id="z"), *parents)

    assert one["fingerprint"] == same["fingerprint"] != other["fingerprint"]


def test_periods_of_one_book_that_overlap_are_one_question():
    (case,) = found(
        period("c", 1, 100), period("a", 50, 60), period("b", 55, None), period("d", 1, 50, scheme="BHXH_BB")
    )

    assert case["kind"] == CaseKind.OVERLAPPING_PERIODS
    assert case["record_keys"] == ["a", "b", "c"]
    assert case["evidence"] == {"scheme": "BHYT", "periods": 3}


@pytest.mark.parametrize(
    "other",
    [
        period("b", 100, 200),  # begins on the last day
        period("b", 1, 100),  # the same, said twice
        period("b", 50, 200, scheme=None),
        period("b", 50, 200, subject_id="t"),
        period("b", 50, 200, insurance_number="1"),  # two books are a question of their own
        period("b", 50, 200, insurance_number=None),
        period("b", 90, 80),  # reversed: the finding says so
        period("b", 50, 200, valid_from=None),
    ],
)
def test_no_question_about_periods(other):
    assert found(period("a", 1, 100), other) == []


_NUMBERS = st.sampled_from([None, *"12345"])
_PEOPLE = st.lists(
    st.builds(
        lambda subject, number, father, mother, born: {
            "subject_id": subject, "personal_number": number, "father_number": father, "mother_number": mother,
            "birth_year": born,
        },
        st.sampled_from("stuvw"), _NUMBERS, _NUMBERS, _NUMBERS, st.sampled_from([None, 1950, 1960, 1965, 1990]),
    ),
    max_size=7,
)  # fmt: skip


def _circles(people: list[dict[str, Any]]) -> set[str]:
    """Everybody who is an ancestor of theirs, found by walking on from everybody to everybody."""
    holders: dict[str, set[str]] = {}
    for one in people:
        if one["personal_number"]:
            holders.setdefault(one["personal_number"], set()).add(one["subject_id"])
    parents = {
        (one["subject_id"], parent)
        for one in people
        for number in (one["father_number"], one["mother_number"])
        if number in holders and len(holders[number]) == 1
        for parent in holders[number]
        if parent != one["subject_id"]
    }
    above = set(parents)
    while more := {(low, high) for (low, one), (other, high) in product(above, parents) if one == other} - above:
        above |= more
    return {low for low, high in above if low == high}


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(people=_PEOPLE, order=st.randoms(use_true_random=False))
def test_circles_are_those_that_walking_finds_in_any_order_and_name_nobody(people, order):
    facts = [fact(f"key-{place}", None) | one for place, one in enumerate(people)]
    cases = found(*facts)
    order.shuffle(facts)

    assert found(*facts) == cases
    by_key = {one["record_key"]: one["subject_id"] for one in facts}
    asked = {by_key[key] for case in cases if case["evidence"]["reason"] == "circle" for key in case["record_keys"]}
    assert asked == _circles(people)
    assert len({case["fingerprint"] for case in cases}) == len(cases)
    for case in cases:
        assert case["record_keys"] == sorted(set(case["record_keys"]))
        assert "key-" not in json.dumps(case["evidence"])


_DAYS = st.integers(1, 12)


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(spans=st.lists(st.tuples(_DAYS, st.none() | _DAYS, st.sampled_from(["BHYT", "BHXH_BB"])), max_size=7))
def test_overlaps_are_those_found_pair_by_pair(spans):
    facts = [period(f"k{place}", first, last, scheme=scheme) for place, (first, last, scheme) in enumerate(spans)]
    whole = [(place, first, last or 10_000, scheme) for place, (first, last, scheme) in enumerate(spans)]
    expected = {
        f"k{one[0]}"
        for one, other in product(whole, whole)
        if one[1] <= one[2] and other[1] <= other[2] and one[3] == other[3]
        and one[1:3] != other[1:3] and one[1] < other[2] and other[1] < one[2]
    }  # fmt: skip

    cases = found(*facts)

    assert {key for case in cases for key in case["record_keys"]} == expected
    assert len(cases) == len({facts[int(key[1:])]["scheme"] for key in expected})


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def test_two_people_who_are_each_others_parents_wait_for_a_steward_and_nobody_else_does(province):
    province.push(
        LAO_CAI,
        person("A", father_number=SECOND),
        other_person("B", mother_number=FIRST),
        other_person(
            "C", personal_number="015095000033", full_name="Lý Văn Sáng", birth_year=1995, father_number="015060000044"
        ),
    )
    province.run()

    case = province.case(CaseKind.CIRCULAR_RELATIONS)
    assert case.record_keys == (f"{LAO_CAI}|A", f"{LAO_CAI}|B")
    assert case.owner == "15/02647/steward"
    assert case.evidence["reason"] == "circle"
    assert [province.state(LAO_CAI, key) for key in "ABC"] == [
        State.AWAITING_STEWARD, State.AWAITING_STEWARD, State.AWAITING_PULL
    ]  # fmt: skip
    check(province)

    province.judge(case, Decision.WITHDRAW, f"{LAO_CAI}|A")
    province.run()

    assert [province.state(LAO_CAI, key) for key in "AB"] == [State.WITHDRAWN, State.AWAITING_PULL]
    assert province.cases(CaseKind.CIRCULAR_RELATIONS) == []
    check(province)


def test_an_own_parent_is_published_once_a_steward_keeps_it_with_the_relatives_it_names(province):
    province.push(LAO_CAI, person("A", mother_number=FIRST, mother_name="Lò Thị Mẩy", father_name="Lò Văn Ún"))
    province.run()
    case = province.case(CaseKind.CIRCULAR_RELATIONS)
    assert province.published() == {}

    province.judge(case, Decision.KEEP)
    province.run()

    (row,) = province.published().values()
    assert (row["mother_number"], row["mother_name"], row["father_name"]) == (FIRST, "Lò Thị Mẩy", "Lò Văn Ún")
    assert row["father_number"] is row["spouse_name"] is None
    check(province)


def test_overlapping_periods_of_a_book_wait_and_a_later_entry_that_does_not_ends_the_question(province):
    first = {"valid_from": date(2025, 1, 1), "valid_to": date(2025, 12, 31), "scheme": "BHYT"}
    province.push(
        BOOKS, book("A", **first, contribution_salary=5_310_000), book("B", **first | {"valid_from": date(2025, 6, 1)})
    )
    province.run()

    case = province.case(CaseKind.OVERLAPPING_PERIODS)
    assert case.record_keys == (f"{BOOKS}|A", f"{BOOKS}|B")
    assert province.state(BOOKS, "A") is State.AWAITING_STEWARD

    province.push(BOOKS, book("B", source_version=9, **first | {"valid_from": date(2025, 12, 31), "valid_to": None}))
    province.run()

    assert province.cases(CaseKind.OVERLAPPING_PERIODS) == []
    assert province.state(BOOKS, "A") is State.AWAITING_PULL
    check(province)
