"""What a province's office writes about its hamlets, row by row, checked against the units: all of it, or findings."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adapters.errors import RejectedUnitsError
from adapters.reference.hamlets import HAMLETS, hamlet_key
from adapters.reference.row_files import Row, RowFile, read_rows, read_text
from adapters.reference.unit_findings import UnitFault, UnitFinding
from adapters.reference.units import UnitTables, units_on

COLUMNS = RowFile(
    "hamlets.csv",
    ("former_unit_code", "name", "unit_code"),
    ("valid_from", "valid_to", "renamed_to", "source"),
    key=4,
)


def read_hamlets(content: bytes, *, province_code: str, source: str, tables: UnitTables, on: date) -> pa.Table:
    """HAMLETS of a CSV file that the office of `province_code` wrote on a day of which `on` is the latest.

    `source` is said of rows that name none. Raises RejectedUnitsError with every finding, by line.
    """
    findings: list[UnitFinding] = []
    rows = list(read_rows(read_text(content, COLUMNS.name, findings), COLUMNS, findings))
    keys = hamlet_key(pa.array([row.get("name") for row in rows], pa.string())).to_pylist()
    successors, provinces = _successors(tables), _provinces(tables, on)
    for row, key in zip(rows, keys, strict=True):
        findings += _faults(row, key, successors, provinces, province_code)
    if findings:
        raise RejectedUnitsError(COLUMNS.name, sorted(set(findings), key=lambda one: _line(one.place)))
    said = [_said(row, key, province_code=province_code, source=source) for row, key in zip(rows, keys, strict=True)]
    return pa.Table.from_pylist(said, schema=HAMLETS)


def _line(place: str) -> int:
    line = place.split(":")[1] if ":" in place else "0"
    return int(line) if line.isdigit() else 0


def _successors(tables: UnitTables) -> dict[str, set[str]]:
    """Where residents of each former commune went, in any change of units."""
    pairs = tables.crosswalk.filter(pc.not_equal(tables.crosswalk["residents"], "none"))
    found: dict[str, set[str]] = {}
    for former, unit in zip(pairs["from_code"].to_pylist(), pairs["to_code"].to_pylist(), strict=True):
        found.setdefault(former, set()).add(unit)
    return found


def _provinces(tables: UnitTables, on: date) -> dict[str, str]:
    """The province of each unit; of one that has ended, its last."""
    units = tables.units.filter(pc.equal(tables.units["level"], "commune"))
    ever = dict(zip(units["code"].to_pylist(), units["province_code"].to_pylist(), strict=True))
    standing = units_on(on, tables=tables)
    return ever | dict(zip(standing["code"].to_pylist(), standing["province_code"].to_pylist(), strict=True))


def _faults(
    row: Row, key: str | None, successors: dict[str, set[str]], provinces: dict[str, str], province_code: str
) -> Iterator[UnitFinding]:
    former, unit = row.get("former_unit_code") or "", row.get("unit_code") or ""
    if key is None:
        yield UnitFinding(UnitFault.HAMLET_NAME_EMPTY, row.place, "")
    if former not in successors:
        yield UnitFinding(UnitFault.HAMLET_FORMER_UNKNOWN, row.place, former[:5])
    elif unit not in successors[former]:
        yield UnitFinding(UnitFault.HAMLET_NOT_SUCCESSOR, row.place, unit[:5])
    elif provinces.get(unit) != province_code:
        yield UnitFinding(UnitFault.HAMLET_OTHER_PROVINCE, row.place, unit)
    begins, ends = row.get("valid_from"), row.get("valid_to")
    if begins and ends and ends < begins:
        yield UnitFinding(UnitFault.HAMLET_DAYS_REVERSED, row.place, "")
    if row.get("renamed_to") and not ends:
        yield UnitFinding(UnitFault.HAMLET_RENAMED_WITHOUT_DAY, row.place, "")


def _said(row: Row, key: str | None, *, province_code: str, source: str) -> dict[str, Any]:
    days = {name: date.fromisoformat(row[name]) if row.get(name) else None for name in ("valid_from", "valid_to")}
    return {
        "province_code": province_code,
        **{name: row[name] for name in COLUMNS.required},
        "name_key": key,
        **days,
        "renamed_to": row.get("renamed_to"),
        "source": row.get("source") or source,
    }
