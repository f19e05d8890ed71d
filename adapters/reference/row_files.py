"""CSV files that people write about units and hamlets, read with every fault of theirs by line."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from adapters.reference.unit_findings import UnitFault, UnitFinding

DIGITS = {"province": 2, "district": 3, "commune": 5}
TYPES = {
    "province": {"tinh", "thanh_pho"},
    "district": {"huyen", "quan", "thi_xa", "thanh_pho", "huyen_dao_khong_co_xa"},
    "commune": {"xa", "phuong", "thi_tran", "dac_khu"},
}
_CLOSED: Mapping[str, frozenset[str]] = {
    "level": frozenset(DIGITS),
    "relation": frozenset({"whole", "part"}),
    "residents": frozenset({"all", "some", "none"}),
}
_LEVEL_OF = {
    "province_code": "province",
    "district_code": "district",
    "former_unit_code": "commune",
    "unit_code": "commune",
}
_OWN_LEVEL = frozenset({"code", "from_code", "to_code"})
_DAYS = frozenset({"valid_from", "valid_to"})


@dataclass(frozen=True)
class RowFile:
    """One sort of file: the columns it has to have and those it may have. The first `key` columns name a row.

    `level` is that of its codes where its rows do not say so themselves.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    level: str = "commune"
    key: int = 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of one file; a field that was left empty is not there."""

    place: str  # file:line
    said: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """The field, None when it was left empty."""
        return self.said.get(name)

    def __getitem__(self, name: str) -> str:
        return self.said[name]


def read_text(content: bytes, name: str, findings: list[UnitFinding]) -> str | None:
    """The text of a file in UTF-8; None, with a finding, when it is in anything else."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        findings.append(UnitFinding(UnitFault.ENCODING, name, f"byte {error.start}"))
        return None


def read_rows(text: str | None, file: RowFile, findings: list[UnitFinding]) -> Iterator[Row]:
    """The rows of a file, in its order; whatever is wrong with them is appended to `findings`."""
    if text is None:
        return
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = (*file.required, *file.optional)
    seen: dict[tuple[str, ...], str] = {}
    try:
        names = next(lines, [])
        if wrong := sorted({*file.required} - set(names)) + sorted(set(names) - set(columns)):
            findings.append(UnitFinding(UnitFault.COLUMNS, file.name, ", ".join(wrong)[:80]))
            return
        for cells in lines:
            place = f"{file.name}:{lines.line_num}"
            if len(cells) != len(names):
                findings.append(UnitFinding(UnitFault.ROW_WIDTH, place, str(len(cells))))
                continue
            stripped = zip(names, (cell.strip() for cell in cells), strict=True)
            row = Row(place=place, said={name: cell for name, cell in stripped if cell})
            findings += _faults(row, file)
            key = tuple(row.get(name) or "" for name in columns[: file.key])
            if (first := seen.setdefault(key, place)) != place:
                findings.append(UnitFinding(UnitFault.ROW_REPEATED, place, first))
            yield row
    except csv.Error as error:
        findings.append(UnitFinding(UnitFault.MALFORMED, f"{file.name}:{lines.line_num}", str(error)[:80]))


def _faults(row: Row, file: RowFile) -> Iterable[UnitFinding]:
    level = row.get("level") or file.level
    for name in (*file.required, *file.optional):
        value = row.get(name)
        if name in file.required if value is None else not _fits(name, value, level):
            yield UnitFinding(UnitFault.VALUE_INVALID, f"{row.place}: {name}", (value or "")[:20])


def _fits(name: str, value: str, level: str) -> bool:
    if name in _CLOSED:
        return value in _CLOSED[name]
    if name == "type":
        return value in TYPES.get(level, ())
    if name in _DAYS:
        return _is_day(value)
    if name in _OWN_LEVEL or name in _LEVEL_OF:
        return value.isascii() and value.isdigit() and len(value) == DIGITS.get(_LEVEL_OF.get(name, level), 0)
    return True


def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
