"""Puts the declared faults into claims: each a function of whole columns, each leaving its bit.

A fault stays with the record until somebody corrects it. What was right is in the world, not here.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import RecordKind
from adapters.simulator.claims import Claims, Columns, World
from adapters.simulator.names import Rng
from adapters.simulator.numbers import draw_second_numbers
from adapters.simulator.people import Objects
from adapters.simulator.places import Mask, Numbers
from adapters.simulator.rates import Fault, Rates

# "hòa" is the official spelling, "hoà" the other; both are one name. Only at the end of a word do they differ.
_TONE_PLACES = tuple(
    zip(
        ("òa", "óa", "ỏa", "õa", "ọa", "òe", "óe", "ỏe", "õe", "ọe", "ùy", "úy", "ủy", "ũy", "ụy"),
        ("oà", "oá", "oả", "oã", "oạ", "oè", "oé", "oẻ", "oẽ", "oẹ", "uỳ", "uý", "uỷ", "uỹ", "uỵ"),
        strict=True,
    )
)
RELATIVE_NAMES = ("father_name", "mother_name", "spouse_name")
_OFFICIAL = "(" + "|".join(official for official, _ in _TONE_PLACES) + r")(\s|$)"


@dataclass(frozen=True)
class Traits:
    """What the system of each record can do wrong, by row."""

    is_legacy: Mask  # text in a legacy charset, where composition and Ð cannot go wrong
    keeps_numbers: Mask  # unit codes are numbers, so that a district's code cannot be told from a commune's


def add_faults(rng: Rng, world: World, claims: Claims, rates: Rates, traits: Traits) -> Claims:
    """The claims with faults of identity, name and place; `columns` gains the unit's code and name, as held before."""
    work = _Work(rng, claims)
    if claims.kind is not RecordKind.HOUSEHOLD:
        _cards(work, rates)
        _births(work, rates)
        _second_numbers(work, rates)
    _numbers(work, rates)
    _names(work, rates, traits)
    _places(work, world, rates, traits)
    if claims.kind is RecordKind.PERSON:
        work.rng = rng.spawn(1)[0]  # of its own, so that nothing else that a seed gives depends on it
        _relatives(work, rates)
    return replace(claims, columns=work.columns, faults=work.faults)


class _Work:
    """Columns in the making, and the bits set so far."""

    def __init__(self, rng: Rng, claims: Claims) -> None:
        self.rng = rng
        self.claims = claims
        self.columns: Columns = {name: values.copy() for name, values in claims.columns.items()}
        self.faults: Numbers = claims.faults.copy()
        is_household = claims.kind is RecordKind.HOUSEHOLD
        self.name = "head_name" if is_household else "full_name"
        self.number = "head_personal_number" if is_household else "personal_number"

    def choose(self, fault: Fault, rate: float, eligible: Mask | None = None, *, of_all: bool = True) -> Mask:
        """Draws rows for a fault and sets its bit: `rate` of all rows, or of the eligible ones."""
        count = len(self.faults)
        eligible = np.ones(count, np.bool_) if eligible is None else eligible
        share = eligible.mean() if of_all and eligible.any() else 1.0
        chosen = eligible & (self.rng.random(count) < min(1.0, rate / share))
        self.faults[chosen] |= fault.value
        return chosen

    def replace(self, column: str, chosen: Mask, values: npt.NDArray[np.generic] | str | int) -> None:
        """Writes `values` (a whole column, or one value) where chosen."""
        values = values[chosen] if isinstance(values, np.ndarray) else values
        self.columns[column][chosen] = values


def _numbers(work: _Work, rates: Rates) -> None:
    absent = work.choose(Fault.NUMBER_ABSENT, rates.number_absent)
    work.replace(work.number, absent, "")
    if "cmnd" in work.columns:
        has_card = (work.columns["cmnd"] != "") & ~absent
        work.replace(work.number, work.choose(Fault.CMND_ONLY, rates.cmnd_only, has_card), "")


def _cards(work: _Work, rates: Rates) -> None:
    has_card = work.columns["cmnd"] != ""
    rows = np.flatnonzero(has_card)
    of_another = work.columns["cmnd"].copy()
    of_another[rows] = np.roll(of_another[rows], 1)
    differs = has_card & (of_another != work.columns["cmnd"])
    work.replace("cmnd", work.choose(Fault.SHARED_CMND, rates.shared_cmnd, differs), of_another)


def _births(work: _Work, rates: Rates) -> None:
    day, month = work.columns["birth_day"].copy(), work.columns["birth_month"].copy()
    swapped = work.choose(Fault.BIRTH_DISAGREES, rates.birth_disagrees, (day <= 12) & (day != month))
    work.replace("birth_day", swapped, month)
    work.replace("birth_month", swapped, day)
    year_only = work.choose(Fault.YEAR_ONLY_BIRTH, rates.year_only_birth, ~swapped)
    impossible = work.choose(Fault.DATE_IMPOSSIBLE, rates.date_impossible, ~swapped & ~year_only)
    for column, invalid in (("birth_day", 31), ("birth_month", 2)):
        work.replace(column, year_only, 0)
        work.replace(column, impossible, invalid)


