"""Whether an event of units leaves the tables whole: every fault is found, never only the first."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference.row_files import Row
from adapters.reference.unit_events import BEGINS, CHANGES, ENDS, PAIRS, PROVINCES, Event, EventKind, in_force
from adapters.reference.unit_findings import UnitFault, UnitFinding
from adapters.reference.units import UnitTables

_Keys = frozenset[tuple[str, str]]  # level and code


@dataclass(frozen=True)
class _Around:
    """What is in force on the day before an event and on its day."""

    event: Event
    before: _Keys
    on: _Keys
    closed: _Keys  # in force once, and no more on the day before
    retired: frozenset[str]
    later: _Keys  # with a row that begins or ends on the event's day or after it, before the event is applied


def check(tables: UnitTables, carried: UnitTables, event: Event) -> list[UnitFinding]:
    """Everything wrong with `event`, in the order of its files: `carried` is what it would make of `tables`."""
    around = _around(tables, carried, event)
    findings = [
        *_kind(event),
        *_ends(around),
        *_begins(around),
        *_changes(around),
        *_pairs(around),
        *_provinces(around),
        *_communes_left(around, carried),
    ]
    return sorted(set(findings), key=lambda one: (_position(one.place), one.fault))


def _position(place: str) -> tuple[str, int]:
    name, _, line = place.partition(":")
    return name, int(line) if line.isdigit() else 0


def _keys(units: pa.Table) -> _Keys:
    return frozenset(zip(units["level"].to_pylist(), units["code"].to_pylist(), strict=True))


def _around(tables: UnitTables, carried: UnitTables, event: Event) -> _Around:
    units, begins = tables.units, pc.fill_null(tables.units["valid_from"], date.min)
    ends, day = pc.fill_null(units["valid_to"], date.max), pa.scalar(event.effective_on)
    ends_later = pc.and_(pc.greater_equal(ends, day), pc.less(ends, pa.scalar(date.max)))
    closed = tables.retired.filter(pc.equal(tables.retired["status"], "retired_code"))
    return _Around(
        event=event,
        before=_keys(units.filter(in_force(units, event.day_before))),
        on=_keys(carried.units.filter(in_force(carried.units, event.effective_on))),
        closed=_keys(units.filter(pc.less(ends, pa.scalar(event.day_before)))),
        retired=frozenset(closed["former_code"].to_pylist()),
        later=_keys(units.filter(pc.or_(pc.greater_equal(begins, day), ends_later))),
    )


def _key(row: Row) -> tuple[str, str]:
    return row["level"], row["code"]


def _kind(event: Event) -> Iterator[UnitFinding]:
    filled = {file for file, rows in event.rows.items() if rows}
    if not filled and not event.abolishes:
        yield UnitFinding(UnitFault.NOTHING_CHANGES, "event.toml: kind", "")
        return
    parts = any(row["relation"] == "part" for row in event.rows[PAIRS])
    retyped = {row.get("type") is not None for row in event.rows[CHANGES]}
    fits = {
        EventKind.SPLIT: parts,
        EventKind.MERGE: PAIRS in filled and not parts,
        EventKind.COMPLEX: True,
        EventKind.RENAME: filled == {CHANGES} and retyped == {False},
        EventKind.CHANGE_OF_KIND: filled == {CHANGES} and retyped == {True},
        EventKind.ABOLISH_LEVEL: event.abolishes is not None,
    }
    if not fits[event.kind] or (event.abolishes and event.kind not in {EventKind.ABOLISH_LEVEL, EventKind.COMPLEX}):
        yield UnitFinding(UnitFault.KIND_DIFFERS, "event.toml: kind", event.kind)


def _standing(around: _Around, row: Row) -> Iterator[UnitFinding]:
    """What is wrong with touching the unit of `row` on the event's day."""
    if _key(row) not in around.before:
        yield UnitFinding(UnitFault.UNIT_UNKNOWN, row.place, row["code"])
    elif _key(row) in around.later:
        yield UnitFinding(UnitFault.LATER_KNOWN, row.place, row["code"])


def _ends(around: _Around) -> Iterator[UnitFinding]:
    for row in around.event.rows[ENDS]:
        yield from _standing(around, row)


