"""What columns and rows of one batch say about each other is told, and nothing is changed."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.canonical import SCHEMAS, RecordKind
from adapters.catalogue import load
from adapters.checking import LARGEST_HOUSEHOLD, check_columns
from adapters.declaration import Dialect

INSURANCE, PERSON, HOUSEHOLD = (
    load().dialects[name] for name in ("insurance-xlsx", "population-jsonl", "household-jsonl")
)


def _said(dialect: Dialect, rows: list[dict[str, Any]], *, new: list[bool] | None = None) -> set[tuple[int, str, Any]]:
    schema = SCHEMAS[dialect.kind]
    targets = {target for mapping in dialect.mappings for target in mapping.targets}
    columns = {name: pa.array([row.get(name) for row in rows], schema.field(name).type) for name in targets}
    flags = check_columns(columns, dialect, comparable=np.array(new or [True] * len(rows), np.bool_))
    return {
        (row, flag.code, seen)
        for _, flag in flags
        for row, seen in zip(flag.rows.tolist(), flag.seen.to_pylist(), strict=True)
    }


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ({"sex": "male", "birth_year": 1985}, None),
        ({}, None),
        ({"sex": "female"}, "sex"),
        ({"birth_year": 1986}, "birth year"),
        ({"birth_year": 2085}, "century"),
        ({"personal_number": "097085000301"}, "place"),
        ({"personal_number": "750085000301"}, None),
    ],
)
def test_personal_number_is_held_against_the_record(row: dict[str, Any], seen: str | None) -> None:
    expected = {(0, "ID_INCONSISTENT", seen)} if seen else set()

    assert _said(PERSON, [{"personal_number": "068085000301"} | row]) == expected


@pytest.mark.parametrize(
    ("birth", "event", "is_after"),
    [
        ((2025, 7, 2), date(2025, 7, 1), True),
        ((2025, 7, 1), date(2025, 7, 1), False),
        ((2025, 7, None), date(2025, 7, 1), False),
        ((2025, 8, None), date(2025, 7, 1), True),
        ((2025, None, None), date(2025, 7, 1), False),
        ((2026, None, None), date(2025, 12, 31), True),
        ((1985, 12, 31), date(2025, 7, 1), False),
        ((2025, 7, 2), None, False),
        ((None, None, None), date(2025, 7, 1), False),
        ((1960, 3, 1), date(1960, 2, 29), True),
    ],
)
def test_birth_after_the_event_is_told_as_precisely_as_the_birth_is_stated(
    birth: tuple[int | None, ...], event: date | None, is_after: bool
) -> None:
    row = dict(zip(("birth_year", "birth_month", "birth_day"), birth, strict=True)) | {"event_date": event}

    assert _said(PERSON, [row]) == ({(0, "BIRTH_AFTER_EVENT", "day of the record")} if is_after else set())


@pytest.mark.parametrize(
    ("birth", "death", "is_before"),
    [
        ((1950, 5, 17), date(1950, 5, 16), True),
        ((1950, 5, 17), date(1950, 5, 17), False),
        ((1950, 5, None), date(1950, 5, 1), False),
        ((1951, None, None), date(1950, 12, 31), True),
        ((1950, 5, 17), None, False),
        ((None, None, None), date(1950, 5, 16), False),
    ],
)
def test_death_before_the_birth_is_told_and_both_are_kept(
    birth: tuple[int | None, ...], death: date | None, is_before: bool
) -> None:
    row = dict(zip(("birth_year", "birth_month", "birth_day"), birth, strict=True)) | {"died_on": death}

    assert _said(PERSON, [row]) == ({(0, "DEATH_BEFORE_BIRTH", "day of the death")} if is_before else set())


@pytest.mark.parametrize(
    ("version", "follows", "is_told"), [(2, 1, False), (2, None, False), (None, 1, False), (2, 2, True), (2, 3, True)]
)
def test_a_version_that_follows_no_earlier_one_is_told(version: int | None, follows: int | None, is_told: bool) -> None:
    moment = next(one for one in PERSON.mappings if "source_version" in one.targets)
    before = replace(moment, sources=("truoc",), targets=("follows_version",))
    dialect = replace(PERSON, mappings=(*PERSON.mappings, before))
    row = {"source_version": version, "follows_version": follows}

    assert _said(dialect, [row]) == ({(0, "PREDECESSOR_NOT_EARLIER", None)} if is_told else set())


def test_insurance_that_began_before_the_birth_is_told() -> None:
    row = {"birth_year": 2025, "birth_month": 6, "birth_day": 1, "valid_from": date(2025, 5, 31)}

    assert _said(INSURANCE, [row]) == {(0, "BIRTH_AFTER_EVENT", "beginning of the insurance")}


_OWN, _OTHER, _THIRD = "068085000301", "068060000302", "068162000303"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"father_number": _OTHER, "mother_number": _THIRD}, None),
        ({"father_number": _OWN}, ("OWN_PARENT", "father")),
        ({"mother_number": _OWN}, ("OWN_PARENT", "mother")),
        ({"spouse_number": _OWN}, ("OWN_SPOUSE", "spouse")),
        ({"father_number": _OTHER, "mother_number": _OTHER}, ("RELATIVE_REPEATED", "father and mother")),
        ({"father_number": _OTHER, "spouse_number": _OTHER}, ("RELATIVE_REPEATED", "father and spouse")),
        ({"mother_number": _OTHER, "spouse_number": _OTHER}, ("RELATIVE_REPEATED", "mother and spouse")),
        ({"mother_number": "097062000303"}, ("ID_INCONSISTENT", "place")),
        ({"personal_number": None, "father_number": None, "spouse_number": None}, None),
    ],
)
def test_nobody_is_their_own_parent_or_spouse_and_no_two_relatives_are_one(
    row: dict[str, Any], told: tuple[str, str] | None
) -> None:
    assert _said(PERSON, [{"personal_number": _OWN} | row]) == ({(0, *told)} if told else set())


def test_second_head_at_the_same_place_is_told_and_another_commune_with_the_same_book_is_not() -> None:
    head: dict[str, Any] = {
        "relation_to_head": "chủ hộ",
        "household_number": "100000001",
        "unit_code": "24778",
        "address": "Số 1",
    }

    rows: list[dict[str, Any]] = [
        head,
        head | {"relation_to_head": "vợ"},
        head,
        head | {"unit_code": "24779"},
        head | {"household_number": None},
    ]

    assert _said(PERSON, rows) == {(2, "HEAD_REPEATED", "second head of the household")}
    assert _said(PERSON, rows, new=[True, True, False, True, True]) == set()


def test_head_of_two_households_is_told_once_and_of_a_number_without_place() -> None:
    rows = [{"head_personal_number": number} for number in ("068085000301", "068085000301", None, None, "097085000301")]

    assert _said(HOUSEHOLD, rows) == {
        (1, "HEAD_REPEATED", "head of two households"),
        (4, "ID_INCONSISTENT", "place"),
    }


def test_household_of_thousands_is_told_and_an_empty_one_is_not() -> None:
    rows = [{"member_count": count} for count in (0, LARGEST_HOUSEHOLD, LARGEST_HOUSEHOLD + 1, 5000, None)]

    assert _said(HOUSEHOLD, rows) == {(2, "MEMBER_COUNT_UNLIKELY", "101"), (3, "MEMBER_COUNT_UNLIKELY", "5000")}


def test_health_card_ends_with_the_insurance_number() -> None:
    rows = [
        {"health_card": "TE1202020893987", "insurance_number": "2020893987"},
        {"health_card": "TE1202020893987", "insurance_number": "2020893988"},
        {"health_card": "2020893987", "insurance_number": "2020893988"},
        {"health_card": "TE1202020893987"},
    ]

    assert _said(INSURANCE, rows) == {(1, "HEALTH_CARD_INCONSISTENT", "insurance number")}


def _period(number: str | None, begin: date | None, end: date | None, scheme: str | None = "BHYT") -> dict[str, Any]:
    return {"insurance_number": number, "valid_from": begin, "valid_to": end, "scheme": scheme}


def test_overlapping_periods_of_one_number_and_scheme_are_told() -> None:
    rows = [
        _period("1", date(2025, 1, 1), date(2025, 6, 30)),
        _period("1", date(2025, 6, 30), date(2025, 12, 31)),  # begins on the last day: no overlap
        _period("1", date(2025, 2, 1), date(2025, 3, 1)),
        _period("1", date(2025, 2, 1), date(2025, 3, 1), "BHXH_BB"),
        _period("2", date(2025, 2, 1), None),
        _period("2", date(2030, 2, 1), date(2030, 3, 1)),
        _period(None, date(2025, 1, 1), None),
        _period(None, date(2025, 1, 1), None),
        _period("3", None, date(2025, 1, 1)),
        _period("3", date(1969, 1, 1), date(1969, 12, 31)),
        _period("3", date(1969, 12, 1), date(1970, 12, 31)),
    ]

    assert _said(INSURANCE, rows) == {
        (2, "PERIOD_OVERLAPS", None),
        (5, "PERIOD_OVERLAPS", None),
        (10, "PERIOD_OVERLAPS", None),
    }


def test_a_period_that_ends_before_it_begins_is_told() -> None:
    assert _said(INSURANCE, [_period("1", date(2025, 2, 1), date(2025, 1, 31))]) == {(0, "PERIOD_REVERSED", None)}


_DAYS = st.integers(0, 12).map(lambda day: date(2025, 1, 1 + day))


@settings(max_examples=60)
@given(
    periods=st.lists(
        st.builds(_period, st.sampled_from("12"), _DAYS, st.none() | _DAYS, st.sampled_from(["BHYT", None])), max_size=7
    )
)
def test_overlaps_are_those_found_pair_by_pair(periods: list[dict[str, Any]]) -> None:
    order = sorted(range(len(periods)), key=lambda row: (periods[row]["valid_from"], row))
    expected = {
        later
        for place, later in enumerate(order)
        for earlier in order[:place]
        if all(periods[later][name] == periods[earlier][name] for name in ("insurance_number", "scheme"))
        and periods[later]["valid_from"] < (periods[earlier]["valid_to"] or date.max)
    }

    said = _said(INSURANCE, periods)

    assert {row for row, code, _ in said if code == "PERIOD_OVERLAPS"} == expected


def test_checks_need_no_column_but_their_own() -> None:
    kept = {RecordKind.PERSON: PERSON, RecordKind.HOUSEHOLD: HOUSEHOLD, RecordKind.INSURANCE: INSURANCE}
    for dialect in kept.values():
        for left_out in dialect.mappings:
            mappings = tuple(mapping for mapping in dialect.mappings if mapping is not left_out)

            assert _said(replace(dialect, mappings=mappings), [{}, {}]) == set()
