"""Steps on numbers that name a person, a card or a household: format only, since none has a check digit.

A spreadsheet drops leading zeros. They are put back: as a repair where the column is declared as numbers, with a
warning where it is not, because the result is then a candidate only.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import Mask, Text, digit_at, is_digits, number_at, view
from adapters.findings import Flag, flag
from adapters.steps.lists import card_prefixes, known_places, province_pairs
from adapters.steps.model import Context, Stepped

_TEXT = pa.scalar(None, pa.string())
_PERSONAL, _CMND, _INSURANCE, _BOOK, _CARD = 12, 9, 10, 9, 15
_CARD_LEVELS = 5  # the third character of a 15-character card: how much of the cost is paid, 1 to 5


def personal_number(values: pa.Array, context: Context) -> Stepped:
    """12 digits; 10 or 11 digits that begin with a province's code once zeros are put back are padded."""
    text = view(values)
    digits = is_digits(text)
    padded = _is_shortened_personal(text, digits)
    return _padded(values, context, width=_PERSONAL, whole=digits & (text.lengths == _PERSONAL), padded=padded)


def cmnd(values: pa.Array, context: Context) -> Stepped:
    """9 digits; 8 digits get their zero back. First digits that no issuing province has are said."""
    text = view(values)
    digits = is_digits(text)
    padded = digits & (text.lengths == _CMND - 1)
    stepped = _padded(values, context, width=_CMND, whole=digits & (text.lengths == _CMND), padded=padded)
    return Stepped(stepped.values, stepped.flags + _unknown_issuer(stepped.values[0]))


def identity_number(values: pa.Array, context: Context) -> Stepped:
    """One column for both numbers: a 12-digit personal number, or the 9 digits of the former card (CMND)."""
    text = view(values)
    digits = is_digits(text)
    is_personal = digits & (text.lengths == _PERSONAL) | _is_shortened_personal(text, digits)
    is_card = digits & ((text.lengths == _CMND) | (text.lengths == _CMND - 1))
    personal = personal_number(_only(values, is_personal), context)
    card = cmnd(_only(values, is_card), context)
    neither = flag("ID_FORMAT", text.valid & ~is_personal & ~is_card, values)
    return Stepped((*personal.values, *card.values), personal.flags + card.flags + neither)


def insurance_number(values: pa.Array, context: Context) -> Stepped:
    """10 digits; 8 or 9 digits get their zeros back. A personal number, which replaces it since 2025, is kept."""
    text = view(values)
    digits = is_digits(text)
    short = digits & ((text.lengths == _INSURANCE - 1) | (text.lengths == _INSURANCE - 2))
    personal = digits & (text.lengths == _PERSONAL)
    personal[personal] = known_places()[number_at(text, np.flatnonzero(personal), 0, 3)]
    whole = digits & (text.lengths == _INSURANCE) | personal
    stepped = _padded(values, context, width=_INSURANCE, whole=whole, padded=short)
    return Stepped(stepped.values, stepped.flags + flag("INSURANCE_IS_PERSONAL", personal, values))


def health_card(values: pa.Array, context: Context) -> Stepped:
    """Two letters and 13 digits, or since 2021 the 10-digit number, or the 12-digit personal number.

    Of the 15 characters the level of payment and the former province are looked at; what differs is said and kept.
    """
    del context
    card = _unspaced(values)
    text = view(card)
    digits = is_digits(text)
    fits = digits & ((text.lengths == _INSURANCE) | (text.lengths == _PERSONAL))
    long = text.lengths == _CARD
    long[long] = _is_card(text, np.flatnonzero(long))
    fits |= long
    kept = card if fits[text.valid].all() else _only(card, fits)
    return Stepped((kept,), flag("ID_FORMAT", text.valid & ~fits, values) + _odd_parts(text, np.flatnonzero(long)))


def book_number(values: pa.Array, context: Context) -> Stepped:
    """A household book (9 digits, scoped to its province) or a residence record number, as sent.

    In a column of numbers, 6 to 8 digits are a book that lost its zeros.
    """
    if not context.is_number:
        return Stepped((values,))
    text = view(values)
    padded = is_digits(text) & (text.lengths >= _BOOK - 3) & (text.lengths < _BOOK)
    return _padded(values, context, width=_BOOK, whole=text.valid, padded=padded)


def _is_shortened_personal(text: Text, digits: Mask) -> Mask:
    """Rows of 10 or 11 digits that begin with a province's code once their zeros are put back."""
    shortened = np.zeros(len(text), np.bool_)
    for lost in (1, 2):
        rows = np.flatnonzero(digits & (text.lengths == _PERSONAL - lost))
        shortened[rows] = known_places(abroad=False)[number_at(text, rows, 0, 3 - lost)]
    return shortened


def _unknown_issuer(cards: pa.Array) -> tuple[Flag, ...]:
    text = view(cards)
    rows = np.flatnonzero(text.lengths == _CMND)
    unknown = np.zeros(len(text), np.bool_)
    unknown[rows] = ~card_prefixes()[number_at(text, rows, 0, 2)]
    return flag("CMND_ISSUER_UNKNOWN", unknown, cards)


def _unspaced(values: pa.Array) -> pa.Array:
    data = view(values).data
    small = (data - np.uint8(ord("a"))) < np.uint8(26)
    if not (data == ord(" ")).any() and not small.any():
        return values
    return pc.ascii_upper(pc.replace_substring(values, " ", ""))


def _is_card(text: Text, rows: np.ndarray) -> Mask:
    """Two capital letters, then digits, in rows of 15 bytes."""
    right = np.ones(len(rows), np.bool_)
    for place in range(2):
        right &= (text.at(rows, place) - np.uint8(ord("A"))) < 26
    for place in range(2, _CARD):
        right &= digit_at(text, rows, place) <= 9
    return right


def _odd_parts(text: Text, rows: np.ndarray) -> tuple[Flag, ...]:
    """Cards whose level of payment or former province does not exist."""
    found: tuple[Flag, ...] = ()
    level = digit_at(text, rows, 2)
    for part, odd in (
        ("level", (level < 1) | (level > _CARD_LEVELS)),
        ("province", ~province_pairs()[number_at(text, rows, 3, 2)]),
    ):
        if odd.any():
            seen = pa.repeat(pa.scalar(part), int(odd.sum()))
            found += (Flag("HEALTH_CARD_INCONSISTENT", rows[odd], seen),)
    return found


def _only(values: pa.Array, kept: Mask) -> pa.Array:
    return pc.if_else(pa.array(kept), values, _TEXT)


def _padded(values: pa.Array, context: Context, *, width: int, whole: Mask, padded: Mask) -> Stepped:
    """`values` where whole, padded with zeros to `width` where short, else null and flagged."""
    wrong = ~(whole | padded)
    if values.null_count:
        wrong &= values.is_valid().to_numpy(zero_copy_only=False)
    result = pc.if_else(pa.array(padded), pc.utf8_lpad(values, width, "0"), values) if padded.any() else values
    zero = "LEADING_ZERO_RESTORED" if context.is_number else "LEADING_ZERO_MISSING"
    flags: tuple[Flag, ...] = flag("ID_FORMAT", wrong, values) + flag(zero, padded, values)
    return Stepped((_only(result, ~wrong) if wrong.any() else result,), flags)
