"""A change of administrative units as data: one folder of rows, read and checked as a whole, applied without code.

`event.toml` says what, when and by which instrument; CSV files beside it say which units end, begin and change, and
where residents and provinces go. Nothing here decides anything: an event that leaves a question open is refused with
everything that is wrong with it, by file and line.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adapters.errors import RejectedUnitsError
from adapters.reference.row_files import Row, RowFile, read_rows, read_text
from adapters.reference.unit_findings import UnitFault, UnitFinding
from adapters.reference.units import CROSSWALK, PROVINCE_CROSSWALK, UNITS, UnitTables

FOLDER = Path(__file__).parent / "events"
MAX_EVENT_BYTES = 16 << 20  # a change of every commune of the country takes two


class EventKind(StrEnum):
    """What an event is called. The rows, not this word, say what happens; checks hold the two to each other."""

    SPLIT = "split"
    MERGE = "merge"
    COMPLEX = "complex"
    RENAME = "rename"
    CHANGE_OF_KIND = "change-of-kind"
    ABOLISH_LEVEL = "abolish-level"


ENDS = RowFile("ends.csv", ("level", "code"), ("instrument",))
BEGINS = RowFile(
    "begins.csv", ("level", "code", "name", "type", "province_code"), ("district_code", "clause", "instrument")
)
CHANGES = RowFile(
    "changes.csv", ("level", "code"), ("name", "type", "district_code", "province_code", "clause", "instrument")
)
PAIRS = RowFile(
    "crosswalk.csv", ("from_code", "to_code", "relation", "residents"), ("transfer", "clause", "instrument")
)
PROVINCES = RowFile("provinces.csv", ("from_code", "to_code", "relation"), ("instrument",), level="province")
ROW_FILES = (ENDS, BEGINS, CHANGES, PAIRS, PROVINCES)

_HEAD: Mapping[str, type] = {"id": str, "title": str, "effective_on": date, "instrument": str, "kind": str}


@dataclass(frozen=True, kw_only=True, eq=False)
class Event:
    """One change of units. `content` are its exact bytes, packed; `rows` its rows by file, in their order."""

    event_id: str
    title: str
    effective_on: date
    instrument: str  # of the rows that name none
    kind: EventKind
    source: str
    abolishes: str | None  # the level of which every unit ends
    rows: Mapping[RowFile, tuple[Row, ...]]
    content: bytes

    @property
    def day_before(self) -> date:
        """The last day of what this event ends."""
        return self.effective_on - timedelta(days=1)

    def legal_basis(self, row: Row) -> str:
        """The instrument of one row."""
        return row.get("instrument") or self.instrument


def read_folder(folder: Path) -> Event:
    """The event in `folder`. Raises RejectedUnitsError with every finding, OSError when it cannot be read."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    if (size := sum(path.stat().st_size for path in paths)) > MAX_EVENT_BYTES:
        raise RejectedUnitsError(folder.name, [UnitFinding(UnitFault.TOO_LARGE, folder.name, str(size))])
    return _read({path.name: path.read_bytes() for path in paths}, folder.name)


def read_packed(content: bytes) -> Event:
    """The event of `Event.content`. Raises RejectedUnitsError with every finding."""
    try:
        files = {str(name): str(text).encode() for name, text in json.loads(content).items()}
    except (ValueError, AttributeError) as error:
        raise RejectedUnitsError("packed", [UnitFinding(UnitFault.MALFORMED, "packed", "")]) from error
    return _read(files, "packed")


def _read(files: Mapping[str, bytes], called: str) -> Event:
    findings: list[UnitFinding] = []
    known = {"event.toml", *(one.name for one in ROW_FILES)}
    findings += [UnitFinding(UnitFault.FILE_UNKNOWN, name[:60], "") for name in files if name not in known]
    texts = {name: text for name in sorted(known & files.keys()) if (text := read_text(files[name], name, findings))}
    head = _read_head(texts.get("event.toml", ""), findings)
    rows = {one: tuple(read_rows(texts.get(one.name), one, findings)) for one in ROW_FILES}
    if findings or head is None:
        raise RejectedUnitsError(called, findings)
    packed = json.dumps(texts, ensure_ascii=False, sort_keys=True).encode()
    return Event(**head, rows=rows, content=packed)


def _read_head(text: str, findings: list[UnitFinding]) -> dict[str, Any] | None:
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        findings.append(UnitFinding(UnitFault.MALFORMED, "event.toml", str(error)[:80]))
        return None
    before = len(findings)
    for key, wanted in _HEAD.items():
        if not isinstance(said.get(key), wanted) or not said[key]:
            findings.append(UnitFinding(UnitFault.HEAD_INVALID, f"event.toml: {key}", wanted.__name__))
    kind, abolishes = said.get("kind"), said.get("abolishes")
    if isinstance(kind, str) and kind not in set(EventKind):
        findings.append(UnitFinding(UnitFault.HEAD_INVALID, "event.toml: kind", " | ".join(EventKind)))
    if abolishes not in {None, "district"}:
        findings.append(UnitFinding(UnitFault.HEAD_INVALID, "event.toml: abolishes", "district"))
    unknown = sorted(said.keys() - _HEAD.keys() - {"source", "abolishes"})
    findings += [UnitFinding(UnitFault.HEAD_UNKNOWN, f"event.toml: {key[:40]}", "") for key in unknown]
    if len(findings) > before:
        return None
    return {
        "event_id": said["id"],
        "title": said["title"],
        "effective_on": said["effective_on"],
        "instrument": said["instrument"],
        "kind": EventKind(said["kind"]),
        "source": str(said.get("source", "event")),
        "abolishes": abolishes,
    }


