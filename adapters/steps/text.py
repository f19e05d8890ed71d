"""Steps on text. They repair how a word was encoded or typed, never what it says; no word is title-cased.

Each first finds the rows it may concern by their bytes and looks closely at those only.
"""

from functools import cache
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import Mask, Text, is_ascii, rows_beyond_latin, rows_unlike_words, view
from adapters.findings import FORMAT_CHARACTERS, flag
from adapters.steps.fewer import on_rows
from adapters.steps.folding import SPACES
from adapters.steps.model import Context, Stepped

# Control, format (zero width, bidi) and unassigned-by-design characters; tab and line ends count as spaces.
_INVISIBLE = rf"[\x{{0}}-\x{{8}}\x{{E}}-\x{{1F}}\x{{7F}}-\x{{9F}}{FORMAT_CHARACTERS}\x{{FFFE}}\x{{FFFF}}]"
_UNUSUAL_SPACE = r"[ ]{2,}|[\t\n\f\r\x{B}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"

# Signs that no Vietnamese name holds but TCVN3 or VNI text read as Latin-1, or UTF-8 read twice, is full of.
# The second form is TCVN3's accented letters, which Latin-1 shows as capitals inside a lower-case word ("NguyÔn").
_MOJIBAKE = (
    r"[\x{80}-\x{9F}\x{A1}-\x{B3}\x{B5}-\x{B6}\x{B8}-\x{BF}\x{D7}\x{F7}]|[a-z][\x{B5}\x{B7}\x{C0}-\x{CF}\x{D1}-\x{DE}]"
)
# A vowel and an accented letter that VNI writes for one letter ("Nguyeãn Vaên") and no Vietnamese word holds. Pairs
# that foreign names hold ("Noël", "Anaïs", "Danaé", "Saúl", "Seán") are left out.
_VNI_PAIRS = {"a": "êâáàåãäèùøûõ", "e": "âàåãäùøûõ", "o": "âåäùøûõ", "ö": "ôùøûõ", "u": "ùøûõ", "y": "ùøûõ"}
_VNI = "(?i)" + "|".join(f"{first}[{seconds}]" for first, seconds in _VNI_PAIRS.items())
_LATIN = r"[A-Za-z\x{C0}-\x{24F}\x{1E00}-\x{1EFF}]"
_LOOKS_LATIN = r"[\x{370}-\x{3FF}\x{400}-\x{52F}]"  # Greek and Cyrillic
_ALWAYS_LOOKS_LATIN = r"[\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{1D400}-\x{1D7FF}]"  # full width, mathematical
_MIXED_SCRIPT = f"{_LATIN}[\\x{{300}}-\\x{{36F}}'’-]?{_LOOKS_LATIN}|{_LOOKS_LATIN}['’-]?{_LATIN}|{_ALWAYS_LOOKS_LATIN}"
_INNER_CAPITAL = r"[A-Z\x{C0}-\x{24F}\x{1E00}-\x{1EFF}][A-Z]"


def spaces(values: pa.Array, context: Context) -> Stepped:
    """Removes invisible characters, collapses spaces to one and trims; text of nothing else becomes null."""
    del context
    return on_rows(values, rows_unlike_words(view(values)), _single_spaces)


def nfc(values: pa.Array, context: Context) -> Stepped:
    """Composes decomposed letters (NFC)."""
    del context
    return on_rows(values, rows_beyond_latin(view(values)), _composed)


def d_stroke(values: pa.Array, context: Context) -> Stepped:
    """Replaces the Icelandic Ð and ð, which look the same, by the Vietnamese Đ and đ."""
    del context
    text = view(values)
    leads = _positions(text, 0xC3)
    following = text.after(leads)
    return on_rows(values, text.rows_at(leads[(following == 0x90) | (following == 0xB0)]), _with_vietnamese_d)


