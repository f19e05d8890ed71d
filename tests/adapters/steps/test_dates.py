"""Dates keep the precision they were stated with, and what is no date is null and flagged."""

from datetime import date

import pytest

from tests.adapters.steps.running import codes, first, run


def _partial(value: str | None, *styles: str) -> tuple[tuple[int | None, ...], set[str]]:
    stepped = run("partial_date", [value], styles=styles)
    return tuple(column[0].as_py() for column in stepped.values), set(codes(stepped))


@pytest.mark.parametrize(
    ("style", "value", "expected"),
    [
        ("yyyy-mm-dd", "1985-05-12", (1985, 5, 12)),
        ("yyyy-mm-dd", "1950-00-00", (1950, None, None)),
        ("yyyy-mm-ddTHH:MM:SS", "1985-05-12T00:00:00", (1985, 5, 12)),
        ("yyyy", "1950", (1950, None, None)),
        ("mm/yyyy", "5/1950", (1950, 5, None)),
        ("yyyymmdd", "19850512", (1985, 5, 12)),
        ("yyyymmdd", "19850500", (1985, 5, None)),
        ("yyyymmddHHMM", "201803040000", (2018, 3, 4)),
        ("dd/mm/yyyy", "12/05/1985", (1985, 5, 12)),
        ("dd/mm/yyyy", "1/5/1985", (1985, 5, 1)),
        ("dd/mm/yyyy", "00/00/1950", (1950, None, None)),
        ("dd/mm/yyyy", "00/05/1950", (1950, 5, None)),
        ("dd/mm/yyyy HH:MM", "12/05/1985 8:30", (1985, 5, 12)),
        ("d/m/yy", "1/8/86", (1986, 8, 1)),
        ("serial", "31179", (1985, 5, 12)),
        ("serial", "7500", (1920, 7, 13)),
        ("dd/mm/yyyy", "29/02/2000", (2000, 2, 29)),
        ("yyyy/mm/dd", "1985/05/12", (1985, 5, 12)),
        ("yyyy/mm/dd", "1985/5/2", (1985, 5, 2)),
        ("yyyy-mm", "1950-05", (1950, 5, None)),
        ("mm-yyyy", "05-1950", (1950, 5, None)),
        ("mm.yyyy", "5.1950", (1950, 5, None)),
        ("dd-mm-yyyy", "12-05-1985", (1985, 5, 12)),
        ("dd.mm.yyyy", "1.5.1985", (1985, 5, 1)),
        ("dd/mm/yyyy HH:MM:SS", "12/05/1985 08:30:15", (1985, 5, 12)),
        ("d-m-yy", "1-8-86", (1986, 8, 1)),
        ("d.m.yy", "01.08.86", (1986, 8, 1)),
        ("serial", "31179.75", (1985, 5, 12)),
    ],
)
def test_style_is_read(style: str, value: str, expected: tuple[int | None, ...]) -> None:
    parts, _ = _partial(value, style)

    assert parts == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("31/02/1980", "DATE_INVALID"),
        ("29/02/1900", "DATE_INVALID"),
        ("12/13/1980", "DATE_INVALID"),
        ("15/00/1980", "DATE_INVALID"),
        ("infinity", "DATE_INVALID"),
        ("1980-01-01", "DATE_INVALID"),
        ("01/01/0001", "DATE_OUT_OF_RANGE"),
        ("01/01/1899", "DATE_OUT_OF_RANGE"),
        ("00/00/9999", "DATE_OUT_OF_RANGE"),
        ("16/07/2025", "DATE_IN_FUTURE"),
        ("00/08/2025", "DATE_IN_FUTURE"),
        ("00/00/2026", "DATE_IN_FUTURE"),
    ],
)
def test_what_is_no_birth_date_is_null_and_flagged(value: str, code: str) -> None:
    assert _partial(value, "dd/mm/yyyy") == ((None, None, None), {code})


