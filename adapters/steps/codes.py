"""Steps on codes: a unit's code, a word or code of a declared list, a small whole number."""

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from adapters.findings import flag
from adapters.steps.folding import fold_tone
from adapters.steps.lists import code_list
from adapters.steps.model import Context, Stepped

_TEXT = pa.scalar(None, pa.string())
_LARGEST = 32_767
_PUBLIC_LENGTH = 2  # a code of one or two characters says nothing about anybody


def unit_code(values: pa.Array, context: Context) -> Stepped:
    """The source's own 5-digit code, with lost zeros put back; what it means is for the resolver to say.

    Three digits are a district's code and stay as sent, unless the column is declared as numbers, where they are
    a commune's code without its zeros.
    """
    whole = pc.match_substring_regex(values, r"^[0-9]{5}$")
    short = pc.match_substring_regex(values, r"^[0-9]{1,4}$")
    district = pc.and_(
        pc.match_substring_regex(values, r"^[0-9]{3}$"),
        pc.or_(not context.is_number, pc.starts_with(values, "0")),
    )
    padded = pc.and_not(short, district)
    result = pc.if_else(padded, pc.utf8_lpad(values, 5, "0"), values)
    known = pc.or_(whole, short)
    zero = "LEADING_ZERO_RESTORED" if context.is_number else "LEADING_ZERO_MISSING"
    return Stepped(
        (pc.if_else(known, result, _TEXT),),
        flag("UNIT_FORMAT", pc.invert(known), values)
        + flag("UNIT_IS_DISTRICT", district, values, is_public=True)
        + flag(zero, padded, values, is_public=True),
    )


def listed(values: pa.Array, context: Context) -> Stepped:
    """The canonical value of a code or word of the declared list; null where the list says "not known"."""
    if context.code_list is None:
        raise ValueError("the step listed needs a list")
    words, meanings = _folded_list(context.code_list)
    coded = pc.dictionary_encode(values)
    places = pc.index_in(_key(coded.dictionary), value_set=words).take(coded.indices)
    unknown = pc.and_(pc.is_valid(values), pc.is_null(places))
    tiny = pc.less_equal(pc.utf8_length(values), _PUBLIC_LENGTH)
    return Stepped(
        (meanings.take(places),),
        flag("CODE_UNKNOWN", pc.and_(unknown, tiny), values, is_public=True)
        + flag("CODE_UNKNOWN", pc.and_not(unknown, tiny), values),
    )


def integer(values: pa.Array, context: Context) -> Stepped:
    """A whole number from 0 to 32,767."""
    del context
    digits = pc.match_substring_regex(values, r"^[0-9]{1,5}$")
    number = pc.if_else(digits, values, _TEXT).cast(pa.int32())
    fits = pc.fill_null(pc.less_equal(number, _LARGEST), fill_value=False)
    result = pc.if_else(fits, number, pa.scalar(None, pa.int32())).cast(pa.int16())
    return Stepped((result,), flag("NUMBER_INVALID", pc.and_not(pc.is_valid(values), fits), values))


@cache
def _folded_list(name: str) -> tuple[pa.Array, pa.Array]:
    """The keys of a list, folded, and the canonical value of each."""
    meanings = code_list(name)
    return _key(pa.array(list(meanings), pa.string())), pa.array(list(meanings.values()), pa.string())


def _key(words: pa.Array) -> pa.Array:
    """Words without case, tone placement, spaces and punctuation: "M'nông" and "Mnông" are one."""
    return pc.replace_substring_regex(fold_tone(words), r"[ .,;:()_-]+", "")
