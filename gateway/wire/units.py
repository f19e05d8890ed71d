"""The messages of UnitsService ◄─► the columns of adapters.reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from adapters.reference.resolve import Outcome
from adapters.reference.units import Unit
from gateway.v1 import units_pb2
from gateway.wire.values import read_date, write_date

_OUTCOMES = {
    units_pb2.UNIT_OUTCOME_CURRENT: Outcome.CURRENT,
    units_pb2.UNIT_OUTCOME_AMBIGUOUS: Outcome.AMBIGUOUS,
    units_pb2.UNIT_OUTCOME_UNKNOWN: Outcome.UNKNOWN,
    units_pb2.UNIT_OUTCOME_RETIRED: Outcome.RETIRED,
}
_OUTCOME_NUMBERS = {outcome: number for number, outcome in _OUTCOMES.items()}


@dataclass(frozen=True, kw_only=True)
class UnitQuery:
    """One code and what is known about it."""

    code: str
    vintage: date | None = None
    event_date: date | None = None
    name: str | None = None
    hamlet: str | None = None


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Questions as columns of the same length: strings, and date32 for vintages and event dates."""

    codes: pa.Array
    vintages: pa.Array
    event_dates: pa.Array
    names: pa.Array
    hamlets: pa.Array


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What a code turned out to mean, and by which law."""

    outcome: Outcome
    unit_code: str | None
    candidates: tuple[str, ...]
    resolution: str | None
    clause: str | None
    explanation_code: str
    vintage_used: date | None
    decided_by: str | None
    would_decide: tuple[str, ...]


def read_queries(messages: Sequence[units_pb2.UnitQuery]) -> Questions:
    """The questions as columns. Raises FIELD_INVALID on a date that is not whole."""
    vintages: list[date | None] = []
    events: list[date | None] = []
    for index, message in enumerate(messages):
        place = f"queries[{index}]"
        vintages.append(
            read_date(message.vintage, field_path=f"{place}.vintage") if message.HasField("vintage") else None
        )
        events.append(
            read_date(message.event_date, field_path=f"{place}.event_date") if message.HasField("event_date") else None
        )
    return Questions(
        # A question that names its unit in words only has no code; without either the code is empty, and unknown.
        codes=pa.array([message.code or (None if message.name else "") for message in messages], pa.string()),
        vintages=pa.array(vintages, pa.date32()),
        event_dates=pa.array(events, pa.date32()),
        names=pa.array([message.name or None for message in messages], pa.string()),
        hamlets=pa.array([message.hamlet or None for message in messages], pa.string()),
    )


def write_query(query: UnitQuery) -> units_pb2.UnitQuery:
    """One question on the wire."""
    return units_pb2.UnitQuery(
        code=query.code,
        vintage=write_date(query.vintage) if query.vintage else None,
        event_date=write_date(query.event_date) if query.event_date else None,
        name=query.name or "",
        hamlet=query.hamlet or "",
    )


def write_resolutions(resolved: pa.Table) -> units_pb2.ResolveResponse:
    """The answers on the wire, from a table of `resolve.RESOLVED`."""
    return units_pb2.ResolveResponse(
        resolutions=[
            units_pb2.UnitResolution(
                outcome=_OUTCOME_NUMBERS[Outcome(row["outcome"])],
                unit_code=row["unit_code"] or "",
                candidates=row["candidates"] if row["outcome"] == Outcome.AMBIGUOUS else [],
                resolution=row["resolution"] or "",
                clause=row["clause"] or "",
                explanation_code=row["explanation_code"],
                vintage_used=write_date(row["vintage_used"]) if row["vintage_used"] else None,
                decided_by=row["decided_by"] or "",
                would_decide=row["would_decide"],
            )
            for row in resolved.to_pylist()
        ]
    )


def read_resolution(message: units_pb2.UnitResolution) -> Resolution:
    """One answer as a client was told it."""
    return Resolution(
        outcome=_OUTCOMES[message.outcome],
        unit_code=message.unit_code or None,
        candidates=tuple(message.candidates),
        resolution=message.resolution or None,
        clause=message.clause or None,
        explanation_code=message.explanation_code,
        vintage_used=read_date(message.vintage_used, field_path="vintage_used")
        if message.HasField("vintage_used")
        else None,
        decided_by=message.decided_by or None,
        would_decide=tuple(message.would_decide),
    )


@dataclass(frozen=True, kw_only=True)
class Relation:
    """How a unit of one list is tied to a unit of the other."""

    code: str
    name: str
    is_whole: bool
    resolution: str
    clause: str


@dataclass(frozen=True, kw_only=True)
class UnitCard:
    """One unit of one code list with what it was made from or what it became."""

    code: str
    name: str
    province_code: str
    province_name: str
    vintage: date
    relations: tuple[Relation, ...]


def write_unit(unit: Unit, *, province_name: str, vintage: date, relations: pa.Table) -> units_pb2.GetUnitResponse:
    """One unit on the wire. `relations` has code, name, relation, resolution and clause."""
    message = units_pb2.Unit(
        code=unit.code,
        name=unit.name,
        province_code=unit.province_code,
        province_name=province_name,
        vintage=write_date(vintage),
        relations=[
            units_pb2.UnitRelation(
                code=row["code"],
                name=row["name"],
                is_whole=row["relation"] == "whole",
                resolution=row["resolution"],
                clause=row["clause"],
            )
            for row in relations.to_pylist()
        ],
    )
    return units_pb2.GetUnitResponse(unit=message)


def read_unit(message: units_pb2.Unit) -> UnitCard:
    """One unit as a client was told it."""
    return UnitCard(
        code=message.code,
        name=message.name,
        province_code=message.province_code,
        province_name=message.province_name,
        vintage=read_date(message.vintage, field_path="unit.vintage"),
        relations=tuple(
            Relation(
                code=relation.code,
                name=relation.name,
                is_whole=relation.is_whole,
                resolution=relation.resolution,
                clause=relation.clause,
            )
            for relation in message.relations
        ),
    )
