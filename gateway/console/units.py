"""Units as a page names them: the code, and the name it had on a day."""

from dataclasses import dataclass
from datetime import date

from adapters.reference.units import UnitTables, unit


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
