"""The legacy Vietnamese charsets by their table: bytes to letters over a whole file at once, never guessed.

TCVN3 and VISCII have one byte a letter. VNI has one or two: a letter of ASCII (or Ơ, Ư) and a byte that is its marks.
No byte of a second place is a letter of its own, so that a text can be read in one way only.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adapters.declaration import Charset

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

LEGACY = (Charset.TCVN3, Charset.VNI, Charset.VISCII)

_TABLE = Path(__file__).parent.parent / "reference" / "legacy_charsets.csv"
_COLUMNS = {Charset.TCVN3: "tcvn3_byte_hex", Charset.VNI: "vni_bytes_hex", Charset.VISCII: "viscii_byte_hex"}
_FEW = 2  # a legacy charset is recognised from two of its letters on; a single stray byte may be anything
# VISCII has a letter for every byte, so its letters must also stand as letters do: by ASCII letters, never three.
_NOT_VISCII = re.compile(rb"[\x80-\xff]{3}|(?<![A-Za-z\x80-\xff])[\x80-\xff]{1,2}(?![A-Za-z\x80-\xff])")
# The Vietnamese letters of UTF-8. Read in a legacy charset each is two or three accented letters that never meet.
_OF_UTF8 = re.compile(
    rb"\xc3[\x80-\xbd]|\xc4[\x82\x83\x90\x91\xa8\xa9]|\xc5[\xa8\xa9]|\xc6[\xa0\xa1\xaf\xb0]|\xe1[\xba\xbb][\x80-\xbf]"
)

_LEADS = np.isin(np.arange(256), [0xC3, 0xC4, 0xC5, 0xC6, 0xE1])  # the bytes that those letters begin with


@dataclass(frozen=True, eq=False)  # told apart by identity: one a charset
class _Points:
    """Code points by byte, and by first and second byte; 0 = no letter."""

    single: npt.NDArray[np.uint32]
    pair: npt.NDArray[np.uint32] | None  # None: every letter is one byte


@cache
def letters(charset: Charset) -> dict[str, bytes]:
    """The letters beyond ASCII that a legacy charset can say, each with its bytes."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        rows: Iterator[dict[str, str]] = csv.DictReader(lines)
        return {
            row["char"]: bytes.fromhex(row[_COLUMNS[charset]])
            for row in rows
            if charset is not Charset.TCVN3 or row["tcvn3_note"] == "own byte"
        }


@cache
def _points(charset: Charset) -> _Points:
    single = np.arange(256, dtype=np.uint32) * (np.arange(256) < 0x80)
    pair = np.zeros((256, 256), np.uint32)
    for letter, code in letters(charset).items():
        if len(code) == 1:
            single[code[0]] = ord(letter)
        else:
            pair[code[0], code[1]] = ord(letter)
    return _Points(single.astype(np.uint32), pair if pair.any() else None)


@cache
def _alphabet(charset: Charset) -> str:
    """The character of each byte of a charset of one byte a letter; NUL for those it has no letter for."""
    return _points(charset).single.astype("<u4").tobytes().decode("utf-32-le")


def undefined(values: Bytes, charset: Charset) -> npt.NDArray[np.int64]:
    """Offsets of the bytes that are no letter of a legacy charset, or that are a letter of UTF-8."""
    points = _points(charset)
    unknown = (values >= 0x80) & (points.single[values] == 0)
    if points.pair is not None:
        seconds = np.flatnonzero(unknown[1:]) + 1
        unknown[seconds[points.pair[values[seconds - 1], values[seconds]] != 0]] = False
    found = np.flatnonzero(unknown)
    if (_LEADS[values[:-1]] & (values[1:] >= 0x80)).any():
        foreign = [np.arange(*match.span()) for match in _OF_UTF8.finditer(values.tobytes())]
        found = np.union1d(found, np.concatenate([np.empty(0, np.int64), *foreign]))
    return found.astype(np.int64)


def code_points(values: Bytes, charset: Charset, begins: Mask | None = None) -> tuple[npt.NDArray[np.uint32], Mask]:
    """The code point of every byte, and which bytes are not the second of a letter.

    Every byte must be defined. A letter never reaches over a byte where `begins` is true.
    """
    points = _points(charset)
    found, is_first = points.single[values], np.ones(len(values), np.bool_)
    if points.pair is None:
        return found, is_first
    is_second = (values[1:] >= 0x80) if begins is None else (values[1:] >= 0x80) & ~begins[1:]
    seconds = np.flatnonzero(is_second) + 1
    paired = points.pair[values[seconds - 1], values[seconds]]
    seconds, paired = seconds[paired != 0], paired[paired != 0]
    found[seconds - 1] = paired
    is_first[seconds] = False
    return found, is_first


def as_utf8(body: bytes, charset: Charset) -> bytes:
    """A whole text, every byte of which is defined, as UTF-8."""
    if _points(charset).pair is None:
        return codecs.charmap_decode(body, "strict", _alphabet(charset))[0].encode()
    points, is_first = code_points(np.frombuffer(body, np.uint8), charset)
    return points[is_first].astype("<u4").tobytes().decode("utf-32-le").encode()


def encode(text: str, charset: Charset) -> bytes:
    """Text in a charset; raises UnicodeEncodeError on a letter that it does not have.

    TCVN3 writes the capitals it has no byte for with the byte of the small letter, as its fonts for capitals do.
    """
    if charset is Charset.UTF_8:
        return text.encode()
    own = letters(charset)
    if charset is Charset.TCVN3:
        own = {letter.upper(): code for letter, code in own.items()} | own
    foreign = {letter for letter in set(text) if not letter.isascii() and letter not in own}
    taken = {code for code in own.values() if code < b"\x80"}  # VISCII has letters in the place of control characters
    if foreign or any(letter.encode() in taken for letter in set(text) if letter.isascii()):
        raise UnicodeEncodeError(charset.value, "", 0, 0, f"{max(len(foreign), 1)} letters are not in the charset")
    return text.translate({ord(letter): code.decode("latin-1") for letter, code in own.items()}).encode("latin-1")


def looks_legacy(record: bytes) -> bool:
    """Whether bytes are text of some legacy charset: several of its letters, and none of UTF-8."""
    if sum(byte >= 0x80 for byte in record) < _FEW or not record.decode("utf-8", "ignore").isascii():
        return False
    values = np.frombuffer(record, np.uint8)
    return any(
        not len(undefined(values, charset)) and not (charset is Charset.VISCII and _NOT_VISCII.search(record))
        for charset in LEGACY
    )
