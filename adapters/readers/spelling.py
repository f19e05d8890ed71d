"""Whether text that a charset can read was written in another one: letters that never meet in Vietnamese tell.

Every byte of VISCII is a letter, and most bytes of VNI are letters of TCVN3 ("Nguyeãn" reads as "Nguyeón"), so that
bytes alone do not show a wrong declaration. Names of places and people show which letters stand together.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adapters.declaration import Charset
from adapters.readers.charsets import LEGACY, Bytes, encode
from adapters.readers.model import Extents, Numbers

_REFERENCE = Path(__file__).parent.parent / "reference"
_NAMES = {
    "units_until_2025-06-30.csv": "name",
    "units_since_2025-07-01.csv": "name",
    "surnames_vi.csv": "surname",
    "given_names_vi.csv": "given_name",
}
_USUAL, _STRANGE = 1, 2
_FEW = 2  # one strange pair may be a name of another language
_SHARE = 4  # and so may be fewer than one in four of the pairs with a marked letter


def misread(values: Bytes, extents: Extents, charset: Charset) -> tuple[Numbers, Numbers]:
    """The records of a legacy charset that read as if written in another one, and the first strange byte of each."""
    marked = np.flatnonzero((values[:-1] >= 0x80) | (values[1:] >= 0x80))
    kinds = _pairs(charset)[values[marked].astype(np.int64) * 256 + values[marked + 1]]
    strange = marked[kinds == _STRANGE]
    if not len(strange):
        return strange, strange
    usual = extents.rows_of(marked[kinds == _USUAL])
    rows = extents.rows_of(strange)
    counts = np.bincount(rows[rows >= 0], minlength=len(extents))
    total = counts + np.bincount(usual[usual >= 0], minlength=len(extents))
    wrong = np.flatnonzero((counts >= _FEW) & (counts * _SHARE >= total))
    inside, places = rows[rows >= 0], strange[rows >= 0]  # both ascend
    return wrong, places[np.searchsorted(inside, wrong)]


@cache
def _pairs(charset: Charset) -> npt.NDArray[np.uint8]:
    """Of each two bytes: seen in Vietnamese names in this charset, or only in another one, or in none (0)."""
    kinds = np.zeros(65_536, np.uint8)
    for other in [*(one for one in LEGACY if one is not charset), charset]:
        written = np.frombuffer(encode(_names(), other), np.uint8).astype(np.int64)
        kinds[written[:-1] * 256 + written[1:]] = _USUAL if other is charset else _STRANGE
    return kinds


@cache
def _names() -> str:
    """Every word of the names of units and people, as written and in capitals."""
    words: set[str] = set()
    for file, column in _NAMES.items():
        with (_REFERENCE / file).open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                words.update(row[column].replace("-", " ").split())
    known = sorted(word for word in words if _is_written(word))
    return "\n".join([*known, *(word.upper() for word in known), *(word.lower() for word in known)])


def _is_written(word: str) -> bool:
    """Whether every legacy charset can write a word."""
    try:
        encode(word, Charset.VNI)
    except UnicodeEncodeError:
        return False
    return True
