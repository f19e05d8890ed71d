"""Bytes of a column say the same as its characters, row by row."""

import re
import unicodedata

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.bytewise import (
    digit_at,
    is_ascii,
    is_digits,
    number_at,
    repeats_itself,
    rows_beyond_latin,
    rows_unlike_words,
    view,
)

_CHARACTERS = st.one_of(
    st.sampled_from("0123456789 aZ\t\0\x7f\x85\xa0\xadÀÐðễỹĐđ\u0300\u0323\u1e00\u1eff\u1dff\u1f00\u200b\ufeff🙂"),
    st.characters(exclude_categories=["Cs"]),
)
_VALUES = st.lists(st.none() | st.text(_CHARACTERS, max_size=8), max_size=8)
_ODD = re.compile(r"[\0-\x1f\x7f-\xbf]|[^\0-\u02ff\u1e00-\u1eff]|  |^ | $|^$")


def _columns(values: list[str | None]) -> list[pa.Array]:
    """The column as built, as a slice of a longer one, and with bytes behind its nulls."""
    whole = pa.array(["xx", *values, "y"], pa.string())
    hidden = pa.array([" \u0300" if value is None else value for value in values], pa.string())
    valid = np.array([value is not None for value in values], np.bool_)
    bits = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    masked = pa.Array.from_buffers(pa.string(), len(values), [bits, *hidden.buffers()[1:]])
    return [pa.array(values, pa.string()), whole.slice(1, len(values)), masked]


@settings(max_examples=100)
@given(values=_VALUES)
@example(values=[])
@example(values=[None])
@example(values=["", None, "a"])
def test_rows_are_found_as_their_characters_say(values: list[str | None]) -> None:
    for column in _columns(values):
        text = view(column)

        assert len(text) == len(values)
        assert text.valid.tolist() == [value is not None for value in values]
        assert text.lengths.tolist() == [len((value or "").encode()) for value in values]
        assert is_ascii(text) == all((value or "").isascii() for value in values)
        assert is_digits(text).tolist() == [bool(re.fullmatch("[0-9]+", value or "")) for value in values]
        assert rows_unlike_words(text).tolist() == [value is not None and bool(_ODD.search(value)) for value in values]
        assert rows_beyond_latin(text).tolist() == [
            bool(re.search("[^\0-\u02ff\u1e00-\u1eff]", value or "")) for value in values
        ]


@settings(max_examples=60)
@given(values=_VALUES, byte=st.sampled_from(list(b"a 0\xc3\xe1")))
def test_rows_with_a_byte_are_the_rows_at_its_positions(values: list[str | None], byte: int) -> None:
    text = view(pa.array(values, pa.string()))
    held = [byte in (value or "").encode() for value in values]

    assert text.rows_with(text.data == byte).tolist() == held
    assert text.rows_at(np.flatnonzero(text.data == byte)).tolist() == held


@given(values=st.lists(st.from_regex(r"\A[0-9]{6}\Z"), max_size=8))
def test_numbers_are_read_from_their_digits(values: list[str]) -> None:
    text = view(pa.array(values, pa.string()))
    rows = np.arange(len(values))

    assert number_at(text, rows, 1, 3).tolist() == [int(value[1:4]) for value in values]
    assert digit_at(text, rows, 5).tolist() == [int(value[5]) for value in values]


def test_every_letter_that_needs_no_look_is_composed_and_no_mark() -> None:
    plain = [chr(point) for point in (*range(0x20, 0x7F), *range(0x80, 0x300), *range(0x1E00, 0x1F00))]

    assert all(unicodedata.is_normalized("NFC", letter) and not unicodedata.combining(letter) for letter in plain)
    pairs = pa.array([one + other for one in plain[::7] for other in plain])
    assert all(unicodedata.is_normalized("NFC", pair) for pair in pairs.to_pylist())


def test_a_column_repeats_itself_when_a_quarter_of_its_middle_does() -> None:
    assert repeats_itself(pa.array(["Nam", "Nữ"] * 500))
    assert not repeats_itself(pa.array([str(number) for number in range(1000)]))
    assert repeats_itself(pa.array([str(number) for number in range(400)] + ["x"] * 200 + ["y"] * 400))
