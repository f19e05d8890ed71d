"""Whether text that a charset can read was written in another one: letters that never meet in Vietnamese tell.

Every byte of VISCII is a letter, and most bytes of VNI are letters of TCVN3 ("Nguyeãn" reads as "Nguyeón"), so that
bytes alone do not show a wrong declaration. Names of places and people show which letters stand together.
"""

import csv
import unicodedata
from dataclasses import dataclass
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
_TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
_ONSETS = "b c ch d đ g gh gi h k kh l m n ng ngh nh p ph qu r s t th tr v x"
_RIMES = """
a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây e ec em en eng eo ep et ê êch êm
ên ênh êp êt êu i ia ich iêc iêm iên iêng iêp iêt iêu im in inh ip it iu o oa oac oach oai oam oan oang oanh oao oap
oat oay oăc oăm oăn oăng oăt oc oe oen oeo oet oi om on ong ooc oong op ot ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt u
ua uân uâng uât uây uc uê uêch uênh ui um un ung uôc uôi uôm uôn uông uôt uơ up ut uy uya uych uyên uyêt uynh uyp uyt
uyu ư ưa ưc ưi ưm ưn ưng ươc ươi ươm ươn ương ươp ươt ươu ưt ưu y yêm yên yêng yêt yêu
"""
_USUAL, _STRANGE = 1, 2
_SPACE = 0x20
_PARTS = np.isin(np.arange(256), list(b',;|\t\r\n"'))  # a comma within a field parts it too: the smaller, the surer
_FEW = 2  # one strange pair may be a name of another language
_SHARE = 4  # and so may be fewer than one in four of the pairs with a marked letter


@dataclass(frozen=True)
class Strange:
    """Records with letters that never meet, by row, and the first such byte of each.

    The wrong ones read as if written in another charset, as a whole or in one field, which cannot hide among the rest.
    The doubtful ones have too few such letters to say so: a foreign name, or one word of another charset.
    """

    wrong: Numbers
    wrong_at: Numbers
    doubtful: Numbers
    doubtful_at: Numbers


def strange_letters(values: Bytes, extents: Extents, charset: Charset) -> Strange:
    """The records of a file in a legacy charset that are doubtful or wrong in it."""
    marked = np.flatnonzero((values[:-1] >= 0x80) | (values[1:] >= 0x80))
    kinds = _pairs(charset)[values[marked].astype(np.int64) * 256 + values[marked + 1]]
    strange, usual = marked[kinds == _STRANGE], marked[kinds == _USUAL]
    if not len(strange):
        return Strange(strange, strange, strange, strange)
    rows, usual_rows = extents.rows_of(strange), extents.rows_of(usual)
    strange, rows, usual = strange[rows >= 0], rows[rows >= 0], usual[usual_rows >= 0]
    ends = _ends_of_fields(values)
    fields = np.searchsorted(ends, strange)
    is_wrong = _outweigh(rows, usual_rows[usual_rows >= 0]) | _outweigh(fields, np.searchsorted(ends, usual))
    wrong, first = np.unique(rows[is_wrong], return_index=True)
    found, begins = np.unique(rows, return_index=True)
    left = ~np.isin(found, wrong)
    return Strange(wrong, strange[is_wrong][first], found[left], strange[begins][left])


def _outweigh(strange: Numbers, usual: Numbers) -> npt.NDArray[np.bool_]:
    """Of each strange pair, by the number of its record or field: whether there are too many there to be chance."""
    groups, where = np.unique(strange, return_inverse=True)
    counts = np.bincount(where)
    told = usual[np.isin(usual, groups)]
    total = counts + np.bincount(np.searchsorted(groups, told), minlength=len(groups))
    return np.asarray(((counts >= _FEW) & (counts * _SHARE >= total))[where])


def _ends_of_fields(values: Bytes) -> Numbers:
    """Offsets of the bytes that part fields: separators, ends of lines, and the second of two spaces of padding."""
    is_space = values == _SPACE
    parts = _PARTS[values]
    parts[1:] |= is_space[1:] & is_space[:-1]
    return np.flatnonzero(parts)


@cache
def _pairs(charset: Charset) -> npt.NDArray[np.uint8]:
    """Of each two bytes: seen in Vietnamese words in this charset, or only in another one, or in none (0)."""
    kinds = np.zeros(65_536, np.uint8)
    for other in [*(one for one in LEGACY if one is not charset), charset]:
        written = np.frombuffer(encode(_words(), other), np.uint8).astype(np.int64)
        kinds[written[:-1] * 256 + written[1:]] = _USUAL if other is charset else _STRANGE
    return kinds


@cache
def _words() -> str:
    """Every syllable that Vietnamese spelling allows and every word of the names of units and people.

    As written, in capitals and in small letters. Names bring in the words of the country's other languages.
    """
    words = set(syllables())
    for file, column in _NAMES.items():
        with (_REFERENCE / file).open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                words.update(row[column].replace("-", " ").split())
    known = sorted(word for word in words if _is_written(word))
    return "\n".join([*known, *(word.capitalize() for word in known), *(word.upper() for word in known)])


def syllables() -> list[str]:
    """Every syllable that the spelling of Vietnamese allows, in small letters, NFC, with its tone in either place."""
    placed = [(rime, place) for rime in _RIMES.split() for place in _tone_places(rime)]
    rimes = [_with_tone(rime, place, tone) for rime, place in placed for tone in _TONES]
    return sorted({onset + rime for onset in ["", *_ONSETS.split()] for rime in rimes})


def _tone_places(rime: str) -> list[int]:
    """On which letter of a rime its tone may stand: in oa, oe and uy on either, as both ways of writing are in use."""
    marked = [place for place, letter in enumerate(rime) if letter in "ăâêôơư"]
    vowels = [place for place, letter in enumerate(rime) if letter in "aeiouy"]
    if marked:
        return marked[-1:]
    if rime[-1] not in "aeiouy":
        return vowels[-1:]
    return {1: vowels, 3: vowels[1:2]}.get(len(vowels), vowels if rime in {"oa", "oe", "uy"} else vowels[:1])


def _with_tone(rime: str, place: int, tone: str) -> str:
    return unicodedata.normalize("NFC", rime[: place + 1] + tone + rime[place + 1 :])


def _is_written(word: str) -> bool:
    """Whether every legacy charset can write a word."""
    try:
        encode(word, Charset.VNI)
    except UnicodeEncodeError:
        return False
    return True
