"""The communes of the former provinces that are simulated: weights, successors, homonyms and retired codes.

All from the reference tables; nothing here knows a province by name.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from statistics import median

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.units import lineage, load_population_weights, load_units, province_successors, units_on

BEFORE, MERGER = date(2025, 6, 30), date(2025, 7, 1)

Texts = npt.NDArray[np.str_]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Places:
    """Old communes by row, ascending by code. `successors` is padded: row i has `successor_counts[i]` of them."""

    code: Texts
    name: Texts
    type: Texts
    district: Texts
    former: Texts
    province: Texts
    weight: npt.NDArray[np.float64]  # people
    successors: Texts  # communes × most successors: where residents may live today
    successor_counts: Numbers
    whole_name: Objects  # with its district and province behind commas
    retired_code: Texts  # a code closed in 2023–2025 that became this commune, or ""
    retired_name: Objects  # its name then, with its province behind a comma
    homonym: Numbers  # row of a commune of the same name in today's province, or −1

    @property
    def is_ambiguous(self) -> Mask:
        """Communes whose residents went to several units."""
        return self.successor_counts > 1

    @cached_property
    def is_reissued(self) -> Mask:
        """Communes whose code is one of today's codes as well, of whatever unit."""
        return np.isin(self.code, np.unique(self.successors))

    def names_today(self, units: Texts) -> Objects:
        """The names of today's units with their province behind a comma; "" for a code of no such unit."""
        codes, names = _names_today()
        at = np.minimum(np.searchsorted(codes, units), len(codes) - 1)
        return np.where(codes[at] == units, names[at], "")

    def rows_of(self, former: str) -> Numbers:
        """The rows of one former province."""
        return np.flatnonzero(self.former == former)


def load_places(provinces: Sequence[str]) -> Places:
    """The old communes of the given current provinces."""
    formers = _formers(provinces)
    communes = units_on(BEFORE)
    communes = communes.filter(pc.is_in(communes["province_code"], value_set=pa.array(sorted(formers))))
    rows = communes.select(["code", "name", "type", "district_code", "province_code"]).to_pylist()
    successors, weights = _successors(), _commune_weights(set(provinces))
    width = max(len(successors[row["code"]]) for row in rows)
    retired = _retired_codes()
    districts, above = _names_of("district"), _names_of("province")
    province = [formers[row["province_code"]] for row in rows]
    return Places(
        code=np.array([row["code"] for row in rows]),
        name=np.array([row["name"] for row in rows]),
        type=np.array([row["type"] for row in rows]),
        district=np.array([row["district_code"] for row in rows]),
        former=np.array([row["province_code"] for row in rows]),
        province=np.array(province),
        weight=np.array([weights[row["code"]] for row in rows]),
        successors=np.array([(successors[row["code"]] + [""] * width)[:width] for row in rows]),
        successor_counts=np.array([len(successors[row["code"]]) for row in rows]),
        whole_name=np.array(
            [f"{row['name']}, {districts[row['district_code']]}, {above[row['province_code']]}" for row in rows], object
        ),
        retired_code=np.array([retired.get(row["code"], ("", ""))[0] for row in rows]),
        retired_name=np.array(
            [f"{retired.get(row['code'], ('', ''))[1]}, {above[row['province_code']]}" for row in rows], object
        ),
        homonym=_homonyms([row["name"] for row in rows], province),
    )


def _formers(provinces: Sequence[str]) -> dict[str, str]:
    """Former province → current province."""
    pairs = province_successors()
    columns = (pairs[name].to_pylist() for name in ("from_code", "to_code"))
    return {before: today for before, today in zip(*columns, strict=True) if today in provinces}


@cache
def _successors() -> dict[str, list[str]]:
    """Old commune → the units its residents may live in today: one where all went, several where some did."""
    pairs = lineage()
    moving = pairs.filter(pc.not_equal(pairs["residents"], "none")).sort_by("to_code")
    found = defaultdict(list)
    for before, today in zip(moving["from_code"].to_pylist(), moving["to_code"].to_pylist(), strict=True):
        found[before].append(today)
    return dict(found)


def _commune_weights(provinces: set[str]) -> dict[str, float]:
    """People of each old commune: each new unit's spread over what it was made of, scaled to its province's total.

    Missing and suspect values are replaced by the median of the province.
    """
    table = load_population_weights()
    unflagged = pc.and_(pc.is_null(table["flag"]), pc.is_valid(table["population"]))
    stated = table.filter(unflagged)
    people = dict(zip(stated["code"].to_pylist(), stated["population"].to_pylist(), strict=True))
    units = units_on(MERGER)
    province_of = dict(zip(units["code"].to_pylist(), units["province_code"].to_pylist(), strict=True))
    weights: dict[str, float] = defaultdict(float)
    origins = defaultdict(list)
    for before, successors in _successors().items():
        for today in successors:
            origins[today].append((before, 1 / len(successors)))
    for province in sorted(provinces):
        own = [code for code in units["code"].to_pylist() if province_of[code] == province]
        middle = median(people[code] for code in own if code in people)
        scale = people[province] / sum(people.get(code, middle) for code in own)
        for code in own:
            whole = sum(share for _, share in origins[code])
            for before, share in origins[code]:
                weights[before] += people.get(code, middle) * scale * share / whole
    return weights


@cache
def _retired_codes() -> dict[str, tuple[str, str]]:
    """Old commune → a code closed before it and the name that had."""
    retired = load_units().retired
    closed = retired.filter(pc.equal(retired["status"], "retired_code")).sort_by("former_code")
    return {row["unit_code"]: (row["former_code"], row["former_name"]) for row in closed.to_pylist()}


def _names_of(level: str) -> dict[str, str]:
    units = units_on(BEFORE, level=level)
    return dict(zip(units["code"].to_pylist(), units["name"].to_pylist(), strict=True))


@cache
def _names_today() -> tuple[Texts, Objects]:
    """Today's units in the order of their codes."""
    units, provinces = units_on(MERGER), units_on(MERGER, level="province")
    above = dict(zip(provinces["code"].to_pylist(), provinces["name"].to_pylist(), strict=True))
    rows = units.select(["name", "province_code"]).to_pylist()
    names = np.array([f"{row['name']}, {above[row['province_code']]}" for row in rows], object)
    return np.array(units["code"].to_pylist()), names


def _homonyms(names: list[str], provinces: list[str]) -> Numbers:
    """For each commune another of its name in the same current province, in a ring, or −1."""
    groups = defaultdict(list)
    for row, key in enumerate(zip(provinces, names, strict=True)):
        groups[key].append(row)
    found = np.full(len(names), -1)
    for rows in groups.values():
        if len(rows) > 1:
            found[rows] = np.roll(rows, 1)
    return found
