"""Steps on sums of money as Vietnamese files write them: 5.310.000, 5,310,000, 5 310 000 đ, a spreadsheet's 5310000.0.

A sum that no rule reads is null; one that is read and unlikely is kept. đồng have no smaller unit.
"""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import Mask, is_digits, is_true, view
from adapters.findings import Flag, flag
from adapters.steps.model import Context, Stepped

_TEXT = pa.scalar(None, pa.string())
_DIGITS = 15  # digits of a whole number that a spreadsheet keeps exactly
_SHORTEST = 4  # of a sum with a fraction: 5,31 is millions of đồng, or thousands, and nobody can say which

# The base salary or, from July 2025, the reference level: (since, đồng a month). Decrees 38/2019, 24/2023, 73/2024.
# Contributions are reckoned on at most 20 times it (Law on Social Insurance 41/2024, art. 31).
LEVELS = ((date(2019, 7, 1), 1_490_000), (date(2023, 7, 1), 1_800_000), (date(2024, 7, 1), 2_340_000))
MOST_LEVELS = 20
# The least income of voluntary insurance is the poverty line of the countryside (Decree 07/2021).
LEAST = 1_500_000

_UNIT = r"(?i)\s*(?:đồng|vnđ|vnd|đ|₫|d)(?:\s*/\s*tháng)?\.?$"
_BELOW_ZERO = r"^(?:[-\x{2212}–]\s*(?P<signed>[^-]+)|\((?P<bracketed>[^()]+)\))$"
_SCIENTIFIC = r"^[0-9](?:[.,][0-9]{1,14})?[eE]\+?[0-9]{1,2}$"
_FRACTION = "(?:{}(?P<fraction>[0-9]+))?$"
# The parts of a sum by how thousands are set apart: by points, by commas, by spaces, or not at all.
_WRITTEN = (
    r"^(?P<whole>[0-9]{1,3}(?:\.[0-9]{3})+)" + _FRACTION.format(","),
    r"^(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+)" + _FRACTION.format(r"\."),
    r"^(?P<whole>[0-9]{1,3}(?: [0-9]{3})+)" + _FRACTION.format("[.,]"),
    r"^(?P<whole>[0-9]+)" + _FRACTION.format("[.,]"),
)
_DECIMAL = r"^(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))$"  # first in a column of numbers, where a point is no group's


def monthly_amount(values: pa.Array, context: Context) -> Stepped:
    """Whole đồng a month; null where below zero or no sum. What lies outside the bounds of contributions is told.

    Zero is a month without pay and says nothing. In a column of numbers a single point begins the fraction: 5.310 is
    no 5310 there. Fractions of a đồng are rounded; below 1,000 they say that the sum is not in đồng at all.
    """
    text = view(values)
    plain = is_digits(text) & (text.lengths <= _DIGITS)
    amounts = pc.if_else(pa.array(plain), values, _TEXT).cast(pa.int64())
    flags: tuple[Flag, ...] = ()
    rows = np.flatnonzero(text.valid & ~plain)
    if len(rows):
        others = values.take(pa.array(rows))
        read, flags = _read(others, is_number=context.is_number)
        flags = tuple(Flag(one.code, rows[one.rows], one.seen) for one in flags)
        amounts = pc.replace_with_mask(amounts, pa.array(text.valid & ~plain), read)
    stated = pc.fill_null(amounts, 0).to_numpy()
    unlikely = (stated > _most(context.exported_on)) | ((stated > 0) & (stated < LEAST))
    return Stepped((amounts,), flags + flag("AMOUNT_OUT_OF_RANGE", unlikely, values))


def _most(exported_on: date) -> int:
    """The largest sum that contributions are reckoned on, on a day; before the first level, that of the first."""
    begun = [level for since, level in LEVELS if since <= exported_on]
    return MOST_LEVELS * (begun[-1] if begun else LEVELS[0][1])


def _read(values: pa.Array, *, is_number: bool) -> tuple[pa.Array, tuple[Flag, ...]]:
    """The sums of text that is not digits alone, and what is to be said of it."""
    bare = pc.replace_substring_regex(values, _UNIT, "")
    below = pc.extract_regex(bare, _BELOW_ZERO)
    unsigned = pc.if_else(pc.is_valid(below), _either(below), bare)
    amounts, is_rounded = _parts(unsigned, is_number=is_number)
    is_below = is_true(pc.and_(pc.is_valid(below), pc.greater(amounts, 0)))
    invalid: Mask = np.asarray(pc.is_null(amounts))
    said = flag("AMOUNT_NEGATIVE", is_below, values) + flag("AMOUNT_INVALID", invalid, values)
    said += flag("AMOUNT_ROUNDED", is_rounded & ~is_below & ~invalid, values)
    return pc.if_else(pa.array(is_below), pa.scalar(None, pa.int64()), amounts), said


def _either(below: pa.Array) -> pa.Array:
    signed, bracketed = below.field("signed"), below.field("bracketed")
    return pc.utf8_trim_whitespace(pc.if_else(pc.equal(signed, ""), bracketed, signed))


def _parts(values: pa.Array, *, is_number: bool) -> tuple[pa.Array, Mask]:
    """Whole đồng, and where a fraction was rounded away; null where nothing fits."""
    scientific = pc.match_substring_regex(values, _SCIENTIFIC)
    decimal = pc.replace_substring(pc.if_else(scientific, values, _TEXT), ",", ".")
    amounts = pc.round(decimal.cast(pa.float64()))
    amounts = pc.if_else(pc.less(amounts, 10.0**_DIGITS), amounts, pa.scalar(None, pa.float64())).cast(pa.int64())
    is_rounded = np.zeros(len(values), np.bool_)
    open_ = ~np.asarray(pc.fill_null(scientific, fill_value=False))
    for pattern in (_DECIMAL, *_WRITTEN) if is_number else _WRITTEN:
        parts = pc.extract_regex(values, pattern)
        fits = open_ & is_true(pc.is_valid(parts))
        if fits.any():
            whole, fraction = parts.field("whole"), parts.field("fraction")
            digits = pc.replace_substring_regex(pc.if_else(pa.array(fits), whole, _TEXT), "[., ]", "")
            has_fraction = fits & is_true(pc.match_substring_regex(fraction, "[1-9]"))
            lengths = pc.fill_null(pc.utf8_length(digits), 0).to_numpy()
            is_sum = (lengths <= _DIGITS) & ~(has_fraction & (lengths < _SHORTEST))
            short = pc.if_else(pa.array(is_sum), digits, _TEXT)
            up = is_true(pc.match_substring_regex(fraction, "^[5-9]")).astype(np.int64)
            amounts = pc.coalesce(amounts, pc.add(short.cast(pa.int64()), pa.array(up)))
            is_rounded |= has_fraction
            open_ &= ~fits
    return amounts, is_rounded
