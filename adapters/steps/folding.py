"""Folded forms of names, for matching only: never stored as somebody's name, never shown.

i and y stay different: "Lý" and "Lí" may be two people.
"""

import pyarrow as pa
import pyarrow.compute as pc

_TONES = "\u0300\u0301\u0303\u0309\u0323"  # grave, acute, tilde, hook above, dot below
_MARKS = r"[\x{300}-\x{36F}]+"
# Ranges, not Unicode classes such as \p{L}: a class takes milliseconds to compile, at every call.
SPACES = r"[\s\x{B}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]+"
_APOSTROPHES = "['`\u00b4\u02bc\u2018\u2019]"


def fold_tone(names: pa.Array) -> pa.Array:
    """Equal for every placement of the tone ("hoà", "hòa"), for case, composition, Ð, spaces and apostrophes.

    All letters and tones stay different; the result is a key, not readable text. Null stays null.
    """
    tone_last = pc.replace_substring_regex(
        _decomposed(names), f"([{_TONES}])([^\\x{{0}}-\\x{{40}}\\x{{A0}}{_TONES}]+)", r"\2\1"
    )
    return _spaced(tone_last)


def fold_name(names: pa.Array) -> pa.Array:
    """`fold_tone` without any diacritic: "Nguyễn Thị Hoà" is "nguyen thi hoa", "Đặng" is "dang"."""
    bare = pc.replace_substring_regex(_decomposed(names), _MARKS, "")
    return _spaced(pc.replace_substring(bare, "đ", "d"))


def _decomposed(names: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(pc.replace_substring(names.cast(pa.string()), "\u00d0", "\u0110"))
    return pc.utf8_normalize(pc.replace_substring(lower, "\u00f0", "\u0111"), form="NFD")


def _spaced(names: pa.Array) -> pa.Array:
    plain = pc.replace_substring_regex(names, _APOSTROPHES, "")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, SPACES, " "))