def _second_numbers(work: _Work, rates: Rates) -> None:
    chosen = work.choose(Fault.TWO_NUMBERS, rates.two_numbers)
    work.replace("personal_number", chosen, draw_second_numbers(work.rng, work.columns["personal_number"]))


def _names(work: _Work, rates: Rates, traits: Traits) -> None:
    names: Objects = work.columns[work.name]
    array = pa.array(names, pa.string())
    has_place = pc.match_substring_regex(array, _OFFICIAL).to_numpy(zero_copy_only=False)
    moved = work.choose(Fault.TONE_PLACE, rates.tone_place, has_place, of_all=False)
    work.replace(work.name, moved, _with_tone_moved(array))
    several = np.array([" " in name for name in names], np.bool_)
    swapped = work.choose(Fault.NAME_ORDER, rates.name_order, several)
    work.replace(work.name, swapped, _given_name_first(work.columns[work.name]))
    misspelt = work.choose(Fault.NAME_TYPO, rates.name_typo, ~swapped)
    rows = np.flatnonzero(misspelt)
    draws = work.rng.random((len(rows), 2))
    work.columns[work.name][rows] = [
        " ".join(_misspelt(name, *draw).split())
        for name, draw in zip(work.columns[work.name][rows], draws.tolist(), strict=True)
    ]
    capital = work.choose(Fault.CAPITALS, rates.capitals)
    work.columns[work.name][capital] = [name.upper() for name in work.columns[work.name][capital]]
    work.choose(Fault.NFD, rates.nfd, ~traits.is_legacy, of_all=False)
    has_stroke = np.array(["Đ" in name for name in work.columns[work.name]], np.bool_)
    work.choose(Fault.D_STROKE, rates.d_stroke, has_stroke & ~traits.is_legacy, of_all=False)


def _relatives(work: _Work, rates: Rates) -> None:
    """A slip in one of the names of relatives; who types names in capitals types all of them so."""
    names = [work.columns[column] for column in RELATIVE_NAMES]
    chosen = work.choose(
        Fault.RELATIVE_MISSPELT, rates.relative_misspelt, np.logical_or.reduce([n != "" for n in names])
    )
    rows = np.flatnonzero(chosen)
    draws = work.rng.random((len(rows), 2))
    for row, (kind, place) in zip(rows.tolist(), draws.tolist(), strict=True):
        name = next(one for one in names if one[row] != "")
        # A letter doubled or a word without its marks: letters changed over may look like a legacy charset's.
        name[row] = " ".join(_misspelt(name[row], (1 + kind) / 2, place).split())
    capital = (work.faults & Fault.CAPITALS.value) != 0
    for name in names:
        name[capital] = [one.upper() for one in name[capital]]


def _with_tone_moved(names: pa.Array) -> Objects:
    for official, other in _TONE_PLACES:
        names = pc.replace_substring_regex(names, official + r"(\s|$)", other + r"\1")
    return names.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _given_name_first(names: Objects) -> Objects:
    parts = [name.rpartition(" ") for name in names]
    return np.array([f"{last} {first}" if first else last for first, _, last in parts], object)


def _misspelt(name: str, kind: float, place: float) -> str:
    """One slip of a typist: two letters changed over, one lost, one doubled, or the last word without its marks."""
    at = 1 + int(place * (len(name) - 2)) if len(name) > 2 else 0
    match int(kind * 4):
        case 0:
            return name[:at] + name[at + 1 : at + 2] + name[at] + name[at + 2 :]
        case 1:
            return name[:at] + name[at + 1 :]
        case 2:
            return name[:at] + name[at] + name[at:]
        case _:
            first, space, last = name.rpartition(" ")
            plain = pc.utf8_normalize(pa.array([last.replace("đ", "d").replace("Đ", "D")]), "NFD")
            return first + space + str(pc.replace_substring_regex(plain, r"\p{Mn}", "")[0])


def _places(work: _Work, world: World, rates: Rates, traits: Traits) -> None:
    places, commune = world.places, world.homes.commune[work.claims.home]
    work.columns["unit_code"] = places.code[commune].astype(object)
    work.columns["unit_name"] = places.whole_name[commune]
    homonym = work.choose(Fault.HOMONYM_COMMUNE, rates.homonym_commune, places.homonym[commune] >= 0)
    work.replace("unit_code", homonym, places.code[places.homonym[commune]].astype(object))
    work.replace("unit_name", homonym, places.whole_name[places.homonym[commune]])
    has_retired = (places.retired_code[commune] != "") & ~homonym
    retired = work.choose(Fault.RETIRED_CODE, min(rates.retired_code, has_retired.mean() / 2), has_retired)
    work.replace("unit_code", retired, places.retired_code[commune].astype(object))
    work.replace("unit_name", retired, places.retired_name[commune])
    tellable = ~homonym & ~retired & ~traits.keeps_numbers
    district = work.choose(Fault.DISTRICT_CODE, rates.district_code, tellable, of_all=False)
    work.replace("unit_code", district, places.district[commune].astype(object))
    districts = [name.partition(", ")[2] for name in work.columns["unit_name"][district]]
    work.columns["unit_name"][district] = np.array(districts, object)
