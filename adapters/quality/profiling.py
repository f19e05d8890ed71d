"""One column of a file, counted: how full, how many distinct values, of which forms, how its text is encoded. Pure.

A profile holds counts and row numbers, never a value. The profiles of two parts of a file merge to that of the
whole, so that a file of any size is profiled in bounded memory.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.findings import FORMAT_CHARACTERS
from adapters.steps import STEPS, Context

KEPT_HASHES = 65_536  # distinct values are counted exactly below it, and estimated to about 1 % above
KEPT_ROWS = 10  # rows named as examples
_TABLE_LENGTH = 4_096
_Hashes = npt.NDArray[np.uint64]
_Key = TypeVar("_Key")
_NO_CONTEXT = Context(date.min)  # the step needs none


class Sign(StrEnum):
    """Something about how the text of a value is written."""

    COMPOSED = "composed"  # accented letters of one code point each (NFC)
    DECOMPOSED = "decomposed"  # letters followed by their accents (NFD)
    LEGACY = "legacy"  # looks like TCVN3 or VNI read as Latin letters, or like UTF-8 read twice
    ICELANDIC = "icelandic"  # Ð (U+00D0) in place of Đ
    INVISIBLE = "invisible"  # control, zero-width or direction-changing characters
    SPACED = "spaced"  # spaces before, behind or doubled
    FORMULA = "formula"  # begins as a spreadsheet's formula does


# The first form that fits is a value's form; what is only digits has its form by their number.
FORMS: dict[str, str] = {
    "scientific": r"^[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+$",  # what a spreadsheet makes of a long number
    "decimal": r"^[0-9]+[.,][0-9]+$",
    "yyyy-mm-dd": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "yyyy-mm-dd HH:MM": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*$",
    "dd/mm/yyyy": r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$",
    "dd/mm/yyyy HH:MM": r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}.*$",
    "d/m/yy": r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}$",
    "mm/yyyy": r"^[0-9]{1,2}/[0-9]{4}$",
    "health card": r"^[A-Za-z]{2}[0-9]{13}$",
    "letters and digits": r"[0-9]",
    "words": r".",
}
_LONGEST_DIGITS = 15

_SIGN_PATTERNS: dict[Sign, str] = {
    # Đ and đ have no accent that could stand apart.
    Sign.COMPOSED: r"[\x{C0}-\x{CF}\x{D1}-\x{EF}\x{F1}-\x{10F}\x{112}-\x{1B0}\x{1EA0}-\x{1EF9}]",
    Sign.DECOMPOSED: r"[\x{300}-\x{36F}]",
    Sign.ICELANDIC: r"[\x{D0}\x{F0}]",
    Sign.INVISIBLE: rf"[\x{{0}}-\x{{8}}\x{{E}}-\x{{1F}}\x{{7F}}-\x{{9F}}{FORMAT_CHARACTERS}\x{{FFFE}}\x{{FFFF}}]",
    Sign.SPACED: r"^\s|\s$|\s\s",
    Sign.FORMULA: r"^[=+@\t]|^-[^0-9 ]",
}


@dataclass(frozen=True)
class Distinct:
    """How many distinct values there are, from the smallest of their hashes: no value can be read back."""

    hashes: _Hashes = field(default_factory=lambda: np.empty(0, np.uint64))  # ascending, at most KEPT_HASHES

    @property
    def is_exact(self) -> bool:
        """Whether `count` is a count and not an estimate."""
        return len(self.hashes) < KEPT_HASHES

    @property
    def count(self) -> int:
        """How many distinct values were seen."""
        if self.is_exact:
            return len(self.hashes)
        return round((KEPT_HASHES - 1) * 2.0**64 / float(self.hashes[-1]))

    def merge(self, other: "Distinct") -> "Distinct":
        """The distinct values of both."""
        return Distinct(np.union1d(self.hashes, other.hashes)[:KEPT_HASHES])


@dataclass(frozen=True)
class Rows:
    """How many rows, and the first few of them, from 0 over the whole file."""

    count: int = 0
    first: tuple[int, ...] = ()

    def merge(self, other: "Rows") -> "Rows":
        """The rows of both."""
        return Rows(self.count + other.count, tuple(sorted({*self.first, *other.first}))[:KEPT_ROWS])


@dataclass(frozen=True)
class ColumnProfile:
    """What a column of a file holds. Every value that is not empty has one form and any number of signs."""

    rows: int = 0
    empty: int = 0
    distinct: Distinct = field(default_factory=Distinct)
    forms: Mapping[str, int] = field(default_factory=dict)
    signs: Mapping[Sign, Rows] = field(default_factory=dict)

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return self.rows - self.empty

    @property
    def is_mixed(self) -> bool:
        """Whether composed and decomposed text stand side by side."""
        return Sign.COMPOSED in self.signs and Sign.DECOMPOSED in self.signs

    def merge(self, other: "ColumnProfile") -> "ColumnProfile":
        """The profile of both parts of a column."""
        return ColumnProfile(
            self.rows + other.rows,
            self.empty + other.empty,
            self.distinct.merge(other.distinct),
            dict(Counter(self.forms) + Counter(other.forms)),
            merge_rows(self.signs, other.signs),
        )


def merge_rows(one: Mapping[_Key, Rows], other: Mapping[_Key, Rows]) -> dict[_Key, Rows]:
    """Rows by key of two parts of a file."""
    keys = dict.fromkeys([*one, *other])
    return {key: one.get(key, Rows()).merge(other.get(key, Rows())) for key in keys}


def profile(values: pa.Array, *, first_row: int = 0) -> ColumnProfile:
    """The profile of a column of strings whose first value is row `first_row` of its file."""
    filled = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(values), ""), fill_value=False)
    present = values.filter(filled)
    places = np.flatnonzero(filled.to_numpy(zero_copy_only=False)) + first_row
    return ColumnProfile(
        rows=len(values),
        empty=len(values) - len(present),
        distinct=distinct(present),
        forms=_forms(present),
        signs=_signs(present, places),
    )


def distinct(values: pa.Array) -> Distinct:
    """The distinct values of a column; null is none."""
    return Distinct(np.unique(_hashes(pc.unique(values).drop_null()))[:KEPT_HASHES])


def some_rows(places: npt.NDArray[np.int64]) -> Rows:
    """Ascending row numbers as `Rows`."""
    return Rows(len(places), tuple(places[:KEPT_ROWS].tolist()))


def _forms(values: pa.Array) -> dict[str, int]:
    counted: dict[str, int] = {}
    digits = pc.match_substring_regex(values, r"^[0-9]+$")
    lengths = pc.min_element_wise(pc.utf8_length(values.filter(digits)), pa.scalar(_LONGEST_DIGITS, pa.int32()))
    for one in pc.value_counts(lengths).to_pylist():
        counted[digit_form(one["values"])] = one["counts"]
    rest = values.filter(pc.invert(digits))
    for name, pattern in FORMS.items():
        if not len(rest):
            break
        fits = pc.match_substring_regex(rest, pattern)
        if hits := pc.sum(fits).as_py():
            counted[name] = hits
            rest = rest.filter(pc.invert(fits))
    return counted


def digit_form(length: int) -> str:
    """The form of a value of so many digits."""
    return f"{length} digits" if length < _LONGEST_DIGITS else f"{_LONGEST_DIGITS} digits or more"


def _signs(values: pa.Array, places: npt.NDArray[np.int64]) -> dict[Sign, Rows]:
    found = {sign: pc.match_substring_regex(values, pattern) for sign, pattern in _SIGN_PATTERNS.items()}
    hits = {sign: np.flatnonzero(mask.to_numpy(zero_copy_only=False)) for sign, mask in found.items()}
    flags = STEPS["no_mojibake"].run(values, _NO_CONTEXT).flags
    hits[Sign.LEGACY] = flags[0].rows if flags else np.empty(0, np.int64)
    return {sign: some_rows(places[rows]) for sign, rows in hits.items() if len(rows)}


def _hashes(values: pa.Array) -> _Hashes:
    """64 bits of each string: a sum of its bytes, each times a random number of its place, well mixed."""
    binary = pa.concat_arrays([values.cast(pa.binary())])  # of its own, so that its offsets begin at 0
    if not len(binary):
        return np.empty(0, np.uint64)
    _, offset_buffer, data_buffer = binary.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[binary.offset : binary.offset + len(binary) + 1].astype(np.int64)
    begin, end = offsets[0], offsets[-1]
    data = np.frombuffer(data_buffer, np.uint8)[begin:end].astype(np.uint64) if end > begin else np.empty(0, np.uint64)
    lengths = np.diff(offsets)
    places = np.arange(len(data)) - np.repeat(offsets[:-1] - begin, lengths)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((data + 1) * _multipliers()[places % _TABLE_LENGTH])])
    mixed: _Hashes = sums[offsets[1:] - begin] - sums[offsets[:-1] - begin] + lengths.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@cache
def _multipliers() -> _Hashes:
    """Odd numbers, the same in every run."""
    rng = np.random.default_rng(20250701)
    return rng.integers(0, 2**63, _TABLE_LENGTH, np.uint64) * np.uint64(2) + np.uint64(1)
