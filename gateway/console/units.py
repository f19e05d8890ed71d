"""Units as a page names them: the code with the name it had on a day, and the former units it is made of."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.units import UnitTables, lineage, name_of, province_of, unit, units_on


@dataclass(frozen=True, kw_only=True)
class NamedUnit:
    """A unit's code with its name on one day; no name where it was not in force."""

    code: str
    name: str
    on: date


def named(code: str, on: date, units: UnitTables) -> NamedUnit:
    """A unit with the name it had on a day."""
    found = unit(code, on, tables=units)
    return NamedUnit(code=code, name=found.name if found else "", on=on)


@dataclass(frozen=True, kw_only=True)
class Former:
    """A former unit, with its district, whose residents are in the unit `code` of today: "all" or "some" of them."""

    code: str
    name: str
    district: str
    residents: str


@lru_cache(maxsize=64)
def formers_in(province_code: str, on: date, units: UnitTables) -> tuple[Former, ...]:
    """The former units whose residents are in a province's units of one day, once for each unit they went to."""
    pairs = lineage(units)
    is_own = pc.equal(province_of(pairs["to_code"], on, tables=units), province_code)
    kept = pairs.filter(pc.and_(is_own, _has_moved(pairs, on)))
    return tuple(
        Former(code=to_code, name=name, district=district or "", residents=residents)
        for change in units.change_dates
        for to_code, name, district, residents in _former(kept, change, units)
    )


def _has_moved(pairs: pa.Table, on: date) -> pa.ChunkedArray:
    is_past = pc.less_equal(pairs["effective_on"], pa.scalar(on))
    return pc.and_(is_past, pc.not_equal(pairs["residents"], "none"))


def _former(pairs: pa.Table, change: date, units: UnitTables) -> list[tuple[str, str, str | None, str]]:
    """The pairs of one change, each as (to_code, from_name, name of the former district, residents)."""
    rows = pairs.filter(pc.equal(pairs["effective_on"], pa.scalar(change)))
    before = change - timedelta(days=1)
    communes = units_on(before, tables=units)
    at = pc.index_in(rows["from_code"], value_set=communes["code"].combine_chunks())
    districts = name_of(communes["district_code"].combine_chunks().take(at.combine_chunks()), before, tables=units)
    columns = (rows["to_code"], rows["from_name"], districts, rows["residents"])
    return list(zip(*(column.to_pylist() for column in columns), strict=True))
