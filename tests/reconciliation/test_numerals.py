"""Numbers as each language writes them, and as many English words as there are things."""

import pytest

from reconciliation.numerals import ENGLISH, VIETNAMESE, counted


@pytest.mark.parametrize(
    ("number", "form", "vi", "en"),
    [
        (1234567, ",d", "1.234.567", "1,234,567"),
        (1234.5, "+,.1f", "+1.234,5", "+1,234.5"),
        (-0.04, ".2f", "-0,04", "-0.04"),
        (0.9, ".4f", "0,9000", "0.9000"),
    ],
)
def test_a_figure_has_the_marks_of_its_language(number: float, form: str, vi: str, en: str) -> None:
    assert (VIETNAMESE.figure(number, form), ENGLISH.figure(number, form)) == (vi, en)


def test_counts_tenths_signs_and_bounds_follow_it() -> None:
    said = [
        (one.count(12345), one.tenth(12.34), one.signed(-3.46), one.percent(0.0015)) for one in (VIETNAMESE, ENGLISH)
    ]

    assert said == [("12.345", "12,3", "−3,5", "0,15 %"), ("12,345", "12.3", "−3.5", "0.15 %")]


def test_one_thing_is_not_said_as_several() -> None:
    told = [counted(number, "record is", "records are") for number in (0, 1, 2, 1234)]

    assert told == ["0 records are", "1 record is", "2 records are", "1,234 records are"]
