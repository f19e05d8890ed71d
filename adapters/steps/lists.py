"""The code lists a source may declare, as dictionaries from what it writes to the canonical value.

A list reads both ways: a writer takes the first key of a value. Keys are compared folded (case, spaces and
punctuation aside), so a list names each spelling of a word once. None = the source says that it does not know.
"""

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

Marks = npt.NDArray[np.bool_]
_REFERENCE = Path(__file__).parent.parent / "reference"

# Which family of lists fills which canonical column.
FAMILIES = {"sex": "sex", "ethnic_group": "ethnic", "relation_to_head": "relation", "scheme": "scheme"}

LISTS = (
    "sex.qcvn109",  # 0 not known, 1 male, 2 female
    "sex.bhyt_xml",  # 1 male, 2 female, 3 not known
    "sex.bhxh_form",  # 0 male, 1 female
    "sex.words",
    "sex.canonical",  # the words of the canonical column itself
    "ethnic.1979",  # QĐ 121-TCTK/PPCĐ, the canonical list
    "ethnic.census_2009",  # the census's own numbering; only its first 20 are published
    "ethnic.words",
    "relation.words",  # Circular 55/2021, as amended
    "scheme.codes",
    "scheme.words",
)

_SEXES: dict[str, dict[str, str | None]] = {
    "sex.qcvn109": {"1": "male", "2": "female", "0": None},
    "sex.bhyt_xml": {"1": "male", "2": "female", "3": None},
    "sex.bhxh_form": {"0": "male", "1": "female"},
    "sex.words": {"Nam": "male", "Nữ": "female", "Không rõ": None},
    "sex.canonical": {"male": "male", "female": "female"},
}

# Circular words that stand for several; each part is written alone as often as the whole.
_RELATION_PARTS = {
    "cha vợ/chồng": ("cha vợ", "cha chồng", "bố vợ", "bố chồng"),
    "mẹ vợ/chồng": ("mẹ vợ", "mẹ chồng"),
    "cha đẻ": ("bố đẻ",),
    "ông/bà": ("ông", "bà", "ông nội", "bà nội", "ông ngoại", "bà ngoại"),
    "cháu nội/ngoại": ("cháu nội", "cháu ngoại"),
    "anh/chị/em ruột": ("anh ruột", "chị ruột", "em ruột"),
    "anh rể/em rể/chị dâu/em dâu": ("anh rể", "em rể", "chị dâu", "em dâu"),
    "bác/chú/cậu/cô/dì": ("bác", "chú", "cậu", "cô", "dì"),
    "ở nhờ/ở thuê/khác": ("ở nhờ", "ở thuê", "khác"),
}
_ETHNIC_COLUMNS = {
    "1979": "code_list_1979_QD121_TCTK",
    "census_2009": "code_list_census_2009_first20",
    "words": "name",
}
_COUNTRIES_FROM = 100  # the three digits of a place of birth abroad begin here
_ARMY_AND_POLICE = ("97", "98")  # stand for a province on health cards
_UNKNOWN_GROUP = "56"  # "Không rõ" of the 1979 list


@cache
def code_list(name: str) -> dict[str, str | None]:
    """What a source with this list writes, and the canonical value of each; raises KeyError for an unknown name."""
    family, _, form = name.partition(".")
    match family:
        case "sex":
            return _SEXES[name]
        case "ethnic":
            return _ethnic(_ETHNIC_COLUMNS[form])
        case "relation":
            return _relations()
        case "scheme":
            return _schemes(with_labels=form == "words")
    raise KeyError(name)


@cache
def known_places(*, abroad: bool = True) -> Marks:
    """Whether each number 0–999 can begin a personal number: one of the 63 provinces or, from 100 on, a country."""
    marks = _marks(1000, (row["id_prefix"] for row in _rows("id12_province_codes.csv")))
    marks[_COUNTRIES_FROM:] = abroad
    return marks


@cache
def card_prefixes() -> Marks:
    """Whether each number 0–99 can begin a CMND: the issuing provinces, whose list is not official."""
    return _marks(100, (row["prefix2"] for row in _rows("id9_cmnd_prefixes.csv")))


@cache
def province_pairs() -> Marks:
    """Whether each number 0–99 can be the province of a 15-character health card: the 63, the army, the police."""
    codes = (row["old_gso_code"] for row in _rows("id12_province_codes.csv"))
    return _marks(100, (*codes, *_ARMY_AND_POLICE))


@cache
def surnames() -> tuple[str, ...]:
    """Surnames that stand before a given name, of whatever group."""
    listed = [row["surname"] for row in _rows("surnames_vi.csv")]
    own = [row["value"] for row in _rows("name_patterns.csv") if row["part"] == "surname"]
    return tuple(sorted({*listed, *own}))


@cache
def group_names() -> tuple[str, ...]:
    """Family names that stand after the given name."""
    return tuple(sorted({row["value"] for row in _rows("name_patterns.csv") if row["part"] == "family"}))


def _marks(size: int, codes: Iterable[str]) -> Marks:
    marks = np.zeros(size, np.bool_)
    marks[[int(code) for code in codes]] = True
    return marks


def _ethnic(column: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for row in _rows("ethnic_groups.csv"):
        code = row["code_list_1979_QD121_TCTK"]
        if row[column]:
            found[row[column]] = None if code == _UNKNOWN_GROUP else code
    # A list kept as numbers loses its leading zero; the longer spelling comes first and is the one to write.
    return found | {key.lstrip("0"): value for key, value in found.items() if key.startswith("0")}


def _relations() -> dict[str, str | None]:
    words = [row["label"] for row in _labels("relation_to_head")]
    whole: dict[str, str | None] = {word: word for word in words}
    return whole | {part: word for word in words for part in _RELATION_PARTS.get(word, ())}


def _schemes(*, with_labels: bool) -> dict[str, str | None]:
    rows = _labels("social_insurance_scheme")
    labels: dict[str, str | None] = {row["label"]: row["code"] for row in rows if with_labels}
    return labels | {row["code"]: row["code"] for row in rows}


def _labels(name: str) -> list[dict[str, str]]:
    return [row for row in _rows("code_lists.csv") if row["list"] == name]


def _rows(file: str) -> list[dict[str, str]]:
    with (_REFERENCE / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