def apply(tables: UnitTables, event: Event) -> UnitTables:
    """The tables as they are once `event` is known. `tables` are left as they were.

    Raises RejectedUnitsError with every finding of `event_checks.check`.
    """
    from adapters.reference.event_checks import check  # noqa: PLC0415 - it checks what `carry_out` here makes

    carried = carry_out(tables, event)
    if findings := check(tables, carried, event):
        raise RejectedUnitsError(event.event_id, findings)
    return carried


def carry_out(tables: UnitTables, event: Event) -> UnitTables:
    """The tables with the rows of `event` closed and added, whatever they say: `apply` is what also checks."""
    units = tables.units
    standing = in_force(units, event.day_before)
    ended = _among(units, [_key(row) for row in event.rows[ENDS]])
    changed = _among(units, [_key(row) for row in event.rows[CHANGES]])
    orphaned = pa.array([False] * units.num_rows)
    if event.abolishes:
        ended = pc.or_(ended, pc.equal(units["level"], event.abolishes))
        orphaned = pc.and_(pc.equal(units["level"], "commune"), pc.is_valid(units["district_code"]))
    closing = pc.and_(standing, pc.or_(ended, pc.or_(changed, orphaned)))
    valid_to = pc.if_else(closing, pa.scalar(event.day_before, pa.date32()), units["valid_to"])
    closed = units.set_column(units.schema.get_field_index("valid_to"), UNITS.field("valid_to"), valid_to)
    going_on = pc.and_(pc.and_(standing, pc.or_(changed, orphaned)), pc.invert(ended))
    fresh = [*_changed_rows(units.filter(going_on), event), *(_begun_row(row, event) for row in event.rows[BEGINS])]
    return replace(
        tables,
        units=_appended(closed, fresh, UNITS),
        crosswalk=_appended(tables.crosswalk, [_pair_row(row, event) for row in event.rows[PAIRS]], CROSSWALK),
        province_crosswalk=_appended(
            tables.province_crosswalk,
            [_province_row(row, event) for row in event.rows[PROVINCES]],
            PROVINCE_CROSSWALK,
        ),
    )


def in_force(units: pa.Table, on: date) -> pa.ChunkedArray:
    """Which rows of `units` hold on one day."""
    started = pc.less_equal(pc.fill_null(units["valid_from"], date.min), pa.scalar(on))
    return pc.and_(started, pc.greater_equal(pc.fill_null(units["valid_to"], date.max), pa.scalar(on)))


def _key(row: Row) -> str:
    return f"{row['level']} {row['code']}"


def _among(units: pa.Table, keys: list[str]) -> pa.ChunkedArray:
    of_units = pc.binary_join_element_wise(units["level"], units["code"], " ")
    return pc.is_in(of_units, value_set=pa.array(keys, pa.string()))


def _appended(table: pa.Table, rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([table, pa.Table.from_pylist(rows, schema=schema)]).combine_chunks() if rows else table


def _changed_rows(units: pa.Table, event: Event) -> Iterable[dict[str, Any]]:
    said = {_key(row): row for row in event.rows[CHANGES]}
    for unit in units.to_pylist():
        row = said.get(f"{unit['level']} {unit['code']}")
        new = unit | {"valid_from": event.effective_on, "valid_to": None, "source": event.source}
        new |= {"resolution": event.instrument, "clause": None}
        if event.abolishes:
            new["district_code"] = None
        if row is not None:
            fields = ("name", "type", "district_code", "province_code", "clause")
            new |= {name: row[name] for name in fields if row.get(name) is not None}
            new["resolution"] = event.legal_basis(row)
        yield new


def _begun_row(row: Row, event: Event) -> dict[str, Any]:
    fields = ("level", "code", "name", "type", "district_code", "province_code", "clause")
    said = {name: row.get(name) for name in fields}
    dated = {"valid_from": event.effective_on, "valid_to": None}
    return said | dated | {"source": event.source, "resolution": event.legal_basis(row)}


def _pair_row(row: Row, event: Event) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("from_code", "to_code", "relation", "residents")},
        "effective_on": event.effective_on,
        "transfer": row.get("transfer") or row["relation"],
        "resolution": event.legal_basis(row),
        "clause": row.get("clause") or "",
        "how_resolved": "event",
        "agreeing_sources": None,
    }


def _province_row(row: Row, event: Event) -> dict[str, Any]:
    said = {name: row[name] for name in ("from_code", "to_code", "relation")}
    return said | {"effective_on": event.effective_on, "resolution": event.legal_basis(row)}


def apply_all(tables: UnitTables, events: Iterable[Event]) -> UnitTables:
    """The tables with all `events` applied by date. Raises RejectedUnitsError of the first that does not fit."""
    for event in sorted(events, key=lambda one: (one.effective_on, one.event_id)):
        tables = apply(tables, event)
    return tables


@cache
def package_events() -> tuple[Event, ...]:
    """The events this package ships, by date."""
    events = [read_folder(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()]
    return tuple(sorted(events, key=lambda one: (one.effective_on, one.event_id)))