def _begins(around: _Around) -> Iterator[UnitFinding]:
    event = around.event
    ended = {_key(row) for row in event.rows[ENDS]}
    carries_on = {row["from_code"] for row in event.rows[PAIRS] if row["from_code"] == row["to_code"]}
    carries_on |= {row["from_code"] for row in event.rows[PROVINCES] if row["from_code"] == row["to_code"]}
    made = {row["to_code"] for row in event.rows[PAIRS] if row["residents"] != "none"}
    for row in event.rows[BEGINS]:
        level, code = key = _key(row)
        if key in around.before and key not in ended:
            yield UnitFinding(UnitFault.OVERLAP, row.place, code)
        elif key in around.later:
            yield UnitFinding(UnitFault.LATER_KNOWN, row.place, code)
        elif key in ended:
            if level != "district" and code not in carries_on:
                yield UnitFinding(UnitFault.CODE_REISSUED, row.place, code)
        elif key in around.closed or (level == "commune" and code in around.retired):
            yield UnitFinding(UnitFault.CODE_REISSUED, row.place, code)
        if level == "commune" and code not in made:
            yield UnitFinding(UnitFault.ORIGIN_MISSING, row.place, code)
        yield from _places(around, row)


def _places(around: _Around, row: Row) -> Iterator[UnitFinding]:
    province, district = row.get("province_code"), row.get("district_code")
    if province is not None and ("province", province) not in around.on:
        yield UnitFinding(UnitFault.PROVINCE_UNKNOWN, row.place, province)
    if district is not None and ("district", district) not in around.on:
        yield UnitFinding(UnitFault.DISTRICT_UNKNOWN, row.place, district)


def _changes(around: _Around) -> Iterator[UnitFinding]:
    ended = {_key(row) for row in around.event.rows[ENDS]}
    for row in around.event.rows[CHANGES]:
        yield from _standing(around, row)
        yield from _places(around, row)
        if _key(row) in ended:
            yield UnitFinding(UnitFault.OVERLAP, row.place, row["code"])


def _pairs(around: _Around) -> Iterator[UnitFinding]:
    """Whether the pairs of each unit say, once, where all of its residents are afterwards."""
    said: dict[str, list[Row]] = defaultdict(list)
    for row in around.event.rows[PAIRS]:
        said[row["from_code"]].append(row)
        if ("commune", row["from_code"]) not in around.before:
            yield UnitFinding(UnitFault.UNIT_UNKNOWN, row.place, row["from_code"])
        if ("commune", row["to_code"]) not in around.on:
            yield UnitFinding(UnitFault.SUCCESSOR_UNKNOWN, row.place, row["to_code"])
    for code, rows in said.items():
        yield from _residents(code, rows, goes_on=("commune", code) in around.on)
    for row in around.event.rows[ENDS]:
        if row["level"] == "commune" and row["code"] not in said:
            yield UnitFinding(UnitFault.RESIDENTS_NOT_COVERED, row.place, row["code"])


def _residents(code: str, rows: Sequence[Row], *, goes_on: bool) -> Iterator[UnitFinding]:
    place, count = rows[0].place, Counter(row["residents"] for row in rows)
    whole = [row for row in rows if row["relation"] == "whole"]
    if whole and goes_on and whole[0]["to_code"] != code:
        yield UnitFinding(UnitFault.OUTLIVES, place, code)
    if (whole and (len(rows) > 1 or count["all"] != 1)) or count["all"] > 1 or (count["all"] and count["some"]):
        yield UnitFinding(UnitFault.RESIDENTS_CONTRADICT, place, code)
    elif count["some"] == 1 or (not goes_on and not count["all"] and not count["some"]):
        yield UnitFinding(UnitFault.RESIDENTS_NOT_COVERED, place, code)


def _provinces(around: _Around) -> Iterator[UnitFinding]:
    rows = around.event.rows[PROVINCES]
    for row in rows:
        if ("province", row["from_code"]) not in around.before:
            yield UnitFinding(UnitFault.PROVINCE_UNKNOWN, row.place, row["from_code"])
        if ("province", row["to_code"]) not in around.on:
            yield UnitFinding(UnitFault.PROVINCE_UNKNOWN, row.place, row["to_code"])
    named = {row["from_code"] for row in rows}
    for row in around.event.rows[ENDS]:
        if row["level"] == "province" and row["code"] not in named:
            yield UnitFinding(UnitFault.RESIDENTS_NOT_COVERED, row.place, row["code"])


def _communes_left(around: _Around, carried: UnitTables) -> Iterable[UnitFinding]:
    """Communes in force on the day whose province is not, but for those of which `_places` has said so."""
    told = {row["code"] for file in (BEGINS, CHANGES) for row in around.event.rows[file] if row.get("province_code")}
    units = carried.units.filter(in_force(carried.units, around.event.effective_on))
    communes = units.filter(pc.equal(units["level"], "commune"))
    provinces = units.filter(pc.equal(units["level"], "province"))["code"].combine_chunks()
    left = communes.filter(pc.invert(pc.is_in(communes["province_code"], value_set=provinces)))
    codes = [code for code in left["code"].to_pylist() if code not in told]
    return [UnitFinding(UnitFault.PROVINCE_ENDED, "changes.csv", code) for code in codes]
