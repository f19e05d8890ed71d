"""Names for made-up people: surnames by region and ethnic group, given names by a Zipf law, middle names by sex.

Draws whole columns at a time. Names are in NFC, as their bearers write them.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.units import read_table
from adapters.simulator.places import Mask, Texts

ZIPF_EXPONENT = 0.9
KINH = "01"

# Groups with a list of surnames of their own; the others take those of the region.
_SURNAME_LISTS = {
    "02": "ethnic_tay",
    "03": "ethnic_thai",
    "05": "ethnic_khmer",
    "06": "ethnic_muong",
    "07": "ethnic_nung",
    "08": "ethnic_hmong",
    "09": "ethnic_dao",
    "17": "ethnic_cham",
}
_HMONG = "08"
# The statistics office numbers provinces from north to south.
_REGIONS = (("37", "weight_north"), ("68", "weight_central"), ("99", "weight_south"))

_MALE_MIDDLE = ("Văn", "Đức", "Hữu", "Quang", "Minh", "Xuân", "Công", "Đình", "Ngọc", "Thành", "Mạnh", "Quốc", "")
_MALE_SHARES = (0.32, 0.09, 0.08, 0.06, 0.08, 0.05, 0.05, 0.05, 0.05, 0.04, 0.04, 0.04, 0.05)
_FEMALE_MIDDLE = ("Thị", "Thu", "Ngọc", "Thanh", "Kim", "Minh", "Phương", "Thùy", "Bích", "Hồng", "Khánh", "")
_FEMALE_SHARES = (0.50, 0.07, 0.07, 0.06, 0.05, 0.05, 0.04, 0.04, 0.03, 0.03, 0.03, 0.03)
_TWO_WORD_SHARE = 0.25  # of given names are a pair of the list ("An Bình") and take no other middle name
_OWN_GIVEN_SHARE = (
    0.4  # of given names in groups with lists of their own are from them, the others from the common ones
)

Rng = np.random.Generator
Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Lists:
    surnames: dict[str, tuple[Texts, Weights]]
    given: dict[tuple[bool, bool], Texts]  # by (is_male, is_two_words)
    parts: dict[tuple[str, str], Texts]  # by (ethnic group, part)


@cache
def _lists() -> _Lists:
    text = pa.string()
    surnames = read_table(
        "surnames_vi.csv", pa.schema([("list", text), ("surname", text), ("weight", pa.float64())])
    ).to_pylist()
    by_list: dict[str, list[tuple[str, float | None]]] = {}
    for row in surnames:
        by_list.setdefault(row["list"], []).append((row["surname"], row["weight"]))
    given = read_table("given_names_vi.csv", pa.schema([("given_name", text), ("sexes", text)]))
    words = pc.add(pc.count_substring(given["given_name"], " "), 1)
    parts: dict[tuple[str, str], list[str]] = {}
    patterns = read_table("name_patterns.csv", pa.schema([(name, text) for name in ("ethnic_code", "part", "value")]))
    for row in patterns.to_pylist():
        parts.setdefault((row["ethnic_code"], row["part"]), []).append(row["value"])
    return _Lists(
        surnames={name: _weighted(rows) for name, rows in by_list.items()},
        given={
            (is_male, is_two): np.array(
                given.filter(
                    pc.and_(
                        pc.match_substring_regex(given["sexes"], r"(^|\|)male" if is_male else "female"),
                        pc.equal(words, 2 if is_two else 1),
                    )
                )["given_name"].to_pylist()
            )
            for is_male in (True, False)
            for is_two in (True, False)
        },
        parts={key: np.array(values) for key, values in parts.items()},
    )


def _weighted(rows: list[tuple[str, float | None]]) -> tuple[Texts, Weights]:
    """Surnames with their shares; a list without weights follows the Zipf law in its own order."""
    weights = np.array([weight or 0.0 for _, weight in rows])
    if not weights.any():
        weights = 1 / np.arange(1, len(rows) + 1) ** ZIPF_EXPONENT
    return np.array([name for name, _ in rows]), weights / weights.sum()


def draw_surnames(rng: Rng, ethnic: Texts, former: Texts) -> npt.NDArray[np.object_]:
    """A surname each, by ethnic group and region; "" for groups whose names have none in front."""
    lists = _lists()
    found = np.full(len(ethnic), "", object)
    for group in np.unique(ethnic):
        members = ethnic == group
        if (group, "given") in lists.parts:
            continue
        if (group, "surname") in lists.parts:
            found[members] = rng.choice(lists.parts[group, "surname"], members.sum())
        elif group in _SURNAME_LISTS:
            names, shares = lists.surnames[_SURNAME_LISTS[group]]
            found[members] = rng.choice(names, members.sum(), p=shares)
        else:
            _draw_regional(rng, found, members, former)
    return found


def _draw_regional(rng: Rng, found: npt.NDArray[np.object_], members: Mask, former: Texts) -> None:
    region = np.searchsorted([last for last, _ in _REGIONS], former)
    for index, (_, name) in enumerate(_REGIONS):
        chosen = members & (region == index)
        names, shares = _lists().surnames[name]
        found[chosen] = rng.choice(names, chosen.sum(), p=shares)


def draw_names(rng: Rng, surnames: npt.NDArray[np.object_], male: Mask, ethnic: Texts) -> npt.NDArray[np.object_]:
    """Full names, family name first; where a group's names have another order, as that group writes them."""
    rest = np.where(male, _given(rng, len(male), is_male=True), _given(rng, len(male), is_male=False))
    hmong = male & (ethnic == _HMONG) & (rng.random(len(male)) < 0.6)
    single = np.array([name.rpartition(" ")[2] for name in rest], object)
    rest = np.where(hmong, "A " + single, rest)
    names = np.where(surnames == "", rest, surnames + " " + rest)
    for group in np.unique(ethnic):
        if (group, "given") in _lists().parts:
            members = np.flatnonzero(ethnic == group)
            names[members] = _patterned(rng, group, male[members])
    return names


