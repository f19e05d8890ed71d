"""The day of export in a file's name: one rule, whoever reads it."""

from datetime import date

import pytest

from gateway.file_names import day_named


@pytest.mark.parametrize(
    "name",
    [
        "dan-cu-2025-07-15.csv",
        "dan-cu 20250715.csv",
        "20250715_dan-cu.csv",
        "2025-07-15T2300.csv",
        "lo 99999999 cua 2025-13-45, xuat 2025-07-15, gui 2025-07-16.csv",
    ],
)
def test_the_first_day_of_a_name_is_the_day_of_its_export(name: str) -> None:
    assert day_named(name) == date(2025, 7, 15)


@pytest.mark.parametrize(
    "name",
    [
        "dan-cu.csv",
        "2025-13-45.csv",
        "20250230.csv",
        "15-07-2025.csv",
        "120250715.csv",
        "202507151.csv",
        "2025-0715.csv",
    ],
)
def test_digits_that_are_no_day_tell_none(name: str) -> None:
    assert day_named(name) is None
