"""Steps on codes: a unit's code, a word or code of a declared list, a small whole number."""

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import digit_at, is_digits, view
from adapters.findings import flag
from adapters.steps.folding import fold_tone
from adapters.steps.lists import code_list
from adapters.steps.model import Context, Stepped

_TEXT = pa.scalar(None, pa.string())
_LARGEST, _DIGITS = 32_767, 5
_UNIT, _DISTRICT = 5, 3
_PUBLIC_LENGTH = 2  # a code of one or two characters says nothing about anybody


def unit_code(values: pa.Array, context: Context) -> Stepped:
    """The source's own 5-digit code, with lost zeros put back; what it means is for the resolver to say.

    Three digits are a district's code and stay as sent, unless the column is declared as numbers, where they are
    a commune's code without its zeros. Fewer digits that kept a zero ("01") are another code, such as a province's.
    """
    text = view(values)
    digits = is_digits(text)
    short = digits & (text.lengths < _UNIT)
    district = digits & (text.lengths == _DISTRICT)
    if context.is_number:
        district[district] = digit_at(text, np.flatnonzero(district), 0) == 0
    other = short & ~district
    other[other] = digit_at(text, np.flatnonzero(other), 0) == 0
    padded = short & ~district & ~other
    wrong = other | text.valid & ~short & ~(digits & (text.lengths == _UNIT))
    result = pc.if_else(pa.array(padded), pc.utf8_lpad(values, _UNIT, "0"), values) if padded.any() else values
    zero = "LEADING_ZERO_RESTORED" if context.is_number else "LEADING_ZERO_MISSING"
    return Stepped(
        (pc.if_else(pa.array(wrong), _TEXT, result) if wrong.any() else result,),
        flag("UNIT_FORMAT", wrong, values)
        + flag("UNIT_IS_DISTRICT", district, values, is_public=True)
        + flag(zero, padded, values, is_public=True),
    )


def listed(values: pa.Array, context: Context) -> Stepped:
    """The canonical value of a code or word of the declared list; null where the list says "not known"."""
    if context.code_list is None:
        raise ValueError("the step listed needs a list")
    written, words, meanings = _compiled_list(context.code_list)
    coded = values.dictionary_encode()
    place = pc.index_in(coded.dictionary, value_set=written)
    if place.null_count:
        place = pc.coalesce(place, pc.index_in(_key(coded.dictionary), value_set=words))
    places = place.take(coded.indices)
    unknown = pc.and_(pc.is_valid(values), pc.is_null(places))
    if not pc.any(unknown).as_py():
        return Stepped((meanings.take(places),))
    tiny = pc.less_equal(pc.utf8_length(values), _PUBLIC_LENGTH)
    return Stepped(
        (meanings.take(places),),
        flag("CODE_UNKNOWN", pc.and_(unknown, tiny), values, is_public=True)
        + flag("CODE_UNKNOWN", pc.and_not(unknown, tiny), values),
    )


def integer(values: pa.Array, context: Context) -> Stepped:
    """A whole number from 0 to 32,767."""
    del context
    text = view(values)
    digits = is_digits(text) & (text.lengths <= _DIGITS)
    number = pc.if_else(pa.array(digits), values, _TEXT).cast(pa.int32())
    fits = digits & (pc.fill_null(number, 0).to_numpy() <= _LARGEST)
    result = pc.if_else(pa.array(fits), number, pa.scalar(None, pa.int32())).cast(pa.int16())
    return Stepped((result,), flag("NUMBER_INVALID", text.valid & ~fits, values))


@cache
def _compiled_list(name: str) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The keys of a list as written, folded, and the canonical value of each."""
    meanings = code_list(name)
    written = pa.array(list(meanings), pa.string())
    return written, _key(written), pa.array(list(meanings.values()), pa.string())


def _key(words: pa.Array) -> pa.Array:
    """Words without case, tone placement, spaces and punctuation: "M'nông" and "Mnông" are one."""
    return pc.replace_substring_regex(fold_tone(words), r"[ .,;:()_-]+", "")
