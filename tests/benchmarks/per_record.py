"""The rules of normalising a population CSV, record by record in plain Python: what columns must equal and outrun.

It is what a careful engineer would write without columns: compiled patterns, dictionaries, one pass over the records,
and a look at the usual case before the unusual one. Only well-formed files are read: damaged ones are for readers.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

import adapters
from adapters.canonical import SCHEMAS
from adapters.catalogue import Source
from adapters.declaration import Charset, ColumnMapping
from adapters.findings import CATALOGUE
from adapters.vintage import judge_vintage
from tests.benchmarks.record_rules import SHORT, TEXT_STEPS, Found, Value, last_step, places, usable

Finding = tuple[int, str | None, str, str, str | None, str | None]  # the columns of adapters.findings.FINDINGS
_CHARSETS = Path(adapters.__file__).parent / "reference" / "legacy_charsets.csv"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HERE = timedelta(hours=7)
_HEAD = "chủ hộ"
_RELATIVES = ("father", "mother", "spouse")
_NOTHING = (None, None, None)
_SEVERITIES = {code: finding.severity.value for code, finding in CATALOGUE.items()}


@dataclass
class Result:
    """Canonical rows by column name, findings and quarantine, in plain Python."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    quarantined: list[tuple[int, Value, list[str], bytes | None]] = field(default_factory=list)


def normalise_payload(payload: bytes, *, source: Source, exported_on: date) -> Result:
    """A well-formed CSV file, record by record."""
    text = _decoded(payload, source.dialect.file.charset)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=source.dialect.file.separator)
    names = next(reader)
    lines = payload.splitlines()
    return normalise_records(
        (dict(zip(names, row, strict=True)) for row in reader), source=source, exported_on=exported_on, raw=lines[1:]
    )


def normalise_records(
    records: Iterator[dict[str, Value]], *, source: Source, exported_on: date, raw: Sequence[bytes] | None = None
) -> Result:
    """Records as dictionaries of their source's column names; `raw` holds their bytes where there are any."""
    result = Result()
    columns = [_Column(mapping, exported_on) for mapping in source.dialect.mappings]
    batch = _Batch(source, exported_on)
    for number, record in enumerate(records):
        found: list[tuple[str, str, str | None]] = []
        row: dict[str, Any] = {}
        for column in columns:
            column.normalise(record, row, found)
        for name in source.dialect.ignored:
            if (value := record.get(name)) and (len(value) > SHORT or "\0" in value):
                said: Found = []
                usable(value, said)
                found += [(name, code, seen) for code, seen in said]
        batch.check(row, found)
        _add(result, batch, number, row=row, found=found, raw=None if raw is None else raw[number])
    result.findings += [
        (-1, name, code, "info", f"rows: {len(rows)}", None) for (name, code), rows in batch.repairs.items()
    ]
    _judge_vintage(result, batch, source, exported_on)
    return result


class SingleRecords:
    """Normalises records that come alone: what depends on the source only is made once. Not for two threads at once."""

    def __init__(self, source: Source, exported_on: date) -> None:
        self._source, self._exported_on = source, exported_on
        self._columns = [_Column(mapping, exported_on) for mapping in source.dialect.mappings]
        self._vintage = source.unit_vintage(exported_on)

    def normalise(self, record: dict[str, Value]) -> Result:
        """One record, on the code list that its source declares."""
        result, batch = Result(), _Batch(self._source, self._exported_on)
        found: list[tuple[str, str, str | None]] = []
        row: dict[str, Any] = {"unit_vintage": self._vintage}
        for column in self._columns:
            column.normalise(record, row, found)
        batch.check(row, found)
        _add(result, batch, 0, row=row, found=found, raw=None)
        return result


class _Column:
    """One mapping, ready to be applied to records."""

    def __init__(self, mapping: ColumnMapping, exported_on: date) -> None:
        self.name = mapping.name
        self.source = mapping.sources[0]
        self.targets = mapping.targets
        self.steps = [TEXT_STEPS[name] for name in mapping.steps[:-1]]
        self.last = last_step(mapping.steps[-1], mapping, exported_on)
        self.said: Found = []

    def normalise(
        self, record: dict[str, Value], row: dict[str, Any], found: list[tuple[str, str, str | None]]
    ) -> None:
        """Fills the row's targets and adds what is found."""
        value = record.get(self.source)
        if not value:
            row.update(zip(self.targets, _NOTHING, strict=False))
            return
        said = self.said
        if len(value) > SHORT or "\0" in value:
            value = usable(value, said)
        for step in self.steps:
            if not value:
                break
            value = step(value, said)
        row.update(zip(self.targets, self.last(value, said) if value else _NOTHING, strict=False))
        if said:
            found += [(self.name, code, seen) for code, seen in said]
            said.clear()


