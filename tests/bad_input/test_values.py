"""Dates, numbers, counts and periods that cannot be, in every dialect: null or kept as promised, and told."""

import re
from datetime import timedelta

import pytest

from adapters.declaration import ColumnMapping, FileFormat
from adapters.findings import CATALOGUE
from tests.bad_input.spoiling import (
    SPOILT,
    column_of,
    dialect_of,
    each_dialect,
    each_with,
    existing,
    good,
    name_column,
    row_of,
    said_of,
    sent,
    with_all,
    with_cell,
)

_BIRTH = ("birth_year", "birth_month", "birth_day")


def _day(mapping: ColumnMapping, year: int, month: int, day: int) -> str:
    """A day, real or not, in a style of the column that spells it out."""
    style = next(one for one in mapping.styles if "yyyy" in one and "mm" in one and "d" in one)
    parts = {"yyyy": f"{year:04}", "mm": f"{month:02}", "dd": f"{day:02}"}
    return re.sub("HH|MM|SS", "00", re.sub("yyyy|mm|dd", lambda found: parts[found[0]], style))


def _spoilt_by(name: str, mapping: ColumnMapping, value: str) -> tuple[dict[str, object], list[str]]:
    """The canonical row, and what is said of its spoilt column."""
    result = sent(with_cell(good(name), mapping.name, value=value), name)
    assert result.received == result.table.num_rows == good(name).num_rows
    return row_of(result), [code for column, code in said_of(result) if column == mapping.name]


@each_with("birth_year", "event_date", "valid_from")
@pytest.mark.parametrize(
    ("day", "code"),
    [
        ((1980, 2, 31), "DATE_INVALID"),
        ((1900, 2, 29), "DATE_INVALID"),
        ((1980, 13, 1), "DATE_INVALID"),
        ((1, 1, 1), "DATE_OUT_OF_RANGE"),
        ((1899, 12, 31), "DATE_OUT_OF_RANGE"),
        ((9999, 12, 31), "DATE_OUT_OF_RANGE"),
    ],
)
def test_a_day_that_never_was_is_null_and_told(name: str, target: str, day: tuple[int, int, int], code: str) -> None:
    mapping = existing(name, target)

    row, said = _spoilt_by(name, mapping, _day(mapping, *day))

    assert said == [code]
    assert [row[one] for one in mapping.targets if one != "source_version"] == [None] * (
        len(mapping.targets) - ("source_version" in mapping.targets)
    )


@each_with("birth_year", "event_date")
@pytest.mark.parametrize("value", ["infinity", "-infinity", "now", "epoch", "NaN", "1985-W20-1", "1e3", "không rõ"])
def test_a_word_is_no_date(name: str, target: str, value: str) -> None:
    mapping = existing(name, target)

    row, said = _spoilt_by(name, mapping, value)

    assert said == ["DATE_INVALID"]
    assert row[target] is None


@each_with("birth_year", "event_date")
def test_a_birth_or_a_change_after_the_export_is_null_and_told(name: str, target: str) -> None:
    mapping, exported_on = existing(name, target), dialect_of(name).sample.exported_on
    tomorrow = exported_on + timedelta(days=1)

    row, said = _spoilt_by(name, mapping, _day(mapping, tomorrow.year, tomorrow.month, tomorrow.day))
    today, nothing = _spoilt_by(name, mapping, _day(mapping, exported_on.year, exported_on.month, exported_on.day))

    assert said == ["DATE_IN_FUTURE"]
    assert row[target] is None
    assert today[target] is not None
    assert "DATE_IN_FUTURE" not in nothing


@with_all("birth_year")
def test_a_year_alone_is_a_year_alone(name: str) -> None:
    mapping = existing(name, "birth_year")
    written = "1950" if "yyyy" in mapping.styles else _day(mapping, 1950, 0, 0)

    row, said = _spoilt_by(name, mapping, written)

    assert [row[one] for one in _BIRTH] == [1950, None, None]
    assert set(said) <= {"ID_INCONSISTENT"}


@with_all("event_date")
def test_a_day_without_its_day_of_the_month_is_no_day(name: str) -> None:
    mapping = existing(name, "event_date")

    row, said = _spoilt_by(name, mapping, _day(mapping, 2025, 1, 0))

    assert said == ["DATE_INCOMPLETE"]
    assert row["event_date"] is None


@each_dialect
@pytest.mark.parametrize(
    ("value", "kept", "codes"),
    [
        ("1680850003010", None, {"ID_FORMAT"}),
        ("99085000301", None, {"ID_FORMAT"}),
        ("0680850003O1", None, {"ID_FORMAT"}),
        ("6.8085E+10", None, {"ID_FORMAT"}),
        ("68085000301", "068085000301", {"LEADING_ZERO_MISSING", "LEADING_ZERO_RESTORED"}),
        ("097085000301", "097085000301", {"ID_INCONSISTENT"}),
    ],
)
def test_a_number_of_another_form_is_told_with_the_hint_about_spreadsheets(
    name: str, value: str, kept: str | None, codes: set[str]
) -> None:
    mapping = existing(name, "personal_number", "head_personal_number")
    if dialect_of(name).file.format is FileFormat.XLSX and codes == {"ID_INCONSISTENT"}:
        pytest.skip("its writer, like a spreadsheet, keeps no zero, and only numbers with a zero name a province")

    result = sent(with_cell(good(name), mapping.name, value=value), name)
    told = {
        one["code"]
        for one in result.findings.to_pylist()
        if one["column"] == mapping.name and one["row"] in (SPOILT, -1)
    }

    assert row_of(result)[mapping.targets[0]] == kept
    assert codes & told
    for code in told & {"ID_FORMAT", "LEADING_ZERO_MISSING", "LEADING_ZERO_RESTORED"}:
        assert "cột bị Excel đổi thành số" in CATALOGUE[code].fix_vi


