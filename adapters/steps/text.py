"""Steps on text. They repair how a word was encoded or typed, never what it says; no word is title-cased."""

import pyarrow as pa
import pyarrow.compute as pc

from adapters.findings import flag
from adapters.steps.folding import SPACES
from adapters.steps.model import Context, Stepped

# Control, format (zero width, bidi) and unassigned-by-design characters; tab and line ends count as spaces.
_INVISIBLE = r"[\x{0}-\x{8}\x{E}-\x{1F}\x{7F}-\x{9F}\p{Cf}\x{FFFE}\x{FFFF}]"
_UNUSUAL_SPACE = r"[ ]{2,}|[\t\n\f\r\x{B}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"

# Signs that no Vietnamese name holds but TCVN3 or VNI text read as Latin-1, or UTF-8 read twice, is full of.
# The second form is TCVN3's accented letters, which Latin-1 shows as capitals inside a lower-case word ("NguyÔn").
_MOJIBAKE = (
    r"[\x{80}-\x{9F}\x{A1}-\x{B3}\x{B5}-\x{B6}\x{B8}-\x{BF}\x{D7}\x{F7}]|[a-z][\x{B5}\x{B7}\x{C0}-\x{CF}\x{D1}-\x{DE}]"
)
_INNER_CAPITAL = r"[A-Z\x{C0}-\x{24F}\x{1E00}-\x{1EFF}][A-Z]"


def spaces(values: pa.Array, context: Context) -> Stepped:
    """Removes invisible characters, collapses spaces to one and trims; text of nothing else becomes null."""
    del context
    hidden = pc.match_substring_regex(values, _INVISIBLE)
    visible = pc.replace_substring_regex(values, _INVISIBLE, "") if pc.any(hidden).as_py() else values
    trimmed = pc.utf8_trim_whitespace(visible)
    unusual = pc.match_substring_regex(trimmed, _UNUSUAL_SPACE)
    single = pc.replace_substring_regex(trimmed, SPACES, " ") if pc.any(unusual).as_py() else trimmed
    return Stepped(
        (pc.if_else(pc.equal(single, ""), pa.scalar(None, pa.string()), single),),
        flag("INVISIBLE_CHARACTER", hidden, values) + flag("SPACES_COLLAPSED", unusual, values),
    )


def nfc(values: pa.Array, context: Context) -> Stepped:
    """Composes decomposed letters (NFC)."""
    del context
    composed = pc.utf8_normalize(values, form="NFC")
    return Stepped((composed,), flag("COMPOSED", pc.not_equal(values, composed), values))


def d_stroke(values: pa.Array, context: Context) -> Stepped:
    """Replaces the Icelandic Ð and ð, which look the same, by the Vietnamese Đ and đ."""
    del context
    icelandic = pc.match_substring_regex(values, "[\u00d0\u00f0]")
    if not pc.any(icelandic).as_py():
        return Stepped((values,))
    replaced = pc.replace_substring(pc.replace_substring(values, "\u00d0", "\u0110"), "\u00f0", "\u0111")
    return Stepped((replaced,), flag("DSTROKE_REPLACED", icelandic, values))


def tcvn3_capitals(values: pa.Array, context: Context) -> Stepped:
    """Capitalises text in capitals: TCVN3 decodes "NGUYỄN" as "NGUYễN".

    A capital within a word and no small plain letter must say so; "Tổ 5" may be either and stays.
    """
    del context
    in_capitals = pc.and_not(
        pc.match_substring_regex(values, _INNER_CAPITAL), pc.match_substring_regex(values, "[a-z]")
    )
    upper = pc.if_else(in_capitals, pc.utf8_upper(values), values)
    return Stepped((upper,), flag("CASE_RESTORED", pc.not_equal(values, upper), values))


def no_mojibake(values: pa.Array, context: Context) -> Stepped:
    """Flags names that are legacy text in disguise; changes nothing, because a guess would be silent."""
    del context
    return Stepped((values,), flag("LEGACY_ENCODING", pc.match_substring_regex(values, _MOJIBAKE), values))
