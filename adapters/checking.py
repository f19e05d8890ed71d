"""What several columns of one record say about each other. Findings only: nothing is changed or rejected."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.declaration import Dialect
from adapters.findings import Flag, flag
from adapters.steps.lists import place_prefixes

_Flags = list[tuple[str | None, Flag]]
_COUNTRIES_FROM = 100  # the three digits of a place of birth abroad begin here


def check_identity(columns: dict[str, pa.Array], dialect: Dialect) -> _Flags:
    """A personal number whose place, sex or year differs from the list or the record; it may be lawful."""
    mapping = dialect.mapping_to("personal_number")
    if mapping is None:
        return []
    number = columns["personal_number"]
    place = pc.utf8_slice_codeunits(number, 0, 3)
    known = pc.or_(
        pc.is_in(place, value_set=pa.array(sorted(place_prefixes()), pa.string())),
        pc.greater_equal(place.cast(pa.int16()), _COUNTRIES_FROM),
    )
    found = _inconsistent(number, pc.invert(known), "place")
    century = pc.utf8_slice_codeunits(number, 3, 4).cast(pa.int16()).fill_null(0).to_numpy()
    if "sex" in columns:
        due = pa.array(np.array(["male", "female"])[century % 2], pa.string())
        found += _inconsistent(number, pc.not_equal(columns["sex"], due), "sex")
    if "birth_year" in columns:
        year = pc.utf8_slice_codeunits(number, 4, 6).cast(pa.int16()).fill_null(0).to_numpy()
        due_year = pa.array((1900 + century // 2 * 100 + year).astype(np.int16))
        found += _inconsistent(number, pc.not_equal(columns["birth_year"], due_year), "birth year")
    return [(mapping.name, one) for one in found]


def check_period(columns: dict[str, pa.Array], dialect: Dialect) -> _Flags:
    """A validity that ends before it begins."""
    mapping = dialect.mapping_to("valid_to")
    if mapping is None or "valid_from" not in columns:
        return []
    reversed_ = pc.less(columns["valid_to"], columns["valid_from"])
    nothing = pa.nulls(len(reversed_), pa.string())
    return [(mapping.name, one) for one in flag("PERIOD_REVERSED", reversed_, nothing)]


def _inconsistent(number: pa.Array, differs: pa.Array, with_what: str) -> tuple[Flag, ...]:
    mask = pc.and_(pc.is_valid(number), pc.fill_null(differs, fill_value=False))
    seen = pa.array([with_what] * len(number), pa.string())
    return flag("ID_INCONSISTENT", mask, seen, is_public=True)
