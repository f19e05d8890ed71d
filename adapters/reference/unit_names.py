"""Names of units as they are written, read into what they say: level, type, name and the units above, all folded.

"P. 01, Q.3, TP.HCM" and "Phường 1, Quận 3, Thành phố Hồ Chí Minh" say the same. What is read is compared, never shown.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from adapters.steps.folding import fold_name, fold_tone


class Level(StrEnum):
    """The levels a name may be of."""

    COMMUNE = "commune"
    DISTRICT = "district"
    PROVINCE = "province"


@dataclass(frozen=True)
class SaidName:
    """One way to read a name. `kind` is null when no type was written; `above` are units that should hold it."""

    level: Level
    kind: str | None  # of a commune as in the tables; of another level its name
    base: str
    above: tuple["SaidHolder", ...] = ()


@dataclass(frozen=True)
class SaidHolder:
    """A district or province written behind a name; `level` is null where it may be either."""

    level: Level | None
    base: str


# Words of type as written → the type in the tables of units. Short forms are written with a dot or a space after them.
_COMMUNE_WORDS = {
    "thị trấn": "thi_tran",
    "đặc khu": "dac_khu",
    "phường": "phuong",
    "xã": "xa",
    "ttr": "thi_tran",
    "tt": "thi_tran",
    "đk": "dac_khu",
    "p": "phuong",
    "x": "xa",
}
_DISTRICT_WORDS = ("thành phố", "thị xã", "huyện", "quận", "tp", "tx", "h", "q")
_PROVINCE_WORDS = ("thành phố", "tỉnh", "tp", "t")
_ONLY_DISTRICT_WORDS = ("thị xã", "huyện", "quận", "tx", "h", "q")
_ONLY_PROVINCE_WORDS = ("tỉnh", "t")
_HAMLET_WORDS = ("thôn", "bản", "ấp", "buôn", "làng", "xóm", "khóm", "tổ", "tdp", "khu", "kp", "số", "đường", "ngõ")
_LONG_WORDS_ABOVE = ("thành phố", "thị xã", "huyện", "quận", "tỉnh")
_ADDRESS_WORDS = ("xã ", "phường ", "thị trấn ", "đặc khu ")
_ADDRESS_SHORT_WORDS = ("tt.", "p.", "x.")
_COUNTRY = ("việt nam", "vn")
_OTHER_NAMES = {
    "hcm": "hồ chí minh",
    "tphcm": "hồ chí minh",
    "thừa thiên huế": "huế",
    "tt huế": "huế",
    "br vt": "bà rịa vũng tàu",
}


@cache
def _folded(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(fold_tone(pa.array(words)).to_pylist())


@cache
def _commune_words() -> tuple[tuple[str, str], ...]:
    return tuple(zip(_folded(tuple(_COMMUNE_WORDS)), _COMMUNE_WORDS.values(), strict=True))


@cache
def _other_names() -> dict[str, str]:
    said, meant = _folded(tuple(_OTHER_NAMES)), _folded(tuple(_OTHER_NAMES.values()))
    return {_closed(one): _closed(other) for one, other in zip(said, meant, strict=True)}


def fold_unit_name(names: pa.Array) -> pa.Array:
    """Equal for every way of writing one name: tone place, case, Đ or Ð, composition, dots, hyphens, "01" for "1".

    Parts are separated by commas, also where only a word of type ("… Huyện Sa Pa") tells them apart. Null stays null.
    """
    parts = pc.replace_substring_regex(fold_tone(names), r"\s*[;|/,]\s*", ",")
    words = pc.replace_substring_regex(parts, r"[.\-–—()]+", " ")
    apart = pc.replace_substring_regex(words, r"(^|[ ,])([pq])([0-9])", r"\1\2 \3")
    single = pc.replace_substring_regex(apart, " +", " ")
    numbers = pc.replace_substring_regex(single, "(^|[ ,])0+([0-9])", r"\1\2")
    above = "|".join(_folded(_LONG_WORDS_ABOVE))
    commas = pc.replace_substring_regex(numbers, f"([^, ]) ({above}) ", r"\1,\2 ")
    return pc.replace_substring_regex(commas, " *, *", ",")


def names_in_addresses(addresses: pa.Array) -> pa.Array:
    """What an address text says of units: from the word "xã", "phường", … on, as written; null where no such word is.

    Only a word of type makes a name: "12 Lê Lợi, Hải Châu" names a street or a ward, nobody can tell.
    """
    composed = pc.utf8_normalize(addresses.cast(pa.string()), form="NFC")
    words = "|".join([*_ADDRESS_WORDS, *(word.replace(".", r"\.") + " *" for word in _ADDRESS_SHORT_WORDS)])
    found = pc.extract_regex(composed, f"(?i)^(?:.*?[,;(-] *)??(?P<name>(?:{words})[^,;].*)$")
    return pc.struct_field(found, "name")


def loose_base(name: str) -> str:
    """What is left of a name when all that is often mistyped is left out; only to confirm a code, never to search."""
    [bare] = fold_name(pa.array([name])).to_pylist()
    return str(bare).replace(" ", "").replace("y", "i")


def _closed(name: str) -> str:
    return name.replace(" ", "")


def _stripped(part: str, words: tuple[str, ...]) -> str | None:
    """The part without a word of type in front; null where none of them stands there."""
    for word in _folded(words):
        if part.startswith(f"{word} "):
            return _closed(part.removeprefix(word))
    return None


def base_above(part: str) -> str:
    """A district's or province's name, without its type and by the name the tables have."""
    base = _stripped(part, _DISTRICT_WORDS + _PROVINCE_WORDS) or _closed(part)
    return _other_names().get(base, base)


def kind_and_base(part: str) -> tuple[str | None, str]:
    """The type and the name of a commune."""
    for word, kind in _commune_words():
        if part.startswith(f"{word} "):
            return kind, _closed(part.removeprefix(word))
    return None, _closed(part)


@lru_cache(maxsize=50_000)
def readings_of(folded: str) -> tuple[SaidName, ...]:
    """Every way to read a name folded by `fold_unit_name`, the likeliest first; none where nothing is said."""
    parts = [part for part in folded.split(",") if part.strip() and part not in _folded(_COUNTRY)]
    for position, part in enumerate(parts):
        kind, base = kind_and_base(part)
        if kind is not None:
            above = _above(parts[position + 1 :])
            typed = SaidName(Level.COMMUNE, kind, base, above)
            return typed, SaidName(Level.COMMUNE, None, _closed(part), above)
    return tuple(_untyped(parts))


def _above(parts: list[str]) -> tuple[SaidHolder, ...]:
    """Of two or more units above, the last is the province and the first the district."""
    holders = [SaidHolder(_level_above(part), base_above(part)) for part in parts]
    if len(holders) > 1:
        holders[0] = SaidHolder(Level.DISTRICT, holders[0].base)
        holders[-1] = SaidHolder(Level.PROVINCE, holders[-1].base)
    return tuple(holders)


def _level_above(part: str) -> Level | None:
    if _stripped(part, _ONLY_DISTRICT_WORDS) is not None:
        return Level.DISTRICT
    return Level.PROVINCE if _stripped(part, _ONLY_PROVINCE_WORDS) is not None else None


def _untyped(parts: list[str]) -> list[SaidName]:
    """A name without a commune's type. A district or province of the name goes first: its commune is only a part."""
    if not parts:
        return []
    [first, *rest] = parts
    said = []
    if (base := _stripped(first, _DISTRICT_WORDS)) is not None:
        said.append(SaidName(Level.DISTRICT, Level.DISTRICT, base, _above(rest)))
    if (base := _stripped(first, _PROVINCE_WORDS)) is not None and not rest:
        said.append(SaidName(Level.PROVINCE, Level.PROVINCE, _other_names().get(base, base)))
    is_typed = bool(said)
    if not is_typed and not rest:
        said.append(SaidName(Level.PROVINCE, None, base_above(first)))
    if not is_typed:
        said.append(SaidName(Level.DISTRICT, None, _closed(first), _above(rest)))
    said.append(SaidName(Level.COMMUNE, None, _closed(first), _above(rest)))
    if rest and not is_typed and _stripped(first, _HAMLET_WORDS) is not None:
        said += _untyped(rest)
    return said