class _Batch:
    """What is remembered from record to record."""

    def __init__(self, source: Source, exported_on: date) -> None:
        self.dialect = source.dialect
        self.schema = SCHEMAS[source.kind].names
        midnight = datetime(exported_on.year, exported_on.month, exported_on.day, tzinfo=UTC) + timedelta(days=1)
        self.version = int((midnight - _HERE - _EPOCH).total_seconds()) - 1
        self.names = {target: mapping.name for mapping in self.dialect.mappings for target in mapping.targets}
        self.relatives = [relative for relative in _RELATIVES if f"{relative}_number" in self.names]
        self.keys: set[str] = set()
        self.codes: list[Value] = []
        self.headed: set[tuple[Value, ...]] = set()
        self.repairs: dict[tuple[str, str], set[int]] = {}

    def check(self, row: dict[str, Any], found: list[tuple[str, str, str | None]]) -> None:
        """What columns and records say about each other."""
        self.codes.append(row.get("unit_code"))
        key, name = row["source_record_id"], self.names["source_record_id"]
        is_new = False
        if key is None:
            found.append((name, "KEY_MISSING", None))
        else:
            if key == name:
                found.append((name, "HEADER_REPEATED", key))
            if key in self.keys:
                found.append((name, "DUPLICATE_IN_BATCH", None))
            else:
                self.keys.add(key)
                is_new = True
        number = row.get("personal_number")
        if number is not None:
            self._check_number(number, row, found)
        for relative in self.relatives:
            self._check_relative(relative, row, found)
        if is_new and row.get("relation_to_head") == _HEAD and (household := row.get("household_number")):
            place = (row.get("unit_code"), row.get("hamlet"), row.get("address"), household)
            if place in self.headed:
                found.append((self.names["relation_to_head"], "HEAD_REPEATED", "second head of the household"))
            self.headed.add(place)
        event, year = row.get("event_date"), row.get("birth_year")
        if event is not None and year is not None and year >= event.year:
            birth = (year, row["birth_month"] or 0, row["birth_day"] or 0)
            due = (event.year, event.month if birth[1] else 0, event.day if birth[2] else 0)
            if birth > due:
                found.append((self.names["birth_year"], "BIRTH_AFTER_EVENT", "day of the record"))

    def _check_relative(self, relative: str, row: dict[str, Any], found: list[tuple[str, str, str | None]]) -> None:
        number, name = row[f"{relative}_number"], self.names[f"{relative}_number"]
        if number is None:
            return
        if not places()[int(number[:3])]:
            found.append((name, "ID_INCONSISTENT", "place"))
        if number == row.get("personal_number"):
            found.append((name, "OWN_SPOUSE" if relative == "spouse" else "OWN_PARENT", relative))
        found += [
            (name, "RELATIVE_REPEATED", f"{earlier} and {relative}")
            for earlier in _RELATIVES[: _RELATIVES.index(relative)]
            if number == row.get(f"{earlier}_number")
        ]

    def _check_number(self, number: str, row: dict[str, Any], found: list[tuple[str, str, str | None]]) -> None:
        name = self.names["personal_number"]
        century = int(number[3])
        if not places()[int(number[:3])]:
            found.append((name, "ID_INCONSISTENT", "place"))
        sex = row.get("sex")
        if sex is not None and (sex == "female") != (century % 2 == 1):
            found.append((name, "ID_INCONSISTENT", "sex"))
        year = row.get("birth_year")
        if year is not None:
            due = 1900 + century // 2 * 100 + int(number[4:6])
            if year != due:
                found.append((name, "ID_INCONSISTENT", "century" if year % 100 == due % 100 else "birth year"))


def _add(
    result: Result,
    batch: _Batch,
    number: int,
    *,
    row: dict[str, Any],
    found: list[tuple[str, str, str | None]],
    raw: bytes | None,
) -> None:
    """Adds the record where it belongs: among the rows, or among the quarantined."""
    errors = []
    for name, code, seen in found:
        severity = _SEVERITIES[code]
        if severity == "info":
            batch.repairs.setdefault((name, code), set()).add(number)
            continue
        result.findings.append((number, name, code, severity, seen, row["source_record_id"]))
        if severity == "error":
            errors.append(code)
    if errors:
        result.quarantined.append((number, row["source_record_id"], sorted(set(errors)), raw))
        return
    row["row"] = number
    if row.get("source_version") is None:
        row["source_version"] = batch.version
    result.rows.append(row)


def _judge_vintage(result: Result, batch: _Batch, source: Source, exported_on: date) -> None:
    """The list of the batch's codes; a judgement of the batch and no rule of a record, so both make the same call."""
    judged = judge_vintage(
        pa.array(batch.codes, pa.string()),
        declared=source.unit_vintage(exported_on),
        exported_on=exported_on,
        province_code=source.province_code,
    )
    for row in result.rows:
        row["unit_vintage"] = judged.vintage
    code = f"VINTAGE_{judged.verdict.upper()}"
    if code in CATALOGUE:
        seen = f"only old: {judged.only_old}, only new: {judged.only_new}, both: {judged.both}"
        result.findings.append((-1, batch.names["unit_code"], code, CATALOGUE[code].severity.value, seen, None))


def _decoded(payload: bytes, charset: Charset) -> str:
    if charset is Charset.UTF_8:
        return payload.decode("utf-8-sig")
    with _CHARSETS.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row[f"{charset}_note"] == "own byte"]
    letters = {int(row[f"{charset}_byte_hex"], 16): row["char"] for row in rows}
    table = "".join(chr(byte) if byte < 0x80 else letters.get(byte, "\ufffe") for byte in range(256))
    return codecs.charmap_decode(payload, "strict", table)[0]
