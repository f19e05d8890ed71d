"""Codes stay the source's own where they name a unit, and become canonical where a list says how."""

import pytest

from adapters.declaration import read_dialect
from adapters.steps.lists import LISTS, code_list
from tests.adapters.conformance import DIALECTS
from tests.adapters.steps.running import codes, first, run


def test_unit_code_of_5_digits_is_kept() -> None:
    assert first("unit_code", ["00004", "26734", None]) == ["00004", "26734", None]


def test_integer_unit_code_gets_its_zeros_back() -> None:
    stepped = run("unit_code", ["4", "97", "2647"])

    assert stepped.values[0].to_pylist() == ["00004", "00097", "02647"]
    assert codes(stepped) == {"LEADING_ZERO_MISSING": [0, 1, 2]}


def test_district_code_is_flagged_and_kept_as_sent() -> None:
    stepped = run("unit_code", ["080", "132"])

    assert stepped.values[0].to_pylist() == ["080", "132"]
    assert codes(stepped) == {"UNIT_IS_DISTRICT": [0, 1]}


def test_three_digits_in_a_column_of_numbers_are_a_commune_unless_they_kept_a_zero() -> None:
    stepped = run("unit_code", ["132", "080"], is_number=True)

    assert stepped.values[0].to_pylist() == ["00132", "080"]
    assert codes(stepped) == {"UNIT_IS_DISTRICT": [1], "LEADING_ZERO_RESTORED": [0]}


@pytest.mark.parametrize("is_number", [False, True])
def test_a_short_code_that_kept_its_zero_is_no_commune_that_lost_one(is_number: bool) -> None:
    stepped = run("unit_code", ["01", "0", "0268"], is_number=is_number)

    assert stepped.values[0].to_pylist() == [None, None, None]
    assert codes(stepped) == {"UNIT_FORMAT": [0, 1, 2]}


def test_what_is_no_unit_code_is_null_and_flagged() -> None:
    assert codes(run("unit_code", ["026470", "VN", None])) == {"UNIT_FORMAT": [0, 1]}
    assert first("unit_code", ["026470", "VN", None]) == [None, None, None]


@pytest.mark.parametrize(
    ("code_list_name", "value", "canonical"),
    [
        ("sex.qcvn109", "1", "male"),
        ("sex.qcvn109", "0", None),
        ("sex.bhyt_xml", "2", "female"),
        ("sex.bhxh_form", "1", "female"),
        ("sex.bhxh_form", "0", "male"),
        ("sex.words", "NỮ", "female"),
        ("ethnic.1979", "04", "04"),
        ("ethnic.1979", "4", "04"),
        ("ethnic.1979", "56", None),
        ("ethnic.census_2009", "04", "06"),
        ("ethnic.census_2009", "06", "04"),
        ("ethnic.words", "M'nông", "20"),
        ("relation.words", "CHỦ HỘ", "chủ hộ"),
        ("relation.words", "cha chồng", "cha vợ/chồng"),
        ("scheme.words", "BHXH bắt buộc", "BHXH_BB"),
        ("scheme.codes", "BHYT", "BHYT"),
    ],
)
def test_listed_value_becomes_canonical(code_list_name: str, value: str, canonical: str | None) -> None:
    stepped = run("listed", [value, None], code_list=code_list_name)

    assert stepped.values[0].to_pylist() == [canonical, None]
    assert stepped.flags == ()


def test_value_outside_the_list_is_null_and_flagged() -> None:
    stepped = run("listed", ["3", "1", "Nguyễn"], code_list="sex.qcvn109")

    assert stepped.values[0].to_pylist() == [None, "male", None]
    assert [(flag.code, flag.rows.tolist(), flag.seen.to_pylist()) for flag in stepped.flags] == [
        ("CODE_UNKNOWN", [0], ["3"]),
        ("CODE_UNKNOWN", [2], ["xxxxxx"]),
    ]


@pytest.mark.parametrize("name", LISTS)
def test_every_list_reads_back_what_a_writer_takes_from_it(name: str) -> None:
    written = {value: key for key, value in reversed(code_list(name).items())}

    assert first("listed", list(written.values()), code_list=name) == list(written)


def test_every_declared_list_exists() -> None:
    declared = {mapping.code_list for folder in DIALECTS for mapping in read_dialect(folder).mappings}

    assert declared - {None} <= set(LISTS)


def test_integer_is_a_small_whole_number() -> None:
    stepped = run("integer", ["0", "32767", "32768", "-1", "2.5", "x", None])

    assert stepped.values[0].to_pylist() == [0, 32767, None, None, None, None, None]
    assert codes(stepped) == {"NUMBER_INVALID": [2, 3, 4, 5]}