def tcvn3_capitals(values: pa.Array, context: Context) -> Stepped:
    """Capitalises text in capitals: TCVN3 decodes "NGUYỄN" as "NGUYễN".

    A capital within a word and no small plain letter must say so; "Tổ 5" may be either and stays. VNI and VISCII
    write every capital with bytes of its own and need no such step.
    """
    del context
    text = view(values)
    if is_ascii(text):
        return Stepped((values,))
    has_small = text.rows_with(_is_small(text))
    return on_rows(values, ~has_small & (text.lengths > 0), _in_capitals)


def no_mojibake(values: pa.Array, context: Context) -> Stepped:
    """Flags names that are legacy text in disguise or mix look-alike letters of two scripts ("Аn" with a Cyrillic А).

    Changes nothing, because a guess would be silent.
    """
    del context
    text = view(values)
    if is_ascii(text):
        return Stepped((values,))
    legacy = on_rows(values, _unlike_vietnamese(text), _legacy)
    mixed = on_rows(values, rows_beyond_latin(text), _mixed)
    return Stepped((values,), legacy.flags + mixed.flags)


def _single_spaces(values: pa.Array) -> Stepped:
    hidden = pc.match_substring_regex(values, _INVISIBLE)
    visible = pc.replace_substring_regex(values, _INVISIBLE, "") if pc.any(hidden).as_py() else values
    trimmed = pc.utf8_trim_whitespace(visible)
    unusual = pc.match_substring_regex(trimmed, _UNUSUAL_SPACE)
    single = pc.replace_substring_regex(trimmed, SPACES, " ") if pc.any(unusual).as_py() else trimmed
    return Stepped(
        (pc.if_else(pc.equal(single, ""), pa.scalar(None, pa.string()), single),),
        flag("INVISIBLE_CHARACTER", hidden, values) + flag("SPACES_COLLAPSED", unusual, values),
    )


def _composed(values: pa.Array) -> Stepped:
    composed = pc.utf8_normalize(values, form="NFC")
    return Stepped((composed,), flag("COMPOSED", pc.not_equal(values, composed), values))


def _with_vietnamese_d(values: pa.Array) -> Stepped:
    replaced = pc.replace_substring(pc.replace_substring(values, "\u00d0", "\u0110"), "\u00f0", "\u0111")
    return Stepped((replaced,), flag("DSTROKE_REPLACED", np.ones(len(values), np.bool_), values))


def _in_capitals(values: pa.Array) -> Stepped:
    upper = pc.if_else(pc.match_substring_regex(values, _INNER_CAPITAL), pc.utf8_upper(values), values)
    return Stepped((upper,), flag("CASE_RESTORED", pc.not_equal(values, upper), values))


def _legacy(values: pa.Array) -> Stepped:
    found = pc.match_substring_regex(values, f"{_MOJIBAKE}|{_VNI}")
    return Stepped((values,), flag("LEGACY_ENCODING", found, values))


def _mixed(values: pa.Array) -> Stepped:
    return Stepped((values,), flag("MIXED_SCRIPT", pc.match_substring_regex(values, _MIXED_SCRIPT), values))


def _unlike_vietnamese(text: Text) -> Mask:
    """Rows with a sign, an accented capital after a small plain letter, or a pair of VNI's."""
    leads = _positions(text, 0xC3)
    following, before = text.after(leads), text.data[np.maximum(leads - 1, 0)]
    sign = (following == 0x97) | (following == 0xB7)
    capital = (following <= 0x9E) & (before >= ord("a")) & (before <= ord("z"))
    odd = leads[sign | capital | _vni_pairs()[before, following]]
    return text.rows_at(_positions(text, 0xC2)) | text.rows_at(odd)


@cache
def _vni_pairs() -> Mask:
    """Whether the last byte of a letter and the second of the next, of U+00C0 to U+00FF, may be a pair of VNI's."""
    pairs = np.zeros((256, 256), np.bool_)
    for first, seconds in _VNI_PAIRS.items():
        for one, other in product({first, first.upper()}, seconds + seconds.upper()):
            pairs[one.encode()[-1], other.encode()[-1]] = True
    return pairs


def _is_small(text: Text) -> Mask:
    return (text.data - np.uint8(ord("a"))) < np.uint8(26)


def _positions(text: Text, byte: int) -> np.ndarray:
    return np.flatnonzero(text.data == byte)
