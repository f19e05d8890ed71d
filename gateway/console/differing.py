"""Two values letter by letter as people see letters, with every character drawn that cannot be seen."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

import regex

from gateway.console import masking

_LETTER = regex.compile(r"\X")
# Where a tone may stand in an open syllable: by the old habit on the last vowel, by the newer on the one before.
_TONES = ("\u0300", "\u0301", "\u0309", "\u0303", "\u0323")
_PAIRS = (("o", "a"), ("o", "e"), ("u", "y"))
_MOVED = {
    unicodedata.normalize("NFC", first + last + tone): unicodedata.normalize("NFC", first + tone + last)
    for first, last in _PAIRS
    for tone in _TONES
}
_OLD_PLACE = regex.compile("(" + "|".join(_MOVED) + r")(?!\p{L})", regex.IGNORECASE)
_NAMES = {
    "\u00a0": "NBSP", "\u00ad": "SHY", "\u200b": "ZWSP", "\u200c": "ZWNJ", "\u200d": "ZWJ", "\u200e": "LRM",
    "\u200f": "RLM", "\u202a": "LRE", "\u202b": "RLE", "\u202c": "PDF", "\u202d": "LRO", "\u202e": "RLO",
    "\u2060": "WJ", "\u2066": "LRI",
    "\u2067": "RLI", "\u2068": "FSI", "\u2069": "PDI", "\ufeff": "BOM", "\t": "TAB", "\n": "LF", "\r": "CR",
}  # fmt: skip


class Sign(StrEnum):
    """How a value stands to the one it is held against."""

    SAME = "="
    ALIKE = "≈"  # but for the place of a tone mark, or for how its letters are put together
    OTHER = "≠"
    MISSING = "∅"  # one of the two says nothing
    ALONE = ""  # there is nothing to hold it against


@dataclass(frozen=True)
class Piece:
    """Letters that go together: equal on both sides, or only on this one. `unseen` names what has no form."""

    text: str
    is_other: bool = False
    unseen: str = ""


@dataclass(frozen=True)
class Shown:
    """A value as a page shows it."""

    pieces: tuple[Piece, ...]
    sign: Sign


def shown(field: str, value: str, other: str | None, *, is_open: bool, ignores_tones: bool = True) -> Shown:
    """`value` held against `other` (None: against nothing), masked unless it `is_open`."""
    letters = _LETTER.findall(value)
    visible = [True] * len(letters) if is_open else masking.seen(field, letters)
    if other is None:
        return Shown(_pieces(letters, visible, [False] * len(letters)), Sign.ALONE)
    if not value or not other:
        sign = Sign.SAME if value == other else Sign.MISSING
        return Shown(_pieces(letters, visible, [False] * len(letters)), sign)
    if value == other:
        return Shown(_pieces(letters, visible, [False] * len(letters)), Sign.SAME)
    mine, theirs = _LETTER.findall(folded(value)), _LETTER.findall(folded(other))
    if mine == theirs and (ignores_tones or unicodedata.normalize("NFC", value) == unicodedata.normalize("NFC", other)):
        return Shown(_pieces(letters, visible, [False] * len(letters)), Sign.ALIKE)
    if not ignores_tones or len(mine) != len(letters):
        mine, theirs = letters, _LETTER.findall(other)
    return Shown(_pieces(letters, visible, _differing(mine, theirs)), Sign.OTHER)


def folded(text: str) -> str:
    """The text with its tone marks in one place: hoà and hòa are the same then. Letters stay as many."""
    composed = unicodedata.normalize("NFC", text)
    return str(_OLD_PLACE.sub(lambda found: _with_case(found[0]), composed))


def _with_case(syllable: str) -> str:
    moved = _MOVED[syllable.lower()]
    return "".join(new.upper() if old.isupper() else new for old, new in zip(syllable, moved, strict=True))


def _differing(mine: Sequence[str], theirs: Sequence[str]) -> list[bool]:
    """Of each of my letters whether the other side has another one there, or none."""
    marked = [False] * len(mine)
    for operation, start, end, _, _ in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        if operation != "equal":
            marked[start:end] = [True] * (end - start)
    return marked


def _pieces(letters: Sequence[str], visible: Sequence[bool], marked: Sequence[bool]) -> tuple[Piece, ...]:
    """Letters of one kind together; what has no form of its own by itself."""
    pieces: list[Piece] = []
    for letter, is_seen, is_other in zip(letters, visible, marked, strict=True):
        if not is_seen:
            _add(pieces, Piece(masking.MASK, is_other))
            continue
        for part in _by_sight(letter):
            name = _unseen(part)
            if name:
                pieces.append(Piece(part, is_other, name))
            else:
                _add(pieces, Piece(part, is_other))
    return tuple(pieces)


def _add(pieces: list[Piece], piece: Piece) -> None:
    if pieces and not pieces[-1].unseen and pieces[-1].is_other == piece.is_other:
        pieces[-1] = Piece(pieces[-1].text + piece.text, piece.is_other)
    else:
        pieces.append(piece)


def _by_sight(letter: str) -> list[str]:
    """The characters of a letter, each that cannot be seen by itself."""
    parts: list[str] = []
    for character in letter:
        if parts and not _unseen(character) and not _unseen(parts[-1]):
            parts[-1] += character
        else:
            parts.append(character)
    return parts


def _unseen(character: str) -> str:
    """What a character without a form is called; '' for one that can be seen."""
    if len(character) != 1 or character == " ":
        return ""
    if character in _NAMES:
        return _NAMES[character]
    return f"U+{ord(character):04X}" if unicodedata.category(character) in {"Cc", "Cf", "Zs", "Zl", "Zp", "Co"} else ""