@with_all("personal_number", "birth_year", "sex")
@pytest.mark.parametrize(("male", "female", "year"), [("068085000301", "068185000301", 1985)])
def test_digits_of_another_sex_or_century_are_told_and_kept(name: str, male: str, female: str, year: int) -> None:
    number, born = column_of(name, "personal_number"), existing(name, "birth_year")
    is_female = row_of(sent(good(name), name))["sex"] == "female"
    right, other_sex = (female, male) if is_female else (male, female)
    other_century = right[:3] + str(int(right[3]) + 2) + right[4:]
    raw = with_cell(good(name), born.name, value=_day(born, year, 5, 12))

    for value, part in ((right, None), (other_sex, "sex"), (other_century, "century")):
        result = sent(with_cell(raw, number, value=value), name)

        seen = [one["seen"] for one in result.findings.to_pylist() if one["code"] == "ID_INCONSISTENT"]
        assert seen == ([part] if part else [])
        assert row_of(result)["personal_number"] == value


@each_dialect
def test_a_value_of_more_than_four_thousand_bytes_costs_its_own_record(name: str) -> None:
    for size, is_kept in ((4_000, True), (4_001, False)):
        result = sent(with_cell(good(name), name_column(name), value="x" * size), name)

        assert result.received == good(name).num_rows
        assert result.quarantined["codes"].to_pylist() == ([] if is_kept else [["TEXT_TOO_LONG"]])


@with_all("member_count")
def test_a_household_of_five_thousand_is_told_and_no_number_wraps_around(name: str) -> None:
    mapping = existing(name, "member_count")

    for value, kept, code in (
        ("5000", 5000, ["MEMBER_COUNT_UNLIKELY"]),
        ("32768", None, ["NUMBER_INVALID"]),
        ("-1", None, ["NUMBER_INVALID"]),
        ("99999999999999999999", None, ["NUMBER_INVALID"]),
    ):
        row, said = _spoilt_by(name, mapping, value)

        assert (row["member_count"], said) == (kept, code)


@with_all("insurance_number", "valid_from", "valid_to")
def test_periods_that_end_before_they_begin_or_overlap_are_told_and_kept(name: str) -> None:
    begin, end, number = existing(name, "valid_from"), existing(name, "valid_to"), column_of(name, "insurance_number")
    periods = {0: ((2025, 1, 1), (2025, 6, 30)), 1: ((2025, 6, 1), (2025, 12, 31)), 2: ((2025, 5, 1), (2025, 4, 30))}
    raw, scheme = good(name), column_of(name, "scheme")
    same = raw[scheme].to_pylist()[0]
    for row, (first, last) in periods.items():
        for column, value in (
            (begin.name, _day(begin, *first)),
            (end.name, _day(end, *last)),
            (number, "0123456789" if row < 2 else "0123456788"),
            (scheme, same),
        ):
            raw = with_cell(raw, column, value=value, row=row)

    result = sent(raw, name)

    told = {(one["row"], one["column"], one["code"]) for one in result.findings.to_pylist() if "PERIOD" in one["code"]}
    assert told == {(1, begin.name, "PERIOD_OVERLAPS"), (2, end.name, "PERIOD_REVERSED")}
    assert result.table.num_rows == 3
    assert result.table["valid_to"].null_count == 0


@with_all("contribution_salary")
@pytest.mark.parametrize(
    ("value", "kept", "said"),
    [
        ("-5310000", None, ["AMOUNT_NEGATIVE"]),
        ("(5.310.000)", None, ["AMOUNT_NEGATIVE"]),
        ("46800001", 46_800_001, ["AMOUNT_OUT_OF_RANGE"]),
        ("999999999999999", 999_999_999_999_999, ["AMOUNT_OUT_OF_RANGE"]),
        ("9999999999999999", None, ["AMOUNT_INVALID"]),
        ("99999999999999999999999999", None, ["AMOUNT_INVALID"]),
        ("9e99", None, ["AMOUNT_INVALID"]),
        ("NaN", None, ["AMOUNT_INVALID"]),
        ("5310000 đ", 5_310_000, []),
    ],
)
def test_sums_below_zero_or_beyond_all_bounds_are_told_and_no_number_wraps_around(
    name: str, value: str, kept: int | None, said: list[str]
) -> None:
    mapping = existing(name, "contribution_salary")

    row, told = _spoilt_by(name, mapping, value)

    assert (row["contribution_salary"], told) == (kept, said)


@each_with("father_number", "mother_number", "spouse_number")
def test_a_person_as_their_own_parent_or_spouse_is_told_and_kept(name: str, target: str) -> None:
    mapping = existing(name, target)
    own = row_of(sent(good(name), name))["personal_number"] or "068085000301"
    raw = with_cell(good(name), column_of(name, "personal_number"), value=own)

    result = sent(with_cell(raw, mapping.name, value=own), name)

    told = {code for column, code in said_of(result) if column == mapping.name}
    assert told >= {"OWN_SPOUSE" if target == "spouse_number" else "OWN_PARENT"}
    assert row_of(result)[target] == own
    assert result.table.num_rows == good(name).num_rows
