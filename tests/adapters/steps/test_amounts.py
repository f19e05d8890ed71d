"""Sums of money are read in every way that Vietnamese files write them, and never by a guess."""

from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.steps import STEPS, Context
from adapters.steps.amounts import LEAST, LEVELS, MOST_LEVELS
from tests.benchmarks.record_rules import monthly_amount

EXPORTED_ON = date(2025, 7, 15)
MOST = MOST_LEVELS * LEVELS[-1][1]


def read(value: str, *, is_number: bool = False, on: date = EXPORTED_ON) -> tuple[object, list[str]]:
    stepped = STEPS["monthly_amount"].run(pa.array([value]), Context(on, is_number=is_number))
    return stepped.values[0][0].as_py(), [flag.code for flag in stepped.flags]


@pytest.mark.parametrize("is_number", [False, True])
@pytest.mark.parametrize(
    "written",
    [
        "5310000", "5.310.000", "5,310,000", "5 310 000", "5310000 đ", "5310000đ", "5.310.000 VNĐ", "5,310,000 vnd",
        "5.310.000 đồng/tháng", "5310000 Đ", "5310000₫", "5.310.000 đ.", "5310000.0", "5310000,00", "5.310.000,00",
        "5,310,000.00", "5.31E+06", "5,31e6", "0005310000",
    ],
)  # fmt: skip
def test_a_sum_is_the_same_however_it_is_written(written: str, is_number: bool) -> None:
    assert read(written, is_number=is_number) == (5_310_000, [])


@pytest.mark.parametrize("written", ["-5310000", "- 5.310.000 đ", "\u22125310000", "–5310000", "(5.310.000)", "-1"])
def test_a_sum_below_zero_is_null_and_told(written: str) -> None:
    assert read(written) == (None, ["AMOUNT_NEGATIVE"])


@pytest.mark.parametrize(
    "written",
    ["năm triệu", "5 triệu", "5tr3", "5.310.00", "5,3100,000", "5.310,000.0", "5,31", "5.3", "--5", "()", "-", "1e99",
     "1" * 16, "5.310.000-6.000.000", "٥٣١٠٠٠٠", "NaN", "inf", "0x10"],
)  # fmt: skip
def test_what_is_no_sum_is_null_and_told(written: str) -> None:
    assert read(written) == (None, ["AMOUNT_INVALID"])


def test_a_single_point_parts_thousands_in_text_and_a_fraction_in_a_column_of_numbers() -> None:
    assert read("5.310") == (5_310, ["AMOUNT_OUT_OF_RANGE"])
    assert read("5.310", is_number=True) == (None, ["AMOUNT_INVALID"])


def test_fractions_of_a_dong_are_rounded_and_told_of_the_column() -> None:
    assert read("5310000.5") == (5_310_001, ["AMOUNT_ROUNDED"])
    assert read("5310000,49") == (5_310_000, ["AMOUNT_ROUNDED"])


@pytest.mark.parametrize(
    ("amount", "is_told"),
    [(0, False), (1, True), (LEAST - 1, True), (LEAST, False), (MOST, False), (MOST + 1, True), (10**15 - 1, True)],
)
def test_bounds_are_met_exactly_and_the_sum_is_kept(amount: int, is_told: bool) -> None:
    assert read(str(amount)) == (amount, ["AMOUNT_OUT_OF_RANGE"] if is_told else [])


def test_the_upper_bound_is_that_of_the_day_of_export() -> None:
    assert MOST == 46_800_000
    assert read("36000001", on=date(2024, 6, 30)) == (36_000_001, ["AMOUNT_OUT_OF_RANGE"])
    assert read("36000001", on=date(2024, 7, 1)) == (36_000_001, [])
    assert read("29800001", on=date(2015, 1, 1)) == (29_800_001, ["AMOUNT_OUT_OF_RANGE"])


@settings(max_examples=100)
@given(amount=st.integers(0, 10**12))
def test_a_sum_gives_back_what_it_was_written_from(amount: int) -> None:
    for written in (str(amount), f"{amount:,}", f"{amount:,}".replace(",", "."), f"{amount:,} đ", f"{amount}.0"):
        assert read(written)[0] == amount


@settings(max_examples=100)
@given(text=st.text("0123456789.,- ()eEđĐVN+/₫t", max_size=14), is_number=st.booleans())
def test_columns_read_what_records_read(text: str, is_number: bool) -> None:
    said: list[tuple[str, str | None]] = []
    text = text.strip() or "0"

    (plain,) = monthly_amount(text, said, is_number=is_number, most=MOST)

    assert read(text, is_number=is_number) == (plain, [code for code, _ in said])
