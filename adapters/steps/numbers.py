"""Steps on numbers that name a person, a card or a household: format only, since none has a check digit.

A spreadsheet drops leading zeros. They are put back: as a repair where the column is declared as numbers, with a
warning where it is not, because the result is then a candidate only.
"""

import pyarrow as pa
import pyarrow.compute as pc

from adapters.findings import Flag, flag
from adapters.steps.lists import place_prefixes
from adapters.steps.model import Context, Stepped

_TEXT = pa.scalar(None, pa.string())
_CARD = r"^(?:[A-Z]{2}[0-9]{13}|[0-9]{10}|[0-9]{12})$"


def personal_number(values: pa.Array, context: Context) -> Stepped:
    """12 digits; 10 or 11 digits that begin with a province's code once zeros are put back are padded."""
    whole = pc.match_substring_regex(values, r"^[0-9]{12}$")
    padded = _is_shortened_personal(values)
    return _padded(values, context, width=12, whole=whole, padded=padded)


def cmnd(values: pa.Array, context: Context) -> Stepped:
    """9 digits; 8 digits get their zero back."""
    whole = pc.match_substring_regex(values, r"^[0-9]{9}$")
    return _padded(values, context, width=9, whole=whole, padded=pc.match_substring_regex(values, r"^[0-9]{8}$"))


def identity_number(values: pa.Array, context: Context) -> Stepped:
    """One column for both numbers: a 12-digit personal number, or the 9 digits of the former card (CMND)."""
    is_personal = pc.or_(pc.match_substring_regex(values, r"^[0-9]{12}$"), _is_shortened_personal(values))
    is_card = pc.match_substring_regex(values, r"^[0-9]{8,9}$")
    personal = personal_number(pc.if_else(is_personal, values, _TEXT), context)
    card = cmnd(pc.if_else(is_card, values, _TEXT), context)
    neither = flag("ID_FORMAT", pc.invert(pc.or_(is_personal, is_card)), values)
    return Stepped((*personal.values, *card.values), personal.flags + card.flags + neither)


def insurance_number(values: pa.Array, context: Context) -> Stepped:
    """10 digits; 8 or 9 digits get their zeros back."""
    whole = pc.match_substring_regex(values, r"^[0-9]{10}$")
    return _padded(values, context, width=10, whole=whole, padded=pc.match_substring_regex(values, r"^[0-9]{8,9}$"))


def health_card(values: pa.Array, context: Context) -> Stepped:
    """Two letters and 13 digits, or since 2021 the 10-digit number, or the 12-digit personal number."""
    del context
    card = pc.utf8_upper(pc.replace_substring(values, " ", ""))
    fits = pc.match_substring_regex(card, _CARD)
    return Stepped((pc.if_else(fits, card, _TEXT),), flag("ID_FORMAT", pc.invert(fits), values))


def book_number(values: pa.Array, context: Context) -> Stepped:
    """A household book (9 digits, scoped to its province) or a residence record number, as sent.

    In a column of numbers, 6 to 8 digits are a book that lost its zeros.
    """
    if not context.is_number:
        return Stepped((values,))
    padded = pc.match_substring_regex(values, r"^[0-9]{6,8}$")
    return _padded(values, context, width=9, whole=pc.is_valid(values), padded=padded)


def _is_shortened_personal(values: pa.Array) -> pa.Array:
    digits = pc.match_substring_regex(values, r"^[0-9]{10,11}$")
    prefix = pc.utf8_slice_codeunits(pc.utf8_lpad(values, 12, "0"), 0, 3)
    places = pa.array(sorted(place_prefixes()), pa.string())
    return pc.and_(digits, pc.is_in(prefix, value_set=places))


def _padded(values: pa.Array, context: Context, *, width: int, whole: pa.Array, padded: pa.Array) -> Stepped:
    """`values` where whole, padded with zeros to `width` where short, else null and flagged."""
    known = pc.or_(whole, padded)
    result = pc.if_else(padded, pc.utf8_lpad(values, width, "0"), values)
    zero = "LEADING_ZERO_RESTORED" if context.is_number else "LEADING_ZERO_MISSING"
    flags: tuple[Flag, ...] = flag("ID_FORMAT", pc.invert(known), values) + flag(zero, padded, values)
    return Stepped((pc.if_else(known, result, _TEXT),), flags)