def _given(rng: Rng, count: int, *, is_male: bool) -> npt.NDArray[np.object_]:
    """Middle and given name."""
    lists = _lists().given
    middle, shares = (_MALE_MIDDLE, _MALE_SHARES) if is_male else (_FEMALE_MIDDLE, _FEMALE_SHARES)
    first = np.array([f"{word} " if word else "" for word in middle], object)[rng.choice(len(middle), count, p=shares)]
    single = first + _zipf(rng, lists[is_male, False], count)
    return np.where(rng.random(count) < _TWO_WORD_SHARE, _zipf(rng, lists[is_male, True], count), single)


def _zipf(rng: Rng, names: Texts, count: int) -> npt.NDArray[np.object_]:
    ranks = 1 / np.arange(1, len(names) + 1) ** ZIPF_EXPONENT
    return rng.permutation(names).astype(object)[rng.choice(len(names), count, p=ranks / ranks.sum())]


def _patterned(rng: Rng, group: str, male: Mask) -> npt.NDArray[np.object_]:
    """Prefix by sex, given name, and the family name last where the group has one ("H'Hen Niê", "Y Thông Kbuôr")."""
    parts = _lists().parts
    prefix = np.where(male, parts[group, "male_prefix"][0], parts[group, "female_prefix"][0]).astype(object)
    # A prefix with an apostrophe clings to the name, another stands apart.
    apart = np.array([" " if not text.endswith("'") else "" for text in prefix], object)
    own = rng.choice(parts[group, "given"], len(male)).astype(object)
    borrowed = np.where(male, *(_zipf(rng, _lists().given[is_male, False], len(male)) for is_male in (True, False)))
    given = np.where(rng.random(len(male)) < _OWN_GIVEN_SHARE, own, borrowed)
    names = prefix + apart + given
    if (group, "family") in parts:
        names = names + " " + rng.choice(parts[group, "family"], len(male)).astype(object)
    return names  # type: ignore[no-any-return]


def ethnic_shares(formers: Texts, people: Weights) -> dict[str, tuple[Texts, Weights]]:
    """For each former province the ethnic groups of its `people` and their shares, Kinh being the rest.

    What a group's homes do not account for is spread over the whole country.
    """
    groups = read_table(
        "ethnic_groups.csv",
        pa.schema([("code_list_1979_QD121_TCTK", pa.string()), ("population_2019_census", pa.float64())]),
    )
    counts = {
        code: count or 500.0
        for code, count in zip(*(column.to_pylist() for column in groups.columns), strict=True)
        if code < "55" and code != KINH  # 55 and 56 are foreigners and "not known"
    }
    homes = read_table(
        "ethnic_homes.csv",
        pa.schema([("ethnic_code", pa.string()), ("former_province_code", pa.string()), ("share", pa.float64())]),
    )
    share = {(row["ethnic_code"], row["former_province_code"]): row["share"] for row in homes.to_pylist()}
    listed = {code: sum(value for (group, _), value in share.items() if group == code) for code in counts}
    whole_country = 112_100_000
    found = {}
    for former, inhabitants in zip(formers, people, strict=True):
        own = np.array(
            [
                counts[code] * (share.get((code, former), 0) + (1 - listed[code]) * inhabitants / whole_country)
                for code in counts
            ]
        )
        own = own / inhabitants
        own = own / max(1.0, own.sum() / 0.95)
        found[str(former)] = (np.array([KINH, *counts]), np.array([1 - own.sum(), *own]))
    return found
