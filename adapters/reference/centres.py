"""Which public service centre answers for a unit: how each province runs them, dated, and what each one is called.

Only what differs between provinces is written in service_centres.csv. Every commune of the unit tables has a desk by
rule, so that a unit which an event makes tomorrow has one as well.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache

import pyarrow as pa

from adapters.reference.units import read_table

SERVICE_CENTRES = pa.schema(
    [
        pa.field("province_code", pa.string(), nullable=False),
        pa.field("level", pa.string(), nullable=False),  # province | branch | commune
        pa.field("branch", pa.string()),  # of a branch: its number
        pa.field("communes", pa.string()),  # of a branch: the codes it has, by spaces; null: not public
        pa.field("name", pa.string(), nullable=False),  # of communes: what stands before the commune's own name
        pa.field("model", pa.string()),  # two_level | one_level
        pa.field("valid_from", pa.date32(), nullable=False),
        pa.field("valid_to", pa.date32()),  # the last day; null: still in force
        pa.field("source", pa.string(), nullable=False),
        pa.field("confidence", pa.string(), nullable=False),  # H | M | L
    ]
)


class Model(StrEnum):
    """Under whom the desks of communes are."""

    TWO_LEVEL = "two_level"  # the commune's People's Committee; the province's centre is a level above
    ONE_LEVEL = "one_level"  # the province's centre itself, through its branches where it has any


@dataclass(frozen=True, kw_only=True)
class Branch:
    """An arm of a province's centre, with the communes it is known to have."""

    number: str
    name: str
    communes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Centres:
    """The centres of one province on one day."""

    province_code: str
    name: str  # of the province's own
    model: Model
    desk: str  # what stands before a commune's name in the name of its desk
    branches: tuple[Branch, ...]


@cache
def load_centres() -> pa.Table:
    """The dated rows of service_centres.csv as SERVICE_CENTRES."""
    return read_table("service_centres.csv", SERVICE_CENTRES)


@cache
def centres_on(on: date) -> dict[str, Centres]:
    """The centres of every province by its code. A day before the first row counts as the day of that row."""
    rows = load_centres().to_pylist()
    day = max(on, min(row["valid_from"] for row in rows))
    stands = [row for row in rows if row["valid_from"] <= day <= (row["valid_to"] or date.max)]
    found = {}
    for row in stands:
        if row["level"] != "province":
            continue
        own = [one for one in stands if one["province_code"] == row["province_code"]]
        (desks,) = (one for one in own if one["level"] == "commune")
        branches = (
            Branch(number=one["branch"], name=one["name"], communes=frozenset((one["communes"] or "").split()))
            for one in own
            if one["level"] == "branch"
        )
        found[row["province_code"]] = Centres(
            province_code=row["province_code"],
            name=row["name"],
            model=Model(desks["model"]),
            desk=desks["name"],
            branches=tuple(branches),
        )
    return found
