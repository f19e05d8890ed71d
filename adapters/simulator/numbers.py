"""Numbers of made-up people, by the rules that make them: personal number, CMND, insurance number, health card.

Numbers are unique in the country where the rule makes them so. Columns are strings; "" means none was given.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.reference.units import read_table
from adapters.simulator.names import Rng
from adapters.simulator.people import Objects, People
from adapters.simulator.places import Mask, Numbers, Texts
from adapters.simulator.rates import Rates
from adapters.steps.amounts import LEAST, LEVELS, MOST_LEVELS

CMND_FROM_AGE = 25  # the 9-digit card was last given in 2016–2021
_SERIALS = 1_000_000
_CLINICS = 60  # a province


@dataclass(frozen=True)
class Identity:
    """The numbers of each person; those of insurance are given to everybody and used for the insured."""

    personal_number: Objects  # 12 digits
    sex_digit_differs: Mask  # the number's sex is not the person's
    cmnd: Objects  # 9 digits or ""
    insurance_number: Objects  # 10 digits
    second_insurance_number: Objects
    health_card: Objects  # 15 characters, or 10 on cards since 2021
    scheme: Objects
    clinic: Objects
    salary: Numbers  # đồng a month that contributions are reckoned on; 0 where none is


@cache
def _place_prefixes() -> dict[str, int]:
    """Former province → the first three digits of numbers registered there."""
    table = read_table(
        "id12_province_codes.csv", pa.schema([("id_prefix", pa.string()), ("old_gso_code", pa.string())])
    )
    prefixes, codes = (column.to_pylist() for column in table.columns)
    return {code: int(prefix) for prefix, code in zip(prefixes, codes, strict=True)}


@cache
def _cmnd_prefixes() -> dict[str, int]:
    """Former province → the first two digits of the 9-digit card its police gave."""
    cards = read_table(
        "id9_cmnd_prefixes.csv", pa.schema([("prefix2", pa.string()), ("issuing_province", pa.string())])
    ).to_pylist()
    names = read_table(
        "id12_province_codes.csv", pa.schema([("name_on_list", pa.string()), ("old_gso_code", pa.string())])
    )
    found = {}
    for name, code in zip(*(column.to_pylist() for column in names.columns), strict=True):
        own = [row["prefix2"] for row in cards if name in row["issuing_province"]]
        found[code] = int(own[0]) if own else int(code) % 38 + 1
    return found


def draw_identity(rng: Rng, people: People, former: Texts, rates: Rates) -> Identity:
    """The numbers of all people; `former` is the province each lives in."""
    differs = rng.random(len(people.male)) < rates.sex_digit
    registered = np.array([_place_prefixes()[code] for code in former])
    elsewhere = rng.random(len(former)) < rates.born_elsewhere
    registered = np.where(elsewhere, rng.choice(sorted(_place_prefixes().values()), len(former)), registered)
    insurance = _insurance_numbers(rng, former, 2 * len(former))
    ages = people.ages()
    card = _health_cards(rng, ages, former, insurance[: len(former)])
    has_cmnd = (ages >= CMND_FROM_AGE) & (rng.random(len(former)) < rates.has_cmnd)
    identity = Identity(
        personal_number=_personal_numbers(rng, people, registered, people.male ^ differs),
        sex_digit_differs=differs,
        cmnd=np.where(has_cmnd, _cmnds(rng, former), ""),
        insurance_number=insurance[: len(former)],
        second_insurance_number=insurance[len(former) :],
        health_card=card,
        scheme=_schemes(rng, ages),
        clinic=_join(former, _digits(rng.integers(1, _CLINICS, len(former)), 3)),
        salary=np.zeros(len(former), np.int64),
    )
    # Drawn with numbers of its own, so that nothing else that a seed gives depends on it.
    return replace(identity, salary=_salaries(rng.spawn(1)[0], identity.scheme))


def draw_second_numbers(rng: Rng, numbers: Objects) -> Objects:
    """A second, wrong personal number beside each: the same place, sex and year, another serial."""
    stems = np.array([number[:6] for number in numbers], object)
    return _join(stems, _digits(rng.integers(0, _SERIALS, len(numbers)), 6))


def made_up_numbers(
    rng: Rng, birth: npt.NDArray[np.datetime64], male: Mask, former: Texts, *, taken: Objects
) -> Objects:
    """Numbers of people who are in no register here, registered where `former` says; "" where one is `taken`."""
    year = birth.astype("datetime64[Y]").astype(np.int64) + 1970
    registered = np.array([_place_prefixes()[code] for code in former])
    stem = (registered * 10 + (year // 100 - 19) * 2 + ~male) * 100 + year % 100
    numbers = _digits(stem * _SERIALS + rng.integers(0, _SERIALS, len(stem)), 12)
    return np.where(np.isin(numbers.astype(str), taken.astype(str)) | (year < 1900), "", numbers)


def _personal_numbers(rng: Rng, people: People, registered: Numbers, male: Mask) -> Objects:
    year = people.birth.astype("datetime64[Y]").astype(np.int64) + 1970
    digit = (year // 100 - 19) * 2 + ~male
    stem = (registered * 10 + digit) * 100 + year % 100
    number = stem * _SERIALS + rng.integers(0, _SERIALS, len(stem))
    # Twins are registered one after the other.
    younger = np.flatnonzero(people.twin_of >= 0)
    older = people.twin_of[younger]
    stem[younger] = registered[older] * 1000 + digit[younger] * 100 + year[younger] % 100
    number[younger] = stem[younger] * _SERIALS + (number[older] % _SERIALS + 1) % _SERIALS
    return _digits(_made_unique(number), 12)


def _made_unique(numbers: Numbers) -> Numbers:
    """Raises repeated numbers until none is left; the first of each keeps its own."""
    numbers = numbers.copy()
    while True:
        _, first = np.unique(numbers, return_index=True)
        repeated = np.ones(len(numbers), np.bool_)
        repeated[first] = False
        if not repeated.any():
            return numbers
        numbers[repeated] += 1


def _cmnds(rng: Rng, former: Texts) -> Objects:
    prefix = np.array([_cmnd_prefixes()[code] for code in former])
    return _digits(_made_unique(prefix * 10**7 + rng.integers(0, 10**7, len(former))), 9)


def _insurance_numbers(rng: Rng, former: Texts, count: int) -> Objects:
    place = np.tile(np.array([int(code) for code in former]), 2)
    return _digits(_made_unique(place * 10**8 + rng.integers(0, 10**8, count)), 10)


def _health_cards(rng: Rng, ages: npt.NDArray[np.float64], former: Texts, insurance: Objects) -> Objects:
    """Letters by group of insured, level of benefit, old province, insurance number; since 2021 only the last."""
    groups = np.array(["TE1", "HS4", "DN4", "GD4", "HT3", "DK2"], object)
    drawn = rng.choice([2, 3, 5], len(ages), p=[0.45, 0.40, 0.15])
    group = np.select([ages < 6, ages < 18, ages >= 62], [0, 1, 4], drawn)
    long = groups[group] + _join(former, insurance)
    return np.where(rng.random(len(ages)) < 0.4, insurance, long)


def _schemes(rng: Rng, ages: npt.NDArray[np.float64]) -> Objects:
    working = (ages >= 18) & (ages < 62)
    drawn = rng.choice(np.array(["BHXH_BB", "BHXH_TN", "BHYT"], object), len(ages), p=[0.45, 0.08, 0.47])
    return np.where(working, drawn, "BHYT")


def _salaries(rng: Rng, schemes: Objects) -> Numbers:
    """Whole thousands between the least income of voluntary insurance and the most that is reckoned with."""
    drawn = np.exp(rng.normal(np.where(schemes == "BHXH_TN", np.log(2_500_000), np.log(7_500_000)), 0.45))
    salary = np.clip(drawn.round(-3), LEAST, MOST_LEVELS * LEVELS[-1][1]).astype(np.int64)
    return np.where(schemes == "BHYT", 0, salary)


def _digits(numbers: Numbers, width: int) -> Objects:
    return np.array([f"{number:0{width}d}" for number in numbers.tolist()], object)


def _join(first: npt.NDArray[np.object_] | Texts, second: Objects) -> Objects:
    return first.astype(object) + second  # type: ignore[no-any-return]