@pytest.mark.parametrize(
    ("style", "value"),
    [
        ("yyyy-mm-dd", "1900-02-29"),
        ("yyyy-mm-dd", "infinity"),
        ("yyyy-mm-dd", "-infinity"),
        ("yyyy-mm-dd", "1980-02-31"),
    ],
)
def test_days_that_never_were_are_invalid(style: str, value: str) -> None:
    assert _partial(value, style) == ((None, None, None), {"DATE_INVALID"})


def test_year_one_is_out_of_range() -> None:
    assert _partial("0001-01-01", "yyyy-mm-dd") == ((None, None, None), {"DATE_OUT_OF_RANGE"})


def test_a_separator_that_is_not_declared_does_not_fit() -> None:
    for value in ("12-05-1985", "12.05.1985", "12/05-1985"):
        assert _partial(value, "dd/mm/yyyy") == ((None, None, None), {"DATE_INVALID"})


def test_day_and_month_of_export_are_not_the_future() -> None:
    for value in ("15/07/2025", "00/07/2025", "00/00/2025"):
        assert _partial(value, "dd/mm/yyyy")[1] == set()


def test_two_digit_year_takes_the_latest_century_not_after_the_export() -> None:
    assert _partial("15/7/25", "d/m/yy") == ((2025, 7, 15), {"CENTURY_ASSUMED"})
    assert _partial("16/7/25", "d/m/yy") == ((1925, 7, 16), {"CENTURY_ASSUMED"})


def test_year_in_a_column_of_serials_is_a_year() -> None:
    assert _partial("1950", "serial", "yyyy") == ((1950, None, None), set())


def test_first_fitting_style_is_taken() -> None:
    stepped = run("partial_date", ["1950", "12/05/1985", None], styles=("yyyy", "dd/mm/yyyy"))

    assert stepped.values[0].to_pylist() == [1950, 1985, None]
    assert stepped.flags == ()


def test_day_may_lie_ahead_and_must_be_whole() -> None:
    stepped = run("day", ["20261231", "20260000", None], styles=("yyyymmdd",))

    assert [str(value) for value in stepped.values[0].to_pylist()] == ["2026-12-31", "None", "None"]
    assert codes(stepped) == {"DATE_INCOMPLETE": [1]}


def test_past_day_is_whole_and_has_come() -> None:
    values = ["2025-07-15", "2025-07-16", "1950", "31/02/2025", "2025-02-31", None]

    stepped = run("past_day", values, styles=("yyyy-mm-dd", "yyyy"))

    assert stepped.values[0].to_pylist() == [date(2025, 7, 15), *[None] * 5]
    assert codes(stepped) == {"DATE_IN_FUTURE": [1], "DATE_INCOMPLETE": [2], "DATE_INVALID": [3, 4]}


def test_moment_is_seconds_utc_and_the_day_at_the_source() -> None:
    values = ["2025-07-01T00:30:00", "2025-06-30T17:30:00Z", "2025-07-01T00:30:00+07:00", "2025-06-30T12:30:00-05:00"]

    stepped = run("moment", list(values), styles=("yyyy-mm-ddTHH:MM:SS",))

    assert set(stepped.values[0].to_pylist()) == {1751304600}
    assert [str(day) for day in stepped.values[1].to_pylist()] == [
        "2025-07-01",
        "2025-06-30",
        "2025-07-01",
        "2025-06-30",
    ]


def test_moment_after_the_export_is_null_so_that_it_outranks_nothing() -> None:
    stepped = run("moment", ["2099-01-01T00:00:00", "2025-07-15T23:59:59"], styles=("yyyy-mm-ddTHH:MM:SS",))

    assert stepped.values[0].to_pylist() == [None, 1752598799]
    assert codes(stepped) == {"DATE_IN_FUTURE": [0]}


def test_impossible_clock_is_invalid() -> None:
    assert codes(run("moment", ["01/07/2025 24:00"], styles=("dd/mm/yyyy HH:MM",))) == {"DATE_INVALID": [0]}


def test_serial_with_a_fraction_has_a_clock() -> None:
    assert first("moment", ["45839.5"], styles=("serial",)) == [1751346000]
